"""How well a combiner foretells votes that it has not seen: what can be judged of it without any gold.

Every vote is hidden once, a fifth of all votes at a time, and the combiner fitted on the rest. Its posterior q_i,
which has not seen the hidden vote of source s on item i, foretells it through what that source tends to say:

    P(s says k on i) = Σ_c q_i[c] π_s[c, k]

π_s is not the combiner's own: it is the most likely matrix for the hidden votes of the *other* half of the items, the
same way for every combiner, be it a model or a majority. So what is judged is the posterior alone. A class that is
called by another's name costs nothing here; a posterior that follows the wrong sources, or is too sure, does.

Three traps, and what is done about them:

* Copies foretell one another, which would reward a combiner for following them. Sources that look copied, or say the
  same everywhere, are hidden on the same items together, and count together as one.
* A rule that only ever says one class is foretold by its name alone. All such rules share one matrix: foretold is
  which class is said, not by which rule. Silence is never foretold; a hidden vote is neither a vote nor silence.
* A source with few votes has no matrix of its own to speak of: `PSEUDO_VOTES` from all sources' matrix are added.

What cannot be seen here: errors that all sources share. They look like truth (`dependence.py`).

A soft vote v is foretold by Σ_k v[k] ln P(k). Above `MOST_VOTES` a sample of the items is used. One seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components

from outgrow.combiners.bayesian_dawid_skene import twins
from outgrow.combiners.dependence import copying
from outgrow.combiners.fit import Fit
from outgrow.combiners.pairwise_agreement import agreement
from outgrow.combiners.rule_vote import counting_silence
from outgrow.combiners.votes import HardVotes, SoftVotes, Votes

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

Guess = Float[np.ndarray, "hidden class"]
Hidden = Int[np.ndarray, "hidden"]


@dataclass(frozen=True)
class HeldOut:
    """Votes without equal rows put together, who is hidden when, and the hidden votes one by one.

    A soft vote is one hidden vote per class, with its `share`.
    """

    votes: Votes
    fold: Int[np.ndarray, "item source"]
    item: Int[np.ndarray, "hidden"]
    source: Int[np.ndarray, "hidden"]
    said: Int[np.ndarray, "hidden"]
    share: Float[np.ndarray, "hidden"]
    """How much a hidden vote counts; a group of copies counts as one source."""
    matrix: Int[np.ndarray, "source"]
    """Which matrix is each source's; 0 = that of the sources that only ever say one class."""

    @property
    def total(self) -> float:
        """How many independent votes are foretold."""
        return float(self.share.sum())


def hold_out(votes: Votes) -> HeldOut:
    """Who is hidden when. Votes on items with gold are not foretold: their class is no guess."""
    each = itemised(votes)
    rng = np.random.default_rng(SEED)
    n_kept = _most_rows(each)
    if len(each.heard) > n_kept:
        each = each.take(np.sort(rng.choice(len(each.heard), n_kept, replace=False)))
    group = copy_groups(each)
    fold = _folds(each, group)
    item, source, said, share = _hidden_votes(each)
    share = share / np.bincount(group)[group][source]
    return HeldOut(each, fold, item, source, said, share, _matrices(each))


def guesses(held: HeldOut, fit_by: Callable[[Votes], Fit], *, reads_silence: bool = False) -> Guess:
    """For every hidden vote the posterior of its item, as fitted without it."""
    votes = counting_silence(held.votes) if reads_silence else held.votes
    found = np.empty((len(held.item), votes.n_classes))
    of_vote = held.fold[held.item, held.source]
    for number in range(FOLDS):
        hidden = held.fold == number
        heard = votes.heard.copy()
        heard[hidden] = -1 if heard.ndim == 2 else 0
        posterior = fit_by(_with_equal_rows_once(votes, heard)).posterior
        here = of_vote == number
        found[here] = posterior[held.item[here]]
    return found


def log_chances(held: HeldOut, guess: Guess) -> Float[np.ndarray, "hidden"]:
    """ln P of every hidden vote, by matrices learnt from the other half of the items."""
    half = np.random.default_rng(SEED).integers(2, size=len(held.votes.heard))[held.item]
    found = np.empty(len(half))
    for number in (0, 1):
        here, there = half == number, half != number
        matrices = learn_matrices(held, guess, there)
        chance = (guess[here] * matrices[held.matrix[held.source[here]], :, held.said[here]]).sum(axis=1)
        found[here] = np.log(np.maximum(chance, LEAST))
    return found


def learn_matrices(held: HeldOut, guess: Guess, used: np.ndarray) -> Float[np.ndarray, "matrix class class"]:
    """The most likely matrices for some hidden votes given the guesses, by expectation-maximisation."""
    guess, said, share = guess[used], held.said[used], held.share[used]
    matrix, n_classes = held.matrix[held.source[used]], guess.shape[1]
    start = np.where(np.eye(n_classes, dtype=bool), 0.7, 0.3 / max(n_classes - 1, 1))[None]
    common = _climb(start, guess, np.zeros_like(said), said, share, np.eye(n_classes)[None] * 0.1 + 0.01)
    n_matrices = int(held.matrix.max(initial=0)) + 1
    every = np.repeat(common, n_matrices, axis=0)
    return every if n_matrices == 1 else _climb(every, guess, matrix, said, share, PSEUDO_VOTES * common)


