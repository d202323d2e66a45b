"""Additional measures of texts besides `task.metric`: options and records.

A new measure is one file with its options and its `MeasureRecord`, and one row in `MEASURES`. Judges are models and
have a key of their own (`judge/`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float

from outgrow.config.rules import Pattern
from outgrow.config.section import Section
from outgrow.extensions import OneOf, Record, Registry
from outgrow.metrics.text_score import TEXT_METRICS, TextMetric, TextScore, mean_value


class MeasureSection(Section):
    """Options of a measure."""

    type: str


@dataclass(frozen=True, kw_only=True)
class MeasureRecord(Record):
    """One kind of measure."""

    score: Callable[[Any, Mapping[str, bool]], TextScore]
    """`score(section, matches)`. `matches`: by text, whether it has the pattern; absent without a result."""
    pattern: Callable[[Any], str | None] = lambda section: None
    """The pattern to search for in every answer, in a process with a time limit; `None` for no pattern."""
    against_key: Callable[[Any], bool] = lambda section: False
    """Whether answers are compared with an item's key (its bare answer) instead of its gold text."""


# ---- rule -----------------------------------------------------------------------------------------------


class PatternMeasure(MeasureSection):
    """The share of answers that contain a pattern."""

    type: Literal["rule"]
    pattern: Pattern
    """A regular expression to search for; `^…$` matches a whole answer."""


def pattern_score(section: PatternMeasure, matches: Mapping[str, bool]) -> TextScore:
    """The share of the searched texts that contain the pattern; gold is not used."""

    def counts(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item 2"]:
        parts = [(float(matches.get(text, False)), float(text in matches)) for text in predicted]
        return np.asarray(parts, dtype=np.float64).reshape(-1, 2)

    return TextScore(section.pattern, counts, mean_value)


RULE = MeasureRecord(PatternMeasure, score=pattern_score, pattern=lambda section: str(section.pattern))


# ---- metric ---------------------------------------------------------------------------------------------


class MetricMeasure(MeasureSection):
    """A metric other than `task.metric`."""

    type: Literal["metric"]
    metric: TextMetric
    against: Literal["key", "answer"] = "key"
    """The text to compare with: an item's bare answer (`key`), or its whole gold text (`answer`)."""


METRIC = MeasureRecord(
    MetricMeasure,
    score=lambda section, matches: TEXT_METRICS[section.metric].score,
    against_key=lambda section: section.against == "key",
)

MEASURES: Registry[MeasureRecord] = Registry("measure", MeasureRecord, [RULE, METRIC])
Measure = Annotated[MeasureSection, OneOf(MEASURES)]
"""The section of any measure."""
