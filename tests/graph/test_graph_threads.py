"""How many CPU threads a step gets: its share of the cores, or fewer where somebody says so."""

import json
import os

import pytest
from step_functions import HERE

from outgrow.graph.runner import run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.graph.worker_process import THREAD_VARIABLES, default_threads, environment

CORES = len(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_a_word_the_cores_are_shared():
    assert default_threads(1) == CORES
    assert default_threads(CORES) == 1
    assert default_threads(CORES + 1) == 1


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
@pytest.mark.parametrize(
    ("said", "threads"), [("1", 1), ("1,4", 1), (" 1 ", 1), ("9999", CORES), ("0", CORES), ("", CORES), ("x", CORES)]
)
def test_a_variable_may_ask_for_fewer(monkeypatch, name, said, threads):
    monkeypatch.setenv(name, said)
    assert default_threads(1) == threads


def told(store, threads):
    one = Step("one", f"{HERE}:tell_threads", {"asked": threads})
    run_steps([one], store, threads=threads)
    return json.loads((store.path(one) / "threads.json").read_text())


def test_a_worker_finds_the_variable_or_what_the_file_says(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert told(Store(tmp_path), None) == dict.fromkeys(THREAD_VARIABLES, "1")
    assert told(Store(tmp_path), 3) == dict.fromkeys(THREAD_VARIABLES, "3")


def test_threads_that_wait_go_to_sleep():
    found = environment(2)
    assert found["OMP_WAIT_POLICY"] == "PASSIVE"
    assert int(found["OPENBLAS_THREAD_TIMEOUT"]) < 10
