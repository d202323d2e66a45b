"""A benchmark's full score from a few of its items: anchors, item response theory, and a mixture of both.

Item i has a direction a_i and a difficulty b_i, a model an ability θ, and the model is right with the chance

    p_i = σ(a_i · θ − b_i)          argument kept within ±30

(a multi-dimensional two-parameter model). Item parameters come from other models' answers and are given; of the model
at hand only its answers y on the anchors are known, from which θ is fitted. With N items, n of them anchors:

    irt     sum over anchors of w_i y_i                 w_i: the share of the benchmark that anchor i stands for
    p_irt   λ mean(y) + (1 − λ) mean over the other items of p_i,       λ = n / N
    gp_irt  λ' irt + (1 − λ') p_irt                     λ': how far `irt` is to be trusted, chosen on other models

(Maia Polo et al. 2024, "tinyBenchmarks", arXiv 2402.14992, where n = 100.) `irt` trusts
the anchors to stand for the rest; `p_irt` trusts the model of items, and so inherits its faults. The paper's typical
error is 1 to 2 points of 100, for models like those that the parameters were fitted on.

Not here: fitting item parameters, choosing anchors, intervals, and the weights by which the authors' code lets every
subject of MMLU count alike. That code keeps one difficulty per dimension, clips every dimension for itself and then
adds them up: b_i here is the sum over its dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from scipy.special import expit

from outgrow.errors import ConfigError, DataError, suggest

LARGEST_LOGIT = 30.0
"""Beyond it a chance is 0 or 1 to thirteen digits, and its slope counts as zero."""
RIDGE = 1e-4
"""Weight of |θ|² / 2: a normal prior on θ with standard deviation 100, far wider than any ability."""
STEEPEST_END = 1e-7
"""The search for θ ends where no slope is larger."""


@dataclass(frozen=True)
class IrtItems:
    """The items of a benchmark, and which of them are asked."""

    a: Float[np.ndarray, "item dim"]
    """How strongly each dimension of ability tells on each item; either sign."""
    b: Float[np.ndarray, "item"]
    """Difficulty."""
    anchors: Int[np.ndarray, "anchor"]
    """Positions of the items that are asked, in the order of the answers; all different."""
    weights: Float[np.ndarray, "anchor"]
    """What each anchor stands for; none below 0, and they sum to one."""
    irt_share: float | None = None
    """λ', from 0 to 1: what `irt` counts in `gp_irt`. None: there is no `gp_irt`."""


def estimate_score(
    items: IrtItems,
    right: Float[np.ndarray, "answer"] | Int[np.ndarray, "answer"] | Bool[np.ndarray, "answer"],
    by: str = "gp_irt",
) -> float:
    """The score, from 0 to 1, that the model of these answers would have on all items.

    `right[k]` says how right the answer to item `items.anchors[k]` is: 0 or 1, or anything between them where
    answers are graded. `by` is `irt`, `p_irt` or `gp_irt`; the last needs `items.irt_share`.

    >>> one, weights = np.ones((4, 1)), np.array([0.5, 0.5])
    >>> items = IrtItems(one, np.zeros(4), np.array([0, 3]), weights, irt_share=0.5)
    >>> round(estimate_score(items, np.array([1.0, 0.0])), 6)
    0.5

    Raises `ConfigError` for an unknown `by`, `DataError` for a missing `irt_share` and for answers that do not fit
    the anchors or lie outside 0 to 1.
    """
    if by not in ESTIMATORS:
        raise ConfigError(f"`{by}` is not a way to estimate a score; {suggest(by, ESTIMATORS)}")
    if len(right) != len(items.anchors):
        raise DataError(f"there are {len(items.anchors)} anchors but {len(right)} answers; give one for each anchor")
    wrong = np.flatnonzero(~((right >= 0) & (right <= 1)))
    if len(wrong):
        raise DataError(f"answer {wrong[0]} is rated {right[wrong[0]]:g}; ratings go from 0 (wrong) to 1 (right)")
    return ESTIMATORS[by](items, right.astype(np.float64))


