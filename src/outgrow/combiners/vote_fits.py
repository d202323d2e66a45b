"""What plain votes hold of items and sources, in the shape of a label model's `Fit`.

A vote has no model of its sources, so a `Fit` of one is read off its posterior q:

    counts_s[c, k] = Σ_i q_i[c] [s said k on i]        π_s = (counts_s + 1/K) / (row sum + 1)

and a source's accuracy is the expected share of its votes that are right, (Σ_c counts_s[c, c] + 1/K) / (votes + 1),
which is also defined for one that only ever says one class. The source's own vote is part of q, so that where few vote
the accuracies come out too high; where gold is known it takes q's place.

`vote` decides as the majority does. Its probabilities are those of sources that are all equally good and err
independently: q[k] ∝ w^(votes for k), the class shared where votes tie. How good they are together is read off how
often two of them agree, b² = (K P(agree) − 1)/(K − 1). The combiner of that name for studies
(`vote.py`) has the winner take all instead.

No other model here knows gold only: `weighted_vote` learns every source's accuracy from it, `log_pool` a temperature.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.combiners.em import Confusion, Judge, naive_bayes, posterior_of, read, scores_by
from outgrow.combiners.fit import Fit, fit_without_climb
from outgrow.combiners.flying_squid import LEAST_SOURCES, Balance, Moments, read_triplets
from outgrow.combiners.log_pool import FLOOR, temperatures
from outgrow.combiners.votes import HardVotes, Votes
from outgrow.combiners.weights import PSEUDO_VOTES
from outgrow.errors import ConfigError, DataError
from outgrow.labels import WeakLabels
from outgrow.text_format import listed

LEAST_SKILL, LARGEST_SKILL = 0.05, 0.98
"""Sources are taken to be better than chance together, and never perfect."""
UNKNOWN_SKILL = 0.5
"""Of sources that never meet: nothing shows how good they are."""


def fit_vote(votes: Votes) -> Fit:
    """The majority of hard votes, as sure as equally good sources would be."""
    hard = hardened(votes)
    n_sources, n_classes = len(votes.sources), votes.n_classes
    accuracy = (1 + (n_classes - 1) * common_skill(hard)) / n_classes
    return fit_of_posterior(hard, _tally(hard, np.full(n_sources, accuracy)))


def fit_weighted_vote(votes: Votes) -> Fit:
    """Hard votes weighed by the log-odds of each source's accuracy on items with gold. `ConfigError` without gold."""
    hard = hardened(votes)
    known = np.flatnonzero(hard.gold >= 0)
    if not len(known):
        raise ConfigError(
            "`weighted_vote` needs the gold of some items to learn how good each source is, and there is none;"
            " give gold, or use `auto`"
        )
    weight = hard.weight[known]
    right = weight @ (hard.heard[known] == hard.gold[known, None])
    accuracy = (right + PSEUDO_VOTES / votes.n_classes) / (weight @ hard.voted[known] + PSEUDO_VOTES)
    return fit_of_posterior(hard, _tally(hard, accuracy))


def fit_log_pool(votes: Votes) -> Fit:
    """The normalised product of the votes, each source tempered on the items with gold where there are some."""
    strength = np.ones(len(votes.sources))
    known = np.flatnonzero(votes.gold >= 0)
    if len(known):
        each = np.repeat(known, votes.weight[known].astype(int))
        labels = WeakLabels([str(number) for number in range(len(each))], votes.sources, distributions(votes, each))
        strength = 1 / temperatures(labels, votes.gold[each])
    scores = np.empty((len(votes.heard), votes.n_classes))
    for block in votes.blocks():
        rows = np.arange(block.rows.start, block.rows.stop)
        log_votes = np.log(np.maximum(distributions(votes, rows), FLOOR))
        scores[block.rows] = np.einsum("isc,s->ic", log_votes, strength)
    return fit_of_posterior(votes, scores)


def fit_flying_squid(votes: Votes, *, moments: Moments = "unconditional", balance: Balance = "uniform") -> Fit:
    """FlyingSquid's closed form on hard votes. `DataError` where the sources' agreement determines no accuracies."""
    hard = hardened(votes)
    enough = len(votes.sources) >= LEAST_SOURCES
    found = read_triplets(hard.heard, hard.items, votes.n_classes, moments, balance) if enough else None
    if found is None:
        raise DataError(f"`flying_squid` needs {LEAST_SOURCES} sources that meet one another; use `vote`")
    return fit_of_posterior(hard, found.log_posterior)


def fit_single(votes: Votes, source: str) -> Fit:
    """One source's votes as they are; the balance of what it says where it says nothing."""
    if source not in votes.sources:
        raise ConfigError(f"no source named `{source}`; there are {listed(votes.sources)}")
    number = votes.sources.index(source)
    own = distributions(votes, np.arange(len(votes.heard)))[:, number]
    return fit_of_posterior(votes, np.log(np.maximum(own, FLOOR)), np.asarray(own.any(axis=1)))


