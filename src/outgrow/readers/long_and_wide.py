"""`VoteRows` from long and wide tables: the roles of the columns, the rows that count, and their cells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from outgrow.config.votes import VoteColumns
from outgrow.errors import DataError
from outgrow.readers.ambiguous_columns import doubt_of_columns
from outgrow.readers.categorical import EMPTY, Categorical, by_appearance, categorical, numbers
from outgrow.readers.column_hints import ignoring
from outgrow.readers.column_roles import ColumnRoles, roles_of, with_joined
from outgrow.readers.column_uses import ColumnUse, Naming, uses_of_paths
from outgrow.readers.confidences import are_logarithms, of_logarithms, probabilities_of
from outgrow.readers.gold import one_gold_each
from outgrow.readers.item_texts import ItemTexts
from outgrow.readers.matrix import vote_rows_of_matrix
from outgrow.readers.platforms.export import MULTI_LABEL, SCORES, SPANS, Export
from outgrow.readers.row_filter import FilteredRows, chosen_rows
from outgrow.readers.soft_votes import SoftVotes, holds_distributions, interleaved, soft_of_column, soft_of_columns
from outgrow.readers.source_table import Place, SourceTable, stem_of
from outgrow.readers.vote_rows import Apart, VoteRows, by_row, dense, nothing
from outgrow.text_format import listed, short


def vote_rows_of_export(export: Export, alone: str | None = None) -> VoteRows:
    """The votes of a platform's export. Raises `ConfigError` and `DataError`."""
    if export.kind == SPANS:
        raise DataError(f"{export.table.origin}: {export.form}, has spans, not classes; `--kind {SPANS}` reads them")
    vote_rows = vote_rows_of_table(export.table, export.columns, alone, export)
    item_from = export.item_from if export.made else vote_rows.item_from
    notes = (*vote_rows.notes, *export.notes)
    if export.kind == SCORES:
        notes = (*notes, f"The answers are numbers; `--kind {SCORES} score=QUESTION` reads them as scores.")
    return replace(vote_rows, notes=notes, item_from=item_from)


def vote_rows_of_table(
    table: SourceTable, columns: VoteColumns, alone: str | None = None, export: Export | None = None
) -> VoteRows:
    """The votes of a table in any layout; `alone` is their source if no column names it. Of an `export` the notes do
    not name the columns of a table that was made. Raises `ConfigError` for its columns, `DataError` for its cells.
    """
    plain_table, table = table, with_joined(table, columns.item)
    form, made = (export.form, export.made) if export else ("", False)
    roles = roles_of(table, columns, alone)
    rows = chosen_rows(table, _columns_of(roles), roles.left_out, columns, named=roles.item is not None)
    if not rows.arrow.num_rows:
        raise DataError(f"{table.origin}: has no rows")
    if roles.layout == "long":
        subject = "an answer" if made else f"column `{roles.label}`"
        vote_rows = _long(table, roles, rows, columns.one_source or alone or stem_of(table.origin), subject)
    else:
        vote_rows = _wide(table, roles, rows, columns)
    gold_from = "" if roles.gold is None or made else f"`{roles.gold}` of {table.origin}"
    note = (
        f"{table.origin} was read as {form}." if made else roles.note(table.origin, form or f"a {roles.layout} table")
    )
    notes = (note + _of_one_source(vote_rows), *vote_rows.notes, *table.notes, *rows.notes)
    texts = export.texts if export else {name: name for name in roles.left_out if name}
    return replace(
        vote_rows,
        gold_from=gold_from,
        item_from=roles.item,
        texts=_texts(plain_table, rows, vote_rows, roles, texts),
        uses=_uses(table, roles, columns, export),
        notes=notes,
    )


def _uses(
    table: SourceTable, roles: ColumnRoles, columns: VoteColumns, export: Export | None
) -> tuple[ColumnUse, ...]:
    if export is None:
        return roles.uses(table, columns, Naming(columns))
    naming = Naming(export.user, export.title, tuple(export.texts.values()))
    return uses_of_paths(export.keys, export.paths, naming) if export.made else roles.uses(table, columns, naming)


