"""Groups over pairs of real tokenizers: no probability is lost, and they are the smallest that both agree on."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from texts import PLAIN, TEXTS

from outgrow.align.group import align, stack, word_ends
from outgrow.align.pieces import Pieces, PieceTable
from outgrow.align.spans import encode
from outgrow.errors import DataError

LIMITED = ("smollm2", "minilm", "word_piece", "unigram", "unigram_bytes")
"""They refuse some texts: unknown characters, bytes without a token, "<0x41>" taken for a byte."""
NAMES = ("wordllama", "byte_bpe", "byte_bpe_prefixed", "byte_bpe_nfc", *LIMITED)


def scored(pieces: Pieces, seed: int) -> PieceTable:
    rng = np.random.default_rng(seed)
    return PieceTable(pieces.end, -rng.exponential(2, len(pieces.end)) * rng.integers(0, 2, len(pieces.end)))


def aligned(spellings, supervisor, student, text, unit, close, seed):
    table, pieces = scored(encode(spellings[supervisor], text), seed), encode(spellings[student], text)
    if close:
        n_bytes = len(text.encode())
        table, pieces = table.close(-0.25, n_bytes), pieces.close(2, n_bytes)
    return table, pieces, align(text, table, pieces, unit=unit)


def groups_by_hand(table: PieceTable, pieces: Pieces, cuts: list[int]) -> list[float]:
    """Every group's log-probability from the definition: the pieces that lie within it."""
    bounds = [-1, *cuts]
    return [
        sum(score for end, score in zip(table.end, table.logprob, strict=True) if low < end <= high)
        for low, high in itertools.pairwise(bounds)
    ]


@pytest.mark.parametrize("student", NAMES)
@given(text=TEXTS | PLAIN, supervisor=st.sampled_from(NAMES), unit=st.sampled_from(["span", "word"]),
       close=st.booleans(), seed=st.integers(0, 2**32 - 1))  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_no_probability_is_lost(spellings, student, text, supervisor, unit, close, seed):
    try:
        table, pieces, found = aligned(spellings, supervisor, student, text, unit, close, seed)
    except DataError:
        # That the others never refuse a text is tested with the spans.
        reject() if {supervisor, student} & set(LIMITED) else pytest.fail("a tokenizer that knows all bytes refused")
    assert found.logprob.sum() == pytest.approx(table.logprob.sum(), abs=1e-9)
    assert len(found.group) == len(pieces.ids)
    # Every group has a token, tokens are in order, and groups end where both tokenizers end a piece.
    assert np.unique(found.group).tolist() == list(range(len(found.logprob)))
    assert (np.diff(found.group) >= 0).all()
    assert set(found.end) <= set(table.end) & set(pieces.end)
    assert found.logprob == pytest.approx(groups_by_hand(table, pieces, found.end.tolist()), abs=1e-9)
    if unit == "span":
        assert set(found.end) == (set(table.end) & set(pieces.end)) - ({0} if text or close else set())
    for token, group in enumerate(found.group):
        low, high = (found.end[group - 1] if group else 0), found.end[group]
        assert low <= pieces.start[token] <= pieces.end[token] <= high
    if close:
        assert found.logprob[-1] == pytest.approx(-0.25 if text else table.logprob.sum())
        assert (found.group == found.group[-1]).sum() == 1 or not text


@given(text=TEXTS)
@settings(deadline=None)
def test_a_tokenizer_with_itself_has_one_group_per_piece(spellings, text):
    assume(text)
    pieces = encode(spellings["byte_bpe"], text)
    found = align(text, scored(pieces, 0), pieces)
    assert found.group.tolist() == list(range(len(pieces.ids)))


