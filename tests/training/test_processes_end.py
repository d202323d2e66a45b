"""Trainings by several processes that are interrupted, killed, or short of memory."""

import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import torch
from test_loop import CROSS_ENTROPY, interrupted_at, lesson, losses, replaced, weights
from tiny_study import TRAINING

from orphans import left_after
from outgrow.errors import ConfigError, StepFailed
from outgrow.losses.objective import Objective
from outgrow.training.processes import all_ranks, kept_processes, processes_of
from outgrow.training.trainer import ExampleTraining, train

RANK = "outgrow.training.rank_process"


@pytest.fixture(scope="module")
def kept():
    """For tests after those that look for processes that are left."""
    with kept_processes():
        yield


def by(processes, **hints):
    return {"device": "cpu", "resources": {"processes": processes}, "checkpoint_seconds": 0, **hints}


def trained(model, examples, scratch, processes, objective=CROSS_ENTROPY, report=lambda *_: None, **training):
    return train(
        model,
        replace(examples, objective=objective),
        {**TRAINING, **training},
        dtype="float32",
        seed=3,
        scratch=scratch,
        hints=by(processes),
        report=report,
    )


def ranks_alive():
    """The processes of further ranks that this process has started, the newest last."""
    children = sorted(psutil.Process().children(), key=psutil.Process.create_time)
    living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if RANK in " ".join(child.cmdline())]


def rank_of_this_process():
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


@dataclass(frozen=True)
class Short(Objective):
    """One rank has no memory for more than `limit` examples at once."""

    rank: int = 1
    limit: int = 2
    compares_examples: bool = False

    def __call__(self, logits, target, progress, shares=None):
        if rank_of_this_process() == self.rank and len(logits) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB")
        return CROSS_ENTROPY(logits, target, progress, shares)


def test_no_memory_for_one_example_in_one_process_is_a_clear_failure(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    with pytest.raises(StepFailed, match="one example at a time"):
        trained(model, examples, tmp_path, 2, Short("short", {}, limit=0))
    assert not ranks_alive()


def test_a_process_that_is_killed_is_named_and_nothing_runs_on(tiny, tmp_path):
    def kill_one(message, share):
        if message.startswith("update 2 "):
            os.kill(ranks_alive()[-1].pid, signal.SIGKILL)

    model, examples = lesson(tiny("llama"))
    with pytest.raises(StepFailed, match=r"process [23] of 3 .*SIGKILL"):
        trained(model, examples, tmp_path, 3, report=kill_one)
    assert not ranks_alive()
    model, examples = lesson(tiny("llama"))
    assert len(losses(trained(model, examples, tmp_path, 1))) == 6, "it goes on from its checkpoint"


@dataclass(frozen=True)
class Broken(Objective):
    """Fails in rank 1, as an error of a plug-in might."""

    compares_examples: bool = False

    def __call__(self, logits, target, progress, shares=None):
        if rank_of_this_process() == 1:
            raise ConfigError("loss `mine`: cannot be computed")
        return CROSS_ENTROPY(logits, target, progress, shares)


def test_an_error_in_one_process_is_the_steps(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    with pytest.raises(StepFailed, match="loss `mine`: cannot be computed"):
        trained(model, examples, tmp_path, 2, Broken("broken", {}))
    assert not ranks_alive()


def test_what_cannot_be_sent_is_an_error_before_anything_waits(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    with pytest.raises(AttributeError, match="pickle"):
        trained(model, examples, tmp_path, 2, replaced(lambda *_: None))
    assert not ranks_alive()


def test_no_more_processes_than_items_of_an_update(caplog):
    assert processes_of({}, 8) == processes_of({"resources": {"gpus": 1.0}}, 8) == 1
    assert processes_of(by(4), 8) == 4
    with caplog.at_level(logging.WARNING, "outgrow"):
        assert processes_of(by(4), 3) == 3
    assert "3 processes instead of 4" in caplog.text


def test_one_process_starts_no_other(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    shared = ExampleTraining(model, examples, TRAINING, "float32", 0, tmp_path, by(1), None)
    with all_ranks(1, shared, by(1)) as ranks:
        assert (ranks.rank, ranks.count) == (0, 1)
        assert not torch.distributed.is_initialized()
        assert not ranks_alive()


ENDLESS = """
import sys
from pathlib import Path
from test_loop import lesson
from test_processes_end import trained

def report(message, share):
    print(message, flush=True)

model, examples = lesson(sys.argv[1])
trained(model, examples, Path(sys.argv[2]), 2, report=report, epochs=100000.0)
"""


def test_all_processes_end_with_the_first_that_is_killed(tiny, tmp_path):
    paths = os.pathsep.join([*sys.path, *(str(Path(__file__).parents[up]) for up in (0, 1))])
    started = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, tiny("llama"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    )
    with started:
        for line in started.stdout:
            if line.startswith("update 2 "):
                break
        assert len(psutil.Process(started.pid).children(recursive=True)) >= 1
        started.kill()
        started.wait()
        assert left_after(started.pid, 10) == []


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_a_training_goes_on_with_another_number_of_processes(kept, tiny, tmp_path, first, second):
    model, examples = lesson(tiny("llama"))
    whole = trained(model, examples, tmp_path / "whole", 1)
    model, examples = lesson(tiny("llama"))
    with pytest.raises(KeyboardInterrupt):
        trained(model, examples, tmp_path / "cut", first, report=interrupted_at(3))
    seen = []
    model, examples = lesson(tiny("llama"))
    resumed = trained(model, examples, tmp_path / "cut", second, report=lambda message, _: seen.append(message))
    assert seen[0].startswith("update 3 ")
    assert losses(resumed) == pytest.approx(losses(whole), rel=1e-5)
    assert torch.allclose(weights(resumed), weights(whole), rtol=1e-4, atol=1e-6)


def test_dropout_differs_between_processes_and_is_the_same_again(kept, tiny, tmp_path):
    """GPT-2 has dropout: two runs are equal, also one that was interrupted."""
    runs = []
    for name in ("one", "again"):
        model, examples = lesson(tiny("gpt2"))
        runs.append(trained(model, examples, tmp_path / name, 2))
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    model, examples = lesson(tiny("gpt2"))
    with pytest.raises(KeyboardInterrupt):
        trained(model, examples, tmp_path / "cut", 2, report=interrupted_at(2))
    model, examples = lesson(tiny("gpt2"))
    assert torch.equal(weights(trained(model, examples, tmp_path / "cut", 2)), weights(runs[0]))


@pytest.mark.parametrize("rank", [0, 1])
def test_out_of_memory_in_one_process_halves_the_parts_of_all(kept, tiny, tmp_path, caplog, rank):
    model, examples = lesson(tiny("llama"), n=16)
    roomy = trained(model, examples, tmp_path / "roomy", 1)
    model, examples = lesson(tiny("llama"), n=16)
    with caplog.at_level(logging.WARNING, "outgrow"):
        tight = trained(model, examples, tmp_path / "tight", 2, Short("short", {}, rank=rank))
    assert [record.getMessage()[:29] for record in caplog.records if record.name.startswith("outgrow")] == [
        "out of memory: 2 instead of 4"
    ]
    assert tight.micro_batch == 2
    assert losses(tight) == pytest.approx(losses(roomy), rel=1e-5)
