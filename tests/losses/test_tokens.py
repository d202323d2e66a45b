"""Token losses against their dense definitions in float64, with autograd doing the derivatives."""

import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.special import polygamma
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from outgrow.losses.tokens import TokenLoss, evidential_token_loss, soft_label_loss, token_cross_entropy

RESTS = ["student", "target_only", "onehot"]
N_TOKENS, DIM, VOCAB = 13, 6, 37


class Case:
    """A batch drawn from a seed; `scale` is the spread of the logits."""

    def __init__(self, seed: int, scale: float = 3.0, dtype: torch.dtype = torch.float64, vocab: int = VOCAB):
        draw = torch.Generator().manual_seed(seed)
        self.hidden = torch.randn(N_TOKENS, DIM, generator=draw, dtype=torch.float64).to(dtype).requires_grad_()
        weight = torch.randn(vocab, DIM, generator=draw, dtype=torch.float64) * scale / DIM**0.5
        self.weight = weight.to(dtype).requires_grad_()
        self.bias = torch.randn(vocab, generator=draw, dtype=torch.float64).to(dtype).requires_grad_()
        self.label = torch.randint(vocab, (N_TOKENS,), generator=draw)
        self.prob = torch.rand(N_TOKENS, generator=draw, dtype=torch.float64).to(dtype)
        self.token_weight = torch.rand(N_TOKENS, generator=draw, dtype=torch.float64).to(dtype)

    def leaves(self) -> list[Tensor]:
        return [self.hidden, self.weight, self.bias]

    def call(self, loss, **options) -> TokenLoss:
        options = {"bias": self.bias, "token_weight": self.token_weight, "chunk": 5, **options}
        target = () if loss is token_cross_entropy else (self.prob,)
        return loss(self.hidden, self.weight, self.label, *target, **options)

    def logits(self) -> Tensor:
        return (self.hidden @ self.weight.T + self.bias).double()

    def target(self, logits: Tensor, rest: str, self_training: float) -> Tensor:
        """The dense target, as the paper defines it."""
        p = logits.detach().softmax(-1)
        at = one_hot(self.label, p.shape[1]).bool()
        t = torch.ones_like(self.prob.double()) if rest == "onehot" else self.prob.double()
        others = p.masked_fill(at, 0)
        spread = others / others.sum(1, keepdim=True) * (1 - t)[:, None] if rest == "student" else 0 * p
        y = torch.where(at, t[:, None], spread)
        return (1 - self_training) * y + self_training * one_hot(p.argmax(1), p.shape[1]).double()


def dense_soft_label(case: Case, rest: str = "student", self_training: float = 0.0) -> Tensor:
    logits = case.logits()
    log_p = logits.log_softmax(-1)
    y = case.target(logits, rest, 0.0)
    given = (torch.special.xlogy(y, y) - y * log_p).sum(1)
    return (1 - self_training) * given + self_training * cross_entropy(logits, logits.argmax(1), reduction="none")


class Digamma(torch.autograd.Function):
    """psi with an exact derivative: PyTorch's own trigamma is good to 1e-8 only."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.digamma()

    @staticmethod
    def backward(ctx, outer):
        return outer * torch.from_numpy(polygamma(1, ctx.saved_tensors[0].numpy()))


def divergence(alpha: Tensor) -> Tensor:
    """KL(Dir(alpha) || Dir(1)), the textbook's form."""
    total, n = alpha.sum(-1), torch.tensor(float(alpha.shape[-1]), dtype=alpha.dtype)
    inner = ((alpha - 1) * (Digamma.apply(alpha) - Digamma.apply(total)[..., None])).sum(-1)
    return total.lgamma() - n.lgamma() - alpha.lgamma().sum(-1) + inner


def dense_evidential(case, rest="student", self_training=0.0, kl="mixed", kl_weight=1e-4, annealing=1.0, clamp=2e5):
    logits = case.logits()
    alpha, y = logits.exp() + 1, case.target(logits, rest, self_training)
    nll = (y * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1)
    if kl == "mixed":
        penalty = divergence(y + (1 - y) * alpha)
    else:
        removed = one_hot(torch.arange(alpha.shape[1])).bool()
        penalty = (y * divergence(alpha[:, None, :].masked_fill(removed, 1.0))).sum(1)
    return nll + kl_weight * (annealing * penalty).clamp(-clamp, clamp)