@given(text=st.lists(st.text("abc日é", min_size=1, max_size=5), min_size=1, max_size=6).map(" ".join))
@settings(deadline=None)
def test_words_are_the_papers_words(spellings, text):
    """Where no piece runs across a space, the groups are the words between spaces."""
    table, _, found = aligned(spellings, "byte_bpe", "wordllama", text, "word", False, 1)
    lengths = [len(word.encode()) for word in text.split(" ")]
    assert found.end.tolist() == [sum(lengths[: n + 1]) + n for n in range(len(lengths))]
    assert found.logprob.sum() == pytest.approx(table.logprob.sum())


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("", [0, 1]),
        ("a", [1, 2]),
        ("ab  c", [2, 5, 6]),
        (" ab c", [3, 5, 6]),
        ("ab c  ", [2, 6, 7]),
        ("   ", [3, 4]),
        ("é 日\tb", [2, 8, 9]),
    ],
)
def test_word_ends(text, ends):
    assert word_ends(text.encode()).tolist() == ends


def table_of(end, logprob) -> PieceTable:
    return PieceTable(np.array(end, dtype=np.int64), np.array(logprob, dtype=np.float64))


def test_a_piece_across_a_space_joins_two_words():
    text = "by the way"
    supervisor = table_of([2, 6, 10], [-1.0, -2.0, -4.0])
    across = Pieces(np.array([5, 6]), np.array([6, 10]))
    found = align(text, supervisor, across, unit="word")
    assert found.group.tolist() == [0, 1]
    assert found.logprob.tolist() == [-3.0, -4.0]


def test_half_characters_meet_at_the_next_common_byte():
    text = "日a"
    supervisor = table_of([1, 3, 4], [-1.0, -2.0, -4.0])
    found = align(text, supervisor, Pieces(np.arange(3), np.array([2, 3, 4])))
    assert found.group.tolist() == [0, 0, 1]
    assert found.logprob.tolist() == [-3.0, -4.0]


def test_empty_pieces_stay_with_what_is_before_them():
    supervisor = table_of([0, 1, 1, 2], [-1.0, -2.0, -4.0, -8.0])
    found = align("ab", supervisor, Pieces(np.arange(4), np.array([0, 1, 1, 2])))
    assert found.logprob.tolist() == [-7.0, -8.0]
    assert found.group.tolist() == [0, 0, 0, 1]


def test_an_empty_text_is_its_end():
    nothing = Pieces(np.empty(0, dtype=int), np.empty(0, dtype=int))
    table = table_of([], [])
    assert len(align("", table, nothing).logprob) == 0
    closed = align("", table.close(-0.5, 0), nothing.close(2, 0))
    assert closed.group.tolist() == [0]
    assert closed.logprob.tolist() == [-0.5]


def test_a_stack_is_its_parts():
    parts = [
        align(text, table_of([len(text)], [score]), Pieces(np.arange(2), np.array([1, len(text)])))
        for text, score in (("ab", -1.0), ("cde", -2.0))
    ]
    both = stack(parts)
    assert both.group.tolist() == [0, 0, 1, 1]
    assert both.logprob.tolist() == [-1.0, -2.0]
    assert both.end.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("table_end", "pieces_end", "words"),
    [
        ([2, 3], [2], "only the supervisor's pieces have the end"),
        ([2], [2, 3], "only the student's pieces have the end"),
        ([2], [1], "supervisor's pieces end at byte 2, the student's at byte 1, the text at byte 2"),
        ([5], [5], "the text at byte 2"),
    ],
)
def test_pieces_of_different_texts_are_refused(table_end, pieces_end, words):
    table = PieceTable(np.array(table_end), np.zeros(len(table_end)))
    with pytest.raises(DataError, match="item `q9`") as caught:
        align("ab", table, Pieces(np.array(pieces_end), np.array(pieces_end)), item="q9")
    assert words in str(caught.value)


def test_three_thousand_texts_take_seconds(spellings):
    rng = np.random.default_rng()
    words = ["wake", "me", "up", "at", "seven", "日本", "Zürich", "tomorrow", "👍🏽", '{"time":', '"3 pm"}']
    texts = [" ".join(rng.choice(words, 9)) for _ in range(3000)]
    began = time.process_time()
    for text in texts:
        align(text, scored(encode(spellings["wordllama"], text), 0), encode(spellings["smollm2"], text))
    assert time.process_time() - began < 4
