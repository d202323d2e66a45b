"""Several classes per item: every source marks those that apply.

    item,source,labels                 item,source,red,blue          item,source,label
    7,ada,"[""red"", ""blue""]"        7,ada,1,1                     7,ada,red
    7,ben,red                          7,ben,1,0                     7,ada,blue

A cell of labels is a list, JSON of one, or texts separated by `;`, `|` or a comma. A row without labels says that no
class applies. In a table with a row per label, a source has seen the items on which it has a row. Every class is a
decision of its own, and a source is as reliable in one class as in others unless its votes show otherwise
(`combiners/binary_decisions.py`).

The written table has a row per item: the `labels` with a probability of one half or more, the `probabilities` of all
classes, the `confidence` that the set is right (their product, as if classes were independent), the number of `votes`.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from outgrow.combiners.binary_decisions import Decisions, fit_decisions
from outgrow.config.section import Section
from outgrow.config.votes import Name, Names
from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.column_roles import NAMES, plain
from outgrow.readers.long_and_wide import is_list
from outgrow.readers.source_table import Place, SourceTable
from outgrow.text_format import listed, many
from outgrow.vote_kinds.combined_items import CombinedItems
from outgrow.vote_kinds.table_rows import TableColumns, TableRows, open_source, rows_of
from outgrow.vote_kinds.vote_kind import KindCombiner, Options, VoteKind
from outgrow.vote_table import named_shares

USUAL = ("labels classes tags categories answers choices", "label answer class tag category choice annotation")
"""Usual names of the column of labels."""
YES = {"true", "1", "yes", "x", "y"}
NO = {"false", "0", "no", "n", "-"}
"""Cells of a column per class; an empty cell is no."""
MOST_LOOKED_AT = 10_000
"""Rows whose cells tell the kind."""
SEPARATORS = r"\s*[;|,]\s*"


class LabelSetColumns(TableColumns):
    """All classes that apply, per item and source."""

    type: Literal["multi_label"] = "multi_label"
    label: Name = None
    """The classes that apply: a list, or one class per row."""
    marks: Names | None = None
    """One column per class instead, with true where it applies."""
    gold: Name = None
    """The classes that truly apply, in the form of `label`; empty where they are not known."""


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The classes that each source marked on the items that it has seen."""

    items: list[str]
    sources: tuple[str, ...]
    classes: tuple[str, ...]
    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    marked: Bool[np.ndarray, "vote class"]
    gold: Float[np.ndarray, "item class"]
    """1 or 0 where it is known whether a class applies, else nan."""
    notes: tuple[str, ...] = ()

    @property
    def n_per_item(self) -> Int[np.ndarray, "item"]:
        return np.bincount(self.item, minlength=len(self.items))


class Marks(NamedTuple):
    """Rows with any number of classes: the row and the class of each mark."""

    row: Int[np.ndarray, "mark"]
    label: Int[np.ndarray, "mark"]
    classes: list[str]


def read(source: Any, section: LabelSetColumns, options: Options) -> LabelSets:
    """Sets of labels from a path or a table in memory. Raises `ConfigError`, `DataError`."""
    table = open_source(source, section)
    required = ["item", "source"] if section.marks else ["item", "source", "label"]
    usual = {"gold": ()} if section.marks else {"label": USUAL, "gold": ()}
    rows = rows_of(table, section, usual, required=required, votes=section.marks or (), noun="sets of labels")
    marks = _by_column(rows, section.marks) if section.marks else marks_of(rows, "label")
    names = list(options.classes) if options.classes is not None else sorted(marks.classes)
    unknown = [name for name in marks.classes if name not in names]
    if unknown:
        raise DataError(f"{rows.origin}: {listed(unknown)} in the labels and not in `classes`")
    if not names:
        raise DataError(f"{rows.origin}: no row has a label")
    item, who = rows.filled("item"), rows.filled("source")
    pair, first, of_row = np.unique(item.code * len(who.names) + who.code, return_index=True, return_inverse=True)
    at = np.asarray([names.index(name) for name in marks.classes], dtype=np.int64)
    marked = np.zeros((len(pair), len(names)), dtype=bool)
    marked[of_row[marks.row], at[marks.label]] = True
    n_none = int((~marked.any(axis=1)).sum())
    notes = [*rows.notes]
    if n_none:
        notes.append(f"Sets without a label: {n_none} of {len(pair)}; they say that no class applies.")
    if len(pair) < len(rows):
        notes.append(f"Rows of one source on one item are one set of labels: {many(len(pair), 'set')}.")
    gold = _gold(rows, item, names)
    return LabelSets(
        item.names, tuple(who.names), tuple(names), item.code[first], who.code[first], marked, gold, tuple(notes)
    )


