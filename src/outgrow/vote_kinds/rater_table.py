"""What scores show of each rater: bias, and agreement with the other raters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from outgrow.vote_kinds.score_votes import ScoreVotes


def rater_table(votes: ScoreVotes, raters: Sequence[dict[str, float]] | None = None) -> list[dict[str, Any]]:
    """What is known of each rater.

    Bias, scale and noise by the model (without it the bias is the mean difference from the mean of the others), and
    the agreement with the mean of the others: Pearson's correlation, and κ with quadratic weights.
    """
    n, total = votes.n_per_item[votes.item], np.bincount(votes.item, votes.value, minlength=len(votes.items))
    others = np.where(n > 1, (total[votes.item] - votes.value) / np.maximum(n - 1, 1), np.nan)
    table = []
    for index, name in enumerate(votes.sources):
        own = (votes.source == index) & ~np.isnan(others)
        value, other = votes.value[own], others[own]
        by_model = {"bias": float((value - other).mean()) if len(value) else None} if raters is None else raters[index]
        table.append(
            {
                "name": name,
                "votes": int((votes.source == index).sum()),
                **by_model,
                "correlation": _correlation(value, other),
                "kappa": quadratic_kappa(value, other),
            }
        )
    return table


def _correlation(value: Float[np.ndarray, "pair"], other: Float[np.ndarray, "pair"]) -> float | None:
    if len(value) < 3 or value.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(value, other)[0, 1])


def quadratic_kappa(value: Float[np.ndarray, "pair"], other: Float[np.ndarray, "pair"]) -> float | None:
    """Cohen's κ with quadratic weights, 1 − E[(x − y)²] / (var x + var y + (mean x − mean y)²); None if undefined.

    On levels it is the usual κ of the table of counts; it needs no levels (Fleiss and Cohen 1973 show the first, and
    Lin's concordance is the second).
    """
    if len(value) < 2:
        return None
    chance = value.var() + other.var() + (value.mean() - other.mean()) ** 2
    return float(1 - ((value - other) ** 2).mean() / chance) if chance > 0 else None
