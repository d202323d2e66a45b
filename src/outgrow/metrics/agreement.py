"""How alike the supervisors are: agreement of their answers, and correlation of their errors.

Agreement of two sources is the share of items, among those that both answered, on which they gave the same class
(Cui et al. 2025, figure 3a). Good supervisors agree because both are right; the correlation of their *errors* (phi
coefficient of "is wrong") tells how much of their agreement is a shared mistake, which is what misleads label models.

Texts are hardly ever equal, so that two sources of texts agree by degrees: 1 − the normalised Levenshtein distance of
their texts, averaged over the items that both answered (figure 3b).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.metrics.text_answers import levenshtein_similarity


def both_answered(hard: Int[np.ndarray, "source item"]) -> Bool[np.ndarray, "source source item"]:
    """Where neither of two sources abstained (-1)."""
    voted = hard >= 0
    return np.asarray(voted[:, None] & voted[None, :])


def same_answer(hard: Int[np.ndarray, "source item"]) -> Bool[np.ndarray, "source source item"]:
    """Where two sources gave the same class."""
    return np.asarray(both_answered(hard) & (hard[:, None] == hard[None, :]))


def agreement(hard: Int[np.ndarray, "source item"]) -> Float[np.ndarray, "source source"]:
    """Share of equal answers among items that both answered; NaN where there is no such item."""
    both = both_answered(hard).sum(axis=2)
    share = np.full(both.shape, np.nan)
    np.divide(same_answer(hard).sum(axis=2), both, out=share, where=both > 0)
    return share


def text_agreement(first: Sequence[str | None], second: Sequence[str | None]) -> Float[np.ndarray, "item"]:
    """How alike two sources' texts are, item by item: 1 = equal, 0 = no character in common; NaN where one abstains.

    Two empty texts are equal. Raises `ValueError` for sequences of different lengths.
    """
    pairs = enumerate(zip(first, second, strict=True))
    both = [(item, one, other) for item, (one, other) in pairs if one is not None and other is not None]
    alike = np.full(len(first), np.nan)
    alike[[item for item, *_ in both]] = levenshtein_similarity(
        [one for _, one, _ in both], [other for *_, other in both]
    )
    return alike


def error_correlation(
    wrong: Float[np.ndarray, "*draw"], other: Float[np.ndarray, "*draw"], both: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """Phi coefficient of two error indicators from their means and the mean of their product.

    NaN where one of the sources is always right or always wrong.
    """
    spread = wrong * (1 - wrong) * other * (1 - other)
    phi = np.full(spread.shape, np.nan)
    np.divide(both - wrong * other, np.sqrt(np.maximum(spread, 0)), out=phi, where=spread > 1e-12)
    return phi
