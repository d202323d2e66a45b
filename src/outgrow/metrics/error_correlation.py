"""Correlated errors of supervisors, and wrong weak labels that a student may copy.

Good supervisors agree because both are right. The phi coefficient of "is wrong" measures shared mistakes, which
mislead label models.

Where the weak label is wrong, a student's answer is gold, the weak label (a copied mistake) or neither. On half B the
student is trained on these labels, so it is expected to copy. On the test split it sees neither label: a copied
mistake there shows that it has learned the supervisor's errors.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def weak_is_wrong(weak: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]) -> Bool[np.ndarray, "item"]:
    """Whether each item has a weak label that is not gold; an abstention (-1) is no label."""
    return np.asarray((weak >= 0) & (weak != gold))


def error_correlation(
    wrong: Float[np.ndarray, "*draw"], other: Float[np.ndarray, "*draw"], both: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """Phi coefficient of two error indicators from their means and the mean of their product.

    NaN if one of the sources is always right or always wrong.
    """
    spread = wrong * (1 - wrong) * other * (1 - other)
    phi = np.full(spread.shape, np.nan)
    np.divide(both - wrong * other, np.sqrt(np.maximum(spread, 0)), out=phi, where=spread > 1e-12)
    return phi
