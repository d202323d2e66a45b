"""FlyingSquid's triplets: source accuracies in closed form from how often sources agree (Fu et al., ICML 2020).

For two classes write a vote as l_i in {-1, 0, +1} (0 = abstention) and the truth as Y. If sources are independent
given Y, M_ij = E[l_i l_j] = a_i a_j with a_i = E[l_i Y], so that any three sources give

    |a_i| = sqrt( |M_ij M_ik / M_jk| ),

and a_i here is the mean over all pairs (j, k), as in the released code; every source is taken to be better than
chance. There are two readings of the moments.

`moments: unconditional`, the published one: means over all items, where an abstention is a vote of 0. With the class
balance c = P(Y = +1) and silence that does not depend on Y, three numbers of a source determine its whole table:

    P(l = +1, Y = +1) + P(l = +1, Y = -1) = P(l = +1)
    P(l = +1, Y = +1) + P(l = -1, Y = +1) = c (1 - P(l = 0))
    P(l = +1, Y = +1) + P(l = -1, Y = -1) = (1 + a - P(l = 0)) / 2

Entries below 0 are turned positive. The posterior is P(Y | l) ∝ c(Y) Π_i P(l_i | Y).

`moments: conditional`, ours: means over the items on which both voted, a_i = E[l_i Y | i voted]. The accuracy of a
vote is (1 + a_i) / 2 whatever it says, and the posterior is naive Bayes. That is kinder to sources that abstain often.

The class balance is uniform, or given, or the shares of the classes among the votes. For K > 2 each class is played
against the rest, and the K posteriors are normalised: a vote for class k is +1 in game k and -1 elsewhere.

Below three sources there is no triplet, where no two sources share items there is nothing to solve, and where two
sources share fewer than `ENOUGH_MET` items on average the published moments are refused. A study's targets are then
those of the majority (with `calibrate` and gold those of a weighted vote); `Targets.origin` says so.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from pydantic import Field

from outgrow.combiners.combiner_record import CombinerRecord, PosteriorSection, TableLimits
from outgrow.combiners.em import LEAST
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.pairwise_agreement import (
    over_triangles,
    refuse_too_sparse,
    values_at,
    weighted_products,
    with_fast_products,
)
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError
from outgrow.lazy import sparse, special
from outgrow.text_format import listed

LARGEST = 1 - 1e-3
"""Conditional moments: no source is taken to be perfect, or to have no information at all."""
LEAST_MOMENT = 1e-6
"""Conditional moments: smaller ones are in no triplet."""
LEAST_SHARE = 1e-3
"""Of a class among all votes, where the votes tell the balance."""
LEAST_SOURCES = 3

Moments = Literal["unconditional", "conditional"]
Balance = Literal["uniform", "votes"] | Sequence[float]
Signs: TypeAlias = "sparse.csr_array"
"""Rows × sources: +1 and −1, nothing where a source abstains."""
Weight = Float[np.ndarray, "row"]


class FlyingSquid(PosteriorSection):
    """Triplet label model on the hard votes."""

    type: Literal["flying_squid"]
    moments: Literal["unconditional", "conditional"] = "unconditional"
    """How often two sources agree: over all items, with an abstention as a vote of 0 (as published); or over the items
    on which both voted (ours)."""
    balance: Literal["uniform", "votes"] | Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2)] = (
        "uniform"
    )
    """The classes' shares: equal; those of the votes; or one number > 0 per class, in their order."""

    @property
    def uses_gold(self) -> bool:
        return self.calibrate


