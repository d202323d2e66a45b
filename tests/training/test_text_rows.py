"""Texts to learn become prompts and answers in the student's tokens; what cannot be learned is named or refused."""

import logging

import numpy as np
import pytest
from tiny_texts import guessed, train_words

from drawn_seeds import SEEDS
from outgrow.align.pieces import PieceTable
from outgrow.align.spelling import spelling_of
from outgrow.errors import DataError
from outgrow.generation.prompting import prompter_of
from outgrow.models.load_model import load_tokenizer
from outgrow.texts import TextTargets, certain
from outgrow.training.text_tokenizer import TextTokenizer, tokenize_targets

PROMPTS = {"a": "book a train", "b": "book two trains"}


@pytest.fixture
def reader(writing):
    tokenizer = load_tokenizer(writing("llama"))
    return TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 128)


@pytest.fixture
def word_reader(tiny):
    """Of a tokenizer that knows few words, and no end of a text until one is chosen."""
    tokenizer = load_tokenizer(tiny("llama"))
    tokenizer.eos_token = "."
    return TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 12)


def targets(*rows, weight=None):
    items, texts, tables = zip(*rows, strict=True)
    return TextTargets(list(items), list(texts), list(tables), np.ones(len(rows)) if weight is None else weight)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_say_the_text_and_keep_its_probability(reader, seed):
    rng = np.random.default_rng(seed)
    texts = [answer for _, answer in train_words(20, seed)]
    tables = [guessed(text, rng, closed=bool(rng.integers(2))) for text in texts]
    read = tokenize_targets(targets(*zip("ab" * 10, texts, tables, strict=True)), PROMPTS, reader)
    tokenizer, end = reader.prompter.tokenizer, reader.prompter.end_id
    assert read.kept == list(range(20))
    for row, item, text, table in zip(read.rows, "ab" * 10, texts, tables, strict=True):
        assert tokenizer.decode(row.prompt) == PROMPTS[item] + "\n"
        closed = table.end[-1] > len(text.encode())
        assert (row.answer[-1] == end) == closed
        assert tokenizer.decode([token for token in row.answer if token != end]) == text
        assert row.logprob.sum() == pytest.approx(table.logprob.sum())
        assert set(row.group.tolist()) == set(range(len(row.logprob)))


def test_an_empty_answer_with_an_end_is_learned_and_one_without_is_not(reader):
    cut_off = PieceTable(np.zeros(1, dtype=np.int64), np.asarray([-0.5]))
    read = tokenize_targets(targets(("a", "", certain("")), ("b", "", cut_off)), PROMPTS, reader)
    assert [row.answer for row in read.rows] == [[reader.prompter.end_id]]
    assert read.empty == ["b"]
    assert not read.unreadable
    assert not read.too_long


def test_what_does_not_fit_or_cannot_be_written_is_named_and_left_out(word_reader, caplog):
    long, foreign = "red " * 20, "red grün blue"
    rows = [("a", "red blue", certain("red blue")), ("a", long, certain(long)), ("b", foreign, certain(foreign))]
    with caplog.at_level(logging.WARNING, "outgrow"):
        read = tokenize_targets(targets(*rows), {"a": "what colour is it ?", "b": "what"}, word_reader)
    assert read.kept == [0]
    assert read.left_out == {"too_long": ["a"], "unreadable": ["b"], "empty": []}
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "1 texts are longer than 12 tokens" in said
    assert "cannot be reproduced by the model's tokenizer (items b)" in said


def test_if_nothing_is_left_that_is_an_error(word_reader):
    with pytest.raises(DataError, match=r"nothing to learn: 1 texts cannot be reproduced.*items b"):
        tokenize_targets(targets(("b", "grün", certain("grün"))), PROMPTS, word_reader)


def test_targets_without_weight_are_not_looked_at(reader):
    rows = [("nobody", "x", certain("x")), ("a", "red", certain("red"))]
    read = tokenize_targets(targets(*rows, weight=np.asarray([0.0, 0.5])), PROMPTS, reader)
    assert read.kept == [1]
    with pytest.raises(DataError, match="nothing to learn: no target has a weight above 0"):
        tokenize_targets(targets(*rows, weight=np.zeros(2)), PROMPTS, reader)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            PieceTable(np.asarray([3, 4]), np.asarray([-0.1, np.nan])),
            "item `a`: the log-probability of piece 1 is nan",
        ),
        (
            PieceTable(np.asarray([3, 4]), np.asarray([-np.inf, 0.0])),
            "item `a`: the log-probability of piece 0 is -inf",
        ),
        (PieceTable(np.asarray([2]), np.asarray([-0.1])), "item `a`: the supervisor's pieces end at byte 2"),
        (PieceTable(np.zeros(0, dtype=np.int64), np.zeros(0)), "item `a`: the supervisor's pieces end at byte 0"),
    ],
)
def test_damaged_targets_stop_the_step(reader, table, said):
    with pytest.raises(DataError, match=said):
        tokenize_targets(targets(("a", "red", table)), PROMPTS, reader)


def test_a_target_of_an_item_that_is_not_asked_stops_the_step(reader):
    with pytest.raises(DataError, match="item `z` is not among the items to learn from"):
        tokenize_targets(targets(("z", "red", certain("red"))), PROMPTS, reader)
