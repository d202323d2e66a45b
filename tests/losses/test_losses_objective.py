"""What a trainer calls: annealing, the self-training mixture, and when rows may be collapsed."""

import pytest
import torch

from drawn_seeds import SEEDS
from outgrow.config.method import SelfTraining
from outgrow.extensions import function_of
from outgrow.losses import LOSSES
from outgrow.losses.adaptconf import AdaptConf
from outgrow.losses.dirichlet import log_dirichlet_mean
from outgrow.losses.evidential import evidential
from outgrow.losses.evidential_record import Evidential
from outgrow.losses.marginal_likelihood import MarginalLikelihood
from outgrow.losses.objective import make_objective
from outgrow.losses.reverse_losses import (
    ConfidenceAdaptiveCrossEntropy,
    ReverseCrossEntropy,
    ReverseKl,
    SymmetricCrossEntropy,
)
from outgrow.losses.self_training import harden_argmax, harden_balanced
from outgrow.losses.softmax_losses import CrossEntropy, GeneralizedCrossEntropy, Product
from outgrow.study.step_params import loss_params

SECTIONS = [
    CrossEntropy(),
    Evidential(type="evidential"),
    Evidential(type="evidential", kl="mixed", kl_weight=1.0, kl_anneal=False),
    GeneralizedCrossEntropy(type="generalized_cross_entropy"),
    Product(type="product"),
    AdaptConf(type="adaptconf"),
    ReverseKl(type="reverse_kl"),
    ReverseCrossEntropy(type="reverse_cross_entropy"),
    SymmetricCrossEntropy(type="symmetric_cross_entropy"),
    ConfidenceAdaptiveCrossEntropy(type="confidence_adaptive_cross_entropy"),
    MarginalLikelihood(type="marginal_likelihood"),
]
LINEAR = [True, True, False, True, False, False, False, False, False, False, False]


def params_of(section):
    """The options as a study gives them to its steps: every default filled in."""
    return loss_params(section, "classify")


def made(section, **self_training):
    return make_objective(params_of(section), SelfTraining(**self_training).model_dump() if self_training else None)


def drawn(seed, *shape):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, generator=draw, dtype=torch.float64) * 2
    target = torch.randn(*shape, generator=draw, dtype=torch.float64).softmax(-1)
    return logits, target


def test_every_loss_of_the_configuration_is_listed():
    assert {section.type for section in SECTIONS} == set(LOSSES)


@pytest.mark.parametrize(("section", "linear"), list(zip(SECTIONS, LINEAR, strict=True)))
def test_linear_says_whether_rows_may_be_collapsed(section, linear):
    objective = made(section, gamma_max=0.4)
    assert objective.linear is linear
    logits, target = drawn(SEEDS[0], 30, 4)
    rows = torch.stack([target, target.flip(-1), target.roll(1, -1)])
    weight = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)[:, None]
    apart = (weight * objective(logits.expand(3, 30, 4), rows, 0.6)).sum(0)
    together = objective(logits, (weight[..., None] * rows).sum(0), 0.6)
    assert bool((apart - together).abs().max() < 1e-12) is linear


@pytest.mark.parametrize("progress", [0.0, 0.01, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("harden", ["argmax", "balanced"])
@pytest.mark.parametrize("section", SECTIONS)
def test_self_training_mixes_two_losses(section, harden, progress):
    logits, target = drawn(SEEDS[0], 3, 40, 4)
    shares = target.mean((0, 1))
    objective = made(section, gamma_max=0.6, ramp=0.5, harden=harden)
    options = {key: value for key, value in params_of(section).items() if key not in ("type", "kl_anneal")}
    if isinstance(section, Evidential) and section.kl_anneal:
        options["kl_weight"] *= progress
    own = harden_argmax(logits) if harden == "argmax" else harden_balanced(objective.probs(logits).log(), shares)
    gamma = 0.6 * min(1.0, progress / 0.5)
    loss = function_of(LOSSES[section.type].function)
    wanted = (1 - gamma) * loss(logits, target, **options) + gamma * loss(logits, own, **options)
    torch.testing.assert_close(objective(logits, target, progress, shares), wanted, rtol=1e-10, atol=1e-10)


def test_no_gradient_flows_through_the_hardened_label():
    logits, target = drawn(SEEDS[0], 20, 3)
    logits.requires_grad_()
    (found,) = torch.autograd.grad(made(CrossEntropy(), gamma_max=1.0)(logits, target, 1.0).sum(), logits)
    torch.testing.assert_close(found, logits.detach().softmax(-1) - harden_argmax(logits), rtol=1e-10, atol=1e-12)


def test_annealing_grows_over_the_whole_training():
    logits, target = drawn(SEEDS[0], 20, 3)
    objective = made(Evidential(type="evidential", kl_weight=0.8))
    for progress in (0.0, 0.25, 1.0):
        wanted = evidential(logits, target, kl_weight=0.8 * progress)
        torch.testing.assert_close(objective(logits, target, progress), wanted, rtol=1e-12, atol=1e-12)
    constant = made(Evidential(type="evidential", kl_weight=0.8, kl_anneal=False))
    torch.testing.assert_close(constant(logits, target, 0.0), evidential(logits, target, kl_weight=0.8))


@pytest.mark.parametrize("section", SECTIONS)
def test_predictions_are_what_the_loss_trains(section):
    logits, target = drawn(SEEDS[0], 2, 20, 4)
    probs = made(section).probs(logits)
    evidence = section.evidence if isinstance(section, Evidential) else "exp"
    torch.testing.assert_close(probs, log_dirichlet_mean(logits, evidence).exp(), rtol=1e-12, atol=0)
    if section.type == "evidential":  # the likelihood term is the cross-entropy of the Dirichlet's mean
        bare = evidential(logits, target, evidence, kl_weight=0.0)
        torch.testing.assert_close(bare, -(target * probs.log()).sum(-1), rtol=1e-10, atol=1e-10)


def test_balanced_hardening_needs_the_shares():
    objective = made(CrossEntropy(), harden="balanced")
    assert objective.compares_examples
    with pytest.raises(ValueError, match="class shares"):
        objective(*drawn(0, 5, 3), 0.5)
