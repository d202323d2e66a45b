"""How diverse a set of texts or answers is. None of these numbers asks whether a text is right.

    share of distinct texts    |{texts}| / n
    distinct n-grams           |{n-grams}| / number of n-grams, over all texts together (Li et al. 2016, NAACL)
    entropy                    −Σ p log₂ p over the shares p of the different answers, in bits

All three depend on the size of the set: more texts repeat more, and more answers can have more entropy. Compare sets
of the same size, or of the same items. There is no bootstrap interval: a resample draws items twice and is less
diverse than its sample by construction.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np


def distinct_share(texts: Sequence[str]) -> float | None:
    """Different texts among all; `None` of no texts."""
    return len(set(texts)) / len(texts) if texts else None


def distinct_ngrams(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """Different runs of `n` words among all such runs; texts are lists of words. `None` if none is long enough."""
    runs = [tuple(words[start : start + n]) for words in texts for start in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else None


def entropy_in_bits(answers: Sequence[Hashable]) -> float | None:
    """0: all the same; log₂ n: all n different; `None` of no answers."""
    if not answers:
        return None
    share = np.asarray(list(Counter(answers).values())) / len(answers)
    return float(-(share * np.log2(share)).sum()) + 0.0
