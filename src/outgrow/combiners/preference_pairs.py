"""Which of a student's texts the supervisors like best and least (paper 1, equation 8).

    chosen = argmax, rejected = argmin over the item's texts of Σ_i λ_i s_i(y)        s_i: `ensemble_score.py`

The chance ε that a preference is the wrong way round is one number for the run (equation 9), or, `per_pair` (ours),

    ε = 1 − Σ_i λ_i σ(s_i(chosen) − s_i(rejected)),        at most 0.499:

every supervisor chooses between the two texts with the odds of its own scores, and their votes are weighed. The scores
are means per piece because sums do not tell doubt: two texts of twenty pieces easily differ by ten nats in sum, and
every supervisor would be certain of every pair, the wrong ones included. ε may come out above 1/2, where one
supervisor's strong liking outweighs the mild dislike of all others; the mean score still prefers the chosen text, so
the pair is kept the way it is and says next to nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from outgrow.combiners.ensemble_score import Scorer, best_candidate, scorers_of, scores_by_scorer
from outgrow.errors import ConfigError
from outgrow.pairs import Pairs
from outgrow.texts import Candidate, WeakTexts

MOST = 0.499
"""The largest chance of a flip: at 1/2 a pair would say nothing, and `robust` divides by 1 − 2ε."""


class PreferenceExtremes(NamedTuple):
    """The best and the worst text of an item, and every juror's mean log-probability of both."""

    chosen: str
    rejected: str
    opinion: Float[np.ndarray, "juror 2"]


def preference_pairs(
    candidates: WeakTexts,
    scores: Mapping[str, WeakTexts],
    reference: WeakTexts,
    *,
    epsilon: float | Literal["per_pair"],
    weights: str | Mapping[str, float],
    logprobs: Literal["sum", "mean"],
) -> Pairs:
    """One pair for every item of which at least two different texts are scored by everybody.

    Args:
        candidates: the student's texts; one source.
        scores: by supervisor, what it thinks of them.
        reference: what the student itself thinks of them; a text that it could not read is passed over.
        epsilon: the chance of a flip, 0 … 1/2, or `per_pair`.
        weights: of the supervisors: `average`, or numbers by name.
        logprobs: the reference's log-probability of a text: its `sum` over the pieces, or their `mean`.

    Raises `ConfigError` without scorers or for other weights, `DataError` where somebody was not asked about an item.
    """
    if not scores:
        raise ConfigError("preferences need a supervisor's scores of the student's texts")
    jury = scorers_of(scores, weights)
    by_student = [{one.text: one for one in row[0]} for row in reference.take(candidates.items).candidates]
    own = dict(zip(candidates.items, by_student, strict=True))
    found: dict[str, PreferenceExtremes] = {}
    unread = 0
    for item, row in zip(candidates.items, candidates.candidates, strict=True):
        texts = dict.fromkeys(one.text for one in row[0])
        heard = scores_by_scorer(jury, item, [text for text in texts if text in own[item]])
        unread += len(texts) - len(heard)
        pair = extremes(jury, heard)
        if pair is not None:
            found[item] = pair
    flips = [flip_of(jury, pair) if epsilon == "per_pair" else epsilon for pair in found.values()]
    return Pairs(
        item=list(found),
        chosen=[pair.chosen for pair in found.values()],
        rejected=[pair.rejected for pair in found.values()],
        flip=_floats(flips),
        reference_chosen=_floats(_worth(own[item][pair.chosen], logprobs) for item, pair in found.items()),
        reference_rejected=_floats(_worth(own[item][pair.rejected], logprobs) for item, pair in found.items()),
        origin=tuple(_sentences(flips, len(candidates.items), unread)),
    )


def extremes(jury: list[Scorer], heard: Mapping[str, Float[np.ndarray, "juror"]]) -> PreferenceExtremes | None:
    """Best and worst of the texts, the first ones on a tie; `None` where no text is better than another."""
    found = {text: best_candidate(jury, opinion) for text, opinion in heard.items()}
    if len(set(found.values())) < 2:
        return None
    best, worst = max(found, key=lambda text: found[text]), min(found, key=lambda text: found[text])
    return PreferenceExtremes(best, worst, np.stack([heard[best], heard[worst]], axis=1))


def flip_of(jury: list[Scorer], pair: PreferenceExtremes) -> float:
    """1 − the jury's weighted probability that the chosen text is the better one, at most `MOST`."""
    agree = best_candidate(jury, np.asarray(expit(pair.opinion[:, 0] - pair.opinion[:, 1])))
    return float(np.clip(1 - agree, 0.0, MOST))


def _worth(candidate: Candidate, logprobs: str) -> float:
    return candidate.logprob if logprobs == "sum" else candidate.mean_logprob


def _sentences(flips: list[float], n_items: int, unread: int) -> Iterator[str]:
    if flips:
        yield f"Pairs: {len(flips)}; the chance that one is the wrong way round is {np.mean(flips):.3f} on average."
    if len(flips) < n_items:
        yield f"Items without two texts of different score, left out: {n_items - len(flips)}."
    if unread:
        yield f"Texts that a scorer or the student itself could not read, passed over: {unread}."


def _floats(values: Iterable[float]) -> Float[np.ndarray, "pair"]:
    return np.asarray(list(values), dtype=np.float64)
