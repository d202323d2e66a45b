"""AdaptConf of classes and of tokens against its definition, with autograd doing the derivatives."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from drawn_seeds import SEEDS
from outgrow.losses.adaptconf import adaptconf
from outgrow.losses.softmax_losses import cross_entropy as soft_cross_entropy
from outgrow.losses.token_adaptconf import adaptconf_token_loss
from outgrow.losses.tokens import soft_label_loss

TEMPERATURES = [0.1, 0.5, 4.0]


def drawn(seed: int, *shape: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, generator=draw, dtype=torch.float64) * scale
    return logits.requires_grad_(), torch.randn(*shape, generator=draw, dtype=torch.float64).softmax(-1)


def quotient(own: Tensor, weak: Tensor, temperature: float) -> Tensor:
    """beta as the paper writes it, without gradient."""
    own, weak = torch.exp(own / temperature), torch.exp(weak / temperature)
    return (own / (own + weak)).detach()


def textbook(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    own = cross_entropy(logits, logits.argmax(-1), reduction="none")
    weak = cross_entropy(logits, target.argmax(-1), reduction="none")
    beta = quotient(own, weak, temperature)
    return (1 - beta) * cross_entropy(logits, target, reduction="none") + beta * own


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("classes", [2, 5, 60])
def test_the_loss_of_classes_is_its_definition(classes: int, temperature: float, seed: int) -> None:
    logits, target = drawn(seed, 50, classes)
    found, wanted = adaptconf(logits, target, temperature), textbook(logits, target, temperature)
    pull = torch.linspace(-1, 2, 50, dtype=torch.float64)
    gradients = [torch.autograd.grad((loss * pull).sum(), logits)[0] for loss in (found, wanted)]
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_one_example_by_hand() -> None:
    logits, target = torch.tensor([[math.log(6.0), math.log(3.0), 0.0]]), torch.tensor([[0.2, 0.7, 0.1]])
    own, weak, last = math.log(10 / 6), math.log(10 / 3), math.log(10)
    beta = math.exp(own) / (math.exp(own) + math.exp(weak))  # = 1/3
    want = (1 - beta) * (0.2 * own + 0.7 * weak + 0.1 * last) + beta * own
    assert adaptconf(logits, target, 1.0).item() == pytest.approx(want, rel=1e-5)


def test_where_both_agree_it_is_the_mean_of_label_and_prediction() -> None:
    logits, _ = drawn(SEEDS[0], 30, 4)
    own = one_hot(logits.argmax(-1), 4).double()
    target = 0.6 * own + 0.1
    want = (soft_cross_entropy(logits, target) + soft_cross_entropy(logits, own)) / 2
    torch.testing.assert_close(adaptconf(logits, target, 0.3), want)


def test_a_low_temperature_leaves_the_weak_label_and_a_high_one_gives_the_mean() -> None:
    logits, target = drawn(SEEDS[1], 200, 4)
    differ = logits.argmax(-1) != target.argmax(-1)
    torch.testing.assert_close(
        adaptconf(logits, target, 1e-6)[differ], soft_cross_entropy(logits, target)[differ], rtol=1e-6, atol=1e-6
    )
    own = one_hot(logits.argmax(-1), 4).double()
    torch.testing.assert_close(adaptconf(logits, target, 1e9), soft_cross_entropy(logits, (target + own) / 2))


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[80.0, -80.0, 0.0], [-80.0, 80.0, 80.0]], requires_grad=True)
    value = adaptconf(logits, torch.tensor([0.0, 0.3, 0.7]), 1e-3)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


# ---- tokens ---------------------------------------------------------------------------------------------


class Drawn:
    """Hidden states, an output matrix and labels; `certain`: the label's probability is 1."""

    def __init__(self, seed: int, scale: float = 3.0, n: int = 13, dim: int = 6, vocab: int = 37):
        draw = torch.Generator().manual_seed(seed)
        self.hidden = torch.randn(n, dim, generator=draw, dtype=torch.float64).requires_grad_()
        matrix = torch.randn(vocab, dim, generator=draw, dtype=torch.float64) * scale / dim**0.5
        self.matrix = matrix.requires_grad_()
        self.label = torch.randint(vocab, (n,), generator=draw)
        self.prob = torch.rand(n, generator=draw, dtype=torch.float64)
        self.weight = torch.rand(n, generator=draw, dtype=torch.float64)

    def dense(self, rest: str, temperature: float, self_training: float) -> Tensor:
        logits = self.hidden @ self.matrix.T
        log_p = logits.log_softmax(-1)
        t = torch.ones_like(self.prob) if rest == "onehot" else self.prob
        at = one_hot(self.label, logits.shape[1]).bool()
        others = log_p.detach().exp().masked_fill(at, 0)
        spread = others / others.sum(1, keepdim=True) * (1 - t)[:, None] if rest == "student" else 0 * others
        y = torch.where(at, t[:, None], spread)
        soft = (torch.special.xlogy(y, y) - y * log_p).sum(1)
        own = -log_p.amax(-1)
        beta = quotient(own, -log_p.gather(1, self.label[:, None]).squeeze(1), temperature)
        return (1 - self_training) * ((1 - beta) * soft + beta * own) + self_training * own


@pytest.mark.parametrize("self_training", [0.0, 0.3])
@pytest.mark.parametrize("rest", ["student", "target_only", "onehot"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_of_tokens_is_its_definition(seed: int, rest: str, self_training: float) -> None:
    case, options = Drawn(seed), {"rest": rest, "temperature": 0.8, "self_training": self_training}
    case.label[::3] = (case.hidden @ case.matrix.T).argmax(1)[::3]  # where both agree
    got = adaptconf_token_loss(
        case.hidden, case.matrix, case.label, case.prob, token_weight=case.weight, chunk=5, **options
    )
    want = case.dense(**options)
    wanted = torch.autograd.grad((want * case.weight).sum(), [case.hidden, case.matrix])
    found = torch.autograd.grad(got.total, [case.hidden, case.matrix])
    torch.testing.assert_close(got.per_token, want.detach(), rtol=1e-10, atol=1e-10)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_tokens_at_a_high_temperature_are_soft_labels_with_half_of_self_training() -> None:
    case = Drawn(SEEDS[0])
    given = (case.hidden, case.matrix, case.label, case.prob)
    got = adaptconf_token_loss(*given, temperature=1e12)
    torch.testing.assert_close(got.per_token, soft_label_loss(*given, self_training=0.5).per_token)


def test_sure_students_stay_finite() -> None:
    case = Drawn(SEEDS[1], scale=300.0)
    got = adaptconf_token_loss(case.hidden, case.matrix, case.label, case.prob, temperature=1e-3)
    got.total.backward()
    assert got.per_token.isfinite().all()
    assert case.hidden.grad is not None
    assert case.hidden.grad.isfinite().all()


def test_a_temperature_is_positive() -> None:
    case = Drawn(SEEDS[0])
    with pytest.raises(ValueError, match="temperature"):
        adaptconf_token_loss(case.hidden, case.matrix, case.label, case.prob, temperature=0.0)
