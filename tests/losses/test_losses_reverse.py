"""Reverse KL, reverse cross-entropy, the symmetric and the confidence-adaptive loss against their definitions."""

import math

import pytest
import torch
from torch import Tensor

from drawn_seeds import SEEDS
from outgrow.losses.reverse_losses import (
    confidence_adaptive_cross_entropy,
    reverse_cross_entropy,
    reverse_kl,
    symmetric_cross_entropy,
)
from outgrow.losses.softmax_losses import cross_entropy

REVERSE = [reverse_kl, reverse_cross_entropy, symmetric_cross_entropy, confidence_adaptive_cross_entropy]
every_loss = pytest.mark.parametrize("loss", REVERSE, ids=lambda loss: loss.__name__)


def drawn(seed: int, *shape: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, generator=draw, dtype=torch.float64) * scale
    return logits.requires_grad_(), torch.randn(*shape, generator=draw, dtype=torch.float64).softmax(-1)


def by_hand(logits: Tensor, target: Tensor, smoothing: float) -> dict[str, list[float]]:
    """Every loss of every example, class by class, in plain numbers."""
    found: dict[str, list[float]] = {"forward": [], "reverse": [], "divergence": []}
    for z, y in zip(logits.tolist(), target.tolist(), strict=True):
        total = math.fsum(math.exp(one) for one in z)
        p = [math.exp(one) / total for one in z]
        smooth = [(1 - smoothing) * one + smoothing / len(y) for one in y]
        found["forward"].append(-math.fsum(a * math.log(b) for a, b in zip(y, p, strict=True)))
        found["reverse"].append(-math.fsum(a * math.log(b) for a, b in zip(p, smooth, strict=True)))
        found["divergence"].append(math.fsum(a * math.log(a / b) for a, b in zip(p, smooth, strict=True)))
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("smoothing", [1e-6, 0.01, 0.5])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_losses_are_their_definitions(classes: int, smoothing: float, seed: int) -> None:
    logits, target = drawn(seed, 40, classes)
    want = by_hand(logits.detach(), target, smoothing)
    assert reverse_kl(logits, target, smoothing).tolist() == pytest.approx(want["divergence"], rel=1e-10, abs=1e-12)
    assert reverse_cross_entropy(logits, target, smoothing).tolist() == pytest.approx(want["reverse"], rel=1e-10)
    both = [a + 0.3 * b for a, b in zip(want["forward"], want["reverse"], strict=True)]
    assert symmetric_cross_entropy(logits, target, 0.3, smoothing).tolist() == pytest.approx(both, rel=1e-10)
    sure = [max(y) - 1 / classes >= 0.1 for y in target.tolist()]
    chosen = [a if one else b for one, a, b in zip(sure, want["forward"], want["reverse"], strict=True)]
    found = confidence_adaptive_cross_entropy(logits, target, 0.1, smoothing).tolist()
    assert found == pytest.approx(chosen, rel=1e-10)


@every_loss
def test_the_gradient_is_that_of_the_value(loss) -> None:
    logits, target = drawn(SEEDS[0], 6, 4)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits,))


@every_loss
def test_a_shift_of_all_logits_changes_nothing(loss) -> None:
    logits, target = drawn(SEEDS[1], 20, 5)
    torch.testing.assert_close(loss(logits + 7.5, target), loss(logits, target), rtol=1e-9, atol=1e-10)


@every_loss
def test_hard_labels_and_extreme_logits_stay_finite(loss) -> None:
    logits = torch.tensor([[80.0, -80.0, 0.0], [-80.0, 80.0, 80.0]], requires_grad=True)
    value = loss(logits, torch.tensor([0.0, 0.0, 1.0]))
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_divergence_is_zero_where_the_student_is_the_smoothed_label(seed: int) -> None:
    _, target = drawn(seed, 20, 4)
    logits = (0.9 * target + 0.1 / 4).log().requires_grad_()
    value = reverse_kl(logits, target, 0.1)
    torch.testing.assert_close(value, torch.zeros(20, dtype=torch.float64), rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)
    elsewhere, _ = drawn(seed + 1, 20, 4)
    assert (reverse_kl(elsewhere, target, 0.1) > 0).all()


def test_the_divergence_is_the_reverse_cross_entropy_without_the_entropy() -> None:
    logits, target = drawn(SEEDS[0], 30, 5)
    p = logits.softmax(-1)
    entropy = -(p * p.log()).sum(-1)
    torch.testing.assert_close(reverse_cross_entropy(logits, target) - entropy, reverse_kl(logits, target))


def test_a_uniform_label_pulls_by_cross_entropy_and_not_by_the_reverse_one() -> None:
    logits, _ = drawn(SEEDS[2], 10, 4)
    uniform = torch.full((10, 4), 0.25, dtype=torch.float64)
    (reverse,) = torch.autograd.grad(reverse_cross_entropy(logits, uniform).sum(), logits)
    (forward,) = torch.autograd.grad(cross_entropy(logits, uniform).sum(), logits)
    torch.testing.assert_close(reverse, torch.zeros_like(reverse), rtol=0, atol=1e-12)
    assert forward.abs().max() > 1e-3


def test_the_ends_of_the_options() -> None:
    logits, target = drawn(SEEDS[1], 30, 4)
    torch.testing.assert_close(symmetric_cross_entropy(logits, target, 0.0), cross_entropy(logits, target))
    everything_sure = confidence_adaptive_cross_entropy(logits, target, 0.0)
    torch.testing.assert_close(everything_sure, cross_entropy(logits, target))
    nothing_sure = confidence_adaptive_cross_entropy(logits, target, 0.99)
    torch.testing.assert_close(nothing_sure, reverse_cross_entropy(logits, target))


def test_of_two_classes_the_threshold_is_the_distance_from_a_half() -> None:
    y = torch.tensor([0.39, 0.41, 0.5, 0.59, 0.61, 1.0], dtype=torch.float64)
    logits, target = drawn(SEEDS[0], 6, 2)[0], torch.stack([y, 1 - y], -1)
    forward, reverse = cross_entropy(logits, target), reverse_cross_entropy(logits, target)
    want = torch.where((y - 0.5).abs() >= 0.1, forward, reverse)
    torch.testing.assert_close(confidence_adaptive_cross_entropy(logits, target, 0.1), want)
