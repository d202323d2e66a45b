"""What `api.plan` returns: `Plan`, laid out and not executed."""

from dataclasses import asdict, dataclass
from typing import Any

from outgrow.study.model_cost import Cost


@dataclass(frozen=True)
class PlannedStep:
    """One line of a plan: a step and its cost."""

    name: str
    label: str
    folder: str
    state: str
    """`cached` or `new`."""
    cost: Cost
    server: str = ""
    """The address that the step asks, if it asks one."""
    key: str | None = None
    """The environment variable whose value that server is sent."""
    code_changed: bool = False
    """new only: there is a result, made by other code of the step or of its inputs."""
    gpus: float = 0.0
    """Devices that it asks for; below 1 a share of one."""
    cpus: int = 0
    """Cores that it asks for; 0: not counted."""
    main_memory: int = 0
    """Bytes of main memory that it asks for; 0: not counted."""
    processes: int = 1
    """Processes that share its training."""
    shard: bool = False
    """Whether each of them holds shards of the weights only."""

    @property
    def memory_per_device(self) -> float | None:
        """Bytes of weights, gradients and optimizer state on each of its devices; 0 without one, `None` if unknown."""
        if not self.gpus:
            return 0.0
        return None if self.cost.memory is None else self.cost.memory / (self.gpus if self.shard else 1.0)

    @property
    def gpu_hours(self) -> float | None:
        """Hours of one device, its devices sharing the work evenly; `None` if unknown."""
        if not self.gpus:
            return 0.0
        return None if self.cost.seconds is None else self.cost.seconds * min(1.0, self.gpus) / 3600

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {**asdict(self), "memory_per_device": self.memory_per_device, "gpu_hours": self.gpu_hours}


@dataclass(frozen=True)
class Plan:
    """Every step of a study, inputs before users; nothing has been executed."""

    steps: tuple[PlannedStep, ...]
    code: tuple[str, ...] = ()
    """Code of its own that the study runs: plug-ins, functions of rules, models' code."""
    lacking: tuple[str, ...] = ()
    """Why it cannot run on this machine: a missing GPU or package, a folder."""
    notes: tuple[str, ...] = ()
    """Where paid responses are; why a run would be refused. One sentence each."""
    device_memory: int = 0
    """Bytes of one device, as assumed for the defaults."""

    def __repr__(self) -> str:
        return f"Plan({len(self.steps)} steps, {len(self.new)} new)"

    @property
    def new(self) -> list[PlannedStep]:
        """The steps that a run would execute."""
        return [step for step in self.steps if step.state == "new"]

    @property
    def seconds(self) -> float:
        """Estimated seconds of all new steps one after another; steps of unknown size are not in it."""
        return sum(step.cost.seconds or 0 for step in self.new)

    @property
    def gpu_hours(self) -> float:
        """Estimated hours of one device for all new steps; steps of unknown size are not in it."""
        return float(sum(step.gpu_hours or 0.0 for step in self.new))

    @property
    def disk(self) -> float:
        """Estimated bytes of the results of all new steps; steps of unknown size are not in it."""
        return float(sum(step.cost.disk or 0 for step in self.new))

    @property
    def most_gpus(self) -> float:
        """Devices of the step that asks for most of them."""
        return max((step.gpus for step in self.steps), default=0.0)

    def to_json(self) -> list[dict[str, Any]]:
        """One mapping per step; totals are sums over those whose `state` is `new`."""
        return [step.to_json() for step in self.steps]
