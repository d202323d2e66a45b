"""The prompts of judges: what is filled in, and a user's own file in place of ours."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from outgrow.data.template import require_fields
from outgrow.errors import ConfigError
from outgrow.metrics.ratings import RatingScale
from outgrow.readers.raw_file import decode, read_bytes

FIELDS: Mapping[str, tuple[str, ...]] = {
    "rate": ("question", "answer", "key", "scales", "example"),
    "compare": ("question", "first", "second", "key", "scales", "example"),
}
"""What may stand in braces, by the kind of judgement."""
NEEDED = {"rate": ("answer",), "compare": ("first", "second")}
FORM = "[["
"""What a rating begins with."""


def read_prompt(kind: str, path: Path | None = None) -> str:
    """Our prompt, or the one in a file.

    Raises `ConfigError` for fields that cannot be filled or are missing, and where nothing shows the ratings' form.
    """
    if path is None:
        return (files("outgrow.judge") / "prompts" / f"{kind}.txt").read_text(encoding="utf-8")
    text = decode(read_bytes(path), str(path))
    require_fields(text, str(path), FIELDS[kind], NEEDED[kind])
    if FORM not in text and "{example}" not in text:
        raise ConfigError(f"{path}: does not say how to write a rating; add `{{example}}`, or show it as `[[1]]`")
    return text


def described(scales: list[RatingScale]) -> str:
    """`content (1 to 10), style (1 to 10)`"""
    return ", ".join(f"{one.name} ({one.lowest:g} to {one.highest:g})" for one in scales)


def example(scales: list[RatingScale], times: int = 1) -> str:
    """What the judge is to write, with the lowest ratings."""
    return " ".join(f"{one.name}: [[{one.lowest:g}]]" for one in scales for _ in range(times))
