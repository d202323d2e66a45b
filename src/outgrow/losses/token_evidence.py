"""The evidential loss of a few rows over a whole vocabulary, and its gradient, for `token_chunks`.

The student's logits z give Dir(alpha) over the vocabulary, alpha_j = 1 + e_j, e_j = exp(z_j), S = Σ_j alpha_j. With a
target y (equation 3 of Bayesian WeakS-to-Strong, Cui et al. 2024, arXiv 2406.03199, and its released code):

    loss = Σ_j y_j (ln S - ln alpha_j) + kl_weight clamp(annealing KL)

    mixed      KL(Dir(alpha~) || Dir(1)), alpha~ = y + (1-y) alpha: the released code, y plugged in as it is
    per_class  Σ_k y_k KL(Dir(alpha with component k set to 1) || Dir(1)): equation 4

The two agree on one-hot targets. With h and H of `evidence_series` (the divergence is H(Σ e) + Σ h(e_j)), E = Σ_j e_j
and Y = Σ_k y_k, each is a few sums over the row:

    mixed      e~_j = (1-y_j) e_j          KL = H(Σ e~) + Σ_j h(e~_j)
               dKL/dz_j = e~_j H'(Σ e~) + h'(e~_j)
    per_class  E_k = E - e_k               KL = Σ_k y_k H(E_k) + Σ_j (Y-y_j) h(e_j)
               dKL/dz_j = e_j Σ_{k≠j} y_k H'(E_k) + (Y-y_j) h'(e_j)
    likelihood dNLL/dz_j = Y e_j / S - y_j e_j / alpha_j

where h' is by the logit and H' by the evidence. No target has a gradient. What belongs to the label, or to the row's
largest logit, is computed in float64 from sums that leave it out, because `E - e_k` and `1 - y_k` have no digits left
when k is nearly everything. The likelihood is exact for any logit; the divergence counts evidence up to e^75.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from outgrow.losses.evidence_series import evidence, own_term, polynomial, total_term
from outgrow.losses.token_targets import BlockTarget, LabelSplit, Rest, block_target, row_sum, split_label

Kl = Literal["mixed", "per_class"]
"""How a soft target enters the divergence."""


class LossTerm(NamedTuple):
    """A part of the loss: a number per row (float64), and its derivative by the logits."""

    value: Float[Tensor, "row 1"]
    slope: Float[Tensor, "row vocab"]


def evidential_rows(
    logits: Float[Tensor, "row vocab"],
    label: Int[Tensor, "row"],
    prob: Float[Tensor, "row"],
    *,
    rest: Rest,
    self_training: float,
    kl: Kl,
    kl_weight: float,
    annealing: float,
    clamp: float,
) -> Float[Tensor, "row"]:
    """The loss of each row; `logits` become its gradient. Options as in `tokens.evidential_token_loss`."""
    split = split_label(logits.clone(), label)
    target = block_target(split, label, prob, rest, self_training)
    loss, slope = _likelihood(logits, label, split, target)
    if kl_weight * annealing != 0:
        divergence = DIVERGENCES[kl](logits, target)
        raised = divergence.value * annealing
        loss = loss + kl_weight * raised.clamp(-clamp, clamp)
        felt = kl_weight * annealing * (raised.abs() <= clamp).double()
        slope.addcmul_(divergence.slope, felt.to(slope.dtype))
    logits.copy_(slope)
    return loss.squeeze(1).to(logits.dtype)


def _likelihood(
    logits: Float[Tensor, "row vocab"], label: Int[Tensor, "row"], split: LabelSplit, target: BlockTarget
) -> LossTerm:
    """Σ_j y_j (ln S - ln alpha_j), by `alpha_j / S = q_j exp(others) / S + 1 / S`; uses up `split.share`."""
    dtype, at = logits.dtype, label[:, None]
    log_evidence = torch.logaddexp(split.others, split.label_logit)
    log_strength = torch.logaddexp(log_evidence, torch.full_like(log_evidence, math.log(logits.shape[1])))
    mean = split.share.mul_(torch.exp(split.others - log_strength).to(dtype))
    # The bound keeps 1/S from underflowing; where it binds, tokens without evidence have no target either.
    mean_of_none = torch.exp(-log_strength.clamp(max=80)).to(dtype)
    elsewhere = (mean + mean_of_none).log_().mul_(target.dense).scatter_(1, at, 0.0)
    here = target.at_label * (log_strength - softplus(split.label_logit, threshold=60))
    slope = mean.mul_(target.mass.to(dtype)).sub_(torch.sigmoid(logits).mul_(target.dense))
    slope_here = target.mass * torch.exp(split.label_logit - log_strength)
    slope_here -= target.at_label * torch.sigmoid(split.label_logit)
    slope.scatter_(1, at, slope_here.to(dtype))
    return LossTerm(here - row_sum(elsewhere), slope)


def _mixed(logits: Float[Tensor, "row vocab"], target: BlockTarget) -> LossTerm:
    """The divergence of alpha~ = y + (1-y) alpha."""
    token_evidence = evidence(logits)
    of_heavy = token_evidence.gather(1, target.heavy) * target.left.to(token_evidence.dtype)
    kept = token_evidence.mul_(1 - target.dense).scatter_(1, target.heavy, of_heavy)
    own = own_term(kept)
    total, slope = _total(row_sum(kept), logits.shape[1])
    return LossTerm(total + row_sum(own.value), kept.mul_(slope.to(kept.dtype)).add_(own.slope))


def _per_class(logits: Float[Tensor, "row vocab"], target: BlockTarget) -> LossTerm:
    """The target's mean of the divergences with one component removed."""
    token_evidence = evidence(logits)
    own = own_term(token_evidence)
    other_mass = target.mass.to(token_evidence.dtype) - target.dense
    value = row_sum(own.value.mul_(other_mass))
    own_slope = own.slope.mul_(other_mass)
    removals = _removals(token_evidence, target.heavy)
    value += _removals_value(removals, target)
    return LossTerm(value, _removals_slope(removals, target.dense).add_(own_slope))


