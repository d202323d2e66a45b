"""The marginal likelihood of texts against its definition over whole logits, in float64."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from drawn_seeds import SEEDS
from outgrow.losses.token_marginal import marginal_token_loss
from outgrow.losses.tokens import TokenLoss, token_cross_entropy

DIM, VOCAB = 6, 37
LENGTHS = [3, 1, 7, 4, 2, 5]
"""Tokens of each candidate."""
ITEM = [0, 0, 0, 1, 1, 2]
"""Three candidates of the first item, two of the second, one of the third."""


@dataclass
class Case:
    """Candidates of unequal length, drawn from a seed."""

    hidden: Tensor
    matrix: Tensor
    bias: Tensor
    label: Tensor
    row: Tensor
    item: Tensor
    weight: Tensor

    def leaves(self) -> list[Tensor]:
        return [self.hidden, self.matrix, self.bias]

    def call(self, **options) -> TokenLoss:
        options = {"bias": self.bias, "chunk": 5, **options}
        return marginal_token_loss(self.hidden, self.matrix, self.label, self.row, self.item, self.weight, **options)

    def total(self) -> Tensor:
        return self.call().total

    def rows(self, order: list[int], weight: Tensor | None = None) -> "Case":
        """Some of the rows, in that order; `weight` of those."""
        tokens = torch.cat([(self.row == row).nonzero()[:, 0] for row in order])
        widths = torch.bincount(self.row)[order]
        own = self.weight[order] if weight is None else weight
        item = self.item[order].unique(return_inverse=True)[1]
        hidden, label = self.hidden.detach()[tokens].requires_grad_(), self.label[tokens]
        row = torch.arange(len(order)).repeat_interleave(widths)
        return Case(hidden, self.matrix, self.bias, label, row, item, own)


def drawn(seed: int, lengths: list[int] = LENGTHS, item: list[int] = ITEM, scale: float = 2.0) -> Case:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    hidden, matrix, bias = normal(sum(lengths), DIM), scale * normal(VOCAB, DIM) / DIM**0.5, normal(VOCAB)
    label = torch.randint(VOCAB, (sum(lengths),), generator=draw)
    row = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    weight = torch.rand(len(lengths), generator=draw, dtype=torch.float64) + 0.1
    leaves = [one.requires_grad_() for one in (hidden, matrix, bias)]
    return Case(*leaves, label, row, torch.tensor(item), weight)


def by_definition(case: Case) -> Tensor:
    """Σ_item W · −ln Σ_c (w_c / W) exp(mean of the candidate's ln p), one candidate and one item after the other."""
    log_p = (case.hidden @ case.matrix.T + case.bias).log_softmax(-1)
    total = torch.zeros((), dtype=torch.float64)
    for number in range(int(case.item.max()) + 1):
        rows = [row for row in range(len(case.item)) if case.item[row] == number]
        whole = sum(case.weight[row] for row in rows)
        likelihood = torch.zeros((), dtype=torch.float64)
        for row in rows:
            tokens = (case.row == row).nonzero()[:, 0].tolist()
            mean = sum(log_p[token, case.label[token]] for token in tokens) / len(tokens)
            likelihood = likelihood + case.weight[row] / whole * mean.exp()
        total = total - whole * likelihood.log()
    return total


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_value_and_gradient_are_those_of_the_definition(seed: int, scale: float) -> None:
    case = drawn(seed, scale=scale)
    wanted, found = by_definition(case), case.total()
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    by_hand = torch.autograd.grad(wanted, case.leaves())
    for one, other in zip(torch.autograd.grad(found, case.leaves()), by_hand, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_the_gradient_is_that_of_finite_differences() -> None:
    case, step = drawn(SEEDS[0]), 1e-6
    gradients = torch.autograd.grad(case.total(), case.leaves())
    draw = torch.Generator().manual_seed(SEEDS[1])
    for leaf, gradient in zip(case.leaves(), gradients, strict=True):
        direction = torch.randn(leaf.shape, generator=draw, dtype=torch.float64)
        with torch.no_grad():
            leaf.add_(step * direction)
            above = case.total()
            leaf.sub_(2 * step * direction)
            below = case.total()
            leaf.add_(step * direction)
        assert float((above - below) / (2 * step)) == pytest.approx(float((gradient * direction).sum()), rel=1e-6)


def test_the_gradient_by_log_probabilities_is_minus_the_posterior_per_token() -> None:
    """Σ over an item of its tokens' pulls is its weight, however long its candidates are."""
    case = drawn(SEEDS[0])
    log_p = (case.hidden @ case.matrix.T + case.bias).log_softmax(-1).detach()
    each = log_p.gather(1, case.label[:, None]).squeeze(1)
    mean = torch.stack([each[case.row == row].mean() for row in range(len(ITEM))])
    score = case.weight * mean.exp()
    of_item = torch.zeros(3, dtype=torch.float64).index_add(0, case.item, score)
    whole = torch.zeros(3, dtype=torch.float64).index_add(0, case.item, case.weight)
    pull = (score / of_item[case.item] * whole[case.item] / torch.tensor(LENGTHS))[case.row]
    options = {"bias": case.bias, "token_weight": pull}
    weighted = token_cross_entropy(case.hidden, case.matrix, case.label, **options).total
    for one, other in zip(
        torch.autograd.grad(case.total(), case.leaves()), torch.autograd.grad(weighted, case.leaves()), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_one_candidate_is_the_mean_cross_entropy_of_its_tokens() -> None:
    case = drawn(SEEDS[1], [5], [0])
    mean = token_cross_entropy(case.hidden, case.matrix, case.label, bias=case.bias).total / 5
    torch.testing.assert_close(case.total(), case.weight[0] * mean)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_candidates_does_not_matter(seed: int) -> None:
    case = drawn(seed)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed)).tolist()
    moved = case.rows(order)
    torch.testing.assert_close(moved.total(), case.total(), rtol=1e-12, atol=1e-12)
    moved_by, by = (torch.autograd.grad(one.total(), [one.matrix])[0] for one in (moved, case))
    torch.testing.assert_close(moved_by, by, rtol=1e-10, atol=1e-12)


def test_a_text_that_stands_twice_counts_with_the_sum_of_its_weights() -> None:
    case = drawn(SEEDS[2])
    share = torch.tensor([0.3, 1, 1, 1, 1, 1, 0.7], dtype=torch.float64)
    twice = case.rows([0, 1, 2, 3, 4, 5, 0], case.weight[[0, 1, 2, 3, 4, 5, 0]] * share)
    torch.testing.assert_close(twice.total(), case.total(), rtol=1e-12, atol=1e-12)
    twice_by, by = (torch.autograd.grad(one.total(), [one.matrix])[0] for one in (twice, case))
    torch.testing.assert_close(twice_by, by, rtol=1e-10, atol=1e-12)


def test_a_candidate_of_weight_zero_is_as_if_absent() -> None:
    case = drawn(SEEDS[0])
    without = case.rows([0, 2, 3, 4]).total()
    case.weight[[1, 5]] = 0.0
    with torch.no_grad():
        case.hidden[(case.row == 1) | (case.row == 5)] = torch.nan
    case.label[case.row == 1] = -100
    torch.testing.assert_close(case.total(), without, rtol=1e-12, atol=1e-12)
    case.total().backward()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in case.leaves())


