"""Spans of characters with a label, by several sources.

    item,source,start,end,label
    7,ada,0,4,person
    7,ben,0,4,person

`start` counts characters from 0, `end` is the first one after the span. A row without offsets says that the source
found nothing in the item. A source has seen the items on which it has a row, or with `seen=all` all items.

`exact_spans` takes every span that a source marked for a candidate, equal in start, end and label; `overlapping_spans`
decides on every stretch between two borders and joins neighbouring ones, so that spans with other borders support each
other. Both are decisions by shared sources (`combiners/binary_decisions.py`); the label is their group. Spans that no
source marked are no candidates. The written table has a row per span: `item`, `start`, `end`, `label`, `probability`,
the number of sources that marked it (`votes`) and that have seen the item (`seen`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int
from pydantic import Field

from outgrow.combiners.binary_decisions import Decisions, fit_decisions
from outgrow.config.section import Section
from outgrow.config.votes import Name
from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY
from outgrow.readers.column_roles import NAMES, plain
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import many
from outgrow.vote_kinds.combined_items import CombinedItems
from outgrow.vote_kinds.multi_label import source_rows
from outgrow.vote_kinds.table_rows import TableColumns, TableRows, open_source, rows_of
from outgrow.vote_kinds.vote_kind import KindCombiner, Options, VoteKind

START, END = "start start_offset begin from char_start start_char", "end end_offset stop to char_end end_char"
LABEL = "label type entity entity_type tag class category span_label"
Keep = Annotated[float, Field(gt=0, lt=1)]


class SpanColumns(TableColumns):
    """Character offsets and a label, per item and source."""

    type: Literal["spans"] = "spans"
    start: Name = None
    """The first character, from 0."""
    end: Name = None
    """The first character after the span."""
    label: Name = None
    """The span's label. Without such a column all spans have one."""
    seen: Literal["rows", "all"] = "rows"
    """Which items a source has seen: those on which it has a row, or all."""


class Units(NamedTuple):
    """What is decided on: spans or stretches."""

    place: Int[np.ndarray, "unit 4"]
    """Item, start, end, label."""
    marked: Bool[np.ndarray, "unit source"]
    probability: Float[np.ndarray, "unit"]


class Spans(NamedTuple):
    """The combined spans."""

    place: Int[np.ndarray, "span 4"]
    """Item, start, end, label."""
    probability: Float[np.ndarray, "span"]
    votes: Int[np.ndarray, "span"]
    """How many sources marked it; of a joined span the most on one stretch."""


@dataclass(frozen=True, eq=False)
class SpanVotes:
    """Spans, each at most once per source."""

    items: list[str]
    sources: tuple[str, ...]
    labels: tuple[str, ...]
    item: Int[np.ndarray, "span"]
    source: Int[np.ndarray, "span"]
    start: Int[np.ndarray, "span"]
    end: Int[np.ndarray, "span"]
    label: Int[np.ndarray, "span"]
    seen: Bool[np.ndarray, "item source"]
    notes: tuple[str, ...] = ()


def read(source: Any, section: SpanColumns, options: Options) -> SpanVotes:
    """Spans from a path or a table in memory. Raises `ConfigError`, `DataError`."""
    table = open_source(source, section)
    usual = {"start": (START,), "end": (END,), "label": (LABEL,)}
    rows = rows_of(table, section, usual, required=["item", "source", "start", "end"], noun="spans")
    item, who, label = rows.filled("item"), rows.filled("source"), rows.names("label")
    start, end = _offsets(rows)
    is_span = np.flatnonzero(~np.isnan(start))
    labels = tuple(label.names) if "label" in rows.columns else ("span",)
    code = label.code if "label" in rows.columns else np.zeros(len(rows), np.int64)
    blank = code[is_span] == EMPTY
    if blank.any():
        raise DataError(f"{rows.place(int(is_span[blank.argmax()]))}: a span without a label")
    seen = np.full((len(item.names), len(who.names)), section.seen == "all")
    seen[item.code, who.code] = True
    columns = (item.code, who.code, start, end, code)
    kept = np.unique(np.stack([column[is_span].astype(np.int64) for column in columns], axis=1), axis=0)
    notes = list(rows.notes)
    if len(kept) < len(is_span):
        notes.append(f"Spans of a source that repeat another one of it: {len(is_span) - len(kept)}; left out.")
    if section.seen == "rows" and not seen.all():
        notes.append("A source has seen the items on which it has a row; `seen=all` counts all items as seen by all.")
    at_item, at_source, at_start, at_end, at_label = kept.T
    return SpanVotes(
        item.names, tuple(who.names), labels, at_item, at_source, at_start, at_end, at_label, seen, tuple(notes)
    )


