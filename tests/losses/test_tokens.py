"""Token losses against their dense definitions in float64, with autograd doing the derivatives."""

import pytest
import torch
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