def fit_of_posterior(
    votes: Votes, scores: Float[np.ndarray, "row class"], told: Bool[np.ndarray, "row"] | None = None
) -> Fit:
    """The `Fit` of a posterior softmax(scores), gold in its place where known, the balance where nothing is `told`.

    `told` is by default where anybody voted.
    """
    posterior, _ = posterior_of(scores, np.zeros(votes.n_classes), votes.gold)
    told = (votes.voted.any(axis=1) if told is None else told) | (votes.gold >= 0)
    weight = votes.items * told
    balance = (weight @ posterior + 1) / (weight.sum() + votes.n_classes)
    posterior[~told] = balance
    confusion, accuracy = counted_confusion(votes, posterior), accuracy_of_votes(votes, posterior)
    _, log_likelihood = read(votes, _within_classes(votes, confusion), np.log(balance))
    return fit_without_climb(votes, posterior, log_likelihood, balance=balance, confusion=confusion, accuracy=accuracy)


def counted_confusion(votes: Votes, posterior: Float[np.ndarray, "row class"]) -> Confusion:
    """What every source says of every class, counted with the posterior; one pseudo-vote per row."""
    counts = counts_by(votes, posterior * votes.weight[:, None])[:, :, : votes.n_classes] + 1 / votes.n_classes
    return np.asarray(counts / counts.sum(axis=2, keepdims=True))


def accuracy_of_votes(votes: Votes, posterior: Float[np.ndarray, "row class"]) -> Float[np.ndarray, "source"]:
    """The expected share of each source's votes that are right; one pseudo-vote at chance."""
    counts = counts_by(votes, posterior * votes.weight[:, None])[:, :, : votes.n_classes]
    right = np.einsum("scc->s", counts)
    return np.asarray((right + 1 / votes.n_classes) / (counts.sum(axis=(1, 2)) + 1))


def counts_by(votes: Votes, weighed: Float[np.ndarray, "row class"]) -> Confusion:
    """Σ over rows of what a source says there, times the row's numbers by class."""
    counts = np.zeros((len(votes.sources) * votes.n_said, votes.n_classes))
    for block in votes.blocks():
        counts += block.matrix.T @ weighed[block.rows]
    by_source = counts.reshape(len(votes.sources), votes.n_said, votes.n_classes)
    return np.ascontiguousarray(by_source.transpose(0, 2, 1))


def common_skill(votes: Votes) -> float:
    """b of sources that are all alike, 0 = chance, 1 = always right: how often two hard votes on an item agree tells.

    Of n votes on an item, n_k of them for class k, Σ n_k (n_k − 1) of n (n − 1) pairs agree: linear in the sources.
    """
    for_class = _added(votes, np.ones(len(votes.sources)))
    n = for_class.sum(axis=1)
    pairs = float(votes.weight @ (n * (n - 1)))
    if not pairs:
        return UNKNOWN_SKILL
    agree = float(votes.weight @ (for_class * (for_class - 1)).sum(axis=1)) / pairs
    squared = (votes.n_classes * agree - 1) / (votes.n_classes - 1)
    return float(np.clip(np.sqrt(max(squared, 0.0)), LEAST_SKILL, LARGEST_SKILL))


def hardened(votes: Votes) -> Votes:
    """The same rows with every source's most probable class (the first on a tie) for its vote, silence left out."""
    if votes.heard.ndim == 2 and votes.n_said == votes.n_classes:
        return votes
    codes = np.where(votes.voted, _most(votes), -1).astype(np.min_scalar_type(-votes.n_classes))
    return Votes(
        votes.sources, votes.n_classes, codes, votes.gold, votes.items, votes.anchors, votes.row_of, votes.n_classes
    )


def distributions(votes: Votes, rows: Int[np.ndarray, "some"]) -> Float[np.ndarray, "some source class"]:
    """Some rows' votes as distributions, zeros where a source is silent."""
    heard = votes.heard[rows]
    if heard.ndim == 3:
        return np.asarray(heard[:, :, : votes.n_classes], dtype=np.float64)
    return np.asarray(heard[:, :, None] == np.arange(votes.n_classes), dtype=np.float64)


def _most(votes: Votes) -> HardVotes:
    heard = votes.heard
    return np.asarray(heard if heard.ndim == 2 else heard[:, :, : votes.n_classes].argmax(axis=2), dtype=np.int64)


def _tally(votes: Votes, accuracy: Float[np.ndarray, "source"]) -> Float[np.ndarray, "row class"]:
    """Σ over the sources that said k of their log-odds."""
    return _added(votes, np.log(accuracy * (votes.n_classes - 1) / (1 - accuracy)))


def _added(votes: Votes, each: Float[np.ndarray, "source"]) -> Float[np.ndarray, "row class"]:
    """Σ of a number per source over the sources that said k."""
    judge = scores_by(np.asarray(each[:, None, None] * np.eye(votes.n_classes)))
    scores = np.empty((len(votes.heard), votes.n_classes))
    for block in votes.blocks():
        scores[block.rows] = judge(block)
    return scores


def _within_classes(votes: Votes, confusion: Confusion) -> Judge:
    """Scores by the classes said; silence, where it counts, is as likely under every class."""
    if votes.n_said == votes.n_classes:
        return naive_bayes(confusion)
    silent = np.ones((*confusion.shape[:2], 1))
    return naive_bayes(np.concatenate([confusion, silent], axis=2))
