"""Simulated sources that state probabilities, calibrated or not, with known truth."""

import numpy as np
from scipy.special import softmax


def stated(rng, items, classes, strength, temperature, balance=None, coverage=1.0):
    """Stated probabilities [item, source, class], the calibrated ones, and gold.

    A source sees a normal score per class, `strength` higher for the true one: the softmax of its scores times
    `strength` is calibrated where the classes are equally frequent. It states this at a temperature of its own.
    """
    strength, temperature = (np.asarray(values, dtype=float)[None, :, None] for values in (strength, temperature))
    gold = rng.choice(classes, size=items, p=balance)
    seen = rng.normal(size=(items, strength.shape[1], classes)) + strength * np.eye(classes)[gold][:, None, :]
    voted = (rng.random(seen.shape[:2]) < coverage)[:, :, None]
    return voted * softmax(strength * seen / temperature, axis=2), voted * softmax(strength * seen, axis=2), gold


def product(calibrated):
    """The posterior of sources that err independently, of equally frequent classes."""
    return softmax(np.log(np.where(calibrated > 0, calibrated, 1.0)).sum(axis=1), axis=1)
