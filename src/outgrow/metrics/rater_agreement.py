"""Agreement of several raters beyond chance, with missing votes: Krippendorff's α and Fleiss' κ.

**Krippendorff's α** compares the differences of pairs of votes on the same item with those of pairs from anywhere.

    α = 1 − D_o / D_e         D_o = Σ_u 1/(m_u − 1) Σ_{pairs on u} δ²  / n         D_e = Σ_{all pairs} δ² / (n (n − 1))

m_u is the number of votes on item u, n that of all votes on items with two or more; items with one vote say nothing.
1 = agreement, 0 = chance, below 0 = systematic disagreement. How different two classes are depends on their level:

    nominal    δ² = 1 unless equal
    interval   δ² = (v − w)²                      classes are numbers
    ordinal    δ² = (r − s)²                      r, s: mid-ranks of the classes among all votes

The sums over pairs are those of counts and of squares, so that time grows with the votes, never with their pairs.
Krippendorff, Content Analysis (2004), chapter 11.

The interval is that of a bootstrap over items. It covers other items, not other raters. The mid-ranks of ordinal
classes stay as in the sample. Nothing here weighs soft votes: give each source's most probable class.

**Fleiss' κ.**

    P_i = Σ_c n_ic (n_ic − 1) / (m_i (m_i − 1))         the share of pairs of votes on item i that agree
    κ = (mean P_i − Σ_c p_c²) / (1 − Σ_c p_c²)          p_c = mean of n_ic / m_i

n_ic is the number of votes for c on item i, m_i that of its votes. Fleiss (1971) has the same m for all items. Where
they vary we generalise as Gwet (2014, chapter 2) does: every item with two votes or more counts the same, however many
they are, in the agreement and in the share of each class. Items with fewer are left out of both. Krippendorff's α
weighs items by their votes instead, and corrects for small samples.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.metrics.estimate import Estimate, from_draws, undefined

Level = Literal["nominal", "ordinal", "interval"]
RESAMPLES = 1000
BLOCKS = 2000
"""With more items than this, so many groups of items drawn at random are resampled in place of items."""
SEED = 0


class Ratings(NamedTuple):
    """Who said what, item by item, without who: each (item, class) once, with its number of votes."""

    item: Int[np.ndarray, "cell"]
    said: Int[np.ndarray, "cell"]
    votes: Float[np.ndarray, "cell"]
    n_per_item: Float[np.ndarray, "item"]


def krippendorff_alpha(
    item: Int[np.ndarray, "vote"],
    said: Int[np.ndarray, "vote"],
    *,
    level: Level = "nominal",
    values: Float[np.ndarray, "class"] | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """α of votes given as the numbers of an item and of a class, with a 95 % interval; `n` is the items behind it.

    Args:
        level: `ordinal` takes the classes to stand in their order, `interval` needs their `values`.
        resamples: draws of the bootstrap; 0 = no interval.

    Undefined where no item has two votes, or all of these votes name one class.
    """
    found = ratings(item, said)
    n_classes = int(said.max(initial=0)) + 1
    counts = np.bincount(found.said, found.votes, minlength=n_classes)
    if not len(found.n_per_item):
        return undefined("no item has two votes")
    if np.count_nonzero(counts) < 2:
        return undefined("all votes name one class", n=len(found.n_per_item))
    if level == "nominal":
        pairs, columns = _nominal_pairs(found), _by_class(found, n_classes, resamples)
        expected = _nominal_expected
    else:
        scale = _scale(level, values, counts)
        moments = [np.bincount(found.item, found.votes * scale[found.said] ** power) for power in (1, 2)]
        pairs = 2 * (found.n_per_item * moments[1] - moments[0] ** 2)
        columns = np.stack(_grouped([found.n_per_item, *moments], resamples), axis=1)
        expected = _interval_expected
    observed = _grouped([pairs / (found.n_per_item - 1)], resamples)[0]
    draws = drawn_groups(len(observed), resamples)
    # One draw at a time would do; a matrix product does all of them at once.
    disagreement, total = draws @ observed, draws @ columns
    n, by_chance = expected(total)
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = np.where(by_chance > 0, 1 - (n - 1) * disagreement / by_chance, np.nan)
    return from_draws(alpha, n=len(found.n_per_item), seeds=1)


def ratings(item: Int[np.ndarray, "vote"], said: Int[np.ndarray, "vote"]) -> Ratings:
    """The votes on items with two or more, counted; items are numbered anew."""
    n_per_item = np.bincount(item)
    number = np.cumsum(n_per_item >= 2) - 1
    kept = n_per_item[item] >= 2
    n_classes = int(said.max(initial=0)) + 1
    code, count = np.unique(number[item[kept]] * n_classes + said[kept], return_counts=True)
    return Ratings(code // n_classes, code % n_classes, count.astype(float), n_per_item[n_per_item >= 2].astype(float))


def drawn_groups(n: int, resamples: int) -> Float[np.ndarray, "draw group"]:
    """How often each group is drawn; the first draw is the sample itself. Always the same draws."""
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
    return np.concatenate([np.ones((1, n)), drawn])


def group_of(n_items: int, resamples: int) -> Int[np.ndarray, "item"]:
    """The group in which each item is resampled: its own, or one of `BLOCKS` at random; without resamples one."""
    if not resamples:
        return np.zeros(n_items, np.int64)
    if n_items <= BLOCKS:
        return np.arange(n_items)
    return np.random.default_rng(SEED).permutation(n_items) % BLOCKS


def _grouped(columns: list[Float[np.ndarray, "item"]], resamples: int) -> list[Float[np.ndarray, "group"]]:
    group = group_of(len(columns[0]), resamples)
    return [np.bincount(group, column) for column in columns]


def _by_class(found: Ratings, n_classes: int, resamples: int) -> Float[np.ndarray, "group class"]:
    group = group_of(len(found.n_per_item), resamples)
    n_groups = int(group.max()) + 1
    code = group[found.item] * n_classes + found.said
    return np.bincount(code, found.votes, minlength=n_groups * n_classes).reshape(n_groups, n_classes)


def _nominal_pairs(found: Ratings) -> Float[np.ndarray, "item"]:
    return np.asarray(found.n_per_item**2 - np.bincount(found.item, found.votes**2))


def _nominal_expected(
    total: Float[np.ndarray, "draw class"],
) -> tuple[Float[np.ndarray, "draw"], Float[np.ndarray, "draw"]]:
    n = total.sum(axis=1)
    return n, np.asarray(n**2 - (total**2).sum(axis=1))


def _interval_expected(
    total: Float[np.ndarray, "draw 3"],
) -> tuple[Float[np.ndarray, "draw"], Float[np.ndarray, "draw"]]:
    n, first, second = total.T
    return n, np.asarray(2 * (n * second - first**2))


def _scale(
    level: Level, values: Float[np.ndarray, "class"] | None, counts: Float[np.ndarray, "class"]
) -> Float[np.ndarray, "class"]:
    """The classes as numbers, moved and shrunk to 0 … 1: α does not change, and sums of squares stay exact."""
    if level == "interval":
        if values is None:
            raise ValueError("interval classes need their `values`")
        scale = values[: len(counts)]
    else:
        scale = np.cumsum(counts) - counts / 2
    used = scale[counts > 0]
    return np.asarray((scale - used.min()) / max(float(np.ptp(used)), np.finfo(float).tiny))


# ---- Fleiss' κ ------------------------------------------------------------------------------------------


def fleiss_kappa(
    item: Int[np.ndarray, "vote"], said: Int[np.ndarray, "vote"], *, resamples: int = RESAMPLES
) -> Estimate:
    """κ of votes given as numbers of items and classes, with a 95 % bootstrap interval over items.

    Undefined where no item has two votes, or all of these votes name one class. `resamples` = 0: no interval.
    """
    found = ratings(item, said)
    n_items, n_classes = len(found.n_per_item), int(said.max(initial=0)) + 1
    if not n_items:
        return undefined("no item has two votes")
    if len(np.unique(found.said)) < 2:
        return undefined("all votes name one class", n=n_items)
    votes = found.n_per_item
    agreeing = np.bincount(found.item, found.votes * (found.votes - 1)) / (votes * (votes - 1))
    group = group_of(n_items, resamples)
    n_groups = int(group.max()) + 1
    code = group[found.item] * n_classes + found.said
    shares = np.bincount(code, found.votes / votes[found.item], minlength=n_groups * n_classes)
    draws = drawn_groups(n_groups, resamples)
    n = draws @ np.bincount(group)
    agree = draws @ np.bincount(group, agreeing) / n
    chance = ((draws @ shares.reshape(n_groups, n_classes) / n[:, None]) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(chance < 1, (agree - chance) / (1 - chance), np.nan)
    return from_draws(kappa, n=n_items, seeds=1)
