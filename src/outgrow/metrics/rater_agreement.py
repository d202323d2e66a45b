"""Agreement of several raters beyond chance, with missing votes: Krippendorff's α and Fleiss' κ.

**Krippendorff's α** compares the differences within pairs of votes on the same item with those within all pairs.

    α = 1 − D_o / D_e         D_o = Σ_u 1/(m_u − 1) Σ_{pairs on u} δ²  / n         D_e = Σ_{all pairs} δ² / (n (n − 1))

m_u is the number of votes on item u, n that of all votes on items with two or more. Items with one vote do not enter.
1 = agreement, 0 = chance, below 0 = systematic disagreement. The difference of two classes depends on their level:

    nominal    δ² = 1 unless equal
    interval   δ² = (v − w)²                      classes are numbers
    ordinal    δ² = (r − s)²                      r, s: mid-ranks of the classes among all votes

The sums over pairs follow from counts and squares, so the time is linear in the votes. Krippendorff, Content Analysis
(2004), chapter 11.

The interval is a bootstrap over items. It covers other items, not other raters. The mid-ranks of ordinal classes stay
those of the sample. Votes are hard: give each source's most probable class.

**Fleiss' κ.**

    P_i = Σ_c n_ic (n_ic − 1) / (m_i (m_i − 1))         the share of pairs of votes on item i that agree
    κ = (mean P_i − Σ_c p_c²) / (1 − Σ_c p_c²)          p_c = mean of n_ic / m_i

n_ic is the number of votes for c on item i, m_i that of its votes. Fleiss (1971) has the same m for all items. For
varying m we generalise as Gwet (2014, chapter 2): every item with at least two votes has the same weight in the
agreement and in the class shares. Items with fewer votes do not enter. Krippendorff's α weights items by their votes
instead, and corrects for small samples.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.metrics.estimate import Estimate, from_draws, undefined

Level = Literal["nominal", "ordinal", "interval"]
RESAMPLES = 1000
BLOCKS = 2000
"""With more items than this, the bootstrap resamples this many random groups of items instead of items."""
SEED = 0


class Ratings(NamedTuple):
    """Votes counted by item and class: one cell per (item, class) with its number of votes."""

    item: Int[np.ndarray, "cell"]
    label: Int[np.ndarray, "cell"]
    votes: Float[np.ndarray, "cell"]
    n_per_item: Float[np.ndarray, "item"]


def krippendorff_alpha(
    item: Int[np.ndarray, "vote"],
    label: Int[np.ndarray, "vote"],
    *,
    level: Level = "nominal",
    values: Float[np.ndarray, "class"] | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Krippendorff's α with a 95 % interval, from the index of the item and of the class of each vote; `n` counts
    items.

    Args:
        level: `ordinal` assumes that the classes are in their order, `interval` needs their `values`.
        resamples: draws of the bootstrap; 0 = no interval.

    Undefined if no item has two votes, or if all these votes are for one class.
    """
    cells = ratings(item, label)
    n_classes = int(label.max(initial=0)) + 1
    counts = np.bincount(cells.label, cells.votes, minlength=n_classes)
    if not len(cells.n_per_item):
        return undefined("no item has two votes")
    if np.count_nonzero(counts) < 2:
        return undefined("all votes name one class", n=len(cells.n_per_item))
    if level == "nominal":
        pairs, columns = _nominal_pairs(cells), _by_class(cells, n_classes, resamples)
        expected = _nominal_expected
    else:
        scale = _scale(level, values, counts)
        moments = [np.bincount(cells.item, cells.votes * scale[cells.label] ** power) for power in (1, 2)]
        pairs = 2 * (cells.n_per_item * moments[1] - moments[0] ** 2)
        columns = np.stack(_grouped([cells.n_per_item, *moments], resamples), axis=1)
        expected = _interval_expected
    observed = _grouped([pairs / (cells.n_per_item - 1)], resamples)[0]
    draws = drawn_groups(len(observed), resamples)
    # A matrix product computes all draws at once.
    disagreement, total = draws @ observed, draws @ columns
    n, by_chance = expected(total)
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = np.where(by_chance > 0, 1 - (n - 1) * disagreement / by_chance, np.nan)
    return from_draws(alpha, n=len(cells.n_per_item), seeds=1)


