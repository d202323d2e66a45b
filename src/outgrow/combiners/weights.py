"""How much each source counts: accuracy on items with gold, and weights made of it.

An accuracy is always *given a vote*: items on which the source abstains show nothing about it. With n votes of which
c are right it is estimated by (c + m/K) / (n + m), m = 2 pseudo-votes at chance level, so that none is ever certain.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, suggest

PSEUDO_VOTES = 2.0
LEAST = 1e-3
"""A source at chance or below keeps this much weight, so that a study of bad sources still has targets."""


def gold_accuracy(votes: Votes, user: str) -> Float[np.ndarray, "source"]:
    """Each source's smoothed accuracy on items with gold, given a vote; within (0, 1).

    `user` needs it, and is named in the `ConfigError` without gold.
    """
    known = np.flatnonzero(votes.gold >= 0)
    if not len(known):
        raise ConfigError(
            f"{user} needs the gold of some items to estimate how accurate each source is, and there is none; give"
            " gold, in a study give every supervisor a `holdout` above 0, or choose another method"
        )
    hard = votes.take(known).hardened()
    entries = hard.entries
    is_right = entries.outcome == hard.gold[entries.row]
    right = np.bincount(entries.source, hard.weight[entries.row] * is_right, minlength=len(votes.sources))
    return np.asarray((right + PSEUDO_VOTES / votes.n_classes) / (hard.n_votes + PSEUDO_VOTES))


def source_weights(
    weights: str | Mapping[str, float], sources: Sequence[str], votes: Callable[[], Votes]
) -> Float[np.ndarray, "source"]:
    """One weight >= 0 per source, summing to 1: `average`, `accuracy` (excess over chance) or numbers by name.

    `votes` is called for `accuracy` only.
    """
    if not isinstance(weights, str):
        return given_weights(weights, sources)
    if weights == "accuracy":
        gold_votes = votes()
        excess = gold_accuracy(gold_votes, "`weights: accuracy`") - 1 / gold_votes.n_classes
        return _normalised(np.maximum(excess, LEAST))
    return np.full(len(sources), 1 / len(sources))


def given_weights(weights: Mapping[str, float], sources: Sequence[str]) -> Float[np.ndarray, "source"]:
    """Numbers by name as one weight per source, summing to 1; an absent name counts 0. Raises `ConfigError`."""
    for name in weights:
        if name not in sources:
            raise ConfigError(f"`weights` names `{name}`, which is no source; {suggest(name, sources)}")
    return _normalised(np.asarray([weights.get(name, 0.0) for name in sources]))


def _normalised(weights: Float[np.ndarray, "source"]) -> Float[np.ndarray, "source"]:
    if (weights < 0).any() or not weights.sum() > 0:
        raise ConfigError(f"`weights` are {weights.tolist()}; they must be >= 0 and not all zero")
    return np.asarray(weights / weights.sum())
