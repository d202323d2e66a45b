"""Hardened labels: exact class counts, the quantile for two classes, the best assignment for more; a true ramp."""

import time
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from drawn_seeds import SEEDS
from outgrow.losses.loss_record import ramp
from outgrow.losses.self_training import exact_counts, harden_argmax, harden_balanced


def drawn(seed, *shape, scale=2.0):
    """Logits whose classes are differently popular, and class shares of another kind."""
    draw = torch.Generator().manual_seed(seed)
    tilt = torch.randn(shape[-1], generator=draw, dtype=torch.float64)
    shares = torch.rand(shape[-1], generator=draw, dtype=torch.float64) + 0.1
    return torch.randn(*shape, generator=draw, dtype=torch.float64) * scale + tilt * scale, shares / shares.sum()


def test_ramp_is_linear_and_reaches_one_where_it_should():
    assert [ramp(0.0, 0.4), ramp(0.1, 0.4), ramp(0.2, 0.4), ramp(0.4, 0.4), ramp(0.9, 0.4)] == [0, 0.25, 0.5, 1, 1]
    assert [ramp(0.0), ramp(0.5), ramp(1.0)] == [0, 0.5, 1]
    # No jump at the end of the ramp, which the released codes have.
    assert abs(ramp(0.4 - 1e-9, 0.4) - 1) < 1e-8


@pytest.mark.parametrize("seed", SEEDS)
def test_argmax_is_the_most_probable_class(seed):
    logits, _ = drawn(seed, 3, 20, 5)
    hard = harden_argmax(logits.requires_grad_())
    assert hard.dtype == logits.dtype
    assert not hard.requires_grad
    assert (hard.sum(-1) == 1).all()
    assert torch.equal((hard * logits).sum(-1), logits.max(-1).values)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rows", [1, 7, 32, 500])
def test_counts_are_whole_and_nearest(rows, seed):
    _, shares = drawn(seed, rows, 6)
    counts = exact_counts(shares, rows)
    assert counts.sum() == rows
    assert ((counts - shares * rows).abs() < 1).all()
    if rows == 7:  # no other whole counts are nearer
        best = min(
            sum((c - s * rows) ** 2 for c, s in zip(other, shares.tolist(), strict=True))
            for other in np.ndindex(*(8,) * 6)
            if sum(other) == rows
        )
        assert ((counts - shares * rows) ** 2).sum() <= best + 1e-12


def test_counts_break_ties_by_class_order_and_survive_rounding():
    assert exact_counts(torch.full((3,), 1 / 3), 10).tolist() == [4, 3, 3]
    assert exact_counts(torch.tensor([0.1, 0.2, 0.7], dtype=torch.float32), 10).tolist() == [1, 2, 7]
    assert exact_counts(torch.tensor([0.0, 1.0]), 5).tolist() == [0, 5]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6, 15])
@pytest.mark.parametrize("scale", [0.001, 1.0, 30.0])
def test_balanced_labels_have_exactly_the_wanted_counts(scale, classes, seed):
    logits, shares = drawn(seed, 4, 211, classes, scale=scale)
    hard = harden_balanced(logits, shares)
    assert (hard.sum(-1) == 1).all()
    assert (hard.sum(-2) == exact_counts(shares, 211)).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rows", [1, 10, 301])
def test_two_classes_are_split_at_the_quantile(rows, seed):
    logits, shares = drawn(seed, rows, 2)
    margin = logits[:, 1] - logits[:, 0]
    expected = torch.zeros(rows, dtype=torch.long)
    expected[margin.argsort(descending=True)[: int(exact_counts(shares, rows)[1])]] = 1
    assert torch.equal(harden_balanced(logits, shares).argmax(-1), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("rows", "classes"), [(300, 3), (300, 6), (300, 15), (24, 5)])
def test_more_classes_get_the_best_assignment(rows, classes, seed):
    logits, shares = drawn(seed, rows, classes)
    log_probs = logits.log_softmax(-1)
    seats = torch.repeat_interleave(torch.arange(classes), exact_counts(shares, rows))
    row, seat = linear_sum_assignment(log_probs[:, seats].numpy(), maximize=True)
    best = log_probs[row, seats[seat]].sum()
    hard = harden_balanced(logits, shares)
    agree = (hard.argmax(-1)[row] == seats[seat]).double().mean()
    assert agree > 0.97  # near a boundary a few rows may be exchanged at little loss
    assert best - (hard * log_probs).sum() < 1e-3 * rows


def test_small_batches_get_the_best_of_all_assignments():
    logits, _ = drawn(SEEDS[0], 6, 3)
    hard = harden_balanced(logits, torch.tensor([1 / 3] * 3, dtype=torch.float64))
    every = set(permutations([0, 0, 1, 1, 2, 2]))
    best = max(logits[torch.arange(6), torch.tensor(order)].sum() for order in every)
    torch.testing.assert_close((hard * logits).sum(), best)


@pytest.mark.parametrize("seed", SEEDS)
def test_grid_members_do_not_see_each_other_and_classes_may_be_renamed(seed):
    logits, shares = drawn(seed, 3, 150, 5)
    hard = harden_balanced(logits, shares)
    assert torch.equal(hard[1], harden_balanced(logits[1], shares))
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    moved = harden_balanced(logits[..., order], shares[order])
    assert (moved == hard[..., order]).double().mean() > 0.98
    level = torch.randn(3, 150, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert (harden_balanced(logits + level, shares) == hard).double().mean() > 0.98


def test_a_class_without_share_gets_nothing():
    logits, _ = drawn(SEEDS[0], 50, 4)
    hard = harden_balanced(logits, torch.tensor([0.5, 0.0, 0.5, 0.0], dtype=torch.float64))
    assert hard.sum(0).tolist() == [25, 0, 25, 0]


def test_ties_and_a_diverged_neighbour_are_survived():
    shares = torch.tensor([0.5, 0.3, 0.2])
    logits = torch.zeros(3, 40, 3)
    logits[1] = torch.nan
    logits[2] = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) * 1e30
    hard = harden_balanced(logits, shares)
    assert hard.sum(-2).tolist() == [[20, 12, 8]] * 3
    assert torch.equal(hard, harden_balanced(logits, shares))


def test_fast_enough_for_every_training_step():
    logits, shares = drawn(0, 10, 1000, 15)
    logits, shares = logits.float(), shares.float()
    seconds = []
    for _ in range(9):
        start = time.thread_time()  # whatever else the machine does
        harden_balanced(logits, shares)
        seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.03  # about 6 ms on an idle core
