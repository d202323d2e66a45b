"""Held-out votes: how well a combiner predicts votes that it was not fitted to, without any gold.

Every vote is held out once, a fifth of all votes at a time, and the combiner is fitted to the rest. Its posterior q_i,
which does not contain the held-out vote of source s on item i, predicts it through a confusion matrix of the source:

    P(s votes k on i) = Σ_c q_i[c] π_s[c, k]

π_s is not the combiner's own: it is the most likely matrix for the held-out votes of the *other* half of the items,
estimated in the same way for every combiner. So only the posterior is compared. A class that is called by another's
name costs nothing here; a posterior that follows the wrong sources, or is too certain, does.

Three biases, and their treatment:

* Copies predict one another, which would reward a combiner for following them. Sources that look copied, or have the
  same votes everywhere, are held out on the same items together, and count together as one.
* A vote of a rule that votes for one class only is predicted by its name alone. All such rules share one matrix:
  the class is predicted, and not which rule votes. Silence is never predicted; a held-out vote is neither a vote nor
  silence.
* A source with few votes does not determine a matrix: `PSEUDO_VOTES` from all sources' matrix are added.

Errors that all sources share cannot be seen here. They look like truth (`dependence.py`).

A soft vote v is predicted by Σ_k v[k] ln P(k). Above `MOST_VOTES` a sample of the items is used. One seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components

from outgrow.combiners.dependence import copying, duplicate_sources
from outgrow.combiners.equal_rows import HardVotes
from outgrow.combiners.fit import Fit
from outgrow.combiners.pairwise_agreement import agreement
from outgrow.combiners.votes import SoftVotes, Votes

FOLDS = 5
SEED = 0
COPIED = 0.5
"""Sources that share more of their votes than this count as one."""
PSEUDO_VOTES = 5.0
STEPS = 20
MOST_VOTES = 100_000
MOST_NUMBERS = 4_000_000
"""Votes times classes, cells times classes of soft votes, and sources times classes squared."""
LEAST = 1e-12

Prediction = Float[np.ndarray, "vote class"]
VoteIndex = Int[np.ndarray, "vote"]


@dataclass(frozen=True)
class HeldOut:
    """Votes with a row per item, the fold of every vote, and the held-out votes one by one.

    A soft vote is one held-out vote per class, with its `share`.
    """

    votes: Votes
    fold: Int[np.ndarray, "item source"]
    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    outcome: Int[np.ndarray, "vote"]
    share: Float[np.ndarray, "vote"]
    """How much a held-out vote counts; a group of copies counts as one source."""
    matrix: Int[np.ndarray, "source"]
    """Which matrix is each source's; 0 = that of the sources that vote for one class only."""

    @property
    def total(self) -> float:
        """How many independent votes are predicted."""
        return float(self.share.sum())


def hold_out(votes: Votes) -> HeldOut:
    """Folds of the votes. Votes on items with gold are not predicted, since their class is known."""
    each = itemised(votes)
    rng = np.random.default_rng(SEED)
    n_kept = _most_rows(each)
    if len(each.values) > n_kept:
        each = each.take(np.sort(rng.choice(len(each.values), n_kept, replace=False)))
    group = copy_groups(each)
    fold = _folds(each, group)
    item, source, outcome, share = _vote_list(each)
    share = share / np.bincount(group)[group][source]
    return HeldOut(each, fold, item, source, outcome, share, _matrices(each))


def predict(held: HeldOut, fit_by: Callable[[Votes], Fit], *, reads_silence: bool = False) -> Prediction:
    """For every held-out vote the posterior of its item, as fitted without it."""
    votes = held.votes.with_silence() if reads_silence else held.votes
    predicted = np.empty((len(held.item), votes.n_classes))
    fold_of_vote = held.fold[held.item, held.source]
    for fold in range(FOLDS):
        values = votes.values.copy()
        values[held.fold == fold] = 0 if votes.soft else -1
        posterior = fit_by(_with_equal_rows_once(votes, values)).posterior
        here = fold_of_vote == fold
        predicted[here] = posterior[held.item[here]]
    return predicted


def log_probabilities(held: HeldOut, prediction: Prediction) -> Float[np.ndarray, "vote"]:
    """ln P of every held-out vote, by matrices learned from the other half of the items."""
    half = np.random.default_rng(SEED).integers(2, size=len(held.votes.values))[held.item]
    logs = np.empty(len(half))
    for part in (0, 1):
        test, train = half == part, half != part
        matrices = learn_matrices(held, prediction, train)
        probability = (prediction[test] * matrices[held.matrix[held.source[test]], :, held.outcome[test]]).sum(axis=1)
        logs[test] = np.log(np.maximum(probability, LEAST))
    return logs


