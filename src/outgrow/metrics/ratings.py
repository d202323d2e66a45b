"""Ratings by a language model: parsed from its answers, and turned into win rates.

A judge gives one rating per scale in double brackets ("Content Rating: [[7]] Style Rating: [[9]]"), several times at a
temperature above zero. The samples give one rating per scale as follows (Somerstep et al. 2024, arXiv 2405.16236):

1. every `[[number]]` of a sample is one of its ratings, in the order of the text;
2. samples whose number of ratings is not the median number are dropped (repeated ratings, or refusals);
3. the others are averaged per scale;
4. the question *fails* (None) if the number of ratings is not the number of scales, or if an average lies outside its
   scale. A failed question has no rating, which is not a rating of zero.

The rated text cannot mislead the parser, but may mislead the judge.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median_low

import numpy as np
from jaxtyping import Float

from outgrow.errors import ConfigError

RATING = re.compile(r"\[\[\s*+([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++))\s*+\]\]")
"""`[[7]]`, `[[ -0.5 ]]`; neither `[[7/10]]` nor `[[1e3]]` nor `[[seven]]`.

Possessive quantifiers (`++`, `*+`) prevent backtracking: the time is linear in the text.
"""
QUOTED = 80
"""Characters of a judge's answer that a message quotes."""


@dataclass(frozen=True)
class RatingScale:
    """The name of a scale and its ends, which are included."""

    name: str
    lowest: float
    highest: float

    def __post_init__(self) -> None:
        if not -math.inf < self.lowest < self.highest < math.inf:
            ends = f"lowest {self.lowest:g}, highest {self.highest:g}"
            raise ConfigError(f"scale `{self.name}`: {ends}; give two finite numbers, the lowest rating first")

    def holds(self, rating: float) -> bool:
        return self.lowest <= rating <= self.highest


def parse_ratings(answer: str) -> list[float]:
    """Every `[[number]]` of an answer, from left to right; the rest is ignored.

    Numbers are integers and decimals in the digits 0 to 9, with an optional sign, with or without spaces around them.
    A number that is not finite as a float is ignored. Additional text before or after can add numbers, but neither
    change nor remove one.

    >>> parse_ratings("Content Rating: [[7]] Style Rating: [[ 8.5 ]], not [[high]]")
    [7.0, 8.5]
    """
    numbers = map(float, RATING.findall(answer))
    return [number for number in numbers if math.isfinite(number)]


def agreed_rating(samples: Sequence[str], scales: Sequence[RatingScale]) -> list[float] | None:
    """One rating per scale from several answers to one question, or None if the question failed; see the module.

    The median of an even number of counts is the lower of the middle two (`statistics.median_low`), so that at least
    one sample is kept. Without samples the question failed. Means are exact and rounded once: the result depends
    neither on the order of the samples nor on repeating all of them.

    >>> content, style = RatingScale("content", 1.0, 10.0), RatingScale("style", 1.0, 10.0)
    >>> agreed_rating(["[[7]] [[9]]", "[[8]] [[9]]", "I would say [[8]]."], [content, style])
    [7.5, 9.0]
    >>> agreed_rating(["[[7]] [[11]]"], [content, style]) is None
    True
    """
    if _agreed_count(samples) != len(scales):
        return None
    kept = [ratings for ratings in map(parse_ratings, samples) if len(ratings) == len(scales)]
    # The sum of `fmean` overflows if a judge writes 308 digits.
    means = [mean(ratings) for ratings in zip(*kept, strict=True)]
    inside = all(scale.holds(value) for scale, value in zip(scales, means, strict=True))
    return means if inside else None


def why_failed(samples: Sequence[str], scales: Sequence[RatingScale]) -> str:
    """Why a question has no agreed rating, with a sample of the judge's answer; empty if it has one.

    >>> why_failed(["I would rather not."], [RatingScale("style", 1.0, 10.0)])
    'ratings given: 0, asked for: 1, as in “I would rather not.”'
    """
    if agreed_rating(samples, scales) is not None:
        return ""
    if not samples:
        return "no answer"
    count = _agreed_count(samples)
    outside = "a mean rating lies outside of its scale"
    reason = outside if count == len(scales) else f"ratings given: {count}, asked for: {len(scales)}"
    sample = next(sample for sample in samples if len(parse_ratings(sample)) == count)
    return f"{reason}, as in “{' '.join(sample.split())[:QUOTED]}”"


def _agreed_count(samples: Sequence[str]) -> int | None:
    """The median number of ratings per sample; None without samples."""
    return median_low([len(parse_ratings(sample)) for sample in samples]) if samples else None


def swap_mean(first: Sequence[float] | None, second: Sequence[float] | None) -> list[float] | None:
    """Mean of the ratings of the same texts in two orders, which cancels position bias.

    Both lists are in the order of the texts: the caller undoes the swap of the second. None if one of the orders
    failed, because a single order keeps the bias.

    >>> swap_mean([7.0, 4.0], [6.0, 5.0])
    [6.5, 4.5]
    """
    if first is None or second is None:
        return None
    return [mean(pair) for pair in zip(first, second, strict=True)]


def win_rate(rating: Float[np.ndarray, "item"], reference: Float[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """1 if the text is rated higher than the reference, 0 if lower, 0.5 if equal; per item.

    The mean over items is the win rate. NaN marks a failed question, in the ratings and in the result.

    >>> win_rate(np.array([8.0, 5.0, 5.0, np.nan]), np.array([7.5, 5.0, 9.0, 5.0]))
    array([1. , 0.5, 0. , nan])
    """
    wins = (rating > reference) + 0.5 * (rating == reference)
    return np.where(np.isnan(rating) | np.isnan(reference), np.nan, wins)
