"""Where the steps of a study run, and how many at a time: from the command's options to a launcher."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outgrow.config.experiment import Experiment
from outgrow.config.resources import Resources
from outgrow.errors import ConfigError, suggest
from outgrow.graph.devices import Device
from outgrow.graph.done import Damaged
from outgrow.graph.launcher import Launcher
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.resources import with_needs
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.graph.worker_process import own_cores
from outgrow.study.build import Study
from outgrow.study.cost import scale_of
from outgrow.study.step_needs import devices_of, memory_of_device, needs_by_step

LAUNCHERS = ("local", "ray")
STEPS_PER_DEVICE = 4
"""At a time, by default, if they share devices."""


@dataclass(frozen=True)
class Launch:
    """Options of `outgrow run` and `outgrow suite`."""

    jobs: int | None = None
    """Steps at a time. Default: 1; with devices, as many as these and the cores have room for."""
    launcher: str = "local"
    devices: str | None = None
    """local: a number of devices, or their labels. Default: those of this machine."""
    address: str = "auto"
    """ray: the cluster. `auto`: the one that this machine is a node of; `local`: one for this run; or `ray://HOST:PORT`."""

    def __post_init__(self) -> None:
        """Raises `ConfigError`."""
        if self.launcher == "ray" and self.devices is not None:
            raise ConfigError("--devices: a Ray cluster knows its devices; leave it out")
        if self.launcher not in LAUNCHERS:
            raise ConfigError(f"--launcher: `{self.launcher}` is unknown; {suggest(self.launcher, LAUNCHERS)}")


def launched(study: Study, store: Store, launch: Launch) -> tuple[list[Step], Launcher]:
    """The steps of a study with what they ask for, and the launcher that runs them."""
    experiment = study.experiment
    if launch.launcher == "ray":
        from outgrow.graph.ray_launcher import RayLauncher

        cluster = RayLauncher(launch.address, launch.jobs, experiment.threads)
        return steps_with_needs(study, store, [Device("cluster")] if cluster.has_devices else []), cluster
    devices = devices_of(experiment, launch.devices)
    jobs = launch.jobs or default_jobs(len(devices))
    launcher = LocalLauncher(jobs, experiment.threads, [device.label for device in devices])
    return steps_with_needs(study, store, devices), launcher


def default_jobs(devices: int) -> int:
    """Steps at a time: one, or up to `STEPS_PER_DEVICE` on each device while there are cores for them."""
    return max(devices, min(own_cores(), STEPS_PER_DEVICE * devices), 1)


def steps_with_needs(study: Study, store: Store, devices: Sequence[Device]) -> list[Step]:
    """The steps with their hints `resources`; without them where nothing is counted."""
    experiment = study.experiment
    if not devices and not _counts(experiment):
        return study.steps
    scale = scale_of(experiment, pool_folder(study, store), on_gpu=bool(devices))
    memory = memory_of_device(experiment, devices)
    return with_needs(study.steps, needs_by_step(study.steps, experiment, scale, memory, bool(devices)))


def _counts(experiment: Experiment) -> bool:
    return experiment.resources != Resources()


def pool_folder(study: Study, store: Store) -> Path | None:
    """The folder of the study's items, if it is finished and intact."""
    try:
        return store.path(study.pool) if store.inspect(study.pool) is not None else None
    except Damaged:
        return None
