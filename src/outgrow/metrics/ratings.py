"""Ratings by a language model: from its answers to ratings, and from ratings to win rates.

A judge is asked to give one rating per scale in double brackets ("Content Rating: [[7]] Style Rating: [[9]]"), several
times at a temperature above zero. The samples are brought to one rating per scale thus (Somerstep et al. 2024,
arXiv 2405.16236):

1. every `[[number]]` of a sample is one of its ratings, in the order of the text;
2. samples whose number of ratings is not the median number are dropped (they rated twice, or refused);
3. the others are averaged, scale by scale;
4. the question has *failed* (None) if there are more or fewer ratings than scales, or an average lies outside its
   scale. A failed question has no rating; it is not a rating of zero.

The judged text cannot mislead the parser, but may mislead the judge.
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

Nothing is tried twice (`++`, `*+`): a long run of digits takes no longer than to read it.
"""
QUOTED = 80
"""Characters of a judge's answer that a message repeats."""


@dataclass(frozen=True)
class RatingScale:
    """The name of a scale, and its ends, which belong to it."""

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
    """Every `[[number]]` of an answer, from left to right; anything else is passed over.

    Numbers are integers and decimals in the digits 0 to 9, with or without a sign, with spaces around them or none.
    One with so many digits that it is not finite is passed over. Text before or after can add numbers, but neither
    change nor remove one: its ratings are a run of those of the longer text.

    >>> parse_ratings("Content Rating: [[7]] Style Rating: [[ 8.5 ]], not [[high]]")
    [7.0, 8.5]
    """
    numbers = map(float, RATING.findall(answer))
    return [number for number in numbers if math.isfinite(number)]


def agreed_rating(samples: Sequence[str], scales: Sequence[RatingScale]) -> list[float] | None:
    """One rating per scale from several answers to one question, or None if the question failed; see the module.

    With an even number of samples the median may fall between two counts, and be no sample's own: it is then the
    lower of the two (`statistics.median_low`), so that some sample is always kept. Without samples a question failed.
    Means are exact until they are rounded once: the order of the samples never matters, nor does taking all twice.

    >>> content, style = RatingScale("content", 1.0, 10.0), RatingScale("style", 1.0, 10.0)
    >>> agreed_rating(["[[7]] [[9]]", "[[8]] [[9]]", "I would say [[8]]."], [content, style])
    [7.5, 9.0]
    >>> agreed_rating(["[[7]] [[11]]"], [content, style]) is None
    True
    """
    if _agreed_count(samples) != len(scales):
        return None
    kept = [ratings for ratings in map(parse_ratings, samples) if len(ratings) == len(scales)]
    # Not `fmean`: its sum overflows where a judge writes 308 digits.
    means = [mean(ratings) for ratings in zip(*kept, strict=True)]
    inside = all(scale.holds(value) for scale, value in zip(scales, means, strict=True))
    return means if inside else None


def why_failed(samples: Sequence[str], scales: Sequence[RatingScale]) -> str:
    """Why a question has no agreed rating, and a sample of what the judge wrote; empty if it has one.

    >>> why_failed(["I would rather not."], [RatingScale("style", 1.0, 10.0)])
    'ratings given: 0, asked for: 1, as in “I would rather not.”'
    """
    if agreed_rating(samples, scales) is not None:
        return ""
    if not samples:
        return "no answer"
    count = _agreed_count(samples)
    outside = "a mean rating lies outside of its scale"
    why = outside if count == len(scales) else f"ratings given: {count}, asked for: {len(scales)}"
    sample = next(sample for sample in samples if len(parse_ratings(sample)) == count)
    return f"{why}, as in “{' '.join(sample.split())[:QUOTED]}”"


def _agreed_count(samples: Sequence[str]) -> int | None:
    """The median number of ratings per sample; None without samples."""
    return median_low([len(parse_ratings(sample)) for sample in samples]) if samples else None


def swap_mean(first: Sequence[float] | None, second: Sequence[float] | None) -> list[float] | None:
    """Mean of the ratings of the same texts in two orders, which cancels a preference for the first or the last.

    Both list the ratings by text, not by position: the caller has undone the swap of the second order. None if either
    order failed, because a single order would keep the preference.

    >>> swap_mean([7.0, 4.0], [6.0, 5.0])
    [6.5, 4.5]
    """
    if first is None or second is None:
        return None
    return [mean(pair) for pair in zip(first, second, strict=True)]


def win_rate(own: Float[np.ndarray, "item"], reference: Float[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """1 where the own text is rated higher, 0 where the reference's is, 0.5 where both are equal.

    The mean over items is the win rate. NaN marks a failed question, in the ratings and in the result.

    >>> win_rate(np.array([8.0, 5.0, 5.0, np.nan]), np.array([7.5, 5.0, 9.0, 5.0]))
    array([1. , 0.5, 0. , nan])
    """
    wins = (own > reference) + 0.5 * (own == reference)
    return np.where(np.isnan(own) | np.isnan(reference), np.nan, wins)
