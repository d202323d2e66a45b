"""Equation 7 against its definition, term by term in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import TEXTS

from drawn_seeds import SEEDS
from outgrow.align.group import align, stack
from outgrow.align.pieces import PieceTable
from outgrow.align.spans import encode
from outgrow.align.targets import split_logprob


def by_hand(group, logprob, confidence, temperature):
    shares = [math.exp(-value / temperature) for value in confidence]
    totals = [sum(s for s, g in zip(shares, group, strict=True) if g == n) for n in range(len(logprob))]
    return [share / totals[g] * logprob[g] for share, g in zip(shares, group, strict=True)]


def draw(seed, n_groups=7):
    rng = np.random.default_rng(seed)
    group = np.sort(np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 15)]))
    return group, -rng.exponential(3, n_groups), rng.random(len(group))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_equation_seven(seed, temperature):
    group, logprob, confidence = draw(seed)
    found = split_logprob(*map(torch.from_numpy, (group, logprob, confidence)), temperature=temperature)
    assert found.numpy() == pytest.approx(by_hand(group, logprob, confidence, temperature), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_confidence_shares_are_equal(seed):
    group, logprob, _ = draw(seed)
    found = split_logprob(torch.from_numpy(group), torch.from_numpy(logprob))
    assert found.numpy() == pytest.approx((logprob / np.bincount(group))[group], rel=1e-12)


@given(text=TEXTS, seed=st.integers(0, 2**32 - 1), unit=st.sampled_from(["span", "word"]))
@settings(deadline=None, max_examples=60)
def test_products_over_real_tokenizers(spellings, text, seed, unit):
    """A group's target probabilities multiply to the supervisor's probability of it; all groups' to the text's."""
    rng = np.random.default_rng(seed)
    names = ("byte_bpe_nfc", "wordllama", "byte_bpe_prefixed")
    cut = [encode(spellings[name], text) for name in names]
    tables = [PieceTable(pieces.end, -rng.exponential(2, len(pieces.end))) for pieces in cut]
    student = encode(spellings["byte_bpe"], text)
    both = stack([align(text, table, student, unit=unit) for table in tables])
    confidence = torch.from_numpy(rng.random(len(both.group)))
    split = split_logprob(torch.from_numpy(both.group), torch.from_numpy(both.logprob), confidence).numpy()
    assert (split <= 0).all()
    assert np.bincount(both.group, split, minlength=len(both.logprob)) == pytest.approx(both.logprob, abs=1e-9)
    per_text = split.reshape(len(names), -1).sum(axis=1)
    assert per_text == pytest.approx([table.logprob.sum() for table in tables], abs=1e-9)


def test_the_confident_token_keeps_the_higher_probability():
    group, logprob = torch.tensor([0, 0]), torch.tensor([-3.0])
    sure, unsure = split_logprob(group, logprob, torch.tensor([0.9, 0.1])).tolist()
    assert unsure < sure < 0


def test_a_low_temperature_neither_overflows_nor_loses_the_group():
    split = split_logprob(
        torch.tensor([0, 0, 1]), torch.tensor([-3.0, -1.0]), torch.tensor([1.0, 0.5, 1.0]), temperature=1e-4
    )
    assert split.tolist() == [0.0, -3.0, -1.0]


def test_targets_pass_no_gradient_and_keep_their_precision():
    confidence = torch.tensor([0.25, 0.75], dtype=torch.bfloat16, requires_grad=True)
    split = split_logprob(torch.tensor([0, 0]), torch.tensor([-2.0]), confidence)
    assert not split.requires_grad
    assert split.dtype == torch.float32
    assert split.sum().item() == pytest.approx(-2.0, rel=1e-6)


def test_no_tokens_at_all():
    empty = split_logprob(torch.empty(0, dtype=torch.long), torch.empty(0), torch.empty(0))
    assert empty.shape == (0,)