def test_a_factor_of_all_weights_is_a_factor_of_the_loss() -> None:
    case = drawn(SEEDS[1])
    before = case.total()
    case.weight = case.weight * 2.5
    torch.testing.assert_close(case.total(), 2.5 * before)


@pytest.mark.parametrize("chunk", [1, 4, 100, None])
def test_chunks_change_nothing(chunk: int | None) -> None:
    case = drawn(SEEDS[2])
    torch.testing.assert_close(case.call(chunk=chunk).total, case.total(), rtol=1e-12, atol=1e-12)
    one, other = (torch.autograd.grad(case.call(chunk=size).total, case.leaves()) for size in (chunk, 5))
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_self_training_moves_a_share_to_the_students_own_tokens() -> None:
    case = drawn(SEEDS[0])
    logits = case.hidden @ case.matrix.T + case.bias
    own = torch.nn.functional.cross_entropy(logits, logits.argmax(1), reduction="none")
    token_weight = (case.weight / torch.tensor(LENGTHS))[case.row]
    wanted = 0.7 * by_definition(case) + 0.3 * (token_weight * own).sum()
    found = case.call(self_training=0.3).total
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    pairs = zip(torch.autograd.grad(found, case.leaves()), torch.autograd.grad(wanted, case.leaves()), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
    with pytest.raises(ValueError, match="self_training"):
        case.call(self_training=1.5)


def test_losses_of_tokens_are_for_reports_and_extreme_logits_stay_finite() -> None:
    case = drawn(SEEDS[1])
    log_p = (case.hidden @ case.matrix.T + case.bias).log_softmax(-1)
    torch.testing.assert_close(case.call().per_token, -log_p.gather(1, case.label[:, None]).squeeze(1).detach())
    case.bias = (case.bias.detach().sign() * 1e4).requires_grad_()
    found = case.total()
    assert math.isfinite(found.item())
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(found, case.leaves()))