def learn_matrices(held: HeldOut, prediction: Prediction, used: np.ndarray) -> Float[np.ndarray, "matrix class class"]:
    """The most likely matrices for some held-out votes given the predictions, by expectation-maximisation."""
    prediction, outcome, share = prediction[used], held.outcome[used], held.share[used]
    matrix, n_classes = held.matrix[held.source[used]], prediction.shape[1]
    start = np.where(np.eye(n_classes, dtype=bool), 0.7, 0.3 / max(n_classes - 1, 1))[None]
    common = _em(start, prediction, np.zeros_like(outcome), outcome, share, np.eye(n_classes)[None] * 0.1 + 0.01)
    n_matrices = int(held.matrix.max(initial=0)) + 1
    copies = np.repeat(common, n_matrices, axis=0)
    return copies if n_matrices == 1 else _em(copies, prediction, matrix, outcome, share, PSEUDO_VOTES * common)


def _em(
    matrices: Float[np.ndarray, "matrix class class"],
    prediction: Prediction,
    matrix: Int[np.ndarray, "vote"],
    outcome: Int[np.ndarray, "vote"],
    share: Float[np.ndarray, "vote"],
    pseudo: Float[np.ndarray, "_ class class"],
) -> Float[np.ndarray, "matrix class class"]:
    n_matrices, n_classes = matrices.shape[:2]
    place = matrix * n_classes + outcome
    for _ in range(STEPS):
        likely = prediction * matrices[matrix, :, outcome]
        likely *= (share / np.maximum(likely.sum(axis=1), LEAST))[:, None]
        counts = np.stack([np.bincount(place, column, minlength=n_matrices * n_classes) for column in likely.T])
        counted = counts.reshape(n_classes, n_matrices, n_classes).transpose(1, 0, 2) + pseudo
        matrices = counted / counted.sum(axis=2, keepdims=True)
    return matrices


def itemised(votes: Votes) -> Votes:
    """The items of the table and the anchors, a row each: items first, in their order."""
    anchors = np.repeat(np.arange(len(votes.values)), votes.anchors.astype(int))
    rows, n_items = np.concatenate([votes.row_of, anchors]), len(votes.row_of)
    inside = (np.arange(len(rows)) < n_items).astype(float)
    return replace(
        votes,
        values=votes.values[rows],
        gold=votes.gold[rows],
        items=inside,
        anchors=1 - inside,
        row_of=np.arange(n_items),
    )


def copy_groups(votes: Votes) -> Int[np.ndarray, "source"]:
    """Sources that look copied from one another, or have the same votes everywhere, have the same number."""
    _, copy_of = duplicate_sources(votes)
    linked = (copying(agreement(votes)) > COPIED) | (copy_of[:, None] == copy_of)
    return np.asarray(connected_components(linked)[1], dtype=np.int64)


def _with_equal_rows_once(votes: Votes, values: HardVotes | SoftVotes) -> Votes:
    """The votes without those that are held out."""
    if votes.counts_silence:
        # A held-out vote is missing, and no silence, so that rows stay as they are.
        return replace(votes, values=values)
    n_anchors = int(votes.anchors.sum())
    return Votes.gather(votes.sources, votes.n_classes, values, votes.gold, n_anchors=n_anchors)


def _folds(votes: Votes, group: Int[np.ndarray, "source"]) -> Int[np.ndarray, "item source"]:
    """The fold of each vote, drawn by the name of the source, so that the order of sources does not matter."""
    fold = np.empty(votes.voted.shape, dtype=np.int64)
    for label in np.unique(group).tolist():
        members = np.flatnonzero(group == label)
        name = min(votes.sources[member] for member in members.tolist())
        seed = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        fold[:, members] = np.random.default_rng(seed).integers(FOLDS, size=(len(fold), 1))
    return fold


def _most_rows(votes: Votes) -> int:
    """How many rows have `MOST_VOTES` and `MOST_NUMBERS` at most."""
    n_rows, n_sources = votes.voted.shape
    per_row = max(float(votes.voted.sum()) / max(n_rows, 1), 1.0)
    most = min(MOST_VOTES, MOST_NUMBERS / votes.n_classes) / per_row
    if votes.soft:
        most = min(most, MOST_NUMBERS / n_sources / votes.n_classes)
    return max(int(most), 1)


def _vote_list(votes: Votes) -> tuple[VoteIndex, VoteIndex, VoteIndex, Float[np.ndarray, "vote"]]:
    """Item, source, class and share of all votes on items without gold."""
    values, unknown = votes.values, votes.gold < 0
    if not votes.soft:
        item, source = np.nonzero(votes.voted & unknown[:, None])
        return item, source, values[item, source].astype(np.int64), np.ones(len(item))
    shares = values[:, :, : votes.n_classes] * unknown[:, None, None]
    item, source, outcome = np.nonzero(shares)
    return item, source, outcome, np.asarray(shares[item, source, outcome], dtype=np.float64)


def _matrices(votes: Votes) -> Int[np.ndarray, "source"]:
    """One matrix for all sources that vote for one class only, one for each of the others."""
    n_voted_for = (votes.counts(votes.weight)[:, : votes.n_classes] > 0).sum(axis=1)
    own = n_voted_for > 1
    if len(own) * votes.n_classes**2 > MOST_NUMBERS:
        return np.where(own, 1, 0)
    return np.where(own, np.cumsum(own), 0)
