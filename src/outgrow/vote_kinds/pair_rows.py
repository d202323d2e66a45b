"""Preferences from a table: which two texts, who judged, what was chosen.

    question_id, model_a, model_b, winner, judge                  systems by name (MT-bench, Chatbot Arena)
    instruction, output_1, generator_1, output_2, …, preference   texts and systems (AlpacaEval)
    prompt, chosen, rejected                                      the better text first; the order is not known
    prompt, response_a, response_b, anna, ben, …                  a column per judge
    item, source, label                                           only which place won (`kind=pairs` must be given)

A row has the two texts in the order in which the judge saw them. The same two texts of one prompt are one pair,
in whatever order. Several votes of a judge on a pair in one order are averaged.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.comparisons import NO_SYSTEM, Comparisons, PairTexts
from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import Categorical, by_appearance
from outgrow.vote_kinds.pair_columns import (
    ORDERS,
    TEXTS,
    PairColumns,
    judge_columns,
    refuse_half,
    refuse_without_choice,
    usual_names,
    with_turn,
)
from outgrow.vote_kinds.pair_votes import ONE_JUDGE, PairChoices, RowSystems, choices_of
from outgrow.vote_kinds.table_rows import TableRows, open_source, rows_of

FEW_SYSTEMS = 20
"""With so many names or fewer, they are not taken for texts."""


class Places(NamedTuple):
    """What stands in the first and in the second place of every row, as numbers that are equal for equal things."""

    item: Categorical
    thing: Int[np.ndarray, "row 2"]
    systems: RowSystems
    text: tuple[list[Any], list[Any]] | None


def read_pairs(source: Any, section: PairColumns) -> Comparisons:
    """Preferences from a path or a table in memory.

    Raises `ConfigError` for columns or choices with several meanings, `DataError` with the row for unreadable cells.
    """
    table, section = with_turn(open_source(source, section), section)
    judges = judge_columns(table, section)
    rows = rows_of(table, section, usual_names(table, section), required=(), votes=judges, noun="preferences")
    refuse_half(rows)
    refuse_without_choice(table, rows, judges)
    places = _places(rows)
    return _comparisons(rows, places, choices_of(rows, judges, places.systems, section))


def _places(rows: TableRows) -> Places:
    """Systems, texts and items of every row."""
    system, systems = np.full((len(rows), 2), NO_SYSTEM), list[str]()
    if "first" in rows.columns:
        system, systems = _together([rows.filled("first"), rows.filled("second")])
        _refuse_texts(rows, len(systems))
    sides = next((pair for pair in TEXTS if pair[0] in rows.columns), None)
    text = None if sides is None else (_cells(rows, sides[0]), _cells(rows, sides[1]))
    if text is not None:
        thing, _ = _together([_keys(cells) for cells in text])
    else:
        thing = system if systems else np.tile(np.arange(2), (len(rows), 1))
    return Places(_items(rows, thing, text is not None), thing, RowSystems(systems, system), text)


def _refuse_texts(rows: TableRows, n_systems: int) -> None:
    """Raise `ConfigError` where names of systems seem to be texts."""
    if n_systems > max(FEW_SYSTEMS, len(rows) / 2):
        first, second = rows.columns["first"], rows.columns["second"]
        raise ConfigError(
            f"{rows.origin}: columns `{first}` and `{second}` have {n_systems} different cells in {len(rows)} rows; if"
            f" they are texts and not names of systems, say `first_text={first} second_text={second}`"
        )


def _orders(rows: TableRows) -> Int[np.ndarray, "row"]:
    """1 where the text of the first column was shown first, -1 where the other one was, 0 where no order is known."""
    if "chosen" in rows.columns:
        return np.zeros(len(rows), np.int64)
    if "order" not in rows.columns:
        return np.ones(len(rows), np.int64)
    cells = rows.filled("order")
    for row in np.flatnonzero(~np.isin([name.lower() for name in cells.names], list(ORDERS))[cells.code]).tolist():
        raise DataError(f"{rows.place(row)}: the order `{cells.text(row)}` is not `ab` or `ba`")
    return np.asarray(np.asarray([ORDERS[name.lower()] for name in cells.names])[cells.code])


def _together(sides: Sequence[Categorical]) -> tuple[Int[np.ndarray, "row 2"], list[str]]:
    """Two columns as numbers into one list of names."""
    number: dict[str, int] = {}
    columns = [
        np.asarray([number.setdefault(name, len(number)) for name in side.names], dtype=np.int64)[side.code]
        for side in sides
    ]
    return np.stack(columns, axis=1), list(number)


def _cells(rows: TableRows, role: str) -> list[Any]:
    """Texts or lists of messages. Raises `DataError` with the row for an empty one."""
    cells: list[Any] = rows.arrow[rows.columns[role]].to_pylist()
    for row, cell in enumerate(cells):
        if cell is None or cell == "" or cell == []:
            raise DataError(f"{rows.place(row)}: column `{rows.columns[role]}` has no text")
    return cells


def _keys(cells: Sequence[Any]) -> Categorical:
    """Cells of any type as texts."""
    number: dict[str, int] = {}
    texts = (cell if isinstance(cell, str) else json.dumps(cell, sort_keys=True, default=str) for cell in cells)
    return Categorical(np.asarray([number.setdefault(text, len(number)) for text in texts]), list(number))


def _items(rows: TableRows, thing: Int[np.ndarray, "row 2"], has_texts: bool) -> Categorical:
    """The prompt of every row: its id, its text, else the two texts, else the row itself."""
    if "item" in rows.columns:
        return rows.filled("item")
    if "prompt" in rows.columns:
        return _keys(_cells(rows, "prompt"))
    if has_texts:
        return _keys([f"{low} {high}" for low, high in np.sort(thing, axis=1).tolist()])
    return Categorical(np.arange(len(rows)), [str(row) for row in range(len(rows))])


def _comparisons(rows: TableRows, places: Places, choices: PairChoices) -> Comparisons:
    """Rows with the same two texts of a prompt as one pair."""
    differ = places.thing[:, 0] != places.thing[:, 1]
    kept = differ[choices.row]
    row = choices.row[kept]
    if not len(row):
        raise DataError(f"{rows.origin}: there is no preference between two different texts")
    low, high = places.thing.min(axis=1), places.thing.max(axis=1)
    keys = np.stack([places.item.code, low, high], axis=1)[row]
    _, first_vote, pair = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first_vote, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    pair, first_row = rank[pair.ravel()], row[first_vote[order]]
    place = np.where(places.thing[row, 0] == places.thing[first_row[pair], 0], 1, -1)
    shares = np.where((place > 0)[:, None], choices.shares[kept], choices.shares[kept][:, [1, 0, 2]])
    items = by_appearance(places.item.code[first_row], places.item.names)
    votes = _averaged(pair, choices.judge.code[kept], place * _orders(rows)[row], shares)
    names = by_appearance(votes.judge, choices.judge.names)
    return Comparisons(
        items=items.names,
        systems=tuple(places.systems.names),
        judges=tuple(names.names),
        pair_item=items.code,
        pair_system=places.systems.number[first_row],
        pair=votes.pair,
        judge=names.code,
        place=votes.place,
        shares=votes.shares,
        texts=_pair_texts(rows, places, first_row),
        notes=(*rows.notes, *_notes(names.names, rows, int((~kept).sum()), votes.n_contradictory)),
    )


class MergedVotes(NamedTuple):
    """One vote per pair, judge and order."""

    pair: Int[np.ndarray, "vote"]
    judge: Int[np.ndarray, "vote"]
    place: Int[np.ndarray, "vote"]
    shares: Float[np.ndarray, "vote 3"]
    n_contradictory: int


def _averaged(
    pair: Int[np.ndarray, "row"], judge: Int[np.ndarray, "row"], place: Int[np.ndarray, "row"], shares: np.ndarray
) -> MergedVotes:
    """Repeated votes as their mean."""
    keys, vote = np.unique(np.stack([pair, judge, place], axis=1), axis=0, return_inverse=True)
    vote = vote.ravel()
    n = np.bincount(vote, minlength=len(keys))
    mean = np.stack([np.bincount(vote, column, len(keys)) for column in shares.T], axis=1) / n[:, None]
    apart = np.abs(shares - mean[vote]).max(axis=1) > 1e-9
    return MergedVotes(keys[:, 0], keys[:, 1], keys[:, 2], mean, len(np.unique(vote[apart])))


def _pair_texts(rows: TableRows, places: Places, first_row: Int[np.ndarray, "pair"]) -> PairTexts | None:
    if places.text is None:
        return None
    chosen = first_row.tolist()
    prompt = _cells(rows, "prompt") if "prompt" in rows.columns else None
    a, b = ([cells[row] for row in chosen] for cells in places.text)
    return PairTexts(None if prompt is None else [prompt[row] for row in chosen], a, b)


def _notes(judges: Sequence[str], rows: TableRows, n_same: int, n_contradictory: int) -> list[str]:
    notes = []
    if judges == [ONE_JUDGE] and "source" not in rows.columns:
        notes.append(f"No column names a judge; all preferences count as those of one, `{ONE_JUDGE}`.")
    if n_same:
        notes.append(f"Votes on two equal texts, left out: {n_same}.")
    if n_contradictory:
        notes.append(
            f"Votes that a judge contradicts on the same pair in the same order, averaged: {n_contradictory}."
        )
    return notes
