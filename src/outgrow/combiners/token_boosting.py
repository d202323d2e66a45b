"""AdaBoost over tokens: how much an expert counts in an ensemble, and which tokens the next one learns.

SAMME (Zhu et al. 2009) with a token of the vocabulary as the class and every token of every text as an example. With
weights w that sum to 1, K classes and the tokens that an expert predicts wrong:

    ε = Σ_j w_j [wrong_j]        α = ln((1 − ε) / ε) + ln(K − 1)        w_j ← w_j exp(α [wrong_j]) / Σ

An expert is no better than chance where α <= 0. The ensemble's distribution is Σ_t α_t p_t / Σ_t α_t.
"""

import math

import numpy as np
from jaxtyping import Bool, Float

LEAST_ERROR = 1e-3
"""An expert without an error would have all of the ensemble's weight, and leave the next one nothing to learn from."""


def expert_weight(
    token_weight: Float[np.ndarray, "token"], is_wrong: Bool[np.ndarray, "token"], n_classes: int
) -> float:
    """α of an expert; `token_weight` sums to 1, and its error is kept within [`LEAST_ERROR`, 1 - `LEAST_ERROR`]."""
    error = min(max(float(token_weight[is_wrong].sum()), LEAST_ERROR), 1 - LEAST_ERROR)
    return math.log((1 - error) / error) + math.log(n_classes - 1)


def next_weights(
    token_weight: Float[np.ndarray, "token"], is_wrong: Bool[np.ndarray, "token"], alpha: float
) -> Float[np.ndarray, "token"]:
    """The tokens' weights for the next expert; they sum to 1."""
    raised = token_weight * np.where(is_wrong, math.exp(alpha), 1.0)
    return np.asarray(raised / raised.sum())
