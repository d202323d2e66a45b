"""How much each source counts: held-out accuracy from anchors, and weights made of it.

An accuracy is always *given a vote*: items on which the source abstains say nothing about it. With n votes of which
c are right it is estimated by (c + m/K) / (n + m), m = 2 pseudo-votes at chance level, so that none is ever certain.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from outgrow.errors import ConfigError, suggest
from outgrow.labels import Anchors, WeakLabels

PSEUDO_VOTES = 2.0
LEAST = 1e-3
"""A source at chance or below keeps this much weight, so that a study of bad sources still has targets."""


def need_anchors(anchors: Anchors | None, what: str) -> Anchors:
    """The anchors, or a `ConfigError` that says who wanted them and what to do."""
    if anchors is None or not len(anchors.gold):
        raise ConfigError(
            f"{what} needs the sources' held-out accuracy, and there are no labels on items with known gold; give"
            " every supervisor a `holdout` above 0, or choose `weights: average` or another method"
        )
    return anchors


def held_out_accuracy(anchors: Anchors) -> Float[np.ndarray, "source"]:
    """Each source's smoothed accuracy given a vote, within (0, 1)."""
    labels = anchors.labels
    right = (labels.hard == anchors.gold[:, None]) & labels.voted
    votes = labels.voted.sum(axis=0)
    return np.asarray((right.sum(axis=0) + PSEUDO_VOTES / labels.n_classes) / (votes + PSEUDO_VOTES))


def source_weights(
    labels: WeakLabels, weights: str | Mapping[str, float], anchors: Anchors | None
) -> Float[np.ndarray, "source"]:
    """One weight >= 0 per source, summing to 1: `average`, `accuracy` (excess over chance) or given by name."""
    if isinstance(weights, str):
        if weights == "accuracy":
            known = need_anchors(anchors, "`weights: accuracy`")
            accuracy = held_out_accuracy(Anchors(known.labels.only(labels.sources), known.gold))
            return _normalised(np.maximum(accuracy - 1 / labels.n_classes, LEAST))
        return np.full(len(labels.sources), 1 / len(labels.sources))
    return given_weights(weights, labels.sources)


def given_weights(weights: Mapping[str, float], sources: Sequence[str]) -> Float[np.ndarray, "source"]:
    """Numbers by name as one weight per source, summing to 1; an absent name counts 0. Raises `ConfigError`."""
    return _normalised(np.asarray([_given(weights, name, sources) for name in sources]))


def _given(weights: Mapping[str, float], name: str, sources: Sequence[str]) -> float:
    unknown = [key for key in weights if key not in sources]
    if unknown:
        raise ConfigError(f"`weights` names `{unknown[0]}`, which is no source; {suggest(unknown[0], sources)}")
    return weights.get(name, 0.0)


def _normalised(weights: Float[np.ndarray, "source"]) -> Float[np.ndarray, "source"]:
    if (weights < 0).any() or not weights.sum() > 0:
        raise ConfigError(f"`weights` are {weights.tolist()}; they must be >= 0 and not all zero")
    return np.asarray(weights / weights.sum())
