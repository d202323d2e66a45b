"""Did the student copy the error? Where the weak label is wrong, whom does the student follow?

On the items where the weak label differs from gold, a student's answer is *gold* (it outgrew its teacher), the *weak
label* (it copied the mistake) or *neither* (a mistake of its own). The three shares sum to one. With K = 2 classes
"neither" can only be an abstention. Gold is hidden from the student, not from whoever measures.

On the strong split the student has been trained on the very labels in question: copying there is what training asks
for. On the test split it has seen neither label: copying there means that it has learned the teacher's way to err.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class Followed(NamedTuple):
    """For every item, whom the student followed; all false where the weak label is right or absent."""

    gold: Bool[np.ndarray, "item"]
    weak: Bool[np.ndarray, "item"]
    neither: Bool[np.ndarray, "item"]


def weak_is_wrong(weak: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]) -> Bool[np.ndarray, "item"]:
    """Where there is a weak label and it is not gold; an abstention (-1) is no label to copy."""
    return np.asarray((weak >= 0) & (weak != gold))


def whom_it_follows(
    student: Int[np.ndarray, "item"], weak: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]
) -> Followed:
    """Split the items with a wrong weak label by the student's answer."""
    wrong = weak_is_wrong(weak, gold)
    is_gold, is_weak = wrong & (student == gold), wrong & (student == weak)
    return Followed(is_gold, is_weak, wrong & ~is_gold & ~is_weak)