def compare(case: Case, got: TokenLoss, want: Tensor, tolerance: float) -> None:
    """Values per token, the weighted sum and its three gradients; errors relative to each array's largest entry."""
    wanted_total = (want * case.token_weight).sum()
    wanted = torch.autograd.grad(wanted_total, case.leaves())
    found = torch.autograd.grad(got.total, case.leaves())
    pairs = [(got.per_token, want), (got.total, wanted_total), *zip(found, wanted, strict=True)]
    for a, b in pairs:
        assert a.isfinite().all()
        assert (a.double() - b.double()).abs().max() <= tolerance * b.double().abs().max().clamp(min=1)


@pytest.mark.parametrize("self_training", [0.0, 0.3])
@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize("seed", range(3))
def test_soft_label_equals_its_dense_definition(seed, rest, self_training):
    case = Case(seed)
    got = case.call(soft_label_loss, rest=rest, self_training=self_training)
    compare(case, got, dense_soft_label(case, rest, self_training), 1e-12)


@pytest.mark.parametrize("kl", ["mixed", "per_class"])
@pytest.mark.parametrize("self_training", [0.0, 0.3])
@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize(("scale", "kl_weight"), [(3.0, 1.0), (3.0, 1e-4), (0.1, 1.0)])
def test_evidential_equals_its_dense_definition(scale, kl_weight, rest, self_training, kl):
    case = Case(17, scale)
    options = {"rest": rest, "self_training": self_training, "kl": kl, "kl_weight": kl_weight, "annealing": 0.7}
    compare(case, case.call(evidential_token_loss, **options), dense_evidential(case, **options), 1e-9)


@pytest.mark.parametrize("self_training", [0.0, 0.25, 1.0])
def test_cross_entropy_equals_pytorchs(self_training):
    case = Case(4)
    logits = case.logits()
    own = cross_entropy(logits, logits.argmax(1), reduction="none")
    want = (1 - self_training) * cross_entropy(logits, case.label, reduction="none") + self_training * own
    compare(case, case.call(token_cross_entropy, self_training=self_training), want, 1e-12)


@pytest.mark.parametrize("clamp", [1.0, 30.0, float("inf")])
def test_the_clamp_cuts_value_and_gradient(clamp):
    case = Case(5)
    options = {"kl_weight": 0.5, "annealing": 0.9, "clamp": clamp}
    compare(case, case.call(evidential_token_loss, **options), dense_evidential(case, **options), 1e-9)


@pytest.mark.parametrize("rest", ["student", "target_only"])
def test_probabilities_at_and_near_the_ends(rest):
    case = Case(6)
    ends = torch.tensor([0.0, 1.0, 1e-300, 1e-12, 1 - 1e-12, 1 - 2**-53], dtype=torch.float64)
    case.prob[: len(ends)] = ends
    compare(case, case.call(soft_label_loss, rest=rest), dense_soft_label(case, rest), 1e-11)
    for kl in ("mixed", "per_class"):
        options = {"rest": rest, "kl": kl, "kl_weight": 1.0}
        compare(case, case.call(evidential_token_loss, **options), dense_evidential(case, **options), 1e-9)


