"""What all steps of one seed share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outgrow.graph.step import Step

if TYPE_CHECKING:
    from outgrow.config.experiment import Experiment as Experiment
else:  # the class lists the sources, and their steps are built from a plan
    Experiment = Any


@dataclass(frozen=True)
class SeedPlan:
    """An experiment under one seed."""

    experiment: Experiment
    seed: int
    pool: Step
    split: Step

    @property
    def data(self) -> dict[str, Step]:
        """The inputs of every step that reads items."""
        return {"pool": self.pool, "split": self.split}
