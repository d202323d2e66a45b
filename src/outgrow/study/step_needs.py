"""What every step of a study asks of the machine that runs it: from the file, else from the estimate of its cost."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from outgrow.config.experiment import Experiment
from outgrow.config.resources import Resources, StepNeeds, TrainingNeeds
from outgrow.graph.devices import Device, cuda_devices, declared_devices, smallest_memory
from outgrow.graph.processor import lacks_bfloat16
from outgrow.graph.resources import ResourceDemand
from outgrow.graph.step import Step
from outgrow.study.checks import why_no_cuda
from outgrow.study.cost import cost_of
from outgrow.study.model_cost import Cost, StudySizes

KINDS: Mapping[str, str] = {
    "supervisor": "supervisor",
    **dict.fromkeys(("student", "preference", "reward"), "student"),
    "features": "features",
    **dict.fromkeys(("texts", "refined", "ratings"), "write"),
    **dict.fromkeys(("scores", "untouched"), "score"),
}
"""The key of `resources` by a step's name; `other` for the rest."""
USUAL_DEVICE = 80 * 10**9
"""Bytes of memory of one device where there is none to look at."""
HEADROOM = 1.2
"""The memory of a step by that of its weights, gradients and optimizer: activations come on top."""
SHARE, SMALL = 0.25, 1 / 16
"""A step whose model state is below `SMALL` of a device shares it with others."""


def needs_by_step(
    steps: Iterable[Step], experiment: Experiment, sizes: StudySizes, device_memory: int, has_devices: bool
) -> dict[str, ResourceDemand]:
    """By identity; without devices (`has_devices`) no step asks for one."""
    found = {}
    for step in steps:
        asked = _asked(experiment.resources, step)
        trains = isinstance(asked, TrainingNeeds) and _adapt(step) in ("full", "lora")
        wanted = asked.processes if isinstance(asked, TrainingNeeds) and trains else None
        gpus = 0.0
        if has_devices and experiment.device != "cpu":
            default = wanted or default_gpus(step, cost_of(step, sizes), device_memory)
            gpus = float(default if asked.gpus is None else asked.gpus)
        processes = (wanted or max(1, int(gpus))) if trains else 1
        shard = processes > 1 and _shards(asked, step, cost_of(step, sizes), device_memory)
        found[step.identity] = ResourceDemand(gpus, asked.cpus or 0, asked.memory or 0, processes, shard)
    return found


def _adapt(step: Step) -> str | None:
    """How the step trains a model, if it trains one."""
    adapt: str | None = step.params.get("adapt") or step.params.get("reward", {}).get("adapt")
    return adapt


def _shards(asked: StepNeeds, step: Step, cost: Cost, device_memory: int) -> bool:
    """Whether a training with several processes shards the weights: as asked, else if one device could not hold them.

    Adapters are not sharded.
    """
    if not isinstance(asked, TrainingNeeds) or _adapt(step) != "full":
        return False
    if asked.shard is not None:
        return asked.shard
    return cost.memory is not None and HEADROOM * cost.memory > device_memory


def _asked(resources: Resources, step: Step) -> StepNeeds:
    needs: StepNeeds = getattr(resources, KINDS.get(step.name, "other"))
    return needs


def default_gpus(step: Step, cost: Cost, device_memory: int) -> float:
    """As many devices as the estimated model state fills, a share of one for a small model; none without a model."""
    if "device" not in step.hints:
        return 0.0
    if cost.memory is None:
        return 1.0
    if cost.memory < SMALL * device_memory and not _has_engine(step):
        return SHARE
    return float(max(1, math.ceil(HEADROOM * cost.memory / device_memory)))


def _has_engine(step: Step) -> bool:
    """Whether an engine runs the step's model, which fills the memory of its devices."""
    model = step.params.get("model")
    return isinstance(model, dict) and "engine" in model


def machine_notes(steps: Iterable[Step], needs: Iterable[ResourceDemand], on_gpu: bool) -> Iterator[str]:
    """What a plan says of steps and the devices, or the processor, that they run on."""
    yield from _several_device_notes(needs)
    yield from _precision_notes(steps, on_gpu)


def _several_device_notes(needs: Iterable[ResourceDemand]) -> Iterator[str]:
    """What a plan says of steps that ask for more than one device."""
    if any(asked.gpus > 1 for asked in needs):
        yield (
            "A training with several devices has a process on each, with shards of the weights if these do not fit"
            " (with an adapter always with all of them); other steps with several devices use the first."
        )


def _precision_notes(steps: Iterable[Step], on_gpu: bool) -> Iterator[str]:
    """What a plan says of models in bfloat16 on a processor without instructions for it."""
    in_bfloat16 = any(_dtype(step) == "bfloat16" for step in steps)
    if in_bfloat16 and not on_gpu and lacks_bfloat16():
        yield (
            "This processor has no instructions for bfloat16: models with `dtype: bfloat16` take many times as long"
            " as planned; use `dtype: float32`."
        )


def _dtype(step: Step) -> str | None:
    model = step.settings.get("model")
    return model.get("dtype") if isinstance(model, dict) else None


def devices_of(experiment: Experiment, declared: str | None = None) -> list[Device]:
    """The devices that the steps of a study share on this machine: those declared, else those found.

    Raises `ConfigError` for a declaration that is none.
    """
    if declared is not None:
        return declared_devices(declared)
    return [] if experiment.device == "cpu" or why_no_cuda() else cuda_devices()


def memory_of_device(experiment: Experiment, devices: Sequence[Device]) -> int:
    """Bytes of one device: what the file says, else the smallest one's, else `USUAL_DEVICE`."""
    return experiment.resources.device_memory or smallest_memory(devices) or USUAL_DEVICE