def ratings(item: Int[np.ndarray, "vote"], label: Int[np.ndarray, "vote"]) -> Ratings:
    """Counts of the votes on items with at least two votes; items get new indices."""
    n_per_item = np.bincount(item)
    new_index = np.cumsum(n_per_item >= 2) - 1
    kept = n_per_item[item] >= 2
    n_classes = int(label.max(initial=0)) + 1
    code, count = np.unique(new_index[item[kept]] * n_classes + label[kept], return_counts=True)
    return Ratings(code // n_classes, code % n_classes, count.astype(float), n_per_item[n_per_item >= 2].astype(float))


def drawn_groups(n: int, resamples: int) -> Float[np.ndarray, "draw group"]:
    """How often each group is drawn; the first draw is the sample itself. The draws are deterministic."""
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
    return np.concatenate([np.ones((1, n)), drawn])


def group_of(n_items: int, resamples: int) -> Int[np.ndarray, "item"]:
    """The resampling group of each item: its own, or one of `BLOCKS` at random; one group without resamples."""
    if not resamples:
        return np.zeros(n_items, np.int64)
    if n_items <= BLOCKS:
        return np.arange(n_items)
    return np.random.default_rng(SEED).permutation(n_items) % BLOCKS


def _grouped(columns: list[Float[np.ndarray, "item"]], resamples: int) -> list[Float[np.ndarray, "group"]]:
    group = group_of(len(columns[0]), resamples)
    return [np.bincount(group, column) for column in columns]


def _by_class(cells: Ratings, n_classes: int, resamples: int) -> Float[np.ndarray, "group class"]:
    group = group_of(len(cells.n_per_item), resamples)
    n_groups = int(group.max()) + 1
    code = group[cells.item] * n_classes + cells.label
    return np.bincount(code, cells.votes, minlength=n_groups * n_classes).reshape(n_groups, n_classes)


def _nominal_pairs(cells: Ratings) -> Float[np.ndarray, "item"]:
    return np.asarray(cells.n_per_item**2 - np.bincount(cells.item, cells.votes**2))


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
    """The classes as numbers, rescaled to 0 … 1: α does not change, and sums of squares stay accurate."""
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
    item: Int[np.ndarray, "vote"], label: Int[np.ndarray, "vote"], *, resamples: int = RESAMPLES
) -> Estimate:
    """Fleiss' κ with a 95 % bootstrap interval over items, from the index of the item and of the class of each vote.

    Undefined if no item has two votes, or if all these votes are for one class. `resamples` = 0: no interval.
    """
    cells = ratings(item, label)
    n_items, n_classes = len(cells.n_per_item), int(label.max(initial=0)) + 1
    if not n_items:
        return undefined("no item has two votes")
    if len(np.unique(cells.label)) < 2:
        return undefined("all votes name one class", n=n_items)
    votes = cells.n_per_item
    group = group_of(n_items, resamples)
    n_groups = int(group.max()) + 1
    code = group[cells.item] * n_classes + cells.label
    shares = np.bincount(code, cells.votes / votes[cells.item], minlength=n_groups * n_classes)
    draws = drawn_groups(n_groups, resamples)
    n = draws @ np.bincount(group)
    agreement = draws @ np.bincount(group, item_agreement(cells)) / n
    chance = ((draws @ shares.reshape(n_groups, n_classes) / n[:, None]) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(chance < 1, (agreement - chance) / (1 - chance), np.nan)
    return from_draws(kappa, n=n_items, seeds=1)


def raw_agreement(
    item: Int[np.ndarray, "vote"], label: Int[np.ndarray, "vote"], *, resamples: int = RESAMPLES
) -> Estimate:
    """mean P_i: the share of equal pairs of votes on an item, not corrected for chance; a 95 % bootstrap interval.

    Undefined if no item has two votes. `resamples` = 0: no interval.
    """
    cells = ratings(item, label)
    if not len(cells.n_per_item):
        return undefined("no item has two votes")
    n = len(cells.n_per_item)
    group = group_of(n, resamples)
    draws = drawn_groups(int(group.max()) + 1, resamples)
    return from_draws((draws @ np.bincount(group, item_agreement(cells))) / (draws @ np.bincount(group)), n=n, seeds=1)


def item_agreement(cells: Ratings) -> Float[np.ndarray, "item"]:
    """P_i: the share of pairs of votes on item i that agree."""
    votes = cells.n_per_item
    return np.asarray(np.bincount(cells.item, cells.votes * (cells.votes - 1)) / (votes * (votes - 1)))
