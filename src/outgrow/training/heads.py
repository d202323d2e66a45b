"""Linear heads on frozen features, a whole grid of them in one go.

A probe is a multinomial logistic regression whose loss is free to choose. On standardised features x it computes

    classify:  z_k = w_k · x + b_k          one weight vector and bias per class
    choose:    z_k = w · x_k                one scorer shared by all options, so their order cannot matter

and minimises  Σ_i v_i loss(z_i, target_i) / Σ_i v_i  +  l2/2 ‖w‖²  (the bias is free) by full-batch Adam from zero,
or from an earlier head, with a step size that falls to zero along a cosine. Nothing is drawn at random: the same data
gives the same head.

Tuning needs many such heads that differ only in `l2` and step size. They are trained side by side: the weights are one
array [dim, grid, class], so that all of the grid's logits come out of a single matrix product, and Adam, which looks
at each number alone, keeps the members of the grid apart. Several rows per item (a source each) share the item's
logits. Features are standardised with the mean and deviation of the items that the head is trained on.

It does not search (`grid_search.py` does) and does not stop early: `watch` sees the heads after every update.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from outgrow.losses.objective import Objective

BETA_MEAN, BETA_SQUARE, TINY = 0.9, 0.999, 1e-8
"""Adam's constants (Kingma & Ba 2015)."""

CONSTANT = 1e-6
"""A feature whose deviation is below this share of the largest one is constant but for rounding."""


class Affine(NamedTuple):
    """One map from features, as they are, to logits: x @ weight + bias."""

    weight: Float[Tensor, "dim out"]
    bias: Float[Tensor, "out"]


@dataclass(frozen=True)
class Heads:
    """Fitted heads, one per point of the grid."""

    weight: Float[Tensor, "dim grid out"]
    """`out` is the number of classes, or 1 where all options share a scorer."""
    bias: Float[Tensor, "grid out"]
    mean: Float[Tensor, "dim"]
    deviation: Float[Tensor, "dim"]
    objective: Objective
    losses: Float[Tensor, "step grid"]
    """The weighted mean loss before each update, without the ridge penalty."""

    def logits(self, features: Float[Tensor, "item *option dim"]) -> Float[Tensor, "grid item class"]:
        """Scores of every head for new items; features as they were given to `fit_heads`."""
        return _logits((features - self.mean) / self.deviation, self.weight, self.bias)

    def probs(self, features: Float[Tensor, "item *option dim"]) -> Float[Tensor, "grid item class"]:
        """The heads' predictive distributions, as their objective understands logits."""
        return self.objective.probs(self.logits(features))


def fit_heads(
    features: Float[Tensor, "item *option dim"],
    targets: Float[Tensor, "row class"],
    weight: Float[Tensor, "row"],
    objective: Objective,
    l2: Float[Tensor, "grid"],
    lr: Float[Tensor, "grid"],
    steps: int,
    item: Int[Tensor, "row"] | None = None,
    start: Affine | None = None,
    prior: Float[Tensor, "class"] | None = None,
    watch: Callable[[int, Heads], None] | None = None,
) -> Heads:
    """Train one head for each (l2, lr).

    Args:
        features: [item, dim], or [item, option, dim] for one scorer that all options share.
        targets: a distribution over the classes (options) for every row.
        weight: how much each row counts, >= 0; only ratios matter.
        objective: loss per row; it is given the share of training done, 0 … 1, and the targets' class shares.
        l2: ridge penalty of each grid point.
        lr: Adam's first step size of each grid point.
        steps: full-batch updates.
        item: which item each row speaks of; by default row i is item i.
        start: where the heads begin, in terms of the features as they are; by default at zero.
        prior: the labels' class shares; by default the weighted mean of the targets.
        watch: called with the number of updates and the heads after each of them.

    Returns:
        The heads at the end of training, in the order of `l2`, in the features' precision and on their device.
    """
    mean, deviation = _moments(features)
    inputs = (features - mean) / deviation
    share = weight / weight.sum()
    class_shares = share @ targets if prior is None else prior
    targets = targets.expand(len(l2), *targets.shape)
    out = targets.shape[-1] if features.ndim == 2 else 1
    parameters = [inputs.new_zeros(features.shape[-1], len(l2), out), inputs.new_zeros(len(l2), out)]
    if start is not None:
        weights, bias = start.weight * deviation[:, None], start.bias + mean @ start.weight
        parameters = [weights[:, None].repeat(1, len(l2), 1), bias.repeat(len(l2), 1)]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    losses = inputs.new_zeros(steps, len(l2))
    for step in range(steps):
        weights, bias = (p.detach().requires_grad_() for p in parameters)
        logits = _logits(inputs, weights, bias)
        rows = logits if item is None else logits[:, item]
        loss = objective(rows, targets, step / steps, class_shares) @ share
        penalty = (l2[:, None] * weights.square()).sum() / 2
        gradients = torch.autograd.grad(loss.sum() + penalty, (weights, bias), materialize_grads=True)
        losses[step] = loss.detach()
        size = lr[:, None] * (1 + math.cos(math.pi * step / steps)) / 2
        parameters = [
            _adam(p, gradient, *moment, size, step + 1)
            for p, gradient, moment in zip(parameters, gradients, moments, strict=True)
        ]
        if watch is not None:
            watch(step + 1, Heads(parameters[0], parameters[1], mean, deviation, objective, losses))
    return Heads(parameters[0], parameters[1], mean, deviation, objective, losses)


def _logits(
    inputs: Float[Tensor, "item *option dim"],
    weight: Float[Tensor, "dim grid out"],
    bias: Float[Tensor, "grid out"],
) -> Float[Tensor, "grid item class"]:
    dim, grid, out = weight.shape
    scores = (inputs.flatten(0, -2) @ weight.reshape(dim, grid * out)).reshape(*inputs.shape[:-1], grid, out)
    if inputs.ndim == 3:  # the shared scorer: softmax over options cancels its bias, so none is added
        return scores.squeeze(-1).permute(2, 0, 1)
    return (scores + bias).transpose(0, 1)


def _moments(features: Float[Tensor, "item *option dim"]) -> tuple[Float[Tensor, "dim"], Float[Tensor, "dim"]]:
    flat = features.flatten(0, -2)
    deviation = flat.std(dim=0, correction=0)
    return flat.mean(dim=0), torch.where(deviation > CONSTANT * deviation.max(), deviation, 1.0)


def _adam(
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    first: Float[Tensor, "*shape"],
    second: Float[Tensor, "*shape"],
    size: Float[Tensor, "grid 1"],
    step: int,
) -> Float[Tensor, "*shape"]:
    """One update; the two moment arrays are updated in place."""
    first.lerp_(gradient, 1 - BETA_MEAN)
    second.lerp_(gradient.square(), 1 - BETA_SQUARE)
    spread = (second / (1 - BETA_SQUARE**step)).sqrt_().add_(TINY)
    return parameter - size * (first / (1 - BETA_MEAN**step)) / spread
