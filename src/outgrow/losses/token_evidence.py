"""The evidential loss of a few rows over a whole vocabulary, and its gradient, for `token_chunks`.

The student's logits z say Dir(alpha) over the vocabulary, alpha_j = 1 + e_j, e_j = exp(z_j), S = Σ_j alpha_j. With a target
y (equation 3 of Bayesian WeakS-to-Strong, Cui et al. 2024, arXiv 2406.03199, and its released code):

    loss = Σ_j y_j (ln S - ln alpha_j) + kl_weight clamp(annealing KL)

    mixed      KL(Dir(alpha~) || Dir(1)), alpha~ = y + (1-y) alpha: the released code, y plugged in as it is
    per_class  Σ_k y_k KL(Dir(alpha with component k set to 1) || Dir(1)): equation 4

The two agree on one-hot targets. With h and H of `evidence_series` (the divergence is H(Σ e) + Σ h(e_j)), E = Σ_j e_j and
Y = Σ_k y_k, each is a few sums over the row:

    mixed      e~_j = (1-y_j) e_j          KL = H(Σ e~) + Σ_j h(e~_j)
               dKL/dz_j = e~_j H'(Σ e~) + h'(e~_j)
    per_class  E_k = E - e_k               KL = Σ_k y_k H(E_k) + Σ_j (Y-y_j) h(e_j)
               dKL/dz_j = e_j Σ_{k≠j} y_k H'(E_k) + (Y-y_j) h'(e_j)
    likelihood dNLL/dz_j = Y e_j / S - y_j e_j / alpha_j

where h' is by the logit and H' by the evidence. No target has a gradient. Evidence appears as a share of its row's
largest only, so no logit overflows; what belongs to the label, or to the row's largest logit, is computed in float64 from
sums that leave it out, because `E - e_k` has no digits left when e_k is nearly all of E.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from outgrow.losses.evidence_series import own_term, polynomial, total_term
from outgrow.losses.token_targets import BlockTarget, Rest, Split, block_target, split_label

Kl = Literal["mixed", "per_class"]
"""How a soft target enters the divergence."""


class Part(NamedTuple):
    """A part of the loss: a number per row (float64), and its derivative by the logits."""

    value: Float[Tensor, "row"]
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
    top = logits.argmax(1) if self_training else label
    split = split_label(logits.clone(), label)
    target = block_target(split, label, prob, top, rest, self_training)
    loss, slope = _likelihood(logits, label, split, target)
    if kl_weight * annealing != 0:
        divergence = DIVERGENCES[kl](logits, target)
        raised = divergence.value * annealing
        loss = loss + kl_weight * raised.clamp(-clamp, clamp)
        felt = kl_weight * annealing * (raised.abs() <= clamp).double()
        slope.addcmul_(divergence.slope, felt[:, None].to(slope.dtype))
    logits.copy_(slope)
    return loss.to(logits.dtype)


def _likelihood(
    logits: Float[Tensor, "row vocab"], label: Int[Tensor, "row"], split: Split, target: BlockTarget
) -> Part:
    """Σ_j y_j (ln S - ln alpha_j); uses up `split.share`."""
    dtype, at = logits.dtype, label[:, None]
    log_evidence = torch.logaddexp(split.others, split.label_logit)
    log_strength = torch.logaddexp(log_evidence, torch.full_like(log_evidence, math.log(logits.shape[1])))
    said = softplus(logits, threshold=60).mul_(target.dense).scatter_(1, at, 0.0)
    said_of_label = target.at_label * (log_strength - softplus(split.label_logit, threshold=60))
    elsewhere = (target.mass - target.at_label) * log_strength - said.sum(1, keepdim=True, dtype=torch.float64)
    pull = target.mass * torch.exp(split.others - log_strength)
    slope = split.share.mul_(pull.to(dtype)).sub_(torch.sigmoid(logits).mul_(target.dense))
    at_label = target.mass * torch.exp(split.label_logit - log_strength)
    at_label -= target.at_label * torch.sigmoid(split.label_logit)
    slope.scatter_(1, at, at_label.to(dtype))
    return Part((said_of_label + elsewhere).squeeze(1), slope)


def _mixed(logits: Float[Tensor, "row vocab"], target: BlockTarget) -> Part:
    """The divergence of alpha~ = y + (1-y) alpha; overwrites `logits`."""
    vocab = logits.shape[1]
    kept = logits.add_(target.dense.neg().log1p_())
    own = own_term(kept)
    largest = kept.amax(1, keepdim=True)
    share = kept.sub_(largest).exp_()
    log_evidence = largest.double() + share.sum(1, keepdim=True, dtype=torch.float64).log()
    value, log_slope = _total(log_evidence, vocab)
    slope = share.mul_(torch.exp(largest + log_slope).to(share.dtype)).add_(own.slope)
    return Part(value.squeeze(1) + own.value.sum(1, dtype=torch.float64), slope)


def _per_class(logits: Float[Tensor, "row vocab"], target: BlockTarget) -> Part:
    """The target's mean of the divergences with one component removed; overwrites `logits`."""
    own = own_term(logits)
    removals = _removals(logits)
    other_mass = target.mass.to(logits.dtype) - target.dense
    slope = _removals_slope(removals, target.dense).addcmul_(other_mass, own.slope)
    value = _removals_value(removals, target).add_(other_mass.mul_(own.value).sum(1, dtype=torch.float64))
    return Part(value, slope)