def irt(items: IrtItems, right: Float[np.ndarray, "anchor"]) -> float:
    """Weighted mean of the answers to the anchors. Needs no ability, only that every anchor stands for its like."""
    return float(items.weights @ right)


def p_irt(items: IrtItems, right: Float[np.ndarray, "anchor"]) -> float:
    """Answers where there are any, chances where there are none: the mean over all items of what is known best."""
    unseen = np.delete(np.arange(len(items.b)), items.anchors)
    if not len(unseen):
        return float(right.mean())
    theta = fit_theta(items.a[items.anchors], items.b[items.anchors], right)
    observed_share = len(items.anchors) / len(items.b)
    expected = chances(theta, items.a[unseen], items.b[unseen]).mean()
    return float(observed_share * right.mean() + (1 - observed_share) * expected)


def gp_irt(items: IrtItems, right: Float[np.ndarray, "anchor"]) -> float:
    """`irt` and `p_irt`, mixed with `items.irt_share`; `DataError` without one."""
    if items.irt_share is None:
        raise DataError("these items have no `lambda`, which `gp_irt` needs; add it to their file, or use `p_irt`")
    return items.irt_share * irt(items, right) + (1 - items.irt_share) * p_irt(items, right)


ESTIMATORS: dict[str, Callable[[IrtItems, Float[np.ndarray, "anchor"]], float]] = {
    "irt": irt,
    "p_irt": p_irt,
    "gp_irt": gp_irt,
}


def fit_theta(
    a: Float[np.ndarray, "item dim"],
    b: Float[np.ndarray, "item"],
    right: Float[np.ndarray, "item"],
    ridge: float = RIDGE,
) -> Float[np.ndarray, "dim"]:
    """The ability under which these answers are most likely: BFGS from θ = 0 on `loss_and_slope`.

    Where every answer is right (or all those that some direction of θ tells on), the likelihood only grows as θ
    grows and has no maximum. The default `ridge` then ends it where it no longer matters: |θ| near 10 for
    discriminations near 1. Where there is a maximum, it moves θ by about `ridge` θ / (sum of a² p (1 − p)): with 100
    anchors, by a few millionths of itself. `ridge=0` is the bare likelihood; its search still ends, but without
    a maximum at a place that says more of the search than of the model.
    """
    start = np.zeros(a.shape[1])
    found = minimize(
        loss_and_slope, start, (a, b, right, ridge), method="BFGS", jac=True, options={"gtol": STEEPEST_END}
    )
    return np.asarray(found.x, dtype=np.float64)


def loss_and_slope(
    theta: Float[np.ndarray, "dim"],
    a: Float[np.ndarray, "item dim"],
    b: Float[np.ndarray, "item"],
    right: Float[np.ndarray, "item"],
    ridge: float,
) -> tuple[float, Float[np.ndarray, "dim"]]:
    """−log likelihood + `ridge` |θ|² / 2, and its gradient.

    With the logit z = a · θ − b, an answer costs log(1 + exp z) − y z (for a graded one the cross-entropy) and
    pulls along a with p − y, or not at all where z is cut off.
    """
    logits = a @ theta - b
    kept = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
    loss = np.sum(np.logaddexp(0, kept) - right * kept) + ridge * theta @ theta / 2
    pull = (expit(kept) - right) * (kept == logits)
    return float(loss), a.T @ pull + ridge * theta


def chances(
    theta: Float[np.ndarray, "dim"], a: Float[np.ndarray, "item dim"], b: Float[np.ndarray, "item"]
) -> Float[np.ndarray, "item"]:
    """Probability of a right answer to each item."""
    return np.asarray(expit(np.clip(a @ theta - b, -LARGEST_LOGIT, LARGEST_LOGIT)))
