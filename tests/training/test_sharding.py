"""A training whose weights are in shards is the training of one process: FSDP2 over gloo, on the CPU, in float32."""

import json
import os
import shutil
import signal
from dataclasses import replace

import pytest
from test_loop import BALANCED, CROSS_ENTROPY, interrupted_at, lesson
from test_marginal_texts import candidates
from test_processes import OWN, outcome, require_same, written
from test_processes_end import Short, ranks_alive
from tiny_study import TRAINING
from tiny_texts import EVIDENTIAL, LORA, SOFT, text_section

from outgrow.errors import ConfigError, StepFailed
from outgrow.training.fine_tune import with_adapter
from outgrow.training.processes import kept_processes
from outgrow.training.text_training_steps import train_text_student
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


@pytest.fixture(scope="module")
def tied(tmp_path_factory, writing):
    """GPT-2, whose output matrix is that of its input, without dropout."""
    folder = shutil.copytree(writing("gpt2"), tmp_path_factory.mktemp("tied") / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}))
    return str(folder)


def taught(study, name, processes, folder, loss, own=None, **training):
    job = study.job(name, **by(processes))
    section = text_section(folder, **{"epochs": 5.0, "batch_size": 4, **training})
    train_text_student(job, adapt="full", model=section, loss=loss, soft_labels=SOFT, self_training=own, seed=0)
    return written(job.out)


def test_texts_are_learned_as_by_one_process(text_study, tied):
    """Chunked token losses take the output matrix; the best pass by held-out items is kept."""
    runs = [taught(text_study, str(n), n, tied, EVIDENTIAL, OWN, keep="best", micro_batch_size=3) for n in (1, 2)]
    require_same(*runs)


def test_texts_that_are_compared_are_learned_as_by_one_process(text_study, tied):
    """The loss uses the output matrix, with candidates of other processes."""
    text_study.teach(candidates(text_study, 3))
    require_same(
        *[taught(text_study, str(n), n, tied, {"type": "marginal_likelihood"}, micro_batch_size=1) for n in (1, 2)]
    )


SPLITS = [((2, True), (1, False)), ((1, False), (2, True)), ((2, True), (3, True)), ((2, False), (2, True))]


@pytest.mark.parametrize(("first", "second"), SPLITS)
def test_a_training_goes_on_with_other_processes_and_shards(tiny, tmp_path, first, second):
    """Both kinds of checkpoints are read by both kinds of trainings."""
    model, examples = lesson(tiny("llama"))
    whole = outcome(trained(model, examples, tmp_path / "whole", by(1)))
    model, examples = lesson(tiny("llama"))
    with pytest.raises(KeyboardInterrupt):
        trained(model, examples, tmp_path / "cut", by(*first), report=interrupted_at(4))
    seen = []
    model, examples = lesson(tiny("llama"))
    report = lambda message, _: seen.append(message)  # noqa: E731
    resumed = trained(model, examples, tmp_path / "cut", by(*second), report=report)
    assert seen[0].startswith("update 4 ")
    require_same(whole, outcome(resumed))


def test_options_are_learned_as_by_one_process(tiny, tmp_path):
    runs = []
    for processes in (1, 3):
        model, examples = lesson(tiny("llama"), "choose")
        runs.append(outcome(trained(model, examples, tmp_path / str(processes), by(processes), weight_decay=0.1)))
    require_same(*runs)


def test_a_process_that_is_killed_is_named(tiny, tmp_path):
    def kill_one(message, share):
        if message.startswith("update 2 "):
            os.kill(ranks_alive()[-1].pid, signal.SIGKILL)

    model, examples = lesson(tiny("llama"))
    with pytest.raises(StepFailed, match=r"process [23] of 3 .*SIGKILL"):
        trained(model, examples, tmp_path, by(3), report=kill_one)


def test_an_adapter_is_not_sharded(tiny, tmp_path):
    model, examples = lesson(tiny("llama"), "choose")
    with pytest.raises(ConfigError, match="shard"):
        trained(with_adapter(model, LORA, "choose"), examples, tmp_path, by(2))


def test_out_of_memory_names_the_setting(tiny, tmp_path):
    """In either process."""
    for rank in (0, 1):
        model, examples = lesson(tiny("llama"))
        with pytest.raises(StepFailed, match="micro_batch_size"):
            trained(model, examples, tmp_path / str(rank), by(2), Short("short", {}, rank=rank))
