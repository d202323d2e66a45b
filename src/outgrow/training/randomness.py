"""Keep the global random numbers of Python, numpy and torch as they were.

The Trainer seeds all of them. What runs after it in the same process must not notice.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def sealed_randomness(seed: int) -> Iterator[None]:
    """Inside, everything starts from `seed`; afterwards all generators are where they were before."""
    python, legacy_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy_numpy)
