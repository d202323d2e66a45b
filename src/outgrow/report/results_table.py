"""A `Table` over a study's results: it knows how many seeds there are, and what its brackets mean."""

from collections.abc import Iterable

from outgrow.report.results import Results
from outgrow.report.table import Column, Line, Table

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


def results_table(
    results: Results, name: str, title: str, caption: str, columns: Iterable[Column], lines: Iterable[Line]
) -> Table:
    """A table in which a number with fewer seeds than the study gets a note."""
    return Table(name, title, caption, tuple(columns), tuple(lines), len(results.about.seeds))
