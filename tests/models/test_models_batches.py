"""Batches: every item once, within the budget, little padding; and what happens when memory runs out."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from outgrow.errors import StepFailed
from outgrow.models.token_batches import length_sorted_batches, out_of_memory, pad, tokenize, with_smaller_batches


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 2000))
def test_batches_hold_every_item_once_within_the_budget(lengths: list[int], budget: int) -> None:
    sizes = np.asarray(lengths, dtype=np.int64)
    batches = length_sorted_batches(sizes, budget)
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * sizes[batch].max() <= budget


def test_little_is_wasted_on_padding(rng: np.random.Generator) -> None:
    lengths = rng.integers(10, 200, size=2000)
    padded = sum(len(batch) * lengths[batch].max() for batch in length_sorted_batches(lengths, 4096))
    assert padded < 1.03 * lengths.sum()


def test_long_texts_keep_their_end(tokenizer: PreTrainedTokenizerBase) -> None:
    text = " ".join(str(number) for number in range(100))
    short, long = tokenize(tokenizer, ["one two", text], 10).ids
    assert tokenizer.decode(short) == "one two"
    assert len(long) == 10
    assert text.endswith(tokenizer.decode(long))
    assert tokenize(tokenizer, ["one two", text, text], 10).truncated == 2


def test_long_texts_keep_their_special_tokens(encoder_tokenizer: PreTrainedTokenizerBase) -> None:
    (ids,) = tokenize(encoder_tokenizer, ["a b c d e f g h i j k l m n"], 6).ids
    assert encoder_tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "k", "l", "m", "n", "[SEP]"]


def test_an_empty_text_is_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenize(tokenizer, [""], 8).ids == [[tokenizer.pad_token_id]]
    assert tokenize(tokenizer, [], 8).ids == []


def test_the_mask_comes_from_lengths() -> None:
    batch = pad([[7, 2, 2], [2]], pad_id=2)
    assert batch.input_ids.tolist() == [[7, 2, 2], [2, 2, 2]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("[enforce fail] DefaultCPUAllocator: …")]
)
def test_batches_are_halved_until_they_fit(error: RuntimeError, caplog: pytest.LogCaptureFixture) -> None:
    def run(rows: np.ndarray) -> int:
        if len(rows) > 3:
            raise error
        return int(rows.sum())

    with caplog.at_level(logging.WARNING):
        done = list(with_smaller_batches(run, [np.arange(9), np.arange(9, 11)]))
    assert [rows.tolist() for rows, _ in done] == [[0, 1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert [total for _, total in done] == [3, 7, 11, 15, 19]
    assert "a batch of 9 items is run as 5 and 4" in caplog.text
    assert len(caplog.records) == 3


def test_a_single_item_that_does_not_fit_fails_with_advice() -> None:
    def run(rows: np.ndarray) -> int:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(StepFailed, match="max_length"):
        list(with_smaller_batches(run, [np.arange(4)]))


def test_a_real_allocation_failure_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 46)
    assert out_of_memory(caught.value)


def test_other_errors_pass_through() -> None:
    def run(rows: np.ndarray) -> int:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(with_smaller_batches(run, [np.arange(4)]))