def _climb(
    matrices: Float[np.ndarray, "matrix class class"],
    guess: Guess,
    matrix: Int[np.ndarray, "hidden"],
    said: Int[np.ndarray, "hidden"],
    share: Float[np.ndarray, "hidden"],
    pseudo: Float[np.ndarray, "_ class class"],
) -> Float[np.ndarray, "matrix class class"]:
    n_matrices, n_classes = matrices.shape[:2]
    place = matrix * n_classes + said
    for _ in range(STEPS):
        likely = guess * matrices[matrix, :, said]
        likely *= (share / np.maximum(likely.sum(axis=1), LEAST))[:, None]
        counts = np.stack([np.bincount(place, column, minlength=n_matrices * n_classes) for column in likely.T])
        counted = counts.reshape(n_classes, n_matrices, n_classes).transpose(1, 0, 2) + pseudo
        matrices = counted / counted.sum(axis=2, keepdims=True)
    return matrices


def itemised(votes: Votes) -> Votes:
    """The items of the table and the anchors, a row each: items first, in their order."""
    anchors = np.repeat(np.arange(len(votes.heard)), votes.anchors.astype(int))
    rows, n_items = np.concatenate([votes.row_of, anchors]), len(votes.row_of)
    inside = (np.arange(len(rows)) < n_items).astype(float)
    return replace(
        votes,
        heard=votes.heard[rows],
        gold=votes.gold[rows],
        items=inside,
        anchors=1 - inside,
        row_of=np.arange(n_items),
    )


def copy_groups(votes: Votes) -> Int[np.ndarray, "source"]:
    """Sources that look copied from one another, or say the same everywhere, have the same number."""
    _, twin_of = twins(votes)
    linked = (copying(agreement(votes)) > COPIED) | (twin_of[:, None] == twin_of)
    return np.asarray(connected_components(linked)[1], dtype=np.int64)


def _with_equal_rows_once(votes: Votes, heard: HardVotes | SoftVotes) -> Votes:
    """Votes, a row each, of which some are hidden now."""
    if votes.n_said > votes.n_classes:
        # To gather them would take what is hidden for silence.
        return replace(votes, heard=heard)
    n_anchors = int(votes.anchors.sum())
    return Votes.gather(votes.sources, votes.n_classes, heard, votes.gold, n_anchors=n_anchors)


def _folds(votes: Votes, group: Int[np.ndarray, "source"]) -> Int[np.ndarray, "item source"]:
    """When each vote is hidden: drawn by the name of the source, so that the order of sources does not matter."""
    fold = np.empty(votes.voted.shape, dtype=np.int64)
    for number in np.unique(group).tolist():
        members = np.flatnonzero(group == number)
        name = min(votes.sources[member] for member in members.tolist())
        seed = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        fold[:, members] = np.random.default_rng(seed).integers(FOLDS, size=(len(fold), 1))
    return fold


def _most_rows(votes: Votes) -> int:
    """How many rows have `MOST_VOTES` and `MOST_NUMBERS` at most."""
    n_rows, n_sources = votes.voted.shape
    per_row = max(float(votes.voted.sum()) / max(n_rows, 1), 1.0)
    most = min(MOST_VOTES, MOST_NUMBERS / votes.n_classes) / per_row
    if votes.heard.ndim == 3:
        most = min(most, MOST_NUMBERS / n_sources / votes.n_classes)
    return max(int(most), 1)


def _hidden_votes(votes: Votes) -> tuple[Hidden, Hidden, Hidden, Float[np.ndarray, "hidden"]]:
    """Item, source, class said and share of all votes on items without gold."""
    heard, open_rows = votes.heard, votes.gold < 0
    if heard.ndim == 2:
        item, source = np.nonzero(votes.voted & open_rows[:, None])
        return item, source, heard[item, source].astype(np.int64), np.ones(len(item))
    shares = heard[:, :, : votes.n_classes] * open_rows[:, None, None]
    item, source, said = np.nonzero(shares)
    return item, source, said, np.asarray(shares[item, source, said], dtype=np.float64)


def _matrices(votes: Votes) -> Int[np.ndarray, "source"]:
    """One matrix for all sources that only ever say one class, one for each of the others."""
    n_said = (votes.said(votes.weight)[:, : votes.n_classes] > 0).sum(axis=1)
    own = n_said > 1
    if len(n_said) * votes.n_classes**2 > MOST_NUMBERS:
        return np.where(own, 1, 0)
    return np.where(own, np.cumsum(own), 0)
