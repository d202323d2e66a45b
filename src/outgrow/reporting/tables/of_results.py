"""A `Table` over a study's results: it knows how many seeds there are, and what its brackets mean."""

from collections.abc import Iterable

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.results import Results

VARIANT_TITLES = {
    "plain": "without self-training",
    "self_training": "with self-training",
    "matching": "+ marginal matching",
    "self_training+matching": "self-training + matching",
    "two_views": "two views",
}
NOT_TOLD = "not told"
"""In place of a number that nobody gave."""
INTERVALS = "In brackets: 95 % intervals of the paired bootstrap over items and seeds."


def behind(estimates: Iterable[Estimate], what: str = "items") -> str:
    """`4123 items, 3 seeds` of the largest estimate; empty where none is defined."""
    defined = [(one.n, one.seeds) for one in estimates if one.defined]
    if not defined:
        return ""
    n, seeds = max(defined)
    return f"{n} {what}, {seeds} seed{'s' if seeds != 1 else ''}"


def results_table(
    results: Results, name: str, title: str, caption: str, columns: Iterable[Column], lines: Iterable[Line]
) -> Table:
    """A table in which a number with fewer seeds than the study gets a note."""
    return Table(name, title, caption, tuple(columns), tuple(lines), len(results.about.seeds))
