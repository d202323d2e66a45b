"""Comparisons of judges with known discriminations, position biases and true differences."""

from typing import NamedTuple

import numpy as np

from outgrow.comparisons import Comparisons

SKILLS = (0.8, 0.3, -0.2, -0.9)
DISCRIMINATION = (3.0, 2.0, 1.0, 0.6)
BIAS = (0.0, 0.6, 1.2, -0.5)
TIE = (0.4, 0.0, 0.2, 0.0)


class Simulated(NamedTuple):
    votes: Comparisons
    skill: np.ndarray
    difference: np.ndarray
    """Of the two texts of every pair."""


def simulate(rng, n_items=80, skills=SKILLS, discrimination=DISCRIMINATION, bias=BIAS, tie=TIE, pairs=3, coverage=1.0):
    """Every text has a quality around the skill of its system; the differences of pairs have variance 1."""
    skill = np.array(skills) - np.mean(skills)
    quality = skill + rng.standard_normal((n_items, len(skill))) / np.sqrt(2)
    every = np.stack(np.triu_indices(len(skill), 1), axis=1)
    chosen = [every[rng.permutation(len(every))[:pairs]] for _ in range(n_items)]
    system = np.concatenate(chosen)
    turned = rng.random(len(system)) < 0.5
    system[turned] = system[turned][:, ::-1]
    item = np.repeat(np.arange(n_items), [len(rows) for rows in chosen])
    difference = quality[item, system[:, 0]] - quality[item, system[:, 1]]
    pair, judge = np.nonzero(rng.random((len(item), len(discrimination))) < coverage)
    place = np.where(rng.random(len(pair)) < 0.5, 1, -1)
    x = np.array(discrimination)[judge] * difference[pair] + np.array(bias)[judge] * place
    weight = np.stack([np.exp(x / 2), np.exp(-x / 2), np.array(tie)[judge]], axis=1)
    below = (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)
    choice = (rng.random(len(pair))[:, None] > below).sum(axis=1)
    seen, pair = np.unique(pair, return_inverse=True)
    votes = Comparisons(
        items=[str(i) for i in range(n_items)],
        systems=tuple(f"system {s}" for s in range(len(skill))),
        judges=tuple(f"judge {j}" for j in range(len(discrimination))),
        pair_item=item[seen],
        pair_system=system[seen],
        pair=pair,
        judge=judge,
        place=place,
        shares=np.eye(3)[choice],
    )
    return Simulated(votes, skill, difference[seen])
