"""`CombinedItems`: what is combined from votes that are not on classes, as a table with the sources beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from outgrow.data.write_table import write_table
from outgrow.deliver.combined import ABOUT
from outgrow.text_format import many, short, shortened

if TYPE_CHECKING:
    import pandas as pd

MOST_SOURCES = 12
"""Sources in the terminal."""


@dataclass(frozen=True, eq=False)
class CombinedItems:
    """Combined votes of a kind: a row per item, per span or per system, and what is known of each source."""

    kind: str
    noun: str
    """What one vote is called: `rating`."""
    method: str
    table: pa.Table
    """The result that is written. The first column is the item."""
    sources: Sequence[Mapping[str, Any]]
    """One mapping of the same keys per source; all have `name` and `votes`, a number may be None."""
    n: int
    """Number of votes."""
    n_items: int
    found: str
    """One line on the result as a whole."""
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Further numbers of the whole, for JSON."""

    @property
    def about(self) -> dict[str, Any]:
        """The combiner, its notes and the sources as plain data, with the keys of `Combined.about`."""
        return {
            "combine": {
                "kind": self.kind,
                "method": self.method,
                "temperature": None,
                "notes": list(self.notes),
                "table": None,
            },
            "votes": {
                "n": self.n,
                "n_items": self.n_items,
                "noun": self.noun,
                "classes": [],
                "columns": list(self.table.column_names),
                **self.summary,
                "sources": [dict(source) for source in self.sources],
            },
        }

    def to_arrow(self) -> pa.Table:
        """The table with what is known of it in its metadata."""
        return self.table.replace_schema_metadata({ABOUT: json.dumps(self.about, ensure_ascii=False)})

    def to_pandas(self) -> "pd.DataFrame":
        """`to_arrow` as a DataFrame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def save(self, path: Path) -> None:
        """Write the table in the format of its suffix: .parquet, .csv, .tsv, .jsonl."""
        write_table(self.to_arrow(), path)


def shown(combined: CombinedItems) -> str:
    """The combiner, the result as a whole, the sources with most votes, and the notes."""
    votes = f"{many(combined.n, combined.noun)} of {many(len(combined.sources), 'source')}"
    head = f"{votes} on {many(combined.n_items, 'item')}, by {short(combined.method)}"
    notes = [shortened(note) for note in combined.notes]
    return "\n".join([head, combined.found, "", *_source_lines(combined.sources), "", *notes])


def _source_lines(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sources with most votes, in aligned columns."""
    most = sorted(sources, key=lambda source: -source["votes"])[:MOST_SOURCES]
    more = len(sources) - len(most)
    return [*aligned(most, "source"), *([f"… and {more} more"] if more else [])]


def aligned(records: Sequence[Mapping[str, Any]], title: str) -> list[str]:
    """Records of the same keys as lines under their keys; the column of `name` is called `title`."""
    rows = [{key: _cell(value) for key, value in record.items()} for record in records]
    titles = {key: title if key == "name" else key.replace("_", " ") for key in rows[0]} if rows else {}
    width = {key: max(len(name), *(len(row[key]) for row in rows)) for key, name in titles.items()}
    return [
        "  ".join(
            cells[key].ljust(width[key]) if key == "name" else cells[key].rjust(width[key]) for key in titles
        ).rstrip()
        for cells in (titles, *rows)
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else short(value)
