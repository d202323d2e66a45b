"""Diversity of a set of texts or answers. These numbers do not depend on whether a text is right.

    share of distinct texts    |{texts}| / n
    distinct n-grams           |{n-grams}| / number of n-grams, over all texts together (Li et al. 2016, NAACL)
    entropy                    −Σ p log₂ p over the shares p of the different answers, in bits

All three depend on the size of the set: larger sets repeat more, and more answers can have more entropy. Compare sets
of the same size, or of the same items. There is no bootstrap interval: a resample contains some items twice, so it is
less diverse than its sample by construction.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np


def distinct_share(texts: Sequence[str]) -> float | None:
    """Number of different texts / number of texts; `None` without texts."""
    return len(set(texts)) / len(texts) if texts else None


def distinct_ngrams(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """Number of different n-grams / number of n-grams; texts are lists of words. `None` without n-grams."""
    ngrams = [tuple(words[start : start + n]) for words in texts for start in range(len(words) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else None


def entropy_in_bits(answers: Sequence[Hashable]) -> float | None:
    """Entropy in bits: 0 if all answers are equal, log₂ n if all n differ; `None` without answers."""
    if not answers:
        return None
    share = np.asarray(list(Counter(answers).values())) / len(answers)
    return float(-(share * np.log2(share)).sum()) + 0.0
