"""In which order the examples are seen: a pure function of their lengths and a seed.

Each pass over the data shuffles the examples, cuts the shuffled row into stretches of many batches, sorts each stretch
by length and cuts it into batches, whose order is then shuffled. So a batch holds examples of about equal length and
pads little, yet batches differ from pass to pass. The last batch of a pass may be smaller. A share of a pass is the
first so many batches of one.
"""

import math

import numpy as np
from jaxtyping import Int

Batch = Int[np.ndarray, "_"]
"""Row numbers of the examples of one update."""

STRETCH = 16
"""Batches per stretch: more pad less, and mix less."""


def batches_of(lengths: Int[np.ndarray, "row"], batch_size: int, epochs: float, seed: int) -> list[Batch]:
    """Row numbers of every batch of the whole training, `ceil(epochs · batches per pass)` of them."""
    per_pass = updates_per_pass(len(lengths), batch_size)
    total = max(1, math.ceil(epochs * per_pass - 1e-9))
    batches: list[Batch] = []
    for number in range(math.ceil(total / per_pass)):
        batches += one_pass(lengths, batch_size, np.random.default_rng([seed, number]))
    return batches[:total]


def updates_per_pass(rows: int, batch_size: int) -> int:
    """Batches that every row is in once."""
    return math.ceil(rows / batch_size)


def one_pass(lengths: Int[np.ndarray, "row"], batch_size: int, rng: np.random.Generator) -> list[Batch]:
    """Every row once, in batches of similar lengths."""
    shuffled = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(shuffled), STRETCH * batch_size):
        stretch = shuffled[start : start + STRETCH * batch_size]
        stretch = stretch[np.argsort(-lengths[stretch], kind="stable")]
        batches += [stretch[first : first + batch_size] for first in range(0, len(stretch), batch_size)]
    return [batches[place] for place in rng.permutation(len(batches))]
