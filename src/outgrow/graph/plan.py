"""The plan of a run: which steps are stored and which are new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from outgrow.graph.done import Damaged, Done
from outgrow.graph.schedule import needed
from outgrow.graph.step import Json, Step
from outgrow.graph.store import Store


@dataclass(frozen=True)
class StepPlan:
    """A step in a plan."""

    step: Step
    state: Literal["cached", "new"]
    cost: Json
    """The step's `hints["cost"]`, if it has one."""
    code_changed: bool = False
    """For `new`: a stored result exists that other code of the step or of its inputs computed."""


def plan(steps: Sequence[Step], store: Store) -> list[StepPlan]:
    """Every step that `run_steps` would visit, inputs first, and whether it would compute it.

    Nothing is executed or written. Contents are not read: a result whose files have the right sizes counts as cached.
    Raises `DataError` if the store is not a folder.
    """

    def find(step: Step) -> Done | None:
        try:
            return store.inspect(step, thorough=False)
        except Damaged:
            return None

    records = needed(steps, find)
    changed = store.made_by_other_code(step for step, done in records if done is None)
    return [
        StepPlan(step, "new" if done is None else "cached", step.hints.get("cost"), step.identity in changed)
        for step, done in records
    ]
