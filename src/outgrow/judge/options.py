"""Options and prompts of a judge, a language model that rates answers."""

import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from outgrow.config.model import LanguageModel
from outgrow.config.section import Section, complaint
from outgrow.data.template import require_fields
from outgrow.errors import ConfigError
from outgrow.metrics.ratings import RatingScale
from outgrow.readers.raw_file import decode, read_bytes
from outgrow.text_format import short

FIELDS: Mapping[str, tuple[str, ...]] = {
    "rate": ("question", "answer", "key", "scales", "example"),
    "compare": ("question", "first", "second", "key", "scales", "example"),
}
"""Fields of a prompt, by the kind of judgement."""
NEEDED = {"rate": ("answer",), "compare": ("first", "second")}
FORM = "[["
"""The beginning of a rating."""


def _scales(value: Any) -> Any:
    """The value; each scale is checked separately, so that the message names the wrong one."""
    if not isinstance(value, Mapping) or not value:
        name = next(iter(value), "content") if isinstance(value, list) else "content"
        raise complaint(
            f"write every scale with its lowest and highest rating, such as `scales: {{{short(name)}: [1, 10]}}`"
        )
    for name, bounds in value.items():
        pair = bounds if isinstance(bounds, list | tuple) else ()
        numbers = [end for end in pair if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(pair) != 2 or len(numbers) != 2 or not -math.inf < numbers[0] < numbers[1] < math.inf:
            scale = short(name)
            raise complaint(
                f"{scale}: write the lowest and the highest rating, such as `{scale}: [1, 10]`, not {short(bounds)}"
            )
    return value


class JudgeMeasure(Section):
    """A language model that rates every answer to the test items."""

    by: LanguageModel
    """The judge."""
    scales: Annotated[dict[str, tuple[float, float]], BeforeValidator(_scales)]
    """The rated scales, in the order of the judge's `[[numbers]]`, each with its lowest and highest rating."""
    prompt: Path | None = None
    """A text file; default: the built-in prompt. It must have the field `{answer}` (with `against`: `{first}` and
    `{second}`) and may have `{question}`, `{key}`, `{scales}` and `{example}`. `{example}`, or `[[1]]`, must show the
    format of a rating."""
    system: str | None = None
    """The judge's system prompt."""
    samples: Annotated[int, Field(ge=1)] = 10
    """Answers of the judge per question; those with the median count of numbers are averaged. A number outside its
    scale enters the mean; the question fails only if the mean is outside the scale, too."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    against: Literal["gold", "untouched"] | None = None
    """Rate two answers together, the row's and this one, on a single scale: the measure is the win rate."""
    swap: bool = True
    """With `against`: rate in both orders and take the mean."""


# ---- prompts --------------------------------------------------------------------------------------------


def read_prompt(kind: str, path: Path | None = None) -> str:
    """The default prompt, or the prompt in a file.

    Raises `ConfigError` for unknown or missing fields, and if nothing shows the format of the ratings.
    """
    if path is None:
        return (files("outgrow.judge") / "prompts" / f"{kind}.txt").read_text(encoding="utf-8")
    text = decode(read_bytes(path), str(path))
    require_fields(text, str(path), FIELDS[kind], NEEDED[kind])
    if FORM not in text and "{example}" not in text:
        raise ConfigError(f"{path}: does not show the format of a rating; add `{{example}}`, or show it as `[[1]]`")
    return text


def described(scales: list[RatingScale]) -> str:
    """`content (1 to 10), style (1 to 10)`"""
    return ", ".join(f"{scale.name} ({scale.lowest:g} to {scale.highest:g})" for scale in scales)


def example(scales: list[RatingScale], times: int = 1) -> str:
    """An example of the judge's answer, with the lowest ratings."""
    return " ".join(f"{scale.name}: [[{scale.lowest:g}]]" for scale in scales for _ in range(times))
