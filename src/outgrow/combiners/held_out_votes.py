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

from outgrow.combiners.dependence import copied_votes, duplicate_sources
from outgrow.combiners.fit import Fit
from outgrow.combiners.vote_entries import Entries
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse

FOLDS = 5
SEED = 0
COPIED = 0.5
"""Sources that share more of their votes than this count as one."""
PSEUDO_VOTES = 5.0
STEPS = 20
MOST_VOTES = 100_000
MOST_NUMBERS = 4_000_000
"""Votes times classes, and sources times classes squared."""
LEAST = 1e-12

Prediction = Float[np.ndarray, "vote class"]
VoteIndex = Int[np.ndarray, "vote"]


@dataclass(frozen=True)
class HeldOut:
    """Votes with a row per item, the fold of every vote, and the held-out votes one by one.

    A soft vote is one held-out vote per class, with its `share`.
    """

    votes: Votes
    fold: Int[np.ndarray, "entry"]
    """Of every entry of `votes`; a source's vote on an item is in one fold."""
    fold_of_vote: Int[np.ndarray, "vote"]
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
    if each.n_rows > n_kept:
        each = each.take(np.sort(rng.choice(each.n_rows, n_kept, replace=False)))
    group = copy_groups(each)
    fold, entries = _folds(each, group), each.entries
    # The class of an item with gold is known: votes on it are not predicted.
    predicted = np.flatnonzero(each.gold[entries.row] < 0)
    item, source, outcome = (
        part[predicted].astype(np.int64) for part in (entries.row, entries.source, entries.outcome)
    )
    share = entries.shares[predicted] / np.bincount(group)[group][source]
    return HeldOut(each, fold, fold[predicted], item, source, outcome, share, _matrices(each))


def predict(held: HeldOut, fit_by: Callable[[Votes], Fit], *, reads_silence: bool = False) -> Prediction:
    """For every held-out vote the posterior of its item, as fitted without it."""
    votes = held.votes.with_silence() if reads_silence else held.votes
    predicted = np.empty((len(held.item), votes.n_classes))
    for fold in range(FOLDS):
        posterior = fit_by(_with_equal_rows_once(votes, votes.without(held.fold == fold))).posterior
        here = held.fold_of_vote == fold
        predicted[here] = posterior[held.item[here]]
    return predicted


def log_probabilities(held: HeldOut, prediction: Prediction) -> Float[np.ndarray, "vote"]:
    """ln P of every held-out vote, by matrices learned from the other half of the items."""
    half = np.random.default_rng(SEED).integers(2, size=held.votes.n_rows)[held.item]
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
    anchors = np.repeat(np.arange(votes.n_rows), votes.anchors.astype(int))
    rows, n_items = np.concatenate([votes.row_of, anchors]), len(votes.row_of)
    inside = (np.arange(len(rows)) < n_items).astype(float)
    return replace(
        votes,
        entries=votes.entries.take(rows),
        gold=votes.gold[rows],
        items=inside,
        anchors=1 - inside,
        row_of=np.arange(n_items),
    )


def copy_groups(votes: Votes) -> Int[np.ndarray, "source"]:
    """Sources that look copied from one another, or have the same votes everywhere, have the same number."""
    first, copy_of = duplicate_sources(votes)
    copied, n_sources = sparse.coo_array(copied_votes(votes)), len(votes.sources)
    linked = copied.data > COPIED
    one = np.concatenate([copied.row[linked], np.arange(n_sources)])
    other = np.concatenate([copied.col[linked], first[copy_of]])
    links = sparse.csr_array((np.ones(len(one)), (one, other)), shape=(n_sources, n_sources))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _with_equal_rows_once(votes: Votes, entries: Entries) -> Votes:
    """The votes that are left when some are held out."""
    if votes.counts_silence:
        # A held-out vote is missing, and no silence, so that rows stay as they are.
        return replace(votes, entries=entries)
    n_anchors = int(votes.anchors.sum())
    return Votes.of_entries(votes.sources, votes.n_classes, entries, votes.gold, soft=votes.soft, n_anchors=n_anchors)


def _folds(votes: Votes, group: Int[np.ndarray, "source"]) -> Int[np.ndarray, "entry"]:
    """The fold of each entry, drawn by the name of the source, so that the order of sources does not matter.

    Sources of one group have the same fold on an item.
    """
    entries, names = votes.entries, np.asarray(votes.sources)
    first = np.unique(group, return_index=True)[1]
    name_of = names[first]
    if len(first) < len(names):
        order = np.lexsort((names, group))
        name_of = names[order][np.searchsorted(group[order], np.arange(len(first)))]
    row, of_group = entries.row, group[entries.source]
    order = np.lexsort((row, of_group))
    begins = np.append(True, (np.diff(row[order]) != 0) | (np.diff(of_group[order]) != 0))[: len(order)]
    fold = np.empty(len(row), dtype=np.int64)
    drawn = [
        np.random.default_rng(int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")).integers(
            FOLDS, size=size
        )
        for name, size in zip(
            name_of.tolist(), np.bincount(of_group[order][begins], minlength=len(first)).tolist(), strict=True
        )
    ]
    fold[order] = np.concatenate([*drawn, np.zeros(0, np.int64)])[np.cumsum(begins) - 1]
    return fold


def _most_rows(votes: Votes) -> int:
    """How many rows have `MOST_VOTES` and `MOST_NUMBERS` at most."""
    n_numbers = len(votes.entries.column) if votes.soft else votes.n_different * votes.n_classes
    share = min(MOST_VOTES / max(votes.n_different, 1), MOST_NUMBERS / max(n_numbers, 1))
    return max(int(votes.n_rows * min(share, 1.0)), 1)


def _matrices(votes: Votes) -> Int[np.ndarray, "source"]:
    """One matrix for all sources that vote for one class only, one for each of the others."""
    n_voted_for = (votes.counts(votes.weight)[:, : votes.n_classes] > 0).sum(axis=1)
    own = n_voted_for > 1
    if len(own) * votes.n_classes**2 > MOST_NUMBERS:
        return np.where(own, 1, 0)
    return np.where(own, np.cumsum(own), 0)
