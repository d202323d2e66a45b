"""A kind of extension for tests of the mechanism, with a step that uses it."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from outgrow.config.section import Section
from outgrow.extensions import Function, Kind, OneOf, Record, Registry, function_of
from outgrow.graph.step import Job


@dataclass(frozen=True)
class WeightingRecord(Record):
    """A weight per number."""

    weigh: Function = "builtins:abs"


class Plain(Section):
    """The numbers as they are."""

    type: Literal["plain"]


WEIGHTINGS: Registry[WeightingRecord] = Registry("weighting", WeightingRecord, [WeightingRecord(Plain)])
KIND = Kind("weightings:WEIGHTINGS", ("weighting",))
"""Listed in `KINDS` by the tests and plug-ins that use it, so that other tests do not see it."""


class Row(Section):
    """A section that takes one, within another section."""

    weighting: Annotated[Section, OneOf(WEIGHTINGS)] = Plain(type="plain")


class Table(Section):
    """A section of such sections."""

    rows: list[Row]


def weigh(job: Job, *, weighting: dict[str, Any], number: int) -> None:
    """The step: writes the weighted number."""
    weight = function_of(WEIGHTINGS[weighting["type"]].weigh)
    (job.out / "weighted.txt").write_text(str(weight(number)))
