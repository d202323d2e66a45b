"""A supervisor's table: what spells its text is taken, everything else is refused by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.align.pieces import Pieces, PieceTable, piece_table
from outgrow.errors import DataError

TEXT = "wäke me"


def test_start_is_the_end_before():
    table = piece_table(TEXT, [0, 3, 5], [3, 5, 8], [-1.0, -2.0, 0.0])
    assert table.start.tolist() == [0, 3, 5]
    assert table.end.tolist() == [3, 5, 8]
    assert Pieces(np.empty(0, int), np.empty(0, int)).start.tolist() == []


def test_spaces_between_words_may_be_left_out():
    text = " one  two "
    table = piece_table(text, [1, 6], [4, 9], [-1.0, -2.0])
    assert table.end.tolist() == [4, 10]


def test_the_end_of_the_sequence_is_one_byte_behind_the_text():
    table = piece_table(TEXT, [0, 8], [8, 9], [-1.0, -0.5])
    assert table.end.tolist() == [8, 9]
    by_hand = piece_table(TEXT, [0], [8], [-1.0]).close(-0.5, 8)
    assert by_hand.end.tolist() == [8, 9]
    assert by_hand.logprob.tolist() == [-1.0, -0.5]
    assert piece_table("", [0], [1], [-0.1]).end.tolist() == [1]
    assert piece_table("", [], [], []).end.tolist() == []


def test_rounding_above_zero_is_zero():
    assert piece_table("a", [0], [1], [3e-6]).logprob.tolist() == [0.0]


@pytest.mark.parametrize(
    ("start", "end", "logprob", "words"),
    [
        ([0], [8], [float("nan")], "log-probability of piece 0 is nan"),
        ([0], [8], [float("-inf")], "log-probability of piece 0 is -inf"),
        ([0, 4], [4, 8], [-1.0, 0.5], "log-probability of piece 1 is 0.5"),
        ([0, 4], [4, 8], [-1.0], "2 starts, 2 ends and 1 log-probabilities"),
        ([0], [7], [-1.0], "spell 7 of the text's 8 bytes"),
        ([0], [9], [-1.0], "piece 0 spans bytes 0 to 9"),
        ([2], [8], [-1.0], "does not follow byte 0"),
        ([0, 3], [4, 8], [-1.0, -1.0], "piece 1 spans bytes 3 to 8, which does not follow byte 4"),
        ([0, 6], [4, 8], [-1.0, -1.0], "does not follow byte 4"),
        ([0, 6], [8, 6], [-1.0, -1.0], "piece 1 spans bytes 6 to 6"),
        ([-1], [8], [-1.0], "piece 0 spans bytes -1 to 8"),
        ([], [], [], "spell 0 of the text's 8 bytes"),
        ([8], [9], [-1.0], "spell 0 of the text's 8 bytes"),
    ],
)
def test_a_table_that_does_not_spell_its_text(start, end, logprob, words):
    with pytest.raises(DataError, match="item `q1`") as caught:
        piece_table(TEXT, start, end, logprob, item="q1")
    assert words in str(caught.value)


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
