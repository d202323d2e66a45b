"""Fleiss' κ: agreement beyond chance where every item has several raters, whoever they are.

    P_i = Σ_c n_ic (n_ic − 1) / (m_i (m_i − 1))         the share of pairs of votes on item i that agree
    κ = (mean P_i − Σ_c p_c²) / (1 − Σ_c p_c²)          p_c = mean of n_ic / m_i

n_ic is the number of votes for c on item i, m_i that of its votes. Fleiss (1971) has the same m for all items. Where
they vary we generalise as Gwet (2014, chapter 2) does: every item with two votes or more counts the same, however many
they are, in the agreement and in the share of each class. Items with fewer are left out of both. Krippendorff's α
weighs items by their votes instead, and corrects for small samples.
"""

import numpy as np
from jaxtyping import Int

from outgrow.metrics.estimate import Estimate, from_draws, undefined
from outgrow.metrics.krippendorff import RESAMPLES, drawn_groups, group_of, ratings


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