def fit_flying_squid(votes: Votes, *, moments: Moments = "unconditional", balance: Balance = "uniform") -> Fit:
    """The closed form on hard votes; options as of `FlyingSquid`.

    Raises `DataError` where the sources' agreement determines no accuracies, `ConfigError` for another count of
    classes in `balance`.
    """
    if len(votes.sources) < LEAST_SOURCES:
        raise DataError(f"`flying_squid` needs {LEAST_SOURCES} sources and has {len(votes.sources)}; use `vote`")
    if moments == "unconditional":
        # Pairs that never met count as 0, so that in a sparse table accuracies are far too small, and with three
        # classes or more a share in a source's table falls below 0 and turns its votes round.
        refuse_too_sparse("flying_squid", votes)
    hard = votes.hardened()
    estimates = read_triplets(hard, moments, balance)
    if estimates is None:
        raise DataError("`flying_squid`: the sources' agreement determines no accuracies; use `vote`")
    unused = [votes.sources[index] for index in np.flatnonzero(~estimates.strength.any(axis=0))]
    notes = (f"FlyingSquid: the votes of {listed(unused)} count for nothing, since no triplet has a moment.",)
    return replace(fit_of_posterior(hard, estimates.log_posterior), notes=notes if unused else ())


class TripletEstimates(NamedTuple):
    """Posteriors of all rows and strengths of all sources."""

    log_posterior: Float[np.ndarray, "row class"]
    strength: Float[np.ndarray, "game source"]
    """E[l Y] of every source in each game of a class against the rest; one game for two classes."""


class _Game(NamedTuple):
    log_odds: Float[np.ndarray, "row"]
    """ln P(Y = +1 | votes) / P(Y = -1 | votes)."""
    strength: Float[np.ndarray, "source"]


def read_triplets(
    votes: Votes, moments: Moments = "unconditional", balance: Balance = "uniform"
) -> TripletEstimates | None:
    """Posteriors of all rows of hard votes; `None` where the accuracies are not determined. Anchors do not count."""
    n_classes = votes.n_classes
    share = class_shares(votes, balance)
    play = _published_game if moments == "unconditional" else _conditional_game
    games = []
    for chosen in [0] if n_classes == 2 else range(n_classes):
        game = play(signs_of(votes, chosen), votes.items, float(share[chosen]))
        if game is None:
            return None
        games.append(game)
    log_odds = np.stack([game.log_odds for game in games], axis=1)
    # On the log scale, since hundreds of sources against every class leave no posterior above zero.
    scores = special.log_expit(np.concatenate([log_odds, -log_odds], axis=1) if n_classes == 2 else log_odds)
    return TripletEstimates(special.log_softmax(scores, axis=1), np.stack([game.strength for game in games]))


def signs_of(votes: Votes, chosen: int) -> Signs:
    """+1 where a source votes for the class, −1 where for another one."""
    entries = votes.entries
    signs = np.where(entries.outcome == chosen, 1.0, -1.0)
    return sparse.csr_array((signs, entries.source, entries.start), shape=(votes.n_rows, len(votes.sources)))


def class_shares(votes: Votes, balance: Balance) -> Float[np.ndarray, "class"]:
    """P(Y = class), as `balance` asks for it."""
    n_classes = votes.n_classes
    if balance == "votes":
        per_class = votes.counts(votes.items).sum(axis=0)
        shares = per_class / per_class.sum() if per_class.sum() else np.full(n_classes, 1 / n_classes)
        return np.asarray(np.clip(shares, LEAST_SHARE, 1 - LEAST_SHARE))
    given = np.ones(n_classes) if isinstance(balance, str) else np.asarray(balance, dtype=np.float64)
    if len(given) != n_classes:
        raise ConfigError(
            f"combine.balance has {len(given)} numbers and there are {n_classes} classes; give one number per class,"
            " in their order"
        )
    return np.asarray(given / given.sum())


def _published_game(signs: Signs, weight: Weight, balance: float) -> _Game | None:
    strength = unconditional_strength(signs, weight)
    if not strength.any():
        return None
    total = weight.sum()
    votes_plus, votes_minus = (np.asarray(_where(signs, sign).T @ weight) / total for sign in (1, -1))
    given = np.asarray([balance, 1 - balance])
    log_share = (
        np.log(np.maximum(vote_tables(strength, votes_plus, votes_minus, balance), LEAST))
        - np.log(given)[:, None, None]
    )
    plus, minus = log_share[0] - log_share[1]
    evidence = _where(signs, 1) @ plus + _where(signs, -1) @ minus
    return _Game(np.log(balance / (1 - balance)) + evidence, strength)


