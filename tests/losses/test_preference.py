"""Losses of pairs against their definitions, and what they must agree on."""

import math

import pytest
import torch

from drawn_seeds import SEEDS
from outgrow.losses.preference import preference_loss, ratio_loss

KINDS = ["cdpo", "robust", "ipo", "weighted"]


def some_pairs(seed: int, n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    margin = 6 * torch.randn(n, generator=draw, dtype=torch.float64)
    return margin, 0.45 * torch.rand(n, generator=draw, dtype=torch.float64)


def by_definition(margin: torch.Tensor, flip: torch.Tensor, beta: float, kind: str) -> torch.Tensor:
    right, wrong = (-(1 / (1 + torch.exp(-sign * beta * margin))).log() for sign in (1, -1))
    if kind == "cdpo":
        return (1 - flip) * right + flip * wrong
    if kind == "robust":
        return ((1 - flip) * right - flip * wrong) / (1 - 2 * flip)
    if kind == "weighted":
        return (1 - 2 * flip) * right
    return (1 - flip) * (margin - 0.5 / beta) ** 2 + flip * (-margin - 0.5 / beta) ** 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_value_and_gradient_are_those_of_the_definition(kind: str, beta: float) -> None:
    margin, flip = some_pairs(SEEDS[0])
    margin.requires_grad_()
    found, wanted = preference_loss(margin, flip, beta=beta, kind=kind), by_definition(margin, flip, beta, kind)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(loss.sum(), margin)[0] for loss in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-10)
    assert torch.autograd.gradcheck(lambda m: preference_loss(m, flip, beta=beta, kind=kind), margin)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_chance_per_pair_is_one_for_the_run(kind: str) -> None:
    margin, _ = some_pairs(SEEDS[1])
    per_pair = preference_loss(margin, torch.full_like(margin, 0.1), beta=2.0, kind=kind)
    one_by_one = [preference_loss(m, torch.tensor(0.1, dtype=m.dtype), beta=2.0, kind=kind) for m in margin]
    torch.testing.assert_close(per_pair, torch.stack(one_by_one), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["cdpo", "robust", "weighted"])
def test_without_flips_it_is_dpo(kind: str) -> None:
    margin, _ = some_pairs(SEEDS[2])
    dpo = torch.log1p(torch.exp(-2.0 * margin))
    torch.testing.assert_close(preference_loss(margin, 0 * margin, beta=2.0, kind=kind), dpo, rtol=1e-12, atol=1e-12)


def test_at_no_margin_it_is_ln_2_for_every_chance() -> None:
    _, flip = some_pairs(SEEDS[0])
    for kind in ("cdpo", "robust"):
        found = preference_loss(torch.zeros_like(flip), flip, beta=3.0, kind=kind)
        torch.testing.assert_close(found, torch.full_like(flip, math.log(2)), rtol=1e-12, atol=0)
    ipo = preference_loss(torch.zeros_like(flip), flip, beta=3.0, kind="ipo")
    torch.testing.assert_close(ipo, torch.full_like(flip, 1 / 36))


def test_robust_is_unbiased_under_flips() -> None:
    """In expectation over a flip with chance e, it is DPO of the true preference."""
    margin, flip = some_pairs(SEEDS[1])
    right, wrong = (preference_loss(sign * margin, flip, beta=1.5, kind="robust") for sign in (1, -1))
    expected = (1 - flip) * right + flip * wrong
    torch.testing.assert_close(expected, torch.log1p(torch.exp(-1.5 * margin)), rtol=1e-9, atol=1e-9)


def test_pairs_of_which_nothing_is_known_have_no_weight_and_others_their_confidence() -> None:
    margin, flip = some_pairs(SEEDS[1])
    even = torch.full_like(flip, 0.5)
    assert (preference_loss(margin, even, beta=2.0, kind="weighted") == 0).all()
    right = preference_loss(margin, 0 * flip, beta=2.0, kind="cdpo")
    confidence = 2 * ((1 - flip) - 0.5)
    torch.testing.assert_close(preference_loss(margin, flip, beta=2.0, kind="weighted"), confidence * right)


