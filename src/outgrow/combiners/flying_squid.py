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

Below three sources there is no triplet, and where no two sources share items there is nothing to solve. A study's
targets are then those of a weighted vote (without anchors of the majority), and `Targets.origin` says so.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import Field

from outgrow.combiners.combiner_record import CombinerRecord, PosteriorSection, TableLimits
from outgrow.combiners.em import LEAST
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError
from outgrow.lazy import special
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
Signs = Int[np.ndarray, "row source"]
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
    hard = votes.hardened()
    estimates = read_triplets(hard.values, hard.items, votes.n_classes, moments, balance)
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
    codes: Int[np.ndarray, "row source"],
    weight: Weight,
    n_classes: int,
    moments: Moments = "unconditional",
    balance: Balance = "uniform",
) -> TripletEstimates | None:
    """Posteriors of all rows, each of which counts `weight` times; `None` where the accuracies are not determined.

    `codes` are classes, -1 = abstention.
    """
    share = class_shares(codes, weight, n_classes, balance)
    play = _published_game if moments == "unconditional" else _conditional_game
    games = []
    for chosen in [0] if n_classes == 2 else range(n_classes):
        signs = np.where(codes < 0, 0, np.where(codes == chosen, 1, -1))
        game = play(signs, weight, float(share[chosen]))
        if game is None:
            return None
        games.append(game)
    log_odds = np.stack([game.log_odds for game in games], axis=1)
    # On the log scale, since hundreds of sources against every class leave no posterior above zero.
    scores = special.log_expit(np.concatenate([log_odds, -log_odds], axis=1) if n_classes == 2 else log_odds)
    return TripletEstimates(special.log_softmax(scores, axis=1), np.stack([game.strength for game in games]))


def class_shares(
    codes: Int[np.ndarray, "row source"], weight: Weight, n_classes: int, balance: Balance
) -> Float[np.ndarray, "class"]:
    """P(Y = class), as `balance` asks for it."""
    if balance == "votes":
        votes_per_class = np.asarray([weight @ (codes == chosen).sum(axis=1) for chosen in range(n_classes)])
        shares = (
            votes_per_class / votes_per_class.sum() if votes_per_class.sum() else np.full(n_classes, 1 / n_classes)
        )
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
    votes_plus, votes_minus = (np.asarray(weight @ (signs == sign)) / total for sign in (1, -1))
    given = np.asarray([balance, 1 - balance])
    log_share = (
        np.log(np.maximum(vote_tables(strength, votes_plus, votes_minus, balance), LEAST))
        - np.log(given)[:, None, None]
    )
    plus, minus = log_share[0] - log_share[1]
    evidence = (signs == 1) @ plus + (signs == -1) @ minus
    return _Game(np.log(balance / (1 - balance)) + evidence, strength)


def unconditional_strength(signs: Signs, weight: Weight) -> Float[np.ndarray, "source"]:
    """a_i = E[l_i Y] >= 0 of every source: the mean over all pairs; a pair whose own moment is 0 counts as 0."""
    moment = np.abs((signs.T * weight) @ signs) / weight.sum()
    usable = moment > 0
    np.fill_diagonal(usable, False)
    total, _ = _over_pairs(moment, usable)
    return np.asarray(total / ((len(moment) - 1) * (len(moment) - 2)))


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
    voted = (signs != 0).astype(float)
    both = (voted.T * weight) @ voted
    moment = np.abs((signs.T * weight) @ signs) / np.where(both > 0, both, 1)
    usable = moment > LEAST_MOMENT
    np.fill_diagonal(usable, False)
    total, count = _over_pairs(moment, usable)
    if not count.all():
        return None
    return np.asarray(np.clip(total / count, 1 - LARGEST, LARGEST))


def _over_pairs(
    moment: Float[np.ndarray, "source source"], usable: Bool[np.ndarray, "source source"]
) -> tuple[Float[np.ndarray, "source"], Float[np.ndarray, "source"]]:
    """Σ over ordered pairs (j, k) of root_ij root_ik / root_jk, one quadratic form per source, and how many pairs."""
    root = np.where(usable, np.sqrt(moment), 0)
    inverse = np.divide(1, root, out=np.zeros_like(root), where=usable)
    return _quadratic_forms(root, inverse), _quadratic_forms(usable.astype(float), usable.astype(float))


def _quadratic_forms(
    rows: Float[np.ndarray, "source source"], matrix: Float[np.ndarray, "source source"]
) -> Float[np.ndarray, "source"]:
    return np.asarray(((rows @ matrix) * rows).sum(axis=1))


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
