"""In which answers the patterns of a study's measures are found.

Patterns are searched for in a process of their own, like those of rules that vote (`supervise/rule_processes.py`):
one that would take for ever on some text is stopped, and that text has no part in the measure's mean.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from outgrow.errors import DataError
from outgrow.metrics.measures import MEASURES, Measure
from outgrow.supervise.rule_processes import run_rules
from outgrow.text_format import many

LIMIT = 0.25
"""Seconds for one text; an answer of a thousand words takes far less than a thousandth of that."""
MOST_STOPPED = 10


class PatternMatches(NamedTuple):
    """What one pattern said of all texts."""

    found: Mapping[str, bool]
    """By text; absent where the search was stopped."""
    note: str
    """What is to be known of a mean from which texts are missing; empty if none is."""


def search_all(measures: Mapping[str, Measure], texts: Iterable[str]) -> dict[str, PatternMatches]:
    """The patterns of the measures, searched for in every text once."""
    patterns = {name: MEASURES.of(measure).pattern(measure) for name, measure in measures.items()}
    distinct = sorted(set(texts)) if any(patterns.values()) else []
    return {name: _search(pattern, distinct) for name, pattern in patterns.items() if pattern}


def _search(pattern: str, texts: list[str]) -> PatternMatches:
    rule = {"name": "measure", "limit": LIMIT, "regex": pattern, "ignore_case": False, "text": "text", "says": 0}
    try:
        (verdicts,) = run_rules([rule], ["found"], [{"text": text} for text in texts], most_stopped=MOST_STOPPED)
    except DataError:
        return PatternMatches({}, f"the pattern takes more than {LIMIT:g} s on at least {MOST_STOPPED} texts; mend it")
    found = {text: said == 0 for text, said in zip(texts, verdicts, strict=True) if said is None or said == 0}
    stopped = len(texts) - len(found)
    return PatternMatches(
        found, f"the pattern was stopped on {many(stopped, 'text')}, left out here" if stopped else ""
    )