LOSSES = {
    "cross_entropy": (token_cross_entropy, {}),
    "soft_label": (soft_label_loss, {"self_training": 0.2}),
    "mixed": (evidential_token_loss, {"kl_weight": 1.0, "self_training": 0.2}),
    "per_class": (evidential_token_loss, {"kl_weight": 1.0, "kl": "per_class", "self_training": 0.2}),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def outcome(case: Case, name: str, **more) -> list[Tensor]:
    """Losses per token, total, and the gradients of hidden states, matrix and bias."""
    loss, options = LOSSES[name]
    got = case.call(loss, **{**options, **more})
    return [got.per_token, got.total.detach(), *torch.autograd.grad(got.total, case.leaves())]


@every_loss
@pytest.mark.parametrize("chunk", [1, 4, N_TOKENS, 100, None])
def test_chunks_change_nothing(name, chunk):
    case = Case(7)
    for a, b in zip(outcome(case, name, chunk=chunk), outcome(case, name, chunk=3), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@every_loss
def test_a_vocabulary_of_several_blocks_gives_what_each_token_gives_alone(name):
    case = Case(8, vocab=100_000)
    together = outcome(case, name, chunk=11)[0]
    for token in (0, 4, 5, 12):
        alone = torch.zeros(N_TOKENS, dtype=torch.float64)
        alone[token] = 1
        torch.testing.assert_close(outcome(case, name, token_weight=alone)[0][token], together[token])


@every_loss
def test_the_order_of_the_vocabulary_does_not_matter(name):
    case, moved = Case(9), Case(9)
    order = torch.randperm(VOCAB, generator=torch.Generator().manual_seed(1))
    moved.weight = case.weight.detach()[order].requires_grad_()
    moved.bias = case.bias.detach()[order].requires_grad_()
    moved.label = order.argsort()[case.label]
    losses, total, of_hidden, of_weight, of_bias = outcome(case, name)
    want = [losses, total, of_hidden, of_weight[order], of_bias[order]]
    for a, b in zip(outcome(moved, name), want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@every_loss
def test_tokens_of_weight_zero_are_as_if_absent(name):
    case, without = Case(10), Case(10)
    kept = torch.arange(N_TOKENS) % 3 != 0
    case.token_weight[~kept] = 0
    case.label[~kept] = -100
    with torch.no_grad():
        case.hidden[~kept] = torch.nan
    without.hidden = without.hidden.detach()[kept].requires_grad_()
    without.label, without.prob, without.token_weight = (
        x[kept] for x in (without.label, without.prob, without.token_weight)
    )
    losses, total, of_hidden, *rest = outcome(case, name)
    assert (losses[~kept] == 0).all()
    assert (of_hidden[~kept] == 0).all()
    for a, b in zip([losses[kept], total, of_hidden[kept], *rest], outcome(without, name), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@every_loss
def test_nothing_to_learn_from_is_zero(name):
    case = Case(11)
    case.token_weight[:] = 0
    assert all((x == 0).all() for x in outcome(case, name))


@every_loss
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_logits_stay_finite(name, size):
    case = Case(12, dtype=torch.float32)
    case.bias = (case.bias.detach().sign() * size).requires_grad_()
    case.prob[:4] = torch.tensor([0.0, 1.0, 1e-30, 1 - 2**-24])
    assert all(x.isfinite().all() for x in outcome(case, name))


@every_loss
def test_the_outer_gradient_scales_and_the_losses_per_token_have_none(name):
    case = Case(13)
    loss, options = LOSSES[name]
    got = case.call(loss, **options)
    assert not got.per_token.requires_grad
    scaled = torch.autograd.grad(-2.5 * got.total, case.leaves())
    for a, b in zip(scaled, outcome(case, name)[2:], strict=True):
        torch.testing.assert_close(a, -2.5 * b)


def test_a_second_backward_says_so():
    case = Case(14)
    got = case.call(soft_label_loss)
    got.total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="used up"):
        got.total.backward()


@every_loss
def test_only_what_is_trained_gets_a_gradient(name):
    case = Case(15)
    want = outcome(case, name)
    case.weight.requires_grad_(False)
    case.bias = None
    loss, options = LOSSES[name]
    case.call(loss, **options).total.backward()
    assert case.hidden.grad is not None
    assert case.weight.grad is None
    with torch.no_grad():
        still = Case(15).call(loss, **options)
    assert not still.total.requires_grad
    torch.testing.assert_close(still.per_token, want[0])


@every_loss
def test_bfloat16_is_close_to_float64_of_the_same_numbers(name):
    case, exact = Case(16, 1.0, torch.bfloat16), Case(16)
    for field in ("hidden", "weight", "bias"):
        setattr(exact, field, getattr(case, field).detach().double().requires_grad_())
    exact.prob, exact.token_weight = case.prob.double(), case.token_weight.double()
    # Without self-training: rounded logits may have another maximum.
    got, want = (outcome(x, name, self_training=0.0) for x in (case, exact))
    assert got[0].dtype == torch.float32
    assert got[2].dtype == torch.bfloat16
    for a, b in zip(got, want, strict=True):
        assert (a.double() - b).abs().max() <= 0.02 * b.abs().max()


def test_mixed_precision_hands_the_matrix_a_gradient_of_its_own_type():
    case = Case(18, dtype=torch.float32)
    hidden = case.hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = soft_label_loss(hidden, case.weight, case.label, case.prob)
    got.total.backward()
    assert case.weight.grad.dtype == torch.float32
    assert hidden.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rest": "uniform"}, "rest"),
        ({"self_training": 1.5}, "self_training"),
        ({"kl": "exact"}, "kl"),
    ],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises((ValueError, TypeCheckError), match=message):
        Case(19).call(evidential_token_loss, **options)


def test_a_handful_of_classes_is_no_vocabulary():
    with pytest.raises(ValueError, match="at least 8"):
        Case(20, vocab=7).call(evidential_token_loss)


def test_token_weights_are_constants():
    case = Case(21)
    case.token_weight.requires_grad_()
    with pytest.raises(ValueError, match="detach"):
        case.call(soft_label_loss)
