"""Simulated sources of five kinds, as votes with gold."""

import numpy as np
import textbook_sources as textbook

KINDS = ("independent", "copied", "adversarial", "three", "silent")


def crowd(kind, rng, items=1500):
    """Codes [item, source] (-1 = silent), gold, accuracies, number of classes."""
    classes = int(rng.integers(2, 5))
    gold = rng.choice(classes, size=items, p=rng.dirichlet(np.full(classes, 5.0)))
    sources = {"independent": 6, "copied": 5, "adversarial": 5, "three": 3, "silent": 10}[kind]
    accuracy = rng.uniform(0.6, 0.9, sources)
    if kind == "adversarial":
        accuracy[int(rng.integers(sources))] = 0.5 / classes
    codes = textbook.one_coin_votes(rng, gold, accuracy, classes, 0.2 if kind == "silent" else 1.0)
    if kind == "copied":
        one = int(rng.integers(sources))
        codes = np.concatenate([codes, codes[:, [one, one]]], axis=1)
        accuracy = np.concatenate([accuracy, accuracy[[one, one]]])
    return codes, gold, accuracy, classes


def shared_hardship(rng, items=1500, sources=6, classes=3):
    """Sources that find the same items hard."""
    gold, hard = rng.integers(classes, size=items), rng.normal(0, 1.5, (items, 1))
    ability = rng.uniform(0.5, 1.8, sources)
    right = rng.random((items, sources)) < 1 / (1 + np.exp(-ability - hard))
    wrong = (gold[:, None] + rng.integers(1, classes, right.shape)) % classes
    return np.where(right, gold[:, None], wrong), gold
