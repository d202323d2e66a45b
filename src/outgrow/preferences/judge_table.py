"""What is known of each judge, and what its user should know of all of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.comparisons import TIE, Comparisons, groups_of_systems
from outgrow.preferences.fit_pairs import Z95, PairFit
from outgrow.text_format import listed

SAME, ENOUGH = 0.99, 30
"""Judges are called copies if they agree on this share of at least so many common votes that are not all alike."""
MOST_COMPARED = 100
"""Judges that are compared with one another, those with most votes."""


class JudgeRow(NamedTuple):
    """One judge."""

    name: str
    votes: int
    discrimination: float
    """How fast the odds grow with the difference of two texts, per standard deviation of this difference."""
    discrimination_low: float
    discrimination_high: float
    position_bias: float | None
    """Log-odds for the text that is shown first; None = no order is known."""
    position_bias_low: float | None
    position_bias_high: float | None
    agreement: float | None
    """The share of other judges' votes on the same pairs that agree, ties left out; None = there are none."""
    tie_share: float


def judge_rows(fit: PairFit) -> list[JudgeRow]:
    """Every judge, in the order of the votes."""
    votes, judges, sd = fit.comparisons, fit.judges, fit.judge_sd
    ties = np.bincount(votes.judge, votes.shares[:, TIE], len(votes.judges)) / votes.votes_of_judge
    placed = np.bincount(votes.judge, votes.place != 0, len(votes.judges)) > 0
    agreement = agreements(votes)
    steepness = [np.exp(value) for value in _interval(judges.log_discrimination, sd.log_discrimination)]
    bias = _interval(judges.bias, sd.bias)
    rows = []
    for j, name in enumerate(votes.judges):
        value, low, high = (float(bound[j]) if placed[j] else None for bound in bias)
        rows.append(
            JudgeRow(
                name=name,
                votes=int(votes.votes_of_judge[j]),
                discrimination=float(steepness[0][j]),
                discrimination_low=float(steepness[1][j]),
                discrimination_high=float(steepness[2][j]),
                position_bias=value,
                position_bias_low=low,
                position_bias_high=high,
                agreement=None if np.isnan(agreement[j]) else float(agreement[j]),
                tie_share=float(ties[j]),
            )
        )
    return rows


def _interval(value: Float[np.ndarray, "judge"], sd: Float[np.ndarray, "judge"]) -> list[Float[np.ndarray, "judge"]]:
    """Value, lower and upper end."""
    return [value + Z95 * sd * side for side in (0, -1, 1)]


def agreements(votes: Comparisons) -> Float[np.ndarray, "judge"]:
    """Of each judge the share of others' votes on the same pairs for the same text; nan without any.

    A vote counts as its larger share of a and b; ties do not count.
    """
    side = np.sign(votes.lead).astype(int)
    counts = {turn: np.bincount(votes.pair, side == turn, votes.n_pairs) for turn in (1, -1)}
    own = {turn: _own_votes(votes, side == turn) for turn in (1, -1)}
    same, all_others = np.zeros(len(votes.judges)), np.zeros(len(votes.judges))
    for turn in (1, -1):
        rows = side == turn
        agree = counts[turn][votes.pair] - own[turn]
        differ = counts[-turn][votes.pair] - own[-turn]
        same += np.bincount(votes.judge[rows], agree[rows], len(votes.judges))
        all_others += np.bincount(votes.judge[rows], (agree + differ)[rows], len(votes.judges))
    return np.where(all_others > 0, same / np.maximum(all_others, 1), np.nan)


def _own_votes(votes: Comparisons, chosen: np.ndarray) -> Float[np.ndarray, "vote"]:
    """For each vote the number of `chosen` votes of the same judge on the same pair."""
    _, cell = np.unique(votes.pair * len(votes.judges) + votes.judge, return_inverse=True)
    return np.asarray(np.bincount(cell, chosen)[cell])


def remarks(fit: PairFit) -> Iterator[str]:
    """Sentences on what the votes cannot tell."""
    votes = fit.comparisons
    if votes.has_systems:
        groups = groups_of_systems(votes)
        if len(groups) > 1:
            listing = "; ".join(listed([votes.systems[s] for s in group], 4) for group in groups[:4])
            yield (
                f"The comparisons fall into {len(groups)} groups of systems that are never compared with one another"
                f" ({listing}): ranks across groups mean nothing."
            )
    if not votes.both_orders:
        shown = "is relative to the other judges" if votes.place.any() else "is not known"
        yield (
            "No pair was shown in both orders, so the position bias that all judges have in common cannot be told"
            f" apart from quality; the bias of a judge {shown}."
        )
    if fit.constant.any():
        names = [votes.judges[j] for j in np.flatnonzero(fit.constant).tolist()]
        yield f"Always the same choice: {listed(names)}; the weight is the median of the others."
    for first, second, n in copies(votes):
        yield (
            f"{listed([votes.judges[first], votes.judges[second]])} gave the same answer on {n} common votes or nearly"
            " so: if one copies the other, leave one out, or it counts twice."
        )


def copies(votes: Comparisons) -> list[tuple[int, int, int]]:
    """Pairs of judges that nearly always agree, with their number of common votes."""
    most = np.argsort(-votes.votes_of_judge, kind="stable")[:MOST_COMPARED]
    answers = [_answers(votes, j) for j in most.tolist()]
    found = []
    for i, first in enumerate(answers):
        for k in range(i + 1, len(answers)):
            _, left, right = np.intersect1d(first.key, answers[k].key, return_indices=True)
            if len(left) < ENOUGH:
                continue
            own, other = first.choice[left], answers[k].choice[right]
            frequent = np.unique(own.round(6), return_counts=True)[1].max() / len(left)
            if (np.abs(own - other) < 1e-9).mean() >= SAME and frequent < SAME:
                found.append((int(most[i]), int(most[k]), len(left)))
    return found


class Answers(NamedTuple):
    """The votes of one judge."""

    key: Int[np.ndarray, "vote"]
    """A pair and an order."""
    choice: Float[np.ndarray, "vote"]
    """For the place shown first, -1 … 1."""


def _answers(votes: Comparisons, judge: int) -> Answers:
    rows = votes.judge == judge
    place = votes.place[rows]
    return Answers(votes.pair[rows] * 3 + place + 1, votes.lead[rows] * np.where(place < 0, -1, 1))
