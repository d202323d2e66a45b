"""Logistic regression with a ridge penalty, for few examples of many numbers.

On standardised inputs x with labels y in 0 … 1 it minimises

    mean of -y ln σ(z) - (1-y) ln σ(-z)  +  l2/2 ‖w‖²,        z = w · x + b

by Newton's method in the space that the examples span: with X = U S Vᵀ, w = V u, so that matrices are as large as the
number of examples, not of dimensions. The objective is strictly convex but for the free bias, and every step is halved
until it lowers the objective: the result depends on nothing but the examples.

The penalty is the one of `PENALTIES` with the least log-loss on held-out groups (`FOLDS` folds, drawn by a hash of the
group's name); on a tie the strongest.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from outgrow.select.keep_rules import lots

PENALTIES = (1.0, 0.1, 0.01, 0.001)
FOLDS = 5
CONSTANT = 1e-9
STEPS, HALVINGS, CLOSE = 100, 40, 1e-10
"""Newton steps, halvings of one, and the gradient's largest entry at which it ends."""


class Logistic(NamedTuple):
    """P(y = 1 | x) = σ(w · x + b), of inputs as they are."""

    weight: Float[np.ndarray, "dim"]
    bias: float

    def probability(self, inputs: Float[np.ndarray, "row dim"]) -> Float[np.ndarray, "row"]:
        return np.asarray(expit(inputs @ self.weight + self.bias))


def fit_by_folds(
    inputs: Float[np.ndarray, "row dim"], label: Float[np.ndarray, "row"], groups: Sequence[str]
) -> Logistic:
    """A fit of all rows with the penalty that predicts held-out groups best. At least one row."""
    fold = (lots(0, ([name] for name in groups)) * FOLDS).astype(np.int64)
    losses = [_held_out_loss(inputs, label, fold, penalty) for penalty in PENALTIES]
    return fit_logistic(inputs, label, PENALTIES[int(np.argmin(losses))])


def fit_logistic(inputs: Float[np.ndarray, "row dim"], label: Float[np.ndarray, "row"], l2: float) -> Logistic:
    """The minimum for one penalty `l2` > 0. Labels that are all alike give a constant, (Σ y + 1) / (n + 2)."""
    if (label == label[0]).all():
        share = (label.sum() + 1) / (len(label) + 2)
        return Logistic(np.zeros(inputs.shape[1]), float(np.log(share) - np.log1p(-share)))
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.where(deviation > CONSTANT * max(1.0, float(deviation.max())), deviation, np.inf)
    u, s, vt = np.linalg.svd((inputs - mean) / scale, full_matrices=False)
    coefficients = _newton(np.column_stack([u * s, np.ones(len(label))]), label, l2)
    weight = vt.T @ coefficients[:-1] / scale
    return Logistic(np.asarray(weight), float(coefficients[-1] - mean @ weight))


def _newton(
    inputs: Float[np.ndarray, "row span"], label: Float[np.ndarray, "row"], l2: float
) -> Float[np.ndarray, "span"]:
    """The weights; the last input is the constant 1, whose weight has no penalty."""
    penalty = np.append(np.full(inputs.shape[1] - 1, l2), 0.0)
    weight = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        p = expit(inputs @ weight)
        gradient = inputs.T @ (p - label) / len(label) + penalty * weight
        if abs(gradient).max() < CLOSE:
            break
        bend = (inputs * (p * (1 - p))[:, None]).T @ inputs / len(label) + np.diag(penalty + CONSTANT)
        step, before = np.linalg.solve(bend, gradient), _objective(inputs, label, penalty, weight)
        for halving in range(HALVINGS):
            candidate = weight - step / 2**halving
            if _objective(inputs, label, penalty, candidate) < before:
                break
        else:
            break  # rounding hides what is left
        weight = candidate
    return weight


def _objective(
    inputs: Float[np.ndarray, "row span"],
    label: Float[np.ndarray, "row"],
    penalty: Float[np.ndarray, "span"],
    weight: Float[np.ndarray, "span"],
) -> float:
    z = inputs @ weight
    return float((np.logaddexp(0, z) - label * z).mean() + (penalty * weight**2).sum() / 2)


def _held_out_loss(
    inputs: Float[np.ndarray, "row dim"], label: Float[np.ndarray, "row"], fold: Int[np.ndarray, "row"], l2: float
) -> float:
    """The log-loss of all rows, each by a fit without its fold; 0 where there is but one fold."""
    total = 0.0
    for fold_index in np.unique(fold).tolist():
        held, kept = fold == fold_index, fold != fold_index
        if kept.any():
            model = fit_logistic(inputs[kept], label[kept], l2)
            z = inputs[held] @ model.weight + model.bias
            total += float((np.logaddexp(0, z) - label[held] * z).sum())
    return total
