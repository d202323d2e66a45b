"""Pieces of a text as byte spans."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from outgrow.align.pieces import Pieces, PieceTable


def test_start_is_the_end_before():
    table = PieceTable(np.array([3, 5, 8]), np.array([-1.0, -2.0, 0.0]))
    assert table.start.tolist() == [0, 3, 5]
    assert Pieces(np.empty(0, int), np.empty(0, int)).start.tolist() == []


def test_the_end_of_the_sequence_is_one_byte_behind_the_text():
    table = PieceTable(np.array([8]), np.array([-1.0])).close(-0.5, 8)
    assert table.end.tolist() == [8, 9]
    assert table.logprob.tolist() == [-1.0, -0.5]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.data())
def test_trimming_loses_no_log_probability(widths, data):
    end = np.cumsum(widths)
    first = data.draw(st.integers(0, int(end[-1])))
    last = data.draw(st.integers(first, int(end[-1])))
    table = PieceTable(end, -np.arange(1.0, len(widths) + 1))
    trimmed = table.trim(first, last)
    assert trimmed.logprob.sum() == table.logprob.sum()
    covered = [
        sum(first <= byte < last for byte in range(start, stop))
        for start, stop in zip(table.start, table.end, strict=True)
    ]
    assert (trimmed.end - trimmed.start).tolist() == covered
    assert Pieces(np.arange(len(widths)), end).trim(first, last).end.tolist() == trimmed.end.tolist()