def marks_of(rows: TableRows, role: str) -> Marks:
    """The labels in a column of lists, of JSON, or of texts with separators. Raises `DataError` for other cells."""
    name = rows.columns[role]
    column = rows.arrow[name]
    if is_list(column.type):
        cells = [cell or [] for cell in column.to_pylist()]
        return _marks([[str(entry).strip() for entry in cell if entry is not None] for cell in cells])
    texts = categorical(column, f"{rows.origin}, column `{name}`")
    sets = [_labels(text, rows.place, int((texts.code == code).argmax())) for code, text in enumerate(texts.names)]
    return _marks([[] if code == EMPTY else sets[code] for code in texts.code.tolist()])


def _labels(text: str, place: Place, row: int) -> list[str]:
    """The labels of one cell, the first of which is in `row`."""
    if text.startswith("["):
        try:
            values = json.loads(text.replace("'", '"') if '"' not in text else text)
        except ValueError as error:
            raise DataError(f"{place(row)}: `{text[:80]}` is not a list of labels ({error})") from None
        return [str(value).strip() for value in values]
    return [part for part in re.split(SEPARATORS, text) if part]


def _marks(sets: Sequence[Sequence[str]]) -> Marks:
    classes = list(dict.fromkeys(label for labels in sets for label in labels))
    at = {name: index for index, name in enumerate(classes)}
    row = np.repeat(np.arange(len(sets)), [len(labels) for labels in sets])
    return Marks(row, np.asarray([at[label] for labels in sets for label in labels], dtype=np.int64), classes)


def _by_column(rows: TableRows, names: Sequence[str]) -> Marks:
    """A column per class. Raises `DataError` for a cell that is neither true nor false."""
    marked = []
    for name in names:
        cells = categorical(rows.arrow[name], f"{rows.origin}, column `{name}`")
        wrong = [text for text in cells.names if text.lower() not in YES | NO]
        if wrong:
            row = int((cells.code == cells.names.index(wrong[0])).argmax())
            raise DataError(f"{rows.place(row)}: `{wrong[0]}` in column `{name}` is not true or false")
        marked.append(np.asarray([*(text.lower() in YES for text in cells.names), False])[cells.code])
    row_of_mark, label = np.nonzero(np.stack(marked, axis=1))
    return Marks(row_of_mark, label, list(names))


def _gold(rows: TableRows, item: Categorical, names: Sequence[str]) -> Float[np.ndarray, "item class"]:
    """Whether each class truly applies, from a column of lists; an empty cell is unknown."""
    gold = np.full((len(item.names), len(names)), np.nan)
    if "gold" not in rows.columns:
        return gold
    marks = marks_of(rows, "gold")
    known = np.unique(marks.row)
    gold[item.code[known]] = 0
    for row, label in zip(marks.row.tolist(), marks.label.tolist(), strict=True):
        if marks.classes[label] in names:
            gold[item.code[row], list(names).index(marks.classes[label])] = 1
    return gold


def fits(names: Sequence[str], table: Callable[[], SourceTable]) -> bool:
    """A column of sources, and a column such as `labels` whose lists have another number of labels than one."""
    plainly = {plain(name): name for name in names}
    lists = [plainly[name] for name in USUAL[0].split() if name in plainly]
    if not lists or not NAMES["source"][0] & set(plainly):
        return False
    source = next(plainly[name] for name in plainly if name in NAMES["source"][0])
    return not is_list(table().column(source).type) and any(_has_sets(table().column(name)) for name in lists)


def _has_sets(column: pa.ChunkedArray) -> bool:
    """Whether cells are lists of texts, not all of one text; also as JSON."""
    cells = column.slice(0, MOST_LOOKED_AT).to_pylist()
    if not is_list(column.type):
        filled = [cell for cell in cells if cell]
        if not filled or not all(isinstance(cell, str) and cell.lstrip().startswith("[") for cell in filled):
            return False
        try:
            cells = [json.loads(cell) for cell in filled]
        except ValueError:
            return False
    filled = [cell for cell in cells if isinstance(cell, list)]
    are_texts = all(isinstance(entry, str) for cell in filled for entry in cell)
    return are_texts and any(len(cell) != 1 for cell in filled)