def test_conservative_dpo_stops_at_the_margin_that_the_chance_says() -> None:
    flip = torch.tensor([0.1, 0.25], dtype=torch.float64)
    margin = (((1 - flip) / flip).log() / 2.0).requires_grad_()
    preference_loss(margin, flip, beta=2.0, kind="cdpo").sum().backward()
    assert margin.grad is not None
    torch.testing.assert_close(margin.grad, torch.zeros_like(flip), rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", [-1e4, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_far_margins_stay_finite(value: float, kind: str) -> None:
    margin = torch.tensor([value], requires_grad=True)
    loss = preference_loss(margin, torch.tensor([0.1]), beta=2.0, kind=kind)
    (gradient,) = torch.autograd.grad(loss.sum(), margin)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_order_of_pairs_do_not_matter(kind: str) -> None:
    margin, flip = some_pairs(SEEDS[0])
    loss = preference_loss(margin, flip, beta=2.0, kind=kind)
    square = preference_loss(margin.reshape(8, 5), flip.reshape(8, 5), beta=2.0, kind=kind)
    turned = preference_loss(margin.flip(0), flip.flip(0), beta=2.0, kind=kind)
    torch.testing.assert_close(square.flatten(), loss, rtol=1e-14, atol=0)
    torch.testing.assert_close(turned.flip(0), loss, rtol=1e-14, atol=0)
    assert preference_loss(margin[:0], flip[:0], beta=2.0, kind=kind).shape == (0,)


@pytest.mark.parametrize("kind", ["cdpo", "ipo"])
def test_a_flipped_pair_is_the_pair_with_the_other_chance(kind: str) -> None:
    margin, _ = some_pairs(SEEDS[2])
    even = torch.full_like(margin, 0.5)
    there, back = (preference_loss(sign * margin, even, beta=2.0, kind=kind) for sign in (1, -1))
    torch.testing.assert_close(there, back, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("flip", "options", "said"),
    [
        (0.1, {"beta": 0.0}, "beta"),
        (0.6, {"beta": 1.0}, "flips are chances"),
        (-0.1, {"beta": 1.0}, "flips are chances"),
        (0.5, {"beta": 1.0, "kind": "robust"}, "below it for `robust`"),
        (math.nan, {"beta": 1.0}, "flips are chances"),
        (0.1, {"beta": math.nan}, "beta"),
    ],
)
def test_bad_options_are_refused(flip: float, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        preference_loss(torch.zeros(1), torch.tensor([flip]), **options)


# ---- what training changed in a weak model ----------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_the_loss_of_ratios_is_its_definition(beta: float) -> None:
    (own, _), (weak, _) = some_pairs(SEEDS[0]), some_pairs(SEEDS[0] + 1)
    own.requires_grad_()
    found = ratio_loss(own, weak, beta=beta)
    wanted = [(beta * a - b) ** 2 for a, b in zip(own.tolist(), weak.tolist(), strict=True)]
    assert found.tolist() == pytest.approx(wanted, rel=1e-12)
    assert torch.autograd.gradcheck(lambda one: ratio_loss(one, weak, beta=beta), own)


def test_the_loss_of_ratios_ends_where_the_strong_model_has_moved_as_far() -> None:
    weak, _ = some_pairs(SEEDS[1])
    there = (weak / 0.5).requires_grad_()
    loss = ratio_loss(there, weak, beta=0.5)
    (gradient,) = torch.autograd.grad(loss.sum(), there)
    torch.testing.assert_close(loss, torch.zeros_like(weak), rtol=0, atol=1e-20)
    torch.testing.assert_close(gradient, torch.zeros_like(weak), rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="beta"):
        ratio_loss(weak, weak, beta=0.0)