def _texts(
    table: SourceTable, rows: FilteredRows, vote_rows: VoteRows, roles: ColumnRoles, columns: Mapping[str, str]
) -> tuple[ItemTexts, ...]:
    """The columns that may be about the items."""
    n_sources = 1 if roles.layout == "long" else len(roles.votes)
    item = Categorical(vote_rows.item.code[::n_sources], vote_rows.item.names)

    def read(name: str) -> pa.ChunkedArray:
        column = table.column(name)
        return column if rows.at is None else column.take(pa.array(rows.at))

    return (ItemTexts(item, columns, read, rows.place),) if columns else ()


def _columns_of(roles: ColumnRoles) -> list[str]:
    several = (*roles.probability, *roles.votes)
    single = (getattr(roles, part) for part in ColumnRoles._fields if part not in ("layout", "left_out"))
    return list(dict.fromkeys([*(name for name in single if isinstance(name, str)), *several]))


def _long(table: SourceTable, roles: ColumnRoles, rows: FilteredRows, alone: str, subject: str) -> VoteRows:
    arrow, place = rows.arrow, rows.place

    def text(name: str | None) -> Categorical:
        return (
            nothing(arrow.num_rows) if name is None else categorical(arrow[name], f"{table.origin}, column `{name}`")
        )

    def numeric(name: str | None) -> Float[np.ndarray, "row"] | None:
        return None if name is None else numbers(arrow[name], f"column `{name}`", place)

    roles = _confidence_or_distribution(roles, arrow)
    item = text(roles.item)
    _refuse_empty(item, "item", place)
    label = nothing(arrow.num_rows)
    if roles.label is not None:
        label = categorical(one_each(arrow[roles.label], subject, place), f"{table.origin}, the labels")
    soft = _soft(roles.probability, arrow, label, place)
    name = roles.confidence
    stated = None if name is None else probabilities_of(arrow[name], name, place)
    nameless = roles.source is None
    return VoteRows(
        table.origin,
        item,
        Categorical(np.zeros(arrow.num_rows, np.int64), [alone]) if nameless else text(roles.source),
        label,
        place,
        soft,
        None if stated is None else stated.value,
        numeric(roles.seconds),
        numeric(roles.price),
        None if roles.group is None else text(roles.group),
        None if roles.gold is None else one_gold_each(item, text(roles.gold), place),
        nameless=nameless,
        apart=_column_apart(table, roles.left_out, rows),
        notes=(stated.note,) if stated is not None and stated.note else (),
    )


def _soft(names: Sequence[str], arrow: pa.Table, label: Categorical, place: Place) -> SoftVotes | None:
    """The distributions in one column or in a column per class; None without any."""
    if len(names) != 1:
        return soft_of_columns(arrow.select(list(names)), place) if names else None
    [name] = names
    if are_logarithms(name):
        soft = soft_of_column(arrow[name], f"column `{name}`", place, missing=-np.inf)
        return of_logarithms(soft, label.names)
    return soft_of_column(arrow[name], f"column `{name}`", place)


def _of_one_source(vote_rows: VoteRows) -> str:
    return f" All votes are of one source, `{vote_rows.source.names[0]}`." if vote_rows.nameless else ""


def _column_apart(table: SourceTable, left_out: Sequence[str], rows: FilteredRows) -> Apart:
    """Finds the first column that was left out, has few values, and differs in every pair of rows."""

    def apart(former: np.ndarray, latter: np.ndarray) -> str | None:
        for name in left_out:
            if not pa.types.is_nested(table.column(name).type):
                code = rows.pick(categorical(table.column(name), name).code)
                if (code[former] != code[latter]).all() and len(np.unique(code)) <= len(code) / 2:
                    return name
        return None

    return apart


def _confidence_or_distribution(roles: ColumnRoles, arrow: pa.Table) -> ColumnRoles:
    """The role of a column `probability` by its cells: numbers are confidences, lists are distributions."""
    name = roles.confidence
    if name is None or roles.probability or not holds_distributions(arrow[name]):
        return roles
    return roles._replace(confidence=None, probability=(name,))


