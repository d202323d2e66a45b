"""A training whose weights are in shards is the training of one process: FSDP2 over gloo, on the CPU, in float32."""

from dataclasses import replace

import pytest
import torch
from test_loop import BALANCED, CROSS_ENTROPY, interrupted_at, lesson
from test_processes import OWN, outcome, require_same, step
from tiny_study import TRAINING
from tiny_texts import EVIDENTIAL

from outgrow.errors import StepFailed
from outgrow.training.fine_tune import with_adapter
from outgrow.training.processes import kept_processes
from outgrow.training.trainer import train


@pytest.fixture(scope="module", autouse=True)
def _started_once():
    with kept_processes():
        yield


def by(processes, shard=True):
    return {"device": "cpu", "resources": {"processes": processes, "shard": shard}, "checkpoint_seconds": 0}


def trained(model, examples, scratch, hints, objective=CROSS_ENTROPY, report=lambda *_: None, **training):
    return train(
        model,
        replace(examples, objective=objective),
        {**TRAINING, "epochs": 4.0, **training},
        dtype="float32",
        seed=3,
        scratch=scratch,
        hints=hints,
        report=report,
    )


@pytest.mark.parametrize("objective", [CROSS_ENTROPY, BALANCED], ids=["plain", "balanced"])
def test_classes_are_learned_as_by_one_process(tiny, tmp_path, objective):
    """Parts of three rows: one process has two of them, and the other repeats one that counts nothing."""
    runs = []
    for processes in (1, 2):
        model, examples = lesson(tiny("llama"))
        settings = {"max_grad_norm": 0.5, "micro_batch_size": 3}
        runs.append(outcome(trained(model, examples, tmp_path / str(processes), by(processes), objective, **settings)))
    require_same(*runs)
