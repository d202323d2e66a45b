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
    """The target's mean of the divergences with one component removed; overwrites `logits`.

    With pi_k = e_k / (V+E) and w = V/(V+E), the argument without k is w_k = w / (1 - pi_k), and
    `H(E_k) = (V-½) (ln(1/w) + ln(1-pi_k)) + P(w_k)`. Row-wise constants are in float64.
    """
    dtype, vocab = logits.dtype, logits.shape[1]
    series = total_term(vocab)
    own = own_term(logits)
    top = logits.argmax(1, keepdim=True)
    largest = logits.gather(1, top).double()
    share = logits.sub_(largest.to(dtype)).exp_().scatter_(1, top, 0.0)
    log_others = largest + share.sum(1, keepdim=True, dtype=torch.float64).log()
    log_evidence = torch.logaddexp(log_others, largest)
    log_ratio = softplus(log_evidence - math.log(vocab), threshold=60)

    gone = share * torch.exp(largest - log_ratio - math.log(vocab)).to(dtype)
    grown = (1 - gone).reciprocal_()
    without = grown * torch.exp(-log_ratio).to(dtype)
    value = gone.neg_().log1p_().mul_(series.scale).add_(polynomial(without, series.value))
    top_value, top_log_slope = _total(log_others, vocab)
    value.scatter_(1, top, (top_value - series.scale * log_ratio).to(dtype))
    value = value.mul_(target.dense).addcmul_(target.mass.to(dtype) - target.dense, own.value)
    total = value.sum(1, keepdim=True, dtype=torch.float64) + target.mass * series.scale * log_ratio

    # y_k H'(E_k), in units in which the row's largest evidence is 1.
    pull = grown.mul_(torch.exp(largest - log_ratio).to(dtype)).mul_(polynomial(without, series.slope)).mul_(target.dense)
    y_top = target.dense.gather(1, top)
    pull.scatter_(1, top, 0.0)
    others = pull.sum(1, keepdim=True)
    at_top = y_top * torch.exp((largest + top_log_slope).clamp(max=80)).to(dtype)
    slope = pull.neg_().add_(others + at_top).mul_(share).scatter_(1, top, others)
    slope.addcmul_(target.mass.to(dtype) - target.dense, own.slope)
    return Part(total.squeeze(1), slope)


def _total(log_evidence: Float[Tensor, "row 1"], vocab: int) -> tuple[Tensor, Tensor]:
    """H_V(E) and ln H_V'(E), given ln E in float64."""
    series = total_term(vocab)
    log_ratio = softplus(log_evidence - math.log(vocab), threshold=60)
    w = torch.exp(-log_ratio)
    return series.scale * log_ratio + polynomial(w, series.value), polynomial(w, series.slope).log() - log_ratio


DIVERGENCES: dict[Kl, Callable[[Tensor, BlockTarget], Part]] = {"mixed": _mixed, "per_class": _per_class}
