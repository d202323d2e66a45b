"""Which parameters a set of comparisons can tell, and their priors.

    θ_s     ~ N(0, 2²)                          skill of a system; the sum is 0 at the mode
    log α_j = a + e_j,   a ~ N(log 2, 1), e_j ~ N(0, .7²)     discrimination
    β_j     = b + f_j,   b ~ N(0, 1),     f_j ~ N(0, .7²)     position bias
    log ν_j = t + h_j,   t ~ N(0, 2²),    h_j ~ N(0, 1)       ties; a judge without any never ties

With few votes a judge is like the average one. The judges with most votes, up to `MOST_JUDGES`, have deviations of
their own; the others share the centres. A judge that always makes the same choice has no discrimination that votes
could tell: it gets the median of the others (as in BT-sigma).

The position bias that all judges share, b, can be told apart from the skills only if some pair was shown in both
orders. Otherwise b = 0, and a judge's bias is relative to the others (of at least three). Without systems in one order
only, the texts shown first may be better on the whole: one mean for all pairs, as of two systems `first` and `second`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from outgrow.comparisons import TIE, Comparisons
from outgrow.lazy import sparse
from outgrow.preferences.judge_model import NEVER, Design

MOST_JUDGES = 200
FEWEST_FOR_RELATIVE = 3
"""Judges, for position biases that are relative to one another."""
SKILL_SD = 2.0
DISCRIMINATION = np.log(2.0)
CENTRE_SD = {"discrimination": 1.0, "bias": 1.0, "tie": 2.0}
JUDGE_SD = {"discrimination": 0.7, "bias": 0.7, "tie": 1.0}


class ParameterBlock(NamedTuple):
    """Some free parameters: their column for each natural parameter, and their prior."""

    matrix: "sparse.csr_array"
    mean: Float[np.ndarray, "parameter"]
    sd: Float[np.ndarray, "parameter"]


def design_of(comparisons: Comparisons, constant: Bool[np.ndarray, "judge"], value: float | None) -> Design:
    """The free parameters. `constant` judges have the log discrimination `value`, or if it is None the centre."""
    n_judges = len(comparisons.judges)
    own = _own(comparisons)
    free = np.ones(n_judges, bool) if value is None else ~constant
    placed = np.bincount(comparisons.judge, comparisons.place != 0, n_judges) > 0
    relative = comparisons.both_orders or placed.sum() >= FEWEST_FOR_RELATIVE
    tied = np.bincount(comparisons.judge, comparisons.shares[:, TIE], n_judges) > 0
    blocks = [
        _block("discrimination", 0, free, own & ~constant, DISCRIMINATION),
        _block("bias", 1, placed & comparisons.both_orders, placed & own & relative),
        _block("tie", 2, tied, tied & own),
    ]
    skills = _skills(comparisons)
    n_skills = skills.shape[1]
    of_judge = sparse.hstack([sparse.csr_array((3 * n_judges, n_skills)), *(block.matrix for block in blocks)])
    n_rest = of_judge.shape[1] - n_skills
    offset = np.concatenate([np.where(free, 0.0, value or 0.0), np.zeros(n_judges), np.where(tied, 0.0, NEVER)])
    return Design(
        of_mean=sparse.csr_array(sparse.hstack([skills, sparse.csr_array((comparisons.n_pairs, n_rest))])),
        of_judge=sparse.csr_array(of_judge),
        offset=offset,
        prior_mean=np.concatenate([np.zeros(n_skills), *(block.mean for block in blocks)]),
        prior_sd=np.concatenate([np.full(n_skills, SKILL_SD), *(block.sd for block in blocks)]),
    )


def constant_judges(comparisons: Comparisons) -> Bool[np.ndarray, "judge"]:
    """Judges that always prefer the same place, or always say that there is a tie (two votes at least)."""
    choice = comparisons.lead * comparisons.place
    known = (comparisons.place != 0) | (comparisons.shares[:, TIE] == 1)
    n_judges = len(comparisons.judges)
    low, high = np.full(n_judges, np.inf), np.full(n_judges, -np.inf)
    np.minimum.at(low, comparisons.judge, np.where(known, choice, -2.0))
    np.maximum.at(high, comparisons.judge, np.where(known, choice, 2.0))
    return np.asarray((low == high) & (comparisons.votes_of_judge > 1))


def _own(comparisons: Comparisons) -> Bool[np.ndarray, "judge"]:
    """The judges with most votes."""
    order = np.argsort(-comparisons.votes_of_judge, kind="stable")
    own = np.zeros(len(order), bool)
    own[order[:MOST_JUDGES]] = True
    return own


def _block(
    name: str, part: int, centred: Bool[np.ndarray, "judge"], own: Bool[np.ndarray, "judge"], mean: float = 0.0
) -> ParameterBlock:
    """A centre for the `centred` judges and a deviation for the `own` ones."""
    n_judges = len(centred)
    rows, columns = part * n_judges + np.flatnonzero(centred), part * n_judges + np.flatnonzero(own)
    parts: Sequence[sparse.csr_array] = [
        _columns(rows, np.zeros(len(rows), int), 3 * n_judges, int(centred.any())),
        _columns(columns, np.arange(len(columns)), 3 * n_judges, len(columns)),
    ]
    centre = np.full(int(centred.any()), mean)
    return ParameterBlock(
        sparse.csr_array(sparse.hstack(parts)),
        np.concatenate([centre, np.zeros(len(columns))]),
        np.concatenate([np.full(len(centre), CENTRE_SD[name]), np.full(len(columns), JUDGE_SD[name])]),
    )


def _columns(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> "sparse.csr_array":
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n_rows, n_columns))


def _skills(comparisons: Comparisons) -> "sparse.csr_array":
    """θ_A − θ_B of every pair: a column per system, one for the place shown first, or none."""
    n_pairs, pairs = comparisons.n_pairs, np.arange(comparisons.n_pairs)
    if comparisons.has_systems:
        first, second = comparisons.pair_system.T
        plus = _columns(pairs, first, n_pairs, len(comparisons.systems))
        return sparse.csr_array(plus - _columns(pairs, second, n_pairs, len(comparisons.systems)))
    if comparisons.both_orders or not comparisons.place.any():
        return sparse.csr_array((n_pairs, 0))
    sign = np.zeros(n_pairs)
    sign[comparisons.pair] = np.sign(np.bincount(comparisons.pair, comparisons.place, n_pairs))[comparisons.pair]
    return sparse.csr_array(sign[:, None])
