"""What a step asks of the machine that runs it: devices, cores, memory. No result depends on it."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from outgrow.config.section import MOST, Section, complaint

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) *([a-z]*)", re.IGNORECASE)


def _bytes_of(value: Any) -> Any:
    """`120GB` as a number of bytes."""
    if not isinstance(value, str):
        return value
    found = AMOUNT.fullmatch(value.strip())
    if found is None or found[2].lower() not in UNITS:
        raise complaint(f"`{value[:40]}` is not an amount of memory; write it as `120GB` or `500MB`")
    return min(round(float(found[1]) * UNITS[found[2].lower()]), MOST + 1)


def _whole_above_one(gpus: float) -> float:
    if gpus > 1 and gpus != int(gpus):
        raise complaint(
            f"{gpus:g}: above one device only whole numbers are possible; use {int(gpus)} or {int(gpus) + 1}"
        )
    return gpus


Bytes = Annotated[int, BeforeValidator(_bytes_of), Field(gt=0)]
"""An amount of memory: `120GB`."""


class StepNeeds(Section):
    """What every step of one kind asks for."""

    gpus: Annotated[float, Field(ge=0, le=4096), AfterValidator(_whole_above_one)] | None = None
    """Devices; below 1 a share of one device, such as 0.25. Default: from the estimate of `outgrow plan`."""
    cpus: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Cores, and CPU threads unless `threads` is set. Steps wait until so many are free. Default: not counted."""
    memory: Bytes | None = None
    """Main memory, such as `120GB`. Steps wait until so much is free. Default: not counted."""


class TrainingNeeds(StepNeeds):
    """What every training asks for."""

    processes: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Processes that share the full or LoRA training of a model, each with a device of its own or, on the CPU, a share
    of the threads. Default: the number of devices."""

    shard: bool | None = None
    """*full*: each process holds its shards of the weights, gradients and optimizer state, and not all of them.
    Default: where the estimate of these does not fit on one device."""

    @model_validator(mode="after")
    def _one_device_each(self) -> "TrainingNeeds":
        if self.processes is not None and self.gpus and self.gpus != self.processes:
            raise complaint(
                f"processes: {self.processes} need as many devices, and `gpus` is {self.gpus:g}; leave one of the two"
                " keys out"
            )
        if self.processes is not None and self.cpus is not None and self.cpus < self.processes:
            raise complaint(
                f"processes: {self.processes} need a core each, and `cpus` is {self.cpus}; raise `cpus`, or leave it"
                " out"
            )
        if self.shard and (self.processes == 1 or (self.gpus is not None and 0 < self.gpus <= 1)):
            raise complaint("shard: there is one process; ask for more `gpus`, or leave it out")
        return self


class Resources(Section):
    """What steps ask of the machine that runs them, by kind of step. They change no result and no step's identity."""

    device_memory: Bytes | None = None
    """Memory of one device, for the defaults of `gpus`. Default: that of this machine's GPUs, or 80GB without one."""
    supervisor: TrainingNeeds = TrainingNeeds()
    """Training of a supervisor, or its labels."""
    student: TrainingNeeds = TrainingNeeds()
    """Training of a student, of its preferences, or of a reward model."""
    features: StepNeeds = StepNeeds()
    """Hidden states for probes."""
    write: StepNeeds = StepNeeds()
    """Texts that a model of this machine writes: labels, answers, rewritten labels, ratings."""
    score: StepNeeds = StepNeeds()
    """Texts and options that a model of this machine scores."""
    other: StepNeeds = StepNeeds()
    """Steps without a model: items, splits, combined labels."""
