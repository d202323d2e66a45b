"""Every source by itself: accuracy given a vote, what it confuses, what it costs, and whether it is worth hearing.

Accuracy is *given a vote*: what a source does not say is no error.

    by gold         right votes / votes on items with gold, Jeffreys' interval
    by agreement    what the base model holds of it: with the Bayesian model the posterior of Σ_c p_c π_s[c, c], which
                    allows for the truth being in doubt. Of other models, and of a source that only ever says one
                    class, the mean posterior of what it said, with an interval as if that were counted: too narrow

A source is judged by gold from `LEAST_GOLD_VOTES` votes with gold on. Someone who says what it says, as often, without
looking would be right with the chance Σ_k (share of k among its votes) · (balance of k): a source whose interval holds
that number tells nothing, one whose interval lies below it is worse than silence, or turned around.

A soft vote counts as its most probable class here, except in the Bayesian model's estimate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from outgrow.combiners import section_named
from outgrow.combiners.bayesian_dawid_skene import BayesianFit
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.trust_report.combiner_answers import CombinerAnswers
from outgrow.trust_report.findings import Basis, Confusion, SourceTrust
from outgrow.trust_report.label_quality import counted
from outgrow.vote_table import VoteTable

LEAST_GOLD_VOTES = 20
"""Votes of a source on items with gold, from which on gold judges it."""
LEAST_VOTES = 20
"""With fewer votes a source is not judged."""
MOST_CLASSES = 10
"""Classes of a confusion matrix; the others are put together."""
OTHERS = "(others)"
TOO_NARROW = "the truth is taken as known: the interval is too narrow"
ADVERSARIAL, CHANCE, ONE_CLASS, FEW, SILENT, ONLY = (
    "worse than chance",
    "no better than chance",
    "always says the same",
    "few votes",
    "never voted",
    "only ever says one class",
)


class SourceCounts(NamedTuple):
    """Of every source: how often it said each class, and how often the most probable truth agreed."""

    said: Float[np.ndarray, "source class"]
    expected_right: Float[np.ndarray, "source"]
    gold_right: Float[np.ndarray, "source"]
    gold_votes: Int[np.ndarray, "source"]


def source_trust(
    table: VoteTable, answers: CombinerAnswers, balance: Float[np.ndarray, "class"]
) -> tuple[SourceTrust, ...]:
    """All sources, those with most votes first; `balance`: of the classes, as far as is known."""
    tally = tally_of(table, answers.posterior)
    confusions = confusion_of(table, answers.posterior)
    seconds, price = (_mean_per_source(table, column) for column in (table.seconds, table.price))
    order = np.argsort(-table.n_per_source, kind="stable").tolist()
    return tuple(
        _one(table, answers, tally, balance, number, confusions[number], seconds[number], price[number])
        for number in order
    )


def _one(
    table: VoteTable,
    answers: CombinerAnswers,
    tally: SourceCounts,
    balance: Float[np.ndarray, "class"],
    number: int,
    confusion: Confusion | None,
    seconds: float | None,
    price: float | None,
) -> SourceTrust:
    votes, said = int(table.n_per_source[number]), tally.said[number]
    by_gold = counted(float(tally.gold_right[number]), int(tally.gold_votes[number]))
    by_agreement = _by_agreement(table, answers, tally, number)
    basis: Basis = "gold" if by_gold.n >= LEAST_GOLD_VOTES else "agreement" if by_agreement.defined else "none"
    goes = by_gold if basis == "gold" else by_agreement
    most = int(said.argmax())
    chance = float(said @ balance / votes) if votes else 0.0
    fit = answers.fit
    return SourceTrust(
        name=table.sources[number],
        votes=votes,
        coverage=votes / max(len(table.items), 1),
        by_gold=by_gold,
        by_agreement=by_agreement,
        basis=basis,
        weight=float(fit.weight[number]) if isinstance(fit, BayesianFit) and votes else None,
        said=table.classes[most] if votes else "",
        said_share=float(said[most] / votes) if votes else 0.0,
        chance=chance,
        seconds=seconds,
        price=price,
        seconds_per_correct=_per_correct(seconds, goes),
        price_per_correct=_per_correct(price, goes),
        flags=_flags(
            votes,
            len(table.items),
            int((said > 0).sum()),
            chance,
            goes,
            section_named(answers.base).reads_silence,
        ),
        confusion=confusion,
    )


def _flags(votes: int, n_items: int, n_said: int, chance: float, accuracy: Estimate, rules: bool) -> tuple[str, ...]:
    """What is wrong with a source, the worst first. Rules that say one class are judged by gold only."""
    if not votes:
        return (SILENT,)
    if votes < LEAST_VOTES:
        return (FEW,)
    found = []
    low, high = accuracy.low, accuracy.high
    sure = not (rules and n_said == 1 and accuracy.note)
    if sure and low is not None and high is not None and low <= chance:
        found.append(ADVERSARIAL if high < chance else CHANCE)
    if n_said == 1:
        found.append(ONE_CLASS if found or votes == n_items else ONLY)
    return tuple(found)


def _by_agreement(table: VoteTable, answers: CombinerAnswers, tally: SourceCounts, number: int) -> Estimate:
    """The estimate without gold."""
    votes, fit = int(table.n_per_source[number]), answers.fit
    if not votes:
        return undefined("never voted")
    if int((table.n_per_source > 0).sum()) < 2:
        return undefined("one source agrees with nobody")
    if isinstance(fit, BayesianFit) and (tally.said[number] > 0).sum() > 1:
        low, high = fit.interval[number].tolist()
        return Estimate(
            float(fit.accuracy[number]), min(low, fit.accuracy[number]), max(high, fit.accuracy[number]), votes, 1
        )
    return counted(float(tally.expected_right[number]), votes, note=TOO_NARROW)


def tally_of(table: VoteTable, posterior: Float[np.ndarray, "item class"]) -> SourceCounts:
    """What every source said, and how often it is right by the posterior and by gold."""
    n_sources, n_classes = len(table.sources), table.n_classes
    said = np.bincount(table.source * n_classes + table.said, minlength=n_sources * n_classes)
    known = table.gold[table.item] >= 0
    right = known & (table.gold[table.item] == table.said)
    return SourceCounts(
        said.reshape(n_sources, n_classes).astype(float),
        np.bincount(table.source, posterior[table.item, table.said], minlength=n_sources),
        np.bincount(table.source, right, minlength=n_sources),
        np.bincount(table.source, known, minlength=n_sources),
    )


def confusion_of(table: VoteTable, posterior: Float[np.ndarray, "item class"]) -> list[Confusion | None]:
    """P(vote | truth) of every source, counted on votes with gold from `LEAST_GOLD_VOTES` on, else expected."""
    group, names = _class_groups(table)
    n_groups, n_sources = len(names), len(table.sources)
    truth = _grouped(posterior, group, n_groups)
    by_gold = np.eye(n_groups + 1)[np.where(table.gold >= 0, group[table.gold], n_groups)][:, :n_groups]
    counts, exact = (_counts(table, group, one) for one in (truth, by_gold))
    n_gold = exact.sum(axis=(1, 2))
    used = np.where((n_gold >= LEAST_GOLD_VOTES)[:, None, None], exact, counts)
    return [
        Confusion(names, _shares(used[number])) if table.n_per_source[number] else None for number in range(n_sources)
    ]


def _class_groups(table: VoteTable) -> tuple[Int[np.ndarray, "class"], tuple[str, ...]]:
    """The group of each class: itself, or where there are many, the last one for rare classes."""
    if table.n_classes <= MOST_CLASSES:
        return np.arange(table.n_classes), table.classes
    often = np.argsort(-np.bincount(table.said, minlength=table.n_classes), kind="stable")[: MOST_CLASSES - 1]
    often = np.sort(often)
    group = np.full(table.n_classes, MOST_CLASSES - 1)
    group[often] = np.arange(len(often))
    return group, (*(table.classes[number] for number in often.tolist()), OTHERS)


def _grouped(
    posterior: Float[np.ndarray, "item class"], group: Int[np.ndarray, "class"], n_groups: int
) -> Float[np.ndarray, "item group"]:
    return np.asarray(posterior @ np.eye(n_groups)[group])


def _counts(
    table: VoteTable, group: Int[np.ndarray, "class"], truth: Float[np.ndarray, "item group"]
) -> Float[np.ndarray, "source truth said"]:
    """How often every source said a group where another was true."""
    n_groups, n_sources = truth.shape[1], len(table.sources)
    column = table.source * n_groups + group[table.said]
    ones, shape = np.ones(table.n_votes), (n_sources * n_groups, len(table.items))
    counts = csr_array((ones, (column, table.item)), shape=shape) @ truth
    return np.asarray(counts.reshape(n_sources, n_groups, n_groups).transpose(0, 2, 1))


def _shares(counts: Float[np.ndarray, "truth said"]) -> tuple[tuple[float | None, ...], ...]:
    """Rows that sum to one; a class that was hardly ever met has none."""
    return tuple(tuple((row / row.sum()).tolist()) if row.sum() >= 0.5 else (None,) * len(row) for row in counts)


def _mean_per_source(table: VoteTable, column: Float[np.ndarray, "vote"] | None) -> Sequence[float | None]:
    """The mean over the votes that tell it."""
    if column is None:
        return [None] * len(table.sources)
    told = np.isfinite(column)
    total, count = (
        np.bincount(table.source[told], weight, minlength=len(table.sources))
        for weight in (column[told], np.ones(int(told.sum())))
    )
    return [float(t / c) if c else None for t, c in zip(total, count, strict=True)]


def _per_correct(cost: float | None, accuracy: Estimate) -> float | None:
    """What a right vote costs."""
    return cost / accuracy.value if cost is not None and accuracy.value else None
