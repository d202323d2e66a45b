"""Spans with character offsets: the same ones, overlapping ones, and who has seen which item."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.errors import DataError
from outgrow.vote_kinds import kind_of, section_of, votes_of
from outgrow.vote_kinds.spans import _stretches
from outgrow.vote_kinds.vote_kind import Options

NAMES = ("ada", "ben", "cleo")


def spans(seed: int = SEEDS[0], n_items: int = 40, slip: float = 0.0) -> tuple[pd.DataFrame, set[tuple[Any, ...]]]:
    """Spans of three sources that miss some, and the true ones; with `slip` a source's borders are off by one."""
    rng = np.random.default_rng(seed)
    rows, true = [], set()
    for item in range(n_items):
        for start in (0, 20, 40):
            if rng.random() < 0.6:
                span = (str(item), start, start + int(rng.integers(4, 12)), str(rng.choice(["person", "place"])))
                true.add(span)
                for name in NAMES:
                    if rng.random() < 0.85:
                        off = int(rng.random() < slip)
                        rows.append((item, name, start + off, span[2], span[3]))
        rows += [(item, name, None, None, None) for name in NAMES]
    frame = pd.DataFrame(rows, columns=["item", "annotator", "start", "end", "label"])
    return frame, true


def found(combined: Any) -> set[tuple[Any, ...]]:
    return set(combined.to_pandas()[["item", "start", "end", "label"]].itertuples(index=False, name=None))


def test_spans_that_most_sources_mark_are_kept() -> None:
    frame, true = spans()
    combined = outgrow.combine(frame)
    assert combined.method == "exact_spans"
    both = found(combined)
    assert len(both & true) >= 0.9 * len(true)
    assert both <= true
    table = combined.to_pandas()
    assert ((table.probability >= 0.5) & (table.votes <= table.seen)).all()


def test_spans_with_other_borders_support_each_other() -> None:
    frame, true = spans(SEEDS[1], slip=0.5)
    exact, joined = (outgrow.combine(frame, method) for method in ("exact_spans", "overlapping_spans"))
    assert len({(item, end) for item, _, end, _ in found(joined)} & {(item, end) for item, _, end, _ in true}) >= len(
        {(item, end) for item, _, end, _ in found(exact)} & {(item, end) for item, _, end, _ in true}
    )
    starts = [start for _, start, _, _ in found(joined)]
    assert all(start % 20 in (0, 1) for start in starts)


@pytest.mark.parametrize("seed", SEEDS)
def test_stretches_are_the_votes_of_every_character(seed: int) -> None:
    """The sources of a stretch are those of each of its characters, and each marked character is in one stretch."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 20, 30)
    frame = pd.DataFrame(
        {"item": rng.integers(3, size=30), "annotator": rng.choice(NAMES, 30), "start": start,
         "end": start + rng.integers(1, 9, 30), "label": rng.choice(["x", "y"], 30)}
    )  # fmt: skip
    kind = kind_of(frame)
    votes = votes_of(kind, frame, section_of(kind), Options())
    expected: dict[tuple[str, str, int], set[str]] = {}
    for row in frame.itertuples():
        for place in range(row.start, row.end):
            expected.setdefault((str(row.item), row.label, place), set()).add(row.annotator)
    marked = {}
    for (item, first, last, label), said in zip(*_stretches(votes), strict=True):
        for place in range(first, last):
            sources = {name for name, yes in zip(votes.sources, said, strict=True) if yes}
            marked[(votes.items[item], votes.labels[label], place)] = sources
    assert marked == expected


def test_joined_stretches_do_not_overlap() -> None:
    frame, _ = spans(SEEDS[2], slip=0.5)
    table = outgrow.combine(frame, {"type": "overlapping_spans", "keep": 0.3}).to_pandas()
    for _, rows in table.groupby(["item", "label"]):
        ordered = rows.sort_values("start")
        assert (ordered.start.to_numpy()[1:] > ordered.end.to_numpy()[:-1]).all()


def test_a_source_that_has_not_seen_an_item_says_nothing_of_it() -> None:
    frame, _ = spans()
    only = frame[(frame.annotator == "ada") | (frame.item < 20)].dropna()
    by_rows, by_all = outgrow.combine(only).to_pandas(), outgrow.combine(only, seen="all").to_pandas()
    assert (by_rows[by_rows["item"].astype(int) >= 20].seen == 1).all()
    assert (by_all.seen == 3).all()
    assert len(by_all) < len(by_rows)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"start": 9, "end": 9}, "row 1"), ({"end": None, "start": 3}, "row 1"), ({"start": 0.5, "end": 2}, "row 1")],
)
def test_offsets_that_make_no_span_are_told(changes: dict[str, Any], named: str) -> None:
    frame = pd.DataFrame({"item": [1], "annotator": ["a"], "start": [0], "end": [2], "label": ["x"]})
    with pytest.raises(DataError, match=named):
        outgrow.combine(frame.assign(**changes))


def test_the_kind_is_told_by_the_offsets() -> None:
    frame, _ = spans()
    assert kind_of(frame).name == "spans"
    assert kind_of(frame.drop(columns="end")).name == "classes"
