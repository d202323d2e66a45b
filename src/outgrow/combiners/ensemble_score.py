"""What several models together think of a text: the weighted mean of its log-probabilities per piece.

    score(y) = Σ_i λ_i s_i(y),        s_i(y) = (1/|y|_i) Σ_t log P_i(y_t | y_<t)

|y|_i counts the pieces of y as model i cuts it, its end among them, so that neither long texts nor tokenizers with
short pieces are at a disadvantage. (Paper 1 writes P_i(y) in equation 8; these means are its released code.) Joint
decoding chooses the best text by this score, preferences the best and the worst.

A model that counts nothing (λ_i = 0) is not asked. A text that one of the others could not read (too long for it, not
writable by its tokenizer) has no score and cannot be chosen; how many there are is for the caller to tell.
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
    """λ > 0; over the jury they sum to 1."""
    means: Mapping[str, Mapping[str, float]]
    """[item][text]: mean log-probability per piece, in nats."""


def scorers_of(scores: Mapping[str, WeakTexts], weights: str | Mapping[str, float]) -> list[Scorer]:
    """The scorers that count. `weights`: `average`, or numbers by name, where an absent name counts 0.

    Raises `ConfigError` for other weights.
    """
    lambdas = scorer_weights(weights, list(scores))
    heard = zip(scores.items(), lambdas, strict=True)
    return [Scorer(name, weight, mean_scores(table)) for (name, table), weight in heard if weight > 0]


def scorer_weights(weights: str | Mapping[str, float], scorers: list[str]) -> list[float]:
    """One number per scorer, summing to 1."""
    if weights == "average":
        return [1 / len(scorers)] * len(scorers)
    if isinstance(weights, str):
        raise ConfigError(f"weights of scorers are `average` or numbers by name, not `{weights}`")
    return [float(one) for one in given_weights(weights, scorers)]


def mean_scores(table: WeakTexts) -> dict[str, dict[str, float]]:
    """[item][text]: mean log-probability per piece, by the one model whose scores the table holds."""
    return {
        item: {one.text: one.mean_logprob for found in row for one in found}
        for item, row in zip(table.items, table.candidates, strict=True)
    }


def scores_by_scorer(jury: list[Scorer], item: str, texts: Iterable[str]) -> dict[str, Float[np.ndarray, "juror"]]:
    """By text, what each juror gives it, in the order of `texts`; without those that one of them could not read.

    Raises `DataError` where a juror was not asked about the item at all.
    """
    for juror in jury:
        if item not in juror.means:
            raise DataError(f"scorer `{juror.name}` was not asked about item `{item}`; score the texts of all items")
    known = [juror.means[item] for juror in jury]
    return {text: np.asarray([of[text] for of in known]) for text in texts if all(text in of for of in known)}


def best_candidate(jury: list[Scorer], opinion: Float[np.ndarray, "juror"]) -> float:
    """The score of a text, in nats per piece, the same to the last digit in whatever order the jury sits."""
    return fsum(juror.weight * mean for juror, mean in zip(jury, opinion.tolist(), strict=True))
