"""Which items a training keeps aside, to be judged on what it has not seen."""

import numpy as np
from jaxtyping import Bool


def holdout_rows(groups: list[str], share: float, seed: int) -> Bool[np.ndarray, "item"]:
    """Which items are not trained on: whole groups in random order, up to the share of the items.

    A share above 0 keeps at least one group aside and always leaves one to learn from.
    """
    names = np.asarray(groups)
    aside = np.zeros(len(names), dtype=bool)
    order = np.random.default_rng(seed).permutation(np.unique(names))
    for name in order[:-1].tolist():
        members = names == name
        if share == 0 or (aside.any() and (aside | members).mean() > share):
            break
        aside |= members
    return aside