def _offsets(rows: TableRows) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    """Start and end of each row; nan = no span. Raises `DataError` for offsets that make no span."""
    start, end = rows.numbers("start"), rows.numbers("end")
    one = np.isnan(start) != np.isnan(end)
    empty = ~np.isnan(start) & ~((start >= 0) & (end > start))
    fraction = ~np.isnan(start) & ((start % 1 != 0) | (end % 1 != 0))
    faults = ((one, "one offset is missing"), (fraction, "an offset is not whole"), (empty, "the span is empty"))
    for wrong, what in faults:
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{rows.place(row)}: {what} (start {start[row]:g}, end {end[row]:g})")
    return start, end


def fits(names: Sequence[str], table: Callable[[], SourceTable]) -> bool:
    """A column of starts and a column of ends, both offsets."""
    plainly = {plain(name) for name in names}
    starts, ends = ({plain(name) for name in usual.split()} for usual in (START, END))
    return bool(starts & plainly and ends & plainly and NAMES["source"][0] & plainly)


class ExactSpans(Section):
    """Decides on every marked span; spans are the same if start, end and label are."""

    type: Literal["exact_spans"] = "exact_spans"
    keep: Keep = 0.5
    """Least probability of a span that is written."""


class OverlappingSpans(Section):
    """Decides on stretches between borders, and joins neighbouring ones of a label."""

    type: Literal["overlapping_spans"] = "overlapping_spans"
    keep: Keep = 0.5
    """Least probability of a stretch that is written."""


def by_exact_spans(votes: SpanVotes, keep: float) -> CombinedItems:
    """The candidates with a probability of at least `keep`."""
    spans = np.stack([votes.item, votes.start, votes.end, votes.label], axis=1)
    candidates, at = np.unique(spans, axis=0, return_inverse=True)
    marked = np.zeros((len(candidates), len(votes.sources)), dtype=bool)
    marked[at.ravel(), votes.source] = True
    probability = _probabilities(votes, candidates, marked)
    kept = probability >= keep
    found = Spans(candidates[kept], probability[kept], marked[kept].sum(axis=1))
    return _combined(votes, "exact_spans", Units(candidates, marked, probability), found)


def by_overlapping_spans(votes: SpanVotes, keep: float) -> CombinedItems:
    """Stretches with a probability of at least `keep`, joined."""
    stretches, marked = _stretches(votes)
    probability = _probabilities(votes, stretches, marked)
    rows: list[list[int]] = []
    values: list[float] = []
    counts: list[int] = []
    for index in np.flatnonzero(probability >= keep).tolist():
        item, start, end, label = stretches[index].tolist()
        said = int(marked[index].sum())
        if rows and rows[-1][0] == item and rows[-1][3] == label and rows[-1][2] == start:
            before = rows[-1][2] - rows[-1][1]
            values[-1] = (values[-1] * before + probability[index] * (end - start)) / (end - rows[-1][1])
            counts[-1] = max(counts[-1], said)
            rows[-1][2] = end
        else:
            rows.append([item, start, end, label])
            values.append(float(probability[index]))
            counts.append(said)
    joined = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
    spans = Spans(joined, np.asarray(values, dtype=np.float64), np.asarray(counts, dtype=np.int64))
    return _combined(votes, "overlapping_spans", Units(stretches, marked, probability), spans)