def _where(signs: Signs, sign: int) -> Signs:
    """1 where the vote has this sign."""
    return sparse.csr_array(((signs.data == sign).astype(float), signs.indices, signs.indptr), shape=signs.shape)


def unconditional_strength(signs: Signs, weight: Weight) -> Float[np.ndarray, "source"]:
    """a_i = E[l_i Y] >= 0 of every source: the mean over all pairs; a pair whose own moment is 0 counts as 0."""
    moment = _of_two(weighted_products(signs, weight))
    moment.data = np.abs(moment.data) / weight.sum()
    total, _ = _over_pairs(moment)
    n_sources = len(total)
    return np.asarray(total / ((n_sources - 1) * (n_sources - 2)))


def vote_tables(
    strength: Float[np.ndarray, "source"],
    plus: Float[np.ndarray, "source"],
    minus: Float[np.ndarray, "source"],
    balance: float,
) -> Float[np.ndarray, "truth=2 label=2 source"]:
    """P(l, Y) for Y = +1 and -1 and l = +1 and -1, from E[l Y], P(l = +1), P(l = -1) and P(Y = +1).

    Not normalised: a factor common to a source's table cancels in every posterior.
    """
    voted = plus + minus
    agree = (voted + strength) / 2
    both = (plus - voted * (1 - balance) + agree) / 2
    return np.abs([[both, balance * voted - both], [plus - both, agree - both]])


def _conditional_game(signs: Signs, weight: Weight, balance: float) -> _Game | None:
    strength = conditional_strength(signs, weight)
    return None if strength is None else _Game(game_log_odds(signs, strength, balance), strength)


def conditional_strength(signs: Signs, weight: Weight) -> Float[np.ndarray, "source"] | None:
    """a_i = E[l_i Y | i voted] > 0 of every source; `None` where no triplet determines one of them."""
    voted = abs(signs)
    both, moment = weighted_products(voted, weight), _of_two(weighted_products(signs, weight))
    met = values_at(both, moment.row, moment.col)
    moment.data = np.abs(moment.data) / np.where(met > 0, met, 1)
    moment.data[moment.data <= LEAST_MOMENT] = 0
    total, count = _over_pairs(moment)
    if not count.all():
        return None
    return np.asarray(np.clip(total / count, 1 - LARGEST, LARGEST))


def _of_two(pairs: Any) -> "sparse.coo_array":
    """A matrix by pair of sources without its diagonal."""
    both = sparse.coo_array(pairs)
    other = both.row != both.col
    return sparse.coo_array((both.data[other], (both.row[other], both.col[other])), shape=both.shape)


def _over_pairs(moment: "sparse.coo_array") -> tuple[Float[np.ndarray, "source"], Float[np.ndarray, "source"]]:
    """Σ over ordered pairs (j, k) of root_ij root_ik / root_jk, and how many there are, without moments of 0."""
    usable = moment.data > 0
    root, at = np.sqrt(moment.data[usable]), (moment.row[usable], moment.col[usable])
    roots, inverse, ones = (
        with_fast_products(sparse.csr_array((part, at), shape=moment.shape))
        for part in (root, 1 / root, np.ones(len(root)))
    )
    return over_triangles(roots, inverse), over_triangles(ones, ones)


def game_log_odds(signs: Signs, strength: Float[np.ndarray, "source"], balance: float) -> Float[np.ndarray, "row"]:
    """ln P(Y = +1 | votes) / P(Y = -1 | votes): naive Bayes, accuracies (1 + strength) / 2, P(Y = +1) = `balance`."""
    return np.asarray(np.log(balance / (1 - balance)) + signs @ np.log((1 + strength) / (1 - strength)))


FLYING_SQUID = CombinerRecord(
    FlyingSquid,
    paper="Fu et al., ICML 2020",
    deviations="above two classes one-vs-rest, normalised",
    fit=fit_flying_squid,
    instead="outgrow.combiners.targets:vote_instead",
    limits=TableLimits(sources=400),
)
