"""The fair search: every method gets the same grid, the same folds and the same yardstick.

Regularisation is the main confound of weak-to-strong comparisons: a method that is tuned better looks like a better
method. So each one searches the same grid by K-fold cross-validation over the items of the half that it learns from:
fit on the other folds' targets, answer the held-out items, compare the answers with

    weak_accuracy   mean over held-out items of  m_i[argmax p_i]     (the default)
    weak_log_loss   mean over held-out items of  −Σ_k m_i[k] log p_i[k]
    gold_accuracy   share of held-out items whose argmax is gold: *oracle selection*, which no real use can have

or, without folds, on items of half A, whose gold is known and which the method does not learn:

    half_a_log_loss min over T of the mean over half A's items of  −log softmax(log p_i / T)[gold]

where m_i is the mean of all supervisors' votes on item i, not the method's own targets: methods that combine the
votes differently are held to the same thing. Where gold is what is learned (supervisors, the ceiling), m_i is gold.

Folds depend on the items' groups alone: neither on their order nor on a seed. Ties go to the first point in grid
order, which is the strongest regularisation. A grid of one point needs no search.
"""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.config.tune import SelectBy
from outgrow.errors import ConfigError, DataError
from outgrow.metrics.temperature import FLOOR, most_likely_temperature, scaled_log_loss

PROBE_LR, PROBE_STEPS = 0.05, 100
LEAST_PROBABILITY = 1e-12
"""Keeps the log loss of a head that is certain and wrong finite."""


class GridPoint(NamedTuple):
    """One way to train: what a search chooses among."""

    lr: float
    epochs: float
    """Passes over the data; a probe's pass is one full-batch update."""
    l2: float = 0.0
    """probe only"""
    layer: int | None = None
    """probe only; `None` = the only layer there is"""


class SearchResult(NamedTuple):
    """The result of a search."""

    point: GridPoint
    scores: list[float] | None
    """One per point of the grid, in its order; `None` where there was nothing to choose."""
    held_out: Float[np.ndarray, "item class"] | None
    """The chosen point's answers on every item, each by a model that had not seen it; `None` without folds."""


Answer = Callable[[Bool[np.ndarray, "item"], int], Float[np.ndarray, "grid held class"]]
"""`answer(held, fold)`: train every point of the grid on the items not held out, and answer those that are."""


def probe_grid(tune: dict[str, Any], layers: Sequence[int]) -> list[GridPoint]:
    """All combinations of layer, step size, steps and ridge penalty; within a layer, strongest penalty first."""
    l2 = sorted(tune["l2"], reverse=True)
    rates, steps = tune["lr"] or [PROBE_LR], tune["epochs"] or [PROBE_STEPS]
    return [
        GridPoint(r, s, p, layer) for layer, r, s, p in itertools.product(layers, sorted(rates), sorted(steps), l2)
    ]


def training_grid(tune: dict[str, Any], training: dict[str, Any]) -> list[GridPoint]:
    """All combinations of learning rate and epochs for full and LoRA training, gentlest first."""
    rates, epochs = tune["lr"] or [training["lr"]], tune["epochs"] or [training["epochs"]]
    return [GridPoint(rate, passes) for rate, passes in itertools.product(sorted(rates), sorted(epochs))]


def fold_of(groups: Sequence[str], folds: int) -> Int[np.ndarray, "item"]:
    """The fold of each item: groups in the order of their names' hashes, dealt out in turn.

    Raises:
        ConfigError: fewer groups than folds.
    """
    distinct = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(distinct) < folds:
        raise ConfigError(
            f"tune.folds: {folds} folds cannot be made of {len(distinct)} separate items; lower it or raise task.sizes"
        )
    dealt = {name: rank % folds for rank, name in enumerate(distinct)}
    return np.asarray([dealt[name] for name in groups])


def search(
    grid: Sequence[GridPoint],
    fold: Int[np.ndarray, "item"],
    yardstick: Float[np.ndarray, "item class"],
    select_by: SelectBy,
    answer: Answer,
    always: bool = False,
) -> SearchResult:
    """Cross-validate every point and take the best.

    Args:
        grid: what to choose among; ties go to the earlier point.
        fold: each item's fold, from `fold_of`.
        yardstick: what held-out answers are compared with (gold, one-hot, for `gold_accuracy`); a row of zeros where
            nothing is known of an item, which then does not count.
        select_by: how they are compared.
        answer: trains and answers one fold for the whole grid.
        always: cross-validate even a grid of one, for its held-out answers.
    """
    if len(grid) == 1 and not always:
        return SearchResult(grid[0], None, None)
    held_out = np.zeros((len(grid), *yardstick.shape))
    for fold_index in range(int(fold.max()) + 1):
        held = fold == fold_index
        held_out[:, held] = answer(held, fold_index)
    if len(grid) == 1:
        return SearchResult(grid[0], None, held_out[0])
    scores = [score(probs, yardstick, select_by) for probs in held_out]
    # Scores that differ by rounding alone are ties.
    sign = -1 if select_by == "weak_log_loss" else 1
    best = int(np.argmax(np.round(sign * np.asarray(scores), 9)))
    return SearchResult(grid[best], scores, held_out[best])


def search_on_gold(
    grid: Sequence[GridPoint],
    gold: Int[np.ndarray, "item"],
    answer: Callable[[], Float[np.ndarray, "grid item class"]],
) -> SearchResult:
    """Train every point once and take the one with the least calibrated log loss on items outside the training.

    `answer()` trains all points and answers the items whose classes are `gold`. Ties go to the earlier point.
    """
    if len(grid) == 1:
        return SearchResult(grid[0], None, None)
    scores = calibrated_log_losses(answer(), gold).tolist()
    return SearchResult(grid[int(np.argmin(np.round(scores, 9)))], scores, None)


def calibrated_log_losses(
    probs: Float[np.ndarray, "grid item class"], gold: Int[np.ndarray, "item"]
) -> Float[np.ndarray, "grid"]:
    """Every point's mean log loss, in nats, at the temperature at which it is least."""
    logs = np.log(np.maximum(probs, FLOOR))
    return np.asarray(
        [scaled_log_loss(point_logs, gold, most_likely_temperature(point_logs, gold)) for point_logs in logs]
    )


def score(
    probs: Float[np.ndarray, "item class"], yardstick: Float[np.ndarray, "item class"], select_by: SelectBy
) -> float:
    """Compare answers with the yardstick, over the items of which it knows something (see the module's formulas)."""
    known = yardstick.any(axis=1)
    if not known.any():
        raise DataError("tuning: no supervisor answered any held-out item; there is nothing to choose by")
    probs, yardstick = probs[known], yardstick[known]
    if select_by == "weak_log_loss":
        return float(-(yardstick * np.log(np.maximum(probs, LEAST_PROBABILITY))).sum(axis=1).mean())
    return float(np.take_along_axis(yardstick, probs.argmax(axis=1)[:, None], axis=1).mean())


def describe(choice: SearchResult, grid: Sequence[GridPoint], select_by: SelectBy, oracle: bool) -> dict[str, Any]:
    """The content of `chosen.json`: the point, the criterion of the choice, and every point's score."""
    points = [point._asdict() for point in grid]
    scored = [{**point, select_by: value} for point, value in zip(points, choice.scores or [], strict=False)]
    return {"chosen": choice.point._asdict(), "select_by": select_by, "oracle": oracle, "grid": scored or points}
