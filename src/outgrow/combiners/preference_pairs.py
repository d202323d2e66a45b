"""Preference pairs: the best and the worst of a student's texts by the supervisors' scores (paper 1, equation 8).

    chosen = argmax, rejected = argmin over the item's texts of Σ_i λ_i s_i(y)        s_i: `ensemble_score.py`

The chance ε that a preference is inverted is one number for the run (equation 9), or, `per_pair` (ours),

    ε = 1 − Σ_i λ_i σ(s_i(chosen) − s_i(rejected)),        at most 0.499:

every supervisor chooses between the two texts with the odds of its own scores, and their votes are weighted. The
scores are means per piece because sums hide uncertainty: two texts of twenty pieces easily differ by ten nats in sum,
and every supervisor would be certain of every pair, also of wrong ones. ε may exceed 1/2, where one supervisor's
strong preference outweighs the mild opposite ones of all others; the mean score still prefers the chosen text, so the
pair is kept as it is and has little effect.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.ensemble_score import Scorer, ensemble_score, scorers_of, scores_by_scorer
from outgrow.errors import ConfigError
from outgrow.lazy import special
from outgrow.pairs import Pairs
from outgrow.texts import Candidate, WeakTexts

MOST = 0.499
"""The largest chance of a flip: at 1/2 a pair has no information, and `robust` divides by 1 − 2ε."""


class PreferenceExtremes(NamedTuple):
    """The best and the worst text of an item, and every scorer's mean log-probability of both."""

    chosen: str
    rejected: str
    means: Float[np.ndarray, "scorer 2"]


def preference_pairs(
    candidates: WeakTexts,
    scores: Mapping[str, WeakTexts],
    reference: WeakTexts,
    *,
    epsilon: float | Literal["per_pair"],
    weights: str | Mapping[str, float],
    logprobs: Literal["sum", "mean"],
) -> Pairs:
    """One pair for every item of which at least two different texts are scored by all supervisors.

    Args:
        candidates: the student's texts; one source.
        scores: by supervisor, its scores of them.
        reference: the student's own scores; a text that it could not read is skipped.
        epsilon: the chance of a flip, 0 … 1/2, or `per_pair`.
        weights: of the supervisors: `average`, or numbers by name.
        logprobs: the reference's log-probability of a text: its `sum` over the pieces, or their `mean`.

    Raises `ConfigError` without scorers or for other weights, `DataError` where a supervisor has no scores of an item.
    """
    if not scores:
        raise ConfigError("preferences need a supervisor's scores of the student's texts")
    scorers = scorers_of(scores, weights)
    by_student = [{text.text: text for text in row[0]} for row in reference.take(candidates.items).candidates]
    own = dict(zip(candidates.items, by_student, strict=True))
    pairs: dict[str, PreferenceExtremes] = {}
    unread = 0
    for item, row in zip(candidates.items, candidates.candidates, strict=True):
        texts = dict.fromkeys(text.text for text in row[0])
        scored = scores_by_scorer(scorers, item, [text for text in texts if text in own[item]])
        unread += len(texts) - len(scored)
        pair = extremes(scorers, scored)
        if pair is not None:
            pairs[item] = pair
    flips = [flip_of(scorers, pair) if epsilon == "per_pair" else epsilon for pair in pairs.values()]
    return Pairs(
        item=list(pairs),
        chosen=[pair.chosen for pair in pairs.values()],
        rejected=[pair.rejected for pair in pairs.values()],
        flip=_floats(flips),
        reference_chosen=_floats(_reference(own[item][pair.chosen], logprobs) for item, pair in pairs.items()),
        reference_rejected=_floats(_reference(own[item][pair.rejected], logprobs) for item, pair in pairs.items()),
        origin=tuple(_sentences(flips, len(candidates.items), unread)),
    )


def extremes(scorers: list[Scorer], scores: Mapping[str, Float[np.ndarray, "scorer"]]) -> PreferenceExtremes | None:
    """Best and worst of the texts, the first ones on a tie; `None` where no text is better than another."""
    total = {text: ensemble_score(scorers, means) for text, means in scores.items()}
    if len(set(total.values())) < 2:
        return None
    best, worst = max(total, key=lambda text: total[text]), min(total, key=lambda text: total[text])
    return PreferenceExtremes(best, worst, np.stack([scores[best], scores[worst]], axis=1))


def flip_of(scorers: list[Scorer], pair: PreferenceExtremes) -> float:
    """1 − the scorers' weighted probability that the chosen text is the better one, at most `MOST`."""
    agree = ensemble_score(scorers, np.asarray(special.expit(pair.means[:, 0] - pair.means[:, 1])))
    return float(np.clip(1 - agree, 0.0, MOST))


def _reference(candidate: Candidate, logprobs: str) -> float:
    return candidate.logprob if logprobs == "sum" else candidate.mean_logprob


def _sentences(flips: list[float], n_items: int, unread: int) -> Iterator[str]:
    if flips:
        yield f"Pairs: {len(flips)}; the chance that one is inverted is {np.mean(flips):.3f} on average."
    if len(flips) < n_items:
        yield f"Items without two texts of different score, left out: {n_items - len(flips)}."
    if unread:
        yield f"Texts that a scorer or the student itself could not read, skipped: {unread}."


def _floats(values: Iterable[float]) -> Float[np.ndarray, "pair"]:
    return np.asarray(list(values), dtype=np.float64)