def _wide(table: SourceTable, roles: ColumnRoles, rows: FilteredRows, columns: VoteColumns) -> VoteRows:
    arrow, place = rows.arrow, rows.place

    def text(name: str) -> Categorical:
        return categorical(arrow[name], f"{table.origin}, column `{name}`")

    item = by_row(arrow.num_rows) if roles.item is None else text(roles.item)
    _refuse_empty(item, "item", place)
    gold = None if roles.gold is None else text(roles.gold)
    if roles.layout == "matrix":
        arrays = [numbers(arrow[name], f"column `{name}`", place) for name in roles.votes]
        return vote_rows_of_matrix(np.stack(arrays, axis=1), table.origin, item, roles.votes, gold, place)
    refuse_nested(arrow.select(list(roles.votes)), table.origin, columns.ignore)
    if all(holds_distributions(arrow[name]) for name in roles.votes):
        soft_columns = [soft_of_column(arrow[name], f"column `{name}`", place) for name in roles.votes]
        label, soft = nothing(arrow.num_rows * len(roles.votes)), interleaved(soft_columns, table.origin)
        return dense(table.origin, item, roles.votes, label, soft, gold, place)
    labels = {name: text(name) for name in roles.votes}
    doubt = "" if columns.votes else doubt_of_columns(labels, table.origin, table.columns, columns.ignore)
    label = _interleaved_labels(labels)
    column_apart, n_sources = _column_apart(table, roles.left_out, rows), len(roles.votes)

    def apart(former: np.ndarray, latter: np.ndarray) -> str | None:
        return column_apart(former // n_sources, latter // n_sources)

    return replace(dense(table.origin, item, roles.votes, label, None, gold, place), doubt=doubt, apart=apart)


def _interleaved_labels(columns: dict[str, Categorical]) -> Categorical:
    """The labels of all columns, in the order of the rows."""
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells.names))
    index_of = {name: index for index, name in enumerate(names)}
    code = np.empty((len(next(iter(columns.values())).code), len(columns)), np.int64)
    for index, cells in enumerate(columns.values()):
        code[:, index] = np.asarray([*(index_of[name] for name in cells.names), EMPTY])[cells.code]
    return by_appearance(code.ravel(), names)


def _refuse_empty(cells: Categorical, part: str, place: Place) -> None:
    if (cells.code == EMPTY).any():
        raise DataError(f"{place(int((cells.code == EMPTY).argmax()))}: the {part} is empty")


def one_each(column: pa.ChunkedArray, subject: str, place: Place) -> pa.ChunkedArray:
    """A column of labels with lists of one label replaced by the label, and empty lists by no vote.

    Raises `DataError` with the row for a list of several labels.
    """
    if not is_list(column.type):
        return column
    length = np.asarray(pc.list_value_length(column).fill_null(0))
    if (length > 1).any():
        row = int((length > 1).argmax())
        raise DataError(
            f"{place(row)}: {subject} has {length[row]} labels, but a vote is for one class; `--kind {MULTI_LABEL}`"
            " takes several, or keep one of the labels"
        )
    position = np.cumsum(length) - 1
    return pa.chunked_array([pc.list_flatten(column).combine_chunks().take(pa.array(position, mask=length == 0))])


def refuse_nested(arrow: pa.Table, origin: str, ignored: Sequence[str]) -> None:
    """Raise `DataError` for columns of a wide table with lists or mappings that are not distributions."""
    nested = [name for name in arrow.column_names if pa.types.is_nested(arrow[name].type)]
    if not nested:
        return
    soft = [name for name in nested if _holds_numbers(arrow[name].type)]
    if len(soft) == len(arrow.column_names):
        return
    if soft:
        name = soft[0]
        raise DataError(
            f"{origin}: column `{name}` has numbers for every class, and other columns have single cells;"
            f" `probability={name}` reads it as the soft votes of one source (counts of votes: with `--renormalise`);"
            f" otherwise leave it out with `{ignoring([name], ignored)}`"
        )
    pronoun, verb = ("them", "have") if len(nested) > 1 else ("it", "has")
    has_others = len(nested) < len(arrow.column_names)
    ignore_hint = f", or leave {pronoun} out with `{ignoring(nested, ignored)}`" if has_others else ""
    kind = short(arrow[nested[0]].type)
    raise DataError(
        f"{origin}: {listed(nested)} {verb} lists or mappings that are not probabilities ({kind});"
        " write a row for each vote, with columns `item`, `source` and `label` (in pandas `explode` and"
        " `json_normalize` do that)"
        f"{ignore_hint}"
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether cells are lists of any Arrow type."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _holds_numbers(kind: pa.DataType) -> bool:
    """Whether cells are lists of numbers, or mappings to numbers."""
    inner = [kind.value_type] if is_list(kind) else [field.type for field in kind] if pa.types.is_struct(kind) else []
    return bool(inner) and all(
        pa.types.is_integer(part) or pa.types.is_floating(part) or pa.types.is_null(part) for part in inner
    )
