"""Python function for votes of models: ask.

votes = outgrow.ask("items.jsonl", "judges.yaml", classes=["yes", "no"])
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from outgrow.asking.ask import ask_judges
from outgrow.asking.ask_plan import AskPlan
from outgrow.asking.ask_plan import plan_ask as plan_of
from outgrow.config.ask import AskSettings, read_ask
from outgrow.config.messages import FileLocation
from outgrow.config.override import Word
from outgrow.config.user_code import refuse_code
from outgrow.data.write_table import write_table
from outgrow.deliver.in_memory_tables import file_of_table
from outgrow.graph.runner import Event
from outgrow.vote_table import VoteTable


def ask(
    items: Any,
    by: str | Path | Mapping[str, Any],
    *words: Word,
    classes: Sequence[str] | None = None,
    scale: str | tuple[int, int] | None = None,
    pairs: bool = False,
    prompt: str | None = None,
    budget: float | None = None,
    output: str | Path | None = None,
    code: bool = True,
    on_event: Callable[[Event], None] = lambda event: None,
) -> VoteTable:
    """Ask several models for votes on items. The same call again asks only for what is missing.

    Args:
        items: a table with the texts: a path, a `DataFrame`, an Arrow table, a data set or a list of dicts.
        by: a YAML file with `supervisors`, or a mapping with its content (docs/your-labels.md).
        words: `key.sub=value` as on the command line, such as `samples=5`.
        classes: the classes in order; or
        scale: the lowest and the highest grade, such as `1-5`; or
        pairs: items have two texts, and the classes are `A` (the first is better) and `B`.
        prompt: the only prompt, in place of the prompts of the file.
        budget: the most that all answers together may cost.
        output: a file for the votes, with the columns `source_group` (the judge) and, of pairs, `order`.
        code: whether the models' own code may run (`trust_remote_code`).

    Raises `ConfigError`, `DataError`, `StepFailed` with one sentence.
    """
    settings, place, file = _read(items, by, words, _given(classes, scale, pairs, budget), prompt)
    if not code:
        refuse_code(settings, place.name)
    votes, table = ask_judges(settings, place, file, on_event)
    if output is not None:
        write_table(table, output)
    return votes


def plan_ask(
    items: Any,
    by: str | Path | Mapping[str, Any],
    *words: Word,
    classes: Sequence[str] | None = None,
    scale: str | tuple[int, int] | None = None,
    pairs: bool = False,
    prompt: str | None = None,
    budget: float | None = None,
) -> AskPlan:
    """Requests, tokens and price of `ask` with the same arguments. Nothing is asked."""
    settings, place, file = _read(items, by, words, _given(classes, scale, pairs, budget), prompt)
    return plan_of(settings, place, file)


def _given(classes: Any, scale: Any, pairs: bool, budget: float | None) -> dict[str, Any]:
    """The arguments that are given, as an override."""
    values = {
        "classes": None if classes is None else list(classes),
        "scale": list(scale) if isinstance(scale, tuple) else scale,
        "pairs": pairs or None,
        "budget": budget,
    }
    return {key: value for key, value in values.items() if value is not None}


def _read(
    items: Any, by: str | Path | Mapping[str, Any], words: Sequence[Word], given: dict[str, Any], prompt: str | None
) -> tuple[AskSettings, FileLocation, Path]:
    settings, place = read_ask(by, [*words, given], prompt)
    return settings, place, file_of_table(items, settings.store, "items")
