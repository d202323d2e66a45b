"""Code that a file runs: plug-ins, functions of rules and metrics, and code in models' folders.

This code runs with the rights of the user.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from outgrow.config.section import Section
from outgrow.errors import ConfigError
from outgrow.supervise.sources import user_code_of


class FoundSection(NamedTuple):
    """A section and its key."""

    where: str
    section: Section


def sections_in(settings: Section) -> Iterator[FoundSection]:
    """Every section of a file, with its key, such as `methods.1.refine.by`."""
    yield from _within("", settings)


def _within(where: str, part: Any) -> Iterator[FoundSection]:
    if isinstance(part, Section):
        yield FoundSection(where, part)
        part = dict(part)
    children = part if isinstance(part, dict) else dict(enumerate(part)) if isinstance(part, list | tuple) else {}
    for key, child in children.items():
        yield from _within(f"{where}.{key}".lstrip("."), child)


def code_of(settings: Section) -> list[str]:
    """All code that would run, each once: `my_loss.py`, `my_rules.py:is_short`, `trust_remote_code of org/model`."""
    names = [str(path) for path in dict(settings).get("plugins", ())]
    for _, section in sections_in(settings):
        names += user_code_of(section)
        names += metric_code(getattr(section, "metric", None))
    return list(dict.fromkeys(names))


def metric_code(metric: object) -> list[str]:
    """The name of a metric itself if it is a function of a file, `FILE.py:FUNCTION`."""
    is_function = isinstance(metric, str) and metric.rpartition(":")[0].endswith(".py")
    return [str(metric)] if is_function else []


def refuse_code(settings: Section, name: str) -> None:
    """Raise `ConfigError` for settings with code of their own; `name` is their name in the message."""
    if code := code_of(settings):
        raise ConfigError(refusal(name, code))


def refusal(name: str, code: Iterable[str]) -> str:
    """The message that refuses settings with code."""
    return f"{name}: runs its own code ({', '.join(code)}), which `--no-code` (in Python `code=False`) refuses"
