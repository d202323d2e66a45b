"""Self-training: the student's own hardened prediction as a second label (paper 1, eqs 1 and 5; Burns et al. 2023).

    L = (1 - gamma) loss(f, weak) + gamma loss(f, hard(f)),        gamma = gamma_max * ramp(progress)

`harden_argmax` takes the most probable class, as paper 1 does. `harden_balanced` keeps the class shares of the weak
labels, so that a student cannot drift into the frequent classes. For two classes Burns et al. put a threshold at the
quantile of p; for K classes we add a bias to each class's log-probability such that every class wins as often as it
should. No gradient flows through a hardened label. The ramp is a true ramp: the released codes jump at its end.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

TEMPERATURES = (1.0, 0.5, 0.25, 0.12, 0.06)
"""Of the soft winner, from easy to nearly hard."""
NEWTON_STEPS = 3


def ramp(progress: float, over: float = 1.0) -> float:
    """Linear from 0 at progress 0 to 1 at progress `over`, then 1."""
    return min(1.0, progress / over)


def harden_argmax(logits: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch class"]:
    """One-hot of the most probable class (the first one on a tie)."""
    return one_hot(logits.detach().argmax(-1), logits.shape[-1]).to(logits.dtype)


def harden_balanced(
    logits: Float[Tensor, "*grid row class"], shares: Float[Tensor, "class"]
) -> Float[Tensor, "*grid row class"]:
    """One-hot labels of all rows, whose class counts follow `shares` (>= 0, sum 1), for every leading index.

    Two classes: counts are exact up to rounding, by the quantile. More classes: exact for a winner softened at the
    last of `TEMPERATURES`, so that hard counts are off only by rows that lie that near to a boundary.
    """
    scores = logits.detach().log_softmax(-1)
    flat = scores.reshape(-1, *scores.shape[-2:])
    bias = quantile_bias(flat, shares) if flat.shape[-1] == 2 else matching_bias(flat, shares)
    won = (flat + bias[:, None]).argmax(-1).reshape(scores.shape[:-1])
    return one_hot(won, scores.shape[-1]).to(logits.dtype)


def quantile_bias(scores: Float[Tensor, "grid row two"], shares: Float[Tensor, "two"]) -> Float[Tensor, "grid two"]:
    """The bias of the first class with which it wins its share of rows, rounded; the second class's is 0."""
    margin = (scores[..., 1] - scores[..., 0]).sort(-1).values
    edge = torch.full_like(margin[:, :1], torch.inf)
    margin = torch.cat([-edge, margin, edge], -1)
    count = int(torch.round(shares[0] / shares.sum() * scores.shape[-2]))
    below, above = margin[:, count], margin[:, count + 1]
    threshold = torch.where(below.isinf(), above - 1, torch.where(above.isinf(), below + 1, (below + above) / 2))
    return torch.stack([threshold, torch.zeros_like(threshold)], -1)


def matching_bias(
    scores: Float[Tensor, "grid row class"], shares: Float[Tensor, "class"]
) -> Float[Tensor, "grid class"]:
    """argmin_b of sum_rows T logsumexp((score + b) / T) - rows shares·b, at falling T: its gradient is the mismatch.

    The limit T -> 0 is the dual of the best assignment of rows to classes with given counts. Damped Newton steps.
    """
    n_classes = scores.shape[-1]
    bias = torch.zeros(scores.shape[0], n_classes, dtype=scores.dtype, device=scores.device)
    wanted = (shares / shares.sum()).to(scores.dtype).clamp_min(0.1 / scores.shape[-2])
    ridge = torch.eye(n_classes, dtype=scores.dtype, device=scores.device)
    for temperature in TEMPERATURES:
        for _ in range(NEWTON_STEPS):
            soft = ((scores + bias[:, None]) / temperature).softmax(-1)
            mean = soft.mean(-2)
            curvature = torch.diag_embed(mean) - soft.transpose(-1, -2) @ soft / scores.shape[-2]
            step = torch.linalg.solve(curvature + 1e-3 * ridge, mean - wanted)
            bias = bias - temperature * step.clamp(-2.0, 2.0)
    return bias
