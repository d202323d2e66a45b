"""Options of a judge: a language model that rates answers."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from outgrow.config.model import Speaker
from outgrow.config.section import Section, complaint
from outgrow.text_format import short


def _scales(value: Any) -> Any:
    """The value itself; every scale is checked alone, so that the message names the wrong one."""
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


class JudgeMeasure(Section):
    """A language model that rates every answer to the test items."""

    by: Speaker
    """The judge."""
    scales: Annotated[dict[str, tuple[float, float]], BeforeValidator(_scales)]
    """What is rated, in the order in which the judge writes its `[[numbers]]`, each with its lowest and highest."""
    prompt: Path | None = None
    """A text file; default: ours. It must have the field `{answer}` (with `against`: `{first}` and `{second}`) and may
    have `{question}`, `{key}`, `{scales}` and `{example}`. `{example}`, or `[[1]]`, must show the form of a rating."""
    system: str | None = None
    """The judge's system prompt."""
    samples: Annotated[int, Field(ge=1)] = 10
    """Answers of the judge per question; those with the median count of numbers are averaged. One number off its scale
    is averaged in, and the question fails only if the mean is off the scale too."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    against: Literal["gold", "untouched"] | None = None
    """Rate two answers side by side, the row's and this one, on the one scale given: the measure is the win rate."""
    swap: bool = True
    """With `against`: ask in both orders and take the mean."""
