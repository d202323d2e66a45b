"""Accuracy: the share of items whose most probable class is the gold class.

An abstention (a row of zeros) counts as wrong. Ties go to the first class, as in `WeakLabels.hard`.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def answers(probs: Float[np.ndarray, "item class"]) -> Int[np.ndarray, "item"]:
    """The most probable class of each item; -1 = abstention."""
    return np.where(probs.any(axis=1), probs.argmax(axis=1), -1)


def is_correct(hard: Int[np.ndarray, "*row item"], gold: Int[np.ndarray, "item"]) -> Bool[np.ndarray, "*row item"]:
    """Whether each answer is the gold class."""
    return np.asarray(hard == gold)


def accuracy(probs: Float[np.ndarray, "item class"], gold: Int[np.ndarray, "item"]) -> float:
    """Share of right answers, 0 … 1."""
    return float(is_correct(answers(probs), gold).mean())