class SharedSources(Section):
    """Each class is a decision; a source's recall and false alarms are shared by all classes, with room to differ."""

    type: Literal["shared_sources"] = "shared_sources"


class ShareOfSources(Section):
    """The share of the sources that marked a class."""

    type: Literal["share"] = "share"


def by_shared_sources(votes: LabelSets) -> CombinedItems:
    """Probabilities by the model of yes-or-no decisions."""
    fit = fit_decisions(decisions(votes))
    return _combined(votes, "shared_sources", fit.posterior.reshape(len(votes.items), -1))


def by_share(votes: LabelSets) -> CombinedItems:
    """Shares of the sources as probabilities; gold where it is known."""
    marked = np.zeros(votes.gold.shape)
    np.add.at(marked, votes.item, votes.marked)
    share = marked / np.maximum(votes.n_per_item, 1)[:, None]
    return _combined(votes, "share", np.where(np.isnan(votes.gold), share, votes.gold))


def decisions(votes: LabelSets) -> Decisions:
    """Every class of every item as a unit, and the class as its group."""
    n_classes = len(votes.classes)
    return Decisions(
        unit=(votes.item[:, None] * n_classes + np.arange(n_classes)).ravel(),
        source=np.repeat(votes.source, n_classes),
        said=votes.marked.ravel(),
        group=np.tile(np.arange(n_classes), len(votes.items)),
        known=votes.gold.ravel(),
        n_sources=len(votes.sources),
        n_groups=n_classes,
    )


def _combined(votes: LabelSets, method: str, probs: Float[np.ndarray, "item class"]) -> CombinedItems:
    chosen = probs >= 0.5
    labels = [[votes.classes[index] for index in np.flatnonzero(row)] for row in chosen]
    table = {
        "item": pa.array(votes.items, pa.string()),
        "labels": pa.array(labels, pa.list_(pa.string())),
        "confidence": np.maximum(probs, 1 - probs).prod(axis=1),
        "probabilities": named_shares(probs, votes.classes),
        "votes": votes.n_per_item,
    }
    shares = ", ".join(f"{name} {share:.2f}" for name, share in zip(votes.classes, chosen.mean(axis=0), strict=True))
    n_without = int((votes.n_per_item == 0).sum())
    return CombinedItems(
        kind="multi_label",
        noun="label set",
        method=method,
        table=pa.table(table),
        sources=source_rows(votes.sources, votes.source, votes.marked, probs[votes.item]),
        n=len(votes.item),
        n_items=len(votes.items),
        found=f"{chosen.sum(axis=1).mean():.2f} labels per item; share of items with each class: {shares}",
        notes=(*((f"Items without a vote: {n_without}.",) if n_without else ()), *votes.notes),
        summary={"labels": list(votes.classes), "gold": int((~np.isnan(votes.gold)).all(axis=1).sum())},
    )


def source_rows(
    sources: Sequence[str],
    source: Int[np.ndarray, "vote"],
    said: Bool[np.ndarray, "vote decision"],
    probs: Float[np.ndarray, "vote decision"],
) -> list[dict[str, Any]]:
    """Each source's expected recall and precision under the probabilities of the decisions that it took."""
    right, true, marked = (
        np.bincount(source, values.sum(axis=1), minlength=len(sources)) for values in (said * probs, probs, said)
    )
    votes = np.bincount(source, minlength=len(sources))
    return [
        {
            "name": name,
            "votes": int(votes[index]),
            "marks": int(marked[index]),
            "recall": float(right[index] / true[index]) if true[index] > 0 else None,
            "precision": float(right[index] / marked[index]) if marked[index] else None,
        }
        for index, name in enumerate(sources)
    ]


MULTI_LABEL = VoteKind(LabelSetColumns, read=read, votes=LabelSets, options=frozenset({"classes"}), fits=fits)
SHARED_SOURCES = KindCombiner(
    SharedSources, paper="ours, after Dawid & Skene 1979", kind="multi_label", combine=by_shared_sources
)
SHARE = KindCombiner(ShareOfSources, kind="multi_label", combine=by_share)
