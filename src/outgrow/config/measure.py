"""What a file may say about further measures of texts, beside the one that PGR is about."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from outgrow.config.model import LanguageModel
from outgrow.config.rules import Pattern
from outgrow.config.section import Section, complaint
from outgrow.text_format import short

TextMetric = Literal[
    "slu_f1",
    "slu_f1_any_case",
    "exact_match",
    "answer_match",
    "math_match",
    "contains",
    "token_f1",
    "word_f1",
    "rouge_l",
]
"""One of `metrics.text_score.TEXT_SCORES`."""


def _scales(value: Any) -> Any:
    """As it came; every scale is looked at by itself, so that the one that is wrong can be named."""
    if not isinstance(value, Mapping) or not value:
        name = next(iter(value), "content") if isinstance(value, list) else "content"
        raise complaint(
            f"write every scale with its lowest and highest rating, such as `scales: {{{short(name)}: [1, 10]}}`"
        )
    for name, ends in value.items():
        pair = ends if isinstance(ends, list | tuple) else ()
        numbers = [end for end in pair if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(pair) != 2 or len(numbers) != 2 or not -math.inf < numbers[0] < numbers[1] < math.inf:
            told = short(name)
            raise complaint(
                f"{told}: write the lowest and the highest rating, such as `{told}: [1, 10]`, not {short(ends)}"
            )
    return value


class PatternMeasure(Section):
    """The share of answers in which a pattern is found."""

    type: Literal["rule"]
    pattern: Pattern
    """A regular expression, searched for; `^…$` for a whole answer."""


class MetricMeasure(Section):
    """A metric other than `task.metric`."""

    type: Literal["metric"]
    metric: TextMetric
    against: Literal["key", "answer"] = "key"
    """What the text must contain or equal: an item's bare answer, or its whole gold text."""


Measure = Annotated[PatternMeasure | MetricMeasure, Field(discriminator="type")]


class JudgeMeasure(Section):
    """A language model that rates every answer to the test items."""

    by: LanguageModel
    """Who judges."""
    scales: Annotated[dict[str, tuple[float, float]], BeforeValidator(_scales)]
    """What is rated, in the order in which the judge writes its `[[numbers]]`, each with its lowest and highest."""
    prompt: Path | None = None
    """A text file; default: ours. In braces: `{answer}` (with `against`: `{first}` and `{second}`), and if you like
    `{question}`, `{key}`, `{scales}` and `{example}`, which shows the form of the ratings: it, or `[[1]]`, must be
    there."""
    system: str | None = None
    """What the judge is told before."""
    samples: Annotated[int, Field(ge=1)] = 10
    """Answers of the judge per question; those with the median count of numbers are averaged. One number off its scale
    is averaged in, and the question fails only if the mean is off the scale too."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    against: Literal["gold", "untouched"] | None = None
    """Rate two answers side by side, the row's and this one, on the one scale given: the measure is the win rate."""
    swap: bool = True
    """With `against`: ask in both orders and take the mean."""
