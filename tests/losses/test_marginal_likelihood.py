"""The marginal likelihood against its definition, and its relations to the other losses."""

import math

import pytest
import torch
from torch import Tensor

from drawn_seeds import SEEDS
from outgrow.losses.marginal_likelihood import marginal_likelihood
from outgrow.losses.softmax_losses import cross_entropy, product


def draw(seed: int, *shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randn(*shape, generator=generator, dtype=torch.float64).softmax(-1)


def by_hand(logits: list[float], target: list[float]) -> float:
    exponentials = [math.exp(logit) for logit in logits]
    return -math.log(sum(e / sum(exponentials) * t for e, t in zip(exponentials, target, strict=True)))


@pytest.mark.parametrize("classes", [2, 3, 15])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_example_by_the_definition(seed: int, classes: int) -> None:
    logits, target = draw(seed, 12, classes)
    wanted = [by_hand(*pair) for pair in zip(logits.tolist(), target.tolist(), strict=True)]
    values = marginal_likelihood(logits, target)
    torch.testing.assert_close(values, torch.tensor(wanted, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_is_the_students_prior_minus_its_posterior(seed: int) -> None:
    logits, target = draw(seed, 20, 5)
    (gradient,) = torch.autograd.grad(marginal_likelihood(logits, target).sum(), logits)
    prior = logits.detach().softmax(-1)
    posterior = prior * target
    torch.testing.assert_close(gradient, prior - posterior / posterior.sum(-1, keepdim=True))
    (of_product,) = torch.autograd.grad(product(logits, target).sum(), logits)
    torch.testing.assert_close(gradient, of_product)


def test_a_factor_of_the_target_is_a_constant() -> None:
    logits, target = draw(SEEDS[0], 9, 4)
    shifted = marginal_likelihood(logits, 3 * target) + math.log(3)
    torch.testing.assert_close(shifted, marginal_likelihood(logits, target))


def test_one_hot_is_cross_entropy_and_uniform_teaches_nothing() -> None:
    logits, target = draw(SEEDS[1], 9, 4)
    one_hot = torch.nn.functional.one_hot(target.argmax(-1), 4).double()
    torch.testing.assert_close(marginal_likelihood(logits, one_hot), cross_entropy(logits, one_hot))
    flat = torch.full_like(target, 0.25)
    (gradient,) = torch.autograd.grad(marginal_likelihood(logits, flat).sum(), logits)
    assert gradient.abs().max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sure_student_and_contrary_evidence_stay_finite(dtype: torch.dtype) -> None:
    logits = torch.tensor([[500.0, -500.0], [-500.0, 500.0]], dtype=dtype, requires_grad=True)
    target = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=dtype)
    values = marginal_likelihood(logits, target)
    assert values.isfinite().all()
    values.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
