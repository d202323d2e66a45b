"""Ensemble score of a text: the weighted mean of several models' log-probabilities per piece.

    score(y) = Σ_i λ_i s_i(y),        s_i(y) = (1/|y|_i) Σ_t log P_i(y_t | y_<t)

|y|_i counts the pieces of y under model i's tokenizer, including its end, so that neither long texts nor tokenizers
with short pieces are at a disadvantage. (Paper 1 writes P_i(y) in equation 8; these means are its released code.)
Joint decoding chooses the best text by this score, preferences the best and the worst.

A model with λ_i = 0 is left out. A text that one of the others could not read (too long for it, not writable by its
tokenizer) has no score and cannot be chosen; callers count such texts.
"""

from collections.abc import Iterable, Mapping
from math import fsum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.weights import given_weights
from outgrow.errors import ConfigError, DataError
from outgrow.texts import WeakTexts


class Scorer(NamedTuple):
    """One model that scores texts."""

    name: str
    weight: float
    """λ > 0; over all scorers they sum to 1."""
    means: Mapping[str, Mapping[str, float]]
    """[item][text]: mean log-probability per piece, in nats."""


def scorers_of(scores: Mapping[str, WeakTexts], weights: str | Mapping[str, float]) -> list[Scorer]:
    """The scorers that count. `weights`: `average`, or numbers by name, where an absent name counts 0.

    Raises `ConfigError` for other weights.
    """
    lambdas = scorer_weights(weights, list(scores))
    pairs = zip(scores.items(), lambdas, strict=True)
    return [Scorer(name, weight, mean_scores(table)) for (name, table), weight in pairs if weight > 0]


def scorer_weights(weights: str | Mapping[str, float], scorers: list[str]) -> list[float]:
    """One number per scorer, summing to 1."""
    if weights == "average":
        return [1 / len(scorers)] * len(scorers)
    if isinstance(weights, str):
        raise ConfigError(f"weights of scorers are `average` or numbers by name, not `{weights}`")
    return [float(weight) for weight in given_weights(weights, scorers)]


def mean_scores(table: WeakTexts) -> dict[str, dict[str, float]]:
    """[item][text]: mean log-probability per piece, by the one model whose scores the table holds."""
    return {
        item: {text.text: text.mean_logprob for candidates in row for text in candidates}
        for item, row in zip(table.items, table.candidates, strict=True)
    }


def scores_by_scorer(scorers: list[Scorer], item: str, texts: Iterable[str]) -> dict[str, Float[np.ndarray, "scorer"]]:
    """By text, every scorer's mean, in the order of `texts`; without texts that one of them could not read.

    Raises `DataError` where a scorer has no scores of the item at all.
    """
    for scorer in scorers:
        if item not in scorer.means:
            raise DataError(f"scorer `{scorer.name}` has no scores of item `{item}`; score the texts of all items")
    means = [scorer.means[item] for scorer in scorers]
    return {
        text: np.asarray([by_text[text] for by_text in means])
        for text in texts
        if all(text in by_text for by_text in means)
    }


def ensemble_score(scorers: list[Scorer], means: Float[np.ndarray, "scorer"]) -> float:
    """The score of a text, in nats per piece, the same to the last digit in any order of scorers."""
    return fsum(scorer.weight * mean for scorer, mean in zip(scorers, means.tolist(), strict=True))
