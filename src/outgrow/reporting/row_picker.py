"""Two lists of rows on the page, and the paired difference of the two that the reader picks.

The numbers stand in the page once, in the table `pairs`. The script `row_picker.js` finds the line of the two rows
there and writes it as a sentence. Without JavaScript the lists are hidden, and the page points to the table.
"""

from dataclasses import dataclass

from markupsafe import Markup

from outgrow.render.html_page import resource
from outgrow.reporting.results import Results
from outgrow.reporting.topics.pairs import PAIRS, RowPairs
from outgrow.reporting.topics.supervisors import MEAN_VOTE


@dataclass(frozen=True)
class RowPicker:
    """What the lists offer, and what they show at first."""

    rows: tuple[str, ...]
    first: str
    second: str
    script: Markup


def make_picker(results: Results) -> RowPicker | None:
    """At first the headline's row minus naive, or minus the mean vote if it is naive; None without a pair."""
    found = results.topics.get(PAIRS.name)
    if not isinstance(found, RowPairs) or not found.pairs:
        return None
    preferred = [row.name for row in (results.headline, results.plain_naive) if row is not None]
    first, second = list(dict.fromkeys(name for name in (*preferred, MEAN_VOTE, *found.rows) if name in found.rows))[
        :2
    ]
    return RowPicker(found.rows, first, second, Markup(resource("reporting/row_picker.js")))