class Removals(NamedTuple):
    """What is needed for H(E - e_k) of every k. Row-wise numbers are in float64."""

    top: Int[Tensor, "row 1"]
    others: Float[Tensor, "row 1"]
    """E - e_top, summed without e_top, the largest."""
    strength: Float[Tensor, "row 1"]
    """S = V + E."""
    said: Float[Tensor, "row vocab"]
    """e_k; 0 at `top`."""
    said_of_top: Float[Tensor, "row 1"]
    grown: Float[Tensor, "row vocab"]
    """S / (S - e_k), at most 2; 1 at `top`."""


def _removals(token_evidence: Float[Tensor, "row vocab"], heavy: Int[Tensor, "row 2"]) -> Removals:
    """Overwrites `token_evidence`; the largest is that of the label or of the most probable other token."""
    top = heavy.gather(1, token_evidence.gather(1, heavy).argmax(1, keepdim=True))
    top_evidence = token_evidence.gather(1, top)
    others = row_sum(token_evidence.scatter_(1, top, 0.0))
    strength = others + top_evidence.double() + token_evidence.shape[1]
    grown = (token_evidence / strength.to(token_evidence.dtype)).neg_().add_(1).reciprocal_()
    return Removals(top, others, strength, token_evidence, top_evidence, grown)


def _removals_value(of: Removals, target: BlockTarget) -> Float[Tensor, "row 1"]:
    """Σ_k y_k H(E_k), by `H(E_k) = (V-½) (ln(S/V) + ln((S-e_k)/S)) + P(V/(S-e_k))`."""
    dtype, vocab = of.said.dtype, of.said.shape[1]
    series = total_term(vocab)
    constant = series.scale * torch.log1p((of.strength - vocab) / vocab)
    value = (of.said / of.strength.to(dtype)).neg_().log1p_().mul_(series.scale)
    value.add_(polynomial(of.grown * (vocab / of.strength).to(dtype), series.value))
    value.scatter_(1, of.top, (_total(of.others, vocab)[0] - constant).to(dtype))
    return row_sum(value.mul_(target.dense)) + target.mass * constant


def _removals_slope(of: Removals, dense: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
    """e_j Σ_{k≠j} y_k H'(E_k), by `H'(E_k) = w_k Q(w_k)` with w_k = V / (S-e_k); uses up `said` and `grown`."""
    dtype, vocab = of.said.dtype, of.said.shape[1]
    w = of.grown.mul_((vocab / of.strength).to(dtype))
    pull = polynomial(w, total_term(vocab).slope).mul_(w).mul_(dense).scatter_(1, of.top, 0.0)
    of_others = pull.sum(1, keepdim=True)
    of_top = dense.gather(1, of.top) * _total(of.others, vocab)[1].to(dtype)
    slope = pull.neg_().add_(of_others + of_top).mul_(of.said)
    return slope.scatter_(1, of.top, of_others * of.said_of_top)


def _total(total: Float[Tensor, "row 1"], vocab: int) -> tuple[Tensor, Tensor]:
    """H_V(E) and its derivative by E, both in float64."""
    series = total_term(vocab)
    w = vocab / (vocab + total)
    value = series.scale * torch.log1p(total / vocab) + polynomial(w, series.value)
    return value, w * polynomial(w, series.slope)


DIVERGENCES: dict[Kl, Callable[[Tensor, BlockTarget], LossTerm]] = {"mixed": _mixed, "per_class": _per_class}
