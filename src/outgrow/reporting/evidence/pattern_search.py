"""The search for the patterns of measures in answers, each on every text once.

Patterns are searched for in a process of its own, as for rules that vote (`supervise/rule_processes.py`): a search
that takes too long is stopped, and its text is left out of the mean.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from outgrow.errors import DataError
from outgrow.metrics.measures import MEASURES, Measure
from outgrow.supervise.rule_processes import run_rules
from outgrow.text_format import many

LIMIT = 0.25
"""Seconds for one text; an answer of a thousand words takes less than a thousandth of that."""
MOST_STOPPED = 10


class PatternMatches(NamedTuple):
    """The result of a pattern on all texts."""

    found: Mapping[str, bool]
    """By text, without those whose search was stopped."""
    note: str
    """The caveat of a mean without these; empty if there are none."""


def search_all(measures: Mapping[str, Measure], texts: Iterable[str]) -> dict[str, PatternMatches]:
    """Every pattern among the measures, on every text once."""
    patterns = {name: MEASURES.of(measure).pattern(measure) for name, measure in measures.items()}
    distinct = sorted(set(texts)) if any(pattern is not None for pattern in patterns.values()) else []
    return {name: _search(pattern, distinct) for name, pattern in patterns.items() if pattern is not None}


def _search(pattern: str, texts: list[str]) -> PatternMatches:
    rule = {"name": "measure", "limit": LIMIT, "regex": pattern, "ignore_case": False, "text": "text", "says": 0}
    try:
        (answers,) = run_rules([rule], ["found"], [{"text": text} for text in texts], most_stopped=MOST_STOPPED)
    except DataError:
        return PatternMatches({}, f"the pattern takes more than {LIMIT:g} s on at least {MOST_STOPPED} texts; mend it")
    matches = {text: answer == 0 for text, answer in zip(texts, answers, strict=True) if answer is None or answer == 0}
    stopped = len(texts) - len(matches)
    return PatternMatches(
        matches, f"the pattern was stopped on {many(stopped, 'text')}, left out here" if stopped else ""
    )