class Removals(NamedTuple):
    """What is needed for H(E - e_k) of every k. Row-wise numbers are in float64."""

    top: Int[Tensor, "row 1"]
    largest: Float[Tensor, "row 1"]
    """The largest logit, at `top`."""
    log_others: Float[Tensor, "row 1"]
    """ln (E - e_top), summed without e_top."""
    log_ratio: Float[Tensor, "row 1"]
    """ln (1 + E/V)."""
    share: Float[Tensor, "row vocab"]
    """e_k / e_top; 0 at `top`."""
    gone: Float[Tensor, "row vocab"]
    """pi_k = e_k / (V+E), at most ½; 0 at `top`."""


def _removals(logits: Float[Tensor, "row vocab"]) -> Removals:
    """Overwrites `logits`."""
    dtype, log_vocab = logits.dtype, math.log(logits.shape[1])
    top = logits.argmax(1, keepdim=True)
    largest = logits.gather(1, top)
    share = logits.sub_(largest).exp_().scatter_(1, top, 0.0)
    largest = largest.double()
    log_others = largest + share.sum(1, keepdim=True, dtype=torch.float64).log()
    log_ratio = softplus(torch.logaddexp(log_others, largest) - log_vocab, threshold=60)
    gone = share * torch.exp(largest - log_ratio - log_vocab).to(dtype)
    return Removals(top, largest, log_others, log_ratio, share, gone)


def _removals_value(of: Removals, target: BlockTarget) -> Float[Tensor, "row"]:
    """Σ_k y_k H(E_k), by `H(E_k) = (V-½) (ln(1/w) + ln(1-pi_k)) + P(w_k)`, w_k = w / (1-pi_k); uses up `gone`."""
    dtype, vocab = of.gone.dtype, of.gone.shape[1]
    series = total_term(vocab)
    constant = series.scale * of.log_ratio
    without = torch.exp(-of.log_ratio).to(dtype) / (1 - of.gone)
    value = of.gone.neg_().log1p_().mul_(series.scale).add_(polynomial(without, series.value))
    value.scatter_(1, of.top, (_total(of.log_others, vocab)[0] - constant).to(dtype))
    return (value.mul_(target.dense).sum(1, keepdim=True, dtype=torch.float64) + target.mass * constant).squeeze(1)


def _removals_slope(of: Removals, dense: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
    """e_j Σ_{k≠j} y_k H'(E_k), by H' = w_k Q(w_k); uses up `share`."""
    dtype, vocab = of.gone.dtype, of.gone.shape[1]
    # e_top H'(E_k), which is at most V: neither factor need be representable.
    grown = (1 - of.gone).reciprocal_()
    pull = grown * torch.exp(of.largest - of.log_ratio).to(dtype)
    pull.mul_(polynomial(grown.mul_(torch.exp(-of.log_ratio).to(dtype)), total_term(vocab).slope))
    pull.mul_(dense).scatter_(1, of.top, 0.0)
    of_others = pull.sum(1, keepdim=True)
    log_slope = (of.largest + _total(of.log_others, vocab)[1]).clamp(max=80)
    of_top = dense.gather(1, of.top) * torch.exp(log_slope).to(dtype)
    return pull.neg_().add_(of_others + of_top).mul_(of.share).scatter_(1, of.top, of_others)


def _total(log_evidence: Float[Tensor, "row 1"], vocab: int) -> tuple[Tensor, Tensor]:
    """H_V(E) and ln H_V'(E), given ln E in float64."""
    series = total_term(vocab)
    log_ratio = softplus(log_evidence - math.log(vocab), threshold=60)
    w = torch.exp(-log_ratio)
    return series.scale * log_ratio + polynomial(w, series.value), polynomial(w, series.slope).log() - log_ratio


DIVERGENCES: dict[Kl, Callable[[Tensor, BlockTarget], Part]] = {"mixed": _mixed, "per_class": _per_class}
