"""What a file may say about further measures of texts, beside the one that PGR is about."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from outgrow.config.model import Speaker
from outgrow.config.section import Section

TextMetric = Literal["slu_f1", "exact_match", "answer_match", "math_match", "contains", "token_f1", "rouge_l"]
"""One of `metrics.text_score.TEXT_SCORES`."""


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"no regular expression ({error})") from error
    return value


class Rule(Section):
    """The share of answers in which a pattern is found."""

    type: Literal["rule"]
    pattern: Annotated[str, AfterValidator(_pattern)]
    """A regular expression, searched for; `^…$` for a whole answer."""


class Compared(Section):
    """A metric other than `task.metric`."""

    type: Literal["metric"]
    metric: TextMetric
    against: Literal["key", "answer"] = "key"
    """What the text must contain or equal: an item's bare answer, or its whole gold text."""


Measure = Annotated[Rule | Compared, Field(discriminator="type")]


class Judge(Section):
    """A language model that rates every answer to the test items."""

    by: Speaker
    """Who judges."""
    scales: Annotated[dict[str, tuple[float, float]], Field(min_length=1)]
    """What is rated, in the order in which the judge writes its `[[numbers]]`, each with its lowest and highest."""
    prompt: Path | None = None
    """A text file with `{question}`, `{answer}`, `{key}` and `{scales}`; default: ours."""
    system: str | None = None
    """What the judge is told before."""
    samples: Annotated[int, Field(ge=1)] = 10
    """Answers of the judge per question; those with the median count of numbers are averaged."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    against: Literal["gold", "untouched"] | None = None
    """Rate two answers side by side, the row's and this one, on the one scale given: the measure is the win rate."""
    swap: bool = True
    """With `against`: ask in both orders and take the mean."""
