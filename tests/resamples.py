"""Resamples for tests: independent draws of seeds and items."""

import numpy as np

from outgrow.metrics.bootstrap import Resamples, draw_items, draw_seeds


def draw_resamples(n_seeds: int, n_items: int, n_resamples: int, generator: np.random.Generator) -> Resamples:
    """Independent draws of seeds and items."""
    return Resamples(draw_seeds(n_seeds, n_resamples, generator), draw_items(n_items, n_resamples, generator))