def _stretches(votes: SpanVotes) -> tuple[Int[np.ndarray, "stretch 4"], Bool[np.ndarray, "stretch source"]]:
    """Stretches between two borders that a span of their label covers, and the sources whose spans cover each.

    Item, start, end and label of each, ordered by item, label and start.
    """
    rows, marked = [], []
    order = np.lexsort((votes.start, votes.label, votes.item))
    key = np.stack([votes.item[order], votes.label[order]], axis=1)
    for group in np.split(order, np.flatnonzero((key[1:] != key[:-1]).any(axis=1)) + 1) if len(key) else []:
        borders = np.unique(np.concatenate([votes.start[group], votes.end[group]]))
        covered = (votes.start[group] <= borders[:-1, None]) & (votes.end[group] >= borders[1:, None])
        for index in np.flatnonzero(covered.any(axis=1)).tolist():
            rows.append([votes.item[group[0]], borders[index], borders[index + 1], votes.label[group[0]]])
            marked.append(np.isin(np.arange(len(votes.sources)), votes.source[group[covered[index]]]))
    return (
        np.asarray(rows, dtype=np.int64).reshape(-1, 4),
        np.asarray(marked, dtype=bool).reshape(-1, len(votes.sources)),
    )


def _probabilities(
    votes: SpanVotes, units: Int[np.ndarray, "unit 4"], marked: Bool[np.ndarray, "unit source"]
) -> Float[np.ndarray, "unit"]:
    """The probability of each unit, from the sources that have seen its item."""
    unit, source = np.nonzero(votes.seen[units[:, 0]])
    decisions = Decisions(
        unit,
        source,
        marked[unit, source],
        units[:, 3],
        np.full(len(units), np.nan),
        len(votes.sources),
        len(votes.labels),
    )
    return fit_decisions(decisions).posterior


def _combined(votes: SpanVotes, method: str, units: Units, spans: Spans) -> CombinedItems:
    """The table of spans and that of sources."""
    place, n_found = spans.place, len(spans.place)
    labels = pa.array(votes.labels, pa.string())
    table = {
        "item": pa.array(votes.items, pa.string()).take(pa.array(place[:, 0])),
        "start": place[:, 1],
        "end": place[:, 2],
        "label": labels.take(pa.array(place[:, 3])),
        "probability": spans.probability,
        "votes": spans.votes,
        "seen": votes.seen.sum(axis=1)[place[:, 0]],
    }
    unit, source = np.nonzero(votes.seen[units.place[:, 0]])
    said, probs = units.marked[unit, source][:, None], units.probability[unit][:, None]
    n_spans, n_seen = np.bincount(votes.source, minlength=len(votes.sources)), votes.seen.sum(axis=0)
    sources = [
        {
            "name": row["name"],
            "votes": int(n_spans[index]),
            "items": int(n_seen[index]),
            "recall": row["recall"],
            "precision": row["precision"],
        }
        for index, row in enumerate(source_rows(votes.sources, source, said, probs))
    ]
    per_label = np.bincount(place[:, 3], minlength=len(votes.labels))
    counted = ", ".join(f"{name} {count}" for name, count in zip(votes.labels, per_label.tolist(), strict=True))
    return CombinedItems(
        kind="spans",
        noun="span",
        method=method,
        table=pa.table(table),
        sources=sources,
        n=len(votes.item),
        n_items=len(votes.items),
        found=f"{many(n_found, 'combined span')}: {counted}",
        notes=votes.notes,
        summary={"labels": list(votes.labels), "spans": n_found},
    )


SPANS = VoteKind(SpanColumns, read=read, votes=SpanVotes, fits=fits)
EXACT_SPANS = KindCombiner(ExactSpans, paper="ours, after Dawid & Skene 1979", kind="spans", combine=by_exact_spans)
OVERLAPPING_SPANS = KindCombiner(
    OverlappingSpans, paper="ours, after Dawid & Skene 1979", kind="spans", combine=by_overlapping_spans
)
