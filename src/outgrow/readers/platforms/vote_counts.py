"""A row per item with the number of votes for each class, in a column per class or in a mapping.

    id,n_yes,n_no        id,count,hate,neither        {"id": 7, "label_counter": {"yes": 4, "no": 1}}
    7,4,1                7,5,4,1

The columns are counts if all have names such as `n_yes`, or if a column such as `count` is their sum in every row. Who
voted is not known, so the shares of the votes are the soft vote of one source.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.config.votes import VoteColumns
from outgrow.errors import DataError
from outgrow.readers.categorical import numbers
from outgrow.readers.column_patterns import COUNT, class_named
from outgrow.readers.column_roles import NAMES, plain
from outgrow.readers.platforms.export import Export, Platform, first_rows, given_or, mapping, with_columns
from outgrow.readers.soft_votes import soft_of_column
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed, many

TOTALS = {"count", "counts", "total", "n", "nvotes", "nannotators", "votes", "numvotes", "annotators"}
"""Names of a column with the number of votes of an item."""
VOTERS = "voters"
"""The name of the source of all votes."""


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    if columns.votes or columns.probability or columns.label:
        return Export(table, columns, "")
    column = _counter(table)
    names = () if column else _count_columns(table)
    if column:
        soft = soft_of_column(table.column(column), f"column `{column}`", table.place)
        count, classes = np.nan_to_num(soft.probs), soft.classes or ()
    else:
        cells = [numbers(table.column(name), f"column `{name}`", table.place) for name in names]
        count, classes = np.nan_to_num(np.stack(cells, axis=1)), tuple(class_named(name) for name in names)
    _refuse_no_counts(count, table)
    total = count.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, count / np.maximum(total, 1), np.nan)
    named = {f"p_{name}": shares[:, index].tolist() for index, name in enumerate(classes)}
    found = given_or(columns, probability=tuple(named), one_source=VOTERS)
    note = (
        f"Counts of votes per class, {listed(classes)}: their shares are the soft votes of one source, `{VOTERS}`;"
        f" {many(int(count.sum()), 'vote')} on {many(int((total > 0).sum()), 'item')}."
    )
    ignored = (*columns.ignore, *(name for name in table.columns if plain(name) in NAMES["label"][0]))
    found = found.model_copy(update={"ignore": tuple(dict.fromkeys(ignored))})
    return Export(with_columns(table, **named), found, "counts of votes per class", notes=(note,))


def _refuse_no_counts(count: Float[np.ndarray, "row class"], table: SourceTable) -> None:
    wrong = (count < 0) | (count % 1 != 0)
    if wrong.any():
        row = int(wrong.any(axis=1).argmax())
        raise DataError(f"{table.place(row)}: {count[row][wrong[row]][0]:g} is not a number of votes")


def _counter(table: SourceTable) -> str | None:
    """The column of mappings from class to count."""
    named = [name for name in table.columns if name and "count" in plain(name)]
    rows = first_rows(table) if named and not table.is_csv else []
    for name in named:
        cells = [mapping(row.get(name)) for row in rows if row.get(name)]
        values = [value for cell in cells for value in cell.values()]
        if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            return name
    return None


def _count_columns(table: SourceTable) -> tuple[str, ...]:
    """The columns of counts; none if the names or the sums do not show them."""
    counts = tuple(name for name in table.columns if COUNT.fullmatch(name.lower()) and plain(name) not in TOTALS)
    if len(counts) > 1 and all(_are_whole(table, name) for name in counts):
        return counts
    total = next((name for name in table.columns if plain(name) in TOTALS), None)
    others = [
        name for name in table.columns if name and name != total and not _has_role(name) and _are_whole(table, name)
    ]
    if total is None or len(others) < 2 or not _are_whole(table, total):
        return ()
    values = {name: numbers(table.column(name), name, table.place) for name in (*others, total)}
    row_sum = np.sum([values[name] for name in others], axis=0)
    return tuple(others) if (row_sum == values[total]).all() else ()


def _has_role(name: str) -> bool:
    return any(plain(name) in tier for part in ("item", "gold", "seconds", "price") for tier in NAMES[part][:2])


def _are_whole(table: SourceTable, name: str) -> bool:
    """Whether a column has whole numbers from 0."""
    column = table.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or _is_text(column.type)):
        return False
    try:
        values = numbers(column, name, table.place)
    except DataError:
        return False
    values = values[~np.isnan(values)]
    return len(values) > 0 and bool(((values >= 0) & (values % 1 == 0)).all())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _fits(table: SourceTable) -> bool:
    plainly = {plain(name) for name in table.columns}
    if plainly & NAMES["source"][0]:
        return False
    return _counter(table) is not None or bool(_may_be_counts(table.columns) and _count_columns(table))


def _may_be_counts(names: Sequence[str]) -> bool:
    """Whether the names of the columns allow counts, before cells are read."""
    counts = [name for name in names if COUNT.fullmatch(name.lower())]
    return len(counts) > 1 or bool({plain(name) for name in names} & TOTALS)


VOTE_COUNTS = Platform("vote_counts", "counts of votes per class", _fits, _read)
