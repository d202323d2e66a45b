"""From the options of `outgrow run` to a launcher, and to what the steps of a study ask for."""

import copy
import os
from pathlib import Path

import pytest

from outgrow.config.load import read_experiment
from outgrow.errors import ConfigError
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.resources import ResourceDemand, needs_of
from outgrow.graph.store import Store
from outgrow.study.build import build_study
from outgrow.study.launch import Launch, default_jobs, launched
from small_study import STUDY

CORES = len(os.sched_getaffinity(0))


def of(folder: Path, launch: Launch, *words: str) -> tuple[dict[str, ResourceDemand], LocalLauncher]:
    """The needs of every kind of step, and the launcher."""
    study = build_study(read_experiment({**copy.deepcopy(STUDY), "gold_controls": False}, words))
    steps, launcher = launched(study, Store(folder), launch)
    assert isinstance(launcher, LocalLauncher)
    assert [step.identity for step in steps] == [step.identity for step in study.steps]
    return {step.name: needs_of(step) for step in steps}, launcher


def test_declared_devices_are_shared_among_small_models(tmp_path: Path) -> None:
    needs, launcher = of(tmp_path, Launch(devices="2"))
    assert launcher.devices == ("0", "1")
    assert launcher.jobs == default_jobs(2)
    assert needs["student"].gpus == needs["features"].gpus == 0.25
    assert needs["pool"] == needs["targets"] == ResourceDemand()


def test_without_devices_it_is_as_the_jobs_say(tmp_path: Path) -> None:
    needs, launcher = of(tmp_path, Launch(jobs=3), "device=cpu")
    assert (launcher.jobs, launcher.devices) == (3, ())
    assert set(needs.values()) == {ResourceDemand()}
    assert of(tmp_path, Launch(), "device=cpu")[1].jobs == 1


def test_the_file_counts_cores_and_memory_without_devices(tmp_path: Path) -> None:
    needs, _ = of(tmp_path, Launch(), "device=cpu", "resources.student={gpus: 2, cpus: 1, memory: 1GB}")
    assert needs["student"] == ResourceDemand(0.0, 1, 10**9)
    assert needs["features"] == ResourceDemand()


def test_steps_at_a_time_follow_devices_and_cores() -> None:
    assert default_jobs(0) == 1
    assert default_jobs(1) == max(1, min(CORES, 4))
    assert default_jobs(1000) == 1000


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="--devices"):
        Launch(launcher="ray", devices="4")
    with pytest.raises(ConfigError, match="did you mean `ray`"):
        Launch(launcher="rai")
