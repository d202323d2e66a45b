"""Cross-entropy, generalised cross-entropy and the product loss against their definitions."""

import pytest
import torch

from drawn_seeds import SEEDS
from outgrow.losses.evidential import evidential
from outgrow.losses.softmax_losses import cross_entropy, generalized_cross_entropy, product

SOFTMAX = {function.__name__: function for function in (cross_entropy, generalized_cross_entropy, product)}


def drawn(seed, *shape, scale=2.0):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, generator=draw, dtype=torch.float64) * scale
    return logits.requires_grad_(), torch.randn(*shape, generator=draw, dtype=torch.float64).softmax(-1)


def textbook_cross_entropy(logits, target):
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -(target * p.log()).sum(-1)


def textbook_generalized(logits, target, q):
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return (target * (1 - p**q) / q).sum(-1)


def textbook_product(logits, target, alpha, beta):
    p = logits.softmax(-1).detach()
    pulled = p**beta * target**alpha
    return textbook_cross_entropy(logits, pulled / pulled.sum(-1, keepdim=True))


def assert_same(found, wanted, logits):
    pull = torch.linspace(-1, 2, found.numel(), dtype=found.dtype).reshape(found.shape)
    gradients = [torch.autograd.grad((loss * pull).sum(), logits)[0] for loss in (found, wanted)]
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 5, 60])
def test_cross_entropy_is_its_definition(classes, seed):
    logits, target = drawn(seed, 50, classes)
    assert_same(cross_entropy(logits, target), textbook_cross_entropy(logits, target), logits)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("q", [0.05, 0.7, 1.0])
def test_generalized_cross_entropy_is_its_definition(q, seed):
    logits, target = drawn(seed, 50, 6)
    assert_same(generalized_cross_entropy(logits, target, q), textbook_generalized(logits, target, q), logits)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0), (0.0, 1.0)])
def test_product_is_its_definition(alpha, beta, seed):
    logits, target = drawn(seed, 50, 4)
    assert_same(product(logits, target, alpha, beta), textbook_product(logits, target, alpha, beta), logits)


def test_generalized_cross_entropy_lies_between_cross_entropy_and_absolute_error():
    logits, target = drawn(SEEDS[0], 50, 4)
    torch.testing.assert_close(generalized_cross_entropy(logits, target, 1e-9), cross_entropy(logits, target))
    expected = 1 - (target * logits.softmax(-1)).sum(-1)
    torch.testing.assert_close(generalized_cross_entropy(logits, target, 1.0), expected)


def test_product_keeps_a_class_that_the_target_excludes_out():
    logits = torch.tensor([[50.0, 0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[0.0, 0.5, 0.5]], dtype=torch.float64)
    allowed = logits[:, 1:].detach().softmax(-1)
    expected = cross_entropy(logits, torch.cat([torch.zeros(1, 1), allowed], -1))
    torch.testing.assert_close(product(logits, target), expected, rtol=1e-10, atol=0)


def test_product_with_nothing_but_the_weak_target_is_cross_entropy():
    logits, target = drawn(SEEDS[0], 20, 3)
    assert_same(product(logits, target, 1.0, 0.0), cross_entropy(logits, target), logits)


@pytest.mark.parametrize("name", SOFTMAX)
def test_a_shift_of_all_logits_changes_nothing(name):
    logits, target = drawn(SEEDS[2], 20, 5)
    torch.testing.assert_close(
        SOFTMAX[name](logits + 7.5, target), SOFTMAX[name](logits, target), rtol=1e-9, atol=1e-10
    )


def test_the_evidential_loss_reads_the_level_of_the_logits_as_evidence():
    logits, target = drawn(SEEDS[2], 20, 5)
    shift = evidential(logits + 3, target) - evidential(logits, target)
    assert shift.abs().min() > 1e-3


@pytest.mark.parametrize("name", SOFTMAX)
def test_extreme_logits_stay_finite(name):
    logits = torch.tensor([[80.0, -80.0, 0.0], [-80.0, 80.0, 80.0]], requires_grad=True)
    loss = SOFTMAX[name](logits, torch.tensor([0.0, 0.3, 0.7]))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
