"""A training by several processes is the training of one: over gloo, on the CPU."""

from dataclasses import replace

import pytest
import torch
from test_loop import BALANCED, CROSS_ENTROPY, SELF_TRAINED, lesson, losses, weights
from tiny_study import TRAINING

from outgrow.training.processes import kept_processes
from outgrow.training.trainer import train


@pytest.fixture(scope="module", autouse=True)
def _started_once():
    with kept_processes():
        yield


def by(processes, **hints):
    return {"device": "cpu", "resources": {"processes": processes}, **hints}


def trained(model, examples, scratch, hints, objective=CROSS_ENTROPY, **training):
    settings = {**TRAINING, "epochs": 4.0, **training}
    return train(
        model,
        replace(examples, objective=objective),
        settings,
        dtype="float32",
        seed=3,
        scratch=scratch,
        hints=hints,
        report=lambda *_: None,
    )


@pytest.mark.parametrize("objective", [CROSS_ENTROPY, SELF_TRAINED, BALANCED], ids=["plain", "argmax", "balanced"])
def test_two_processes_train_as_one(tiny, tmp_path, objective):
    runs = []
    for processes, part in ((1, None), (2, 4), (2, 1)):
        model, examples = lesson(tiny("llama"))
        settings = {"max_grad_norm": 0.5, "micro_batch_size": part}
        runs.append(trained(model, examples, tmp_path / f"{processes}-{part}", by(processes), objective, **settings))
    for run in runs[1:]:
        assert losses(run) == pytest.approx(losses(runs[0]), rel=1e-5)
        assert torch.allclose(weights(run), weights(runs[0]), rtol=1e-5, atol=1e-7)
