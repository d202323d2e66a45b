"""Self-training: the student's own hardened prediction as a second label (paper 1, eqs 1 and 5; Burns et al. 2023).

    L = (1 - gamma) loss(f, weak) + gamma loss(f, hard(f)),        gamma = gamma_max * ramp(progress)

`harden_argmax` takes the most probable class, as paper 1 does. `harden_balanced` keeps the class shares of the weak
labels, so that a student cannot drift into the frequent classes. For two classes Burns et al. put a threshold at the
quantile of p; for K classes we add a bias to each class's log-probability such that every class wins as often as it
should. No gradient flows through a hardened label. The ramp is a true ramp: the released codes jump at its end.
"""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import one_hot

TEMPERATURES = (1.0, 0.3, 0.1, 0.03)
"""Of the softened winner, in units of the scores' spread, from easy to nearly hard."""
LEAST_SCORE = -1e6
"""Scores below the best one's by more are all alike; a head that has diverged must not stop its neighbours."""
SLACK = 8
"""Rows per class that stay open for exchange: with them the result is the best assignment but for rare rows."""


def harden_argmax(logits: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch class"]:
    """One-hot of the most probable class (the first one on a tie)."""
    return one_hot(logits.detach().argmax(-1), logits.shape[-1]).to(logits.dtype)


def harden_balanced(
    logits: Float[Tensor, "*grid row class"], shares: Float[Tensor, "class"]
) -> Float[Tensor, "*grid row class"]:
    """One-hot labels of all rows whose class counts are `exact_counts(shares)`, for every leading index.

    Biases make every class win about as often as it should. Then each class keeps its surest rows, nearly up to its
    count, and the few rows near a boundary are assigned to the room that is left, such that their scores sum highest.
    With two classes that is the quantile threshold exactly; with more, the assignment of all rows to classes of these
    sizes with the largest sum of log-probabilities, but for rare exchanges between rows far from a boundary.
    """
    n_rows, n_classes = logits.shape[-2:]
    counts = exact_counts(shares, n_rows).to(logits.device)
    wide = logits.detach().to(torch.promote_types(logits.dtype, torch.float32))
    scores = wide.reshape(math.prod(logits.shape[:-2]), n_rows, n_classes).mT.contiguous()  # sums over rows are fast
    scores = (scores - scores.amax(1, keepdim=True)).clamp_min_(LEAST_SCORE).nan_to_num_(0.0)
    scores += matching_bias(scores, counts)[..., None]
    won, kept = surest_rows(scores.masked_fill(counts[:, None] == 0, -torch.inf), (counts - SLACK).clamp_min(0))
    tables = zip(*(tensor.cpu().numpy() for tensor in (scores, won, kept)), strict=True)
    moved = [assign_rest(score, best, sure, counts.cpu().numpy()) for score, best, sure in tables]
    won[~kept] = torch.from_numpy(np.concatenate(moved)).to(won)
    return one_hot(won.reshape(logits.shape[:-1]), n_classes).to(logits.dtype)


def exact_counts(shares: Float[Tensor, "class"], n_rows: int) -> Int[Tensor, "class"]:
    """Whole numbers that sum to `n_rows`, nearest to `shares` (>= 0) of it, by largest remainder (first on a tie)."""
    quotas = shares.detach().double().cpu()
    quotas = quotas / quotas.sum() * n_rows
    counts = quotas.floor().long()
    missing = n_rows - int(counts.sum())
    # Rounded, or the noise of a division would decide between equal remainders.
    order = torch.sort((quotas - counts).round(decimals=9), descending=True, stable=True).indices
    counts[order[:missing]] += 1
    return counts


def matching_bias(
    scores: Float[Tensor, "grid class row"], counts: Int[Tensor, "class"]
) -> Float[Tensor, "grid class"]:
    """argmin_b of sum_rows T logsumexp((score + b) / T) - counts·b, at falling T: its gradient is the mismatch.

    The limit T -> 0 is the dual of the best assignment of rows to classes with given counts. Newton steps on a Hessian
    whose diagonal is kept from vanishing where a class wins nothing yet.
    """
    n_classes, n_rows = scores.shape[1:]
    relative = scores - scores.mean(1, keepdim=True)
    center = relative.mean(-1, keepdim=True)
    relative -= center
    bias = torch.zeros_like(center)
    spread = relative.square().mean((1, 2), keepdim=True).sqrt_().clamp_min_(torch.finfo(scores.dtype).tiny)
    shares = (counts.to(scores.dtype) / n_rows)[:, None]
    ridge = 1e-6 * torch.eye(n_classes, dtype=scores.dtype, device=scores.device)
    for temperature in TEMPERATURES:
        unit = temperature * spread
        soft = ((relative + bias) / unit).softmax(1)
        mean = soft.mean(-1, keepdim=True)
        curvature = torch.diag_embed(torch.maximum(mean, shares).squeeze(-1)) - soft @ soft.mT / n_rows
        bias = bias + unit * torch.linalg.solve(curvature + ridge, shares - mean)
    return (bias - center).squeeze(-1)


def surest_rows(
    scores: Float[Tensor, "grid class row"], counts: Int[Tensor, "class"]
) -> tuple[Int[Tensor, "grid row"], Bool[Tensor, "grid row"]]:
    """Each row's best class, and whether it is among that class's `counts` rows with the largest lead."""
    best, won = scores.max(1)
    lead = best - scores.scatter(1, won[:, None], -torch.inf).amax(1)
    order = lead.sort(dim=-1, descending=True, stable=True).indices
    sorted_won = won.gather(-1, order)[:, None]
    wins = torch.zeros_like(scores, dtype=torch.int32).scatter_(1, sorted_won, 1)
    place = wins.cumsum(-1, dtype=torch.int32).gather(1, sorted_won)
    kept = (place <= counts[sorted_won]).squeeze(1)
    return won, torch.empty_like(kept).scatter_(-1, order, kept)


def assign_rest(
    scores: Float[np.ndarray, "class row"],
    won: Int[np.ndarray, "row"],
    kept: Bool[np.ndarray, "row"],
    counts: Int[np.ndarray, "class"],
) -> Int[np.ndarray, "moved"]:
    """Classes for the rows that are not `kept`: those with room left, such that the rows' scores sum highest."""
    room = counts - np.bincount(won[kept], minlength=len(counts))
    seats = np.repeat(np.arange(len(counts)), room)
    _, seat = linear_sum_assignment(scores[seats][:, ~kept].T, maximize=True)  # as many seats as rows
    return np.asarray(seats[seat])
