"""Errors of supervisors and students: correlated errors, and weak labels that a student may copy.

Good supervisors agree because both are right. The phi coefficient of "is wrong" says how much of their agreement is a
shared mistake, which is what misleads label models.

Where the weak label is wrong, a student's answer is gold, the weak label (it copied the mistake) or neither. On half B
the student was trained on these labels: copying is what training asks for. On the test split it has seen neither
label: copying there means that it has learned the supervisor's errors.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def weak_is_wrong(weak: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]) -> Bool[np.ndarray, "item"]:
    """Where there is a weak label and it is not gold; an abstention (-1) is no label to copy."""
    return np.asarray((weak >= 0) & (weak != gold))


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
