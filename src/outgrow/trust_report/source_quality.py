"""Each source alone: accuracy given a vote, confusion matrix, cost, and remarks.

Accuracy is *given a vote*: an abstention is no error.

    by gold         right votes / votes on items with gold, Jeffreys' interval
    by agreement    the base model's estimate. With the Bayesian model: the posterior of Σ_c p_c π_s[c, c], which
                    accounts for an uncertain truth. With other models, and for a source that votes for one class only:
                    the mean posterior of its votes, with an interval as if they were counted, which is too narrow

A source with at least `LEAST_GOLD_VOTES` votes on items with gold is evaluated by gold. Remarks are about what it adds
(`source_value.py`), not about its share of right votes: where one class is frequent, a source that finds the rare one
is right less often than one that never does.

    worse than chance      the interval of its balanced accuracy lies below that of votes that ignore the item
    no better than chance  it contains that value, and the balanced accuracy is within `LITTLE` of the way to 1
    makes labels worse     by gold, the combined label is better without it, by `SURE` standard errors
    one-sided              it gives one class to nearly all items, and the others do not (`combiners/one_sided.py`)

A source that votes for one class only has no balanced accuracy above chance. Its accuracy is compared with the share
of right votes among random ones: Σ_k (share of k among its votes) · (balance of k).

A soft vote counts as its most probable class here, except in the Bayesian model's estimate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from outgrow.combiners import section_named
from outgrow.combiners.bayesian_dawid_skene import BayesianFit
from outgrow.combiners.one_sided import one_sided_class
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.trust_report.combiner_answers import CombinerAnswers
from outgrow.trust_report.findings import Basis, Confusion, SourceTrust
from outgrow.trust_report.label_quality import counted
from outgrow.trust_report.source_value import WIDTH, added_recall, balanced_accuracy, chance_of, right_votes
from outgrow.vote_table import VoteTable

LEAST_GOLD_VOTES = 20
"""Votes on items with gold from which a source is evaluated by gold."""
LEAST_VOTES = 20
"""A source with fewer votes is not evaluated."""
MOST_CLASSES = 10
"""Classes of a confusion matrix; rarer ones are joined."""
OTHERS = "(others)"
TOO_NARROW = "the interval ignores the uncertainty of the truth and is too narrow"
LITTLE = 0.2
"""Share of the way from chance to 1 up to which a balanced accuracy is called no better than chance."""
SURE = 3.0
ADVERSARIAL, CHANCE, HARMS, ONE_CLASS, ALWAYS_ONE, FEW, SILENT, ONLY = (
    "worse than chance",
    "no better than chance",
    "makes labels worse",
    "always the same vote",
    "one-sided",
    "few votes",
    "never voted",
    "votes for one class only",
)


class SourceCounts(NamedTuple):
    """Counts of each source: votes per class, and right votes, expected and by gold."""

    class_votes: Float[np.ndarray, "source class"]
    expected_right: Float[np.ndarray, "source"]
    gold_right: Float[np.ndarray, "source"]
    gold_votes: Int[np.ndarray, "source"]


class SourceValue(NamedTuple):
    """What a source adds."""

    balanced: Estimate
    chance: float
    adds: Estimate
    one_sided: bool
    differs: float


def source_trust(
    table: VoteTable, answers: CombinerAnswers, balance: Float[np.ndarray, "class"]
) -> tuple[SourceTrust, ...]:
    """All sources, those with most votes first. `balance` is the estimated class balance."""
    tally = tally_of(table, answers.fit.posterior)
    values = values_of(table, answers, tally)
    confusions = confusion_of(table, answers.fit.posterior)
    seconds, price = (_mean_per_source(table, column) for column in (table.seconds, table.price))
    order = np.argsort(-table.n_per_source, kind="stable").tolist()
    return tuple(
        _source(table, answers, tally, balance, index, values[index], confusions[index], seconds[index], price[index])
        for index in order
    )


def _source(
    table: VoteTable,
    answers: CombinerAnswers,
    tally: SourceCounts,
    balance: Float[np.ndarray, "class"],
    index: int,
    value: SourceValue,
    confusion: Confusion | None,
    seconds: float | None,
    price: float | None,
) -> SourceTrust:
    votes, class_votes = int(table.n_per_source[index]), tally.class_votes[index]
    by_gold = counted(float(tally.gold_right[index]), int(tally.gold_votes[index]))
    by_agreement = _by_agreement(table, answers, tally, index)
    basis: Basis = "gold" if by_gold.n >= LEAST_GOLD_VOTES else "agreement" if by_agreement.defined else "none"
    accuracy = by_gold if basis == "gold" else by_agreement
    top_class = int(class_votes.argmax())
    chance = float(class_votes @ balance / votes) if votes else 0.0
    fit = answers.fit
    return SourceTrust(
        name=table.sources[index],
        votes=votes,
        coverage=votes / max(len(table.items), 1),
        by_gold=by_gold,
        by_agreement=by_agreement,
        basis=basis,
        weight=float(answers.weight[index]) if isinstance(fit, BayesianFit) and votes else None,
        top_class=table.classes[top_class] if votes else "",
        top_class_share=float(class_votes[top_class] / votes) if votes else 0.0,
        chance=chance,
        balanced=value.balanced,
        balanced_chance=value.chance,
        adds=value.adds,
        differs=value.differs,
        seconds=seconds,
        price=price,
        seconds_per_correct=_per_correct(seconds, accuracy),
        price_per_correct=_per_correct(price, accuracy),
        flags=_flags(table, answers, tally, index, value, chance, accuracy, basis),
        confusion=confusion,
    )


def _flags(
    table: VoteTable,
    answers: CombinerAnswers,
    tally: SourceCounts,
    index: int,
    value: SourceValue,
    chance: float,
    accuracy: Estimate,
    basis: Basis,
) -> tuple[str, ...]:
    """Remarks on a source, the worst first. A rule that votes for one class is evaluated by gold only."""
    class_votes = tally.class_votes[index]
    votes, n_voted = int(class_votes.sum()), int((class_votes > 0).sum())
    if not votes:
        return (SILENT,)
    if votes < LEAST_VOTES:
        return (FEW,)
    if n_voted == 1:
        is_rule = section_named(answers.base).reads_silence and bool(accuracy.note)
        flags = () if is_rule else _against(accuracy, chance)
        always = bool(flags) or votes == len(table.items)
        return (*flags, ONE_CLASS if always else ONLY)
    flags = _against(value.balanced, value.chance) if basis != "none" else ()
    if basis == "gold" and not flags and _surely_harms(value.adds):
        flags = (HARMS,)
    return (*flags, ALWAYS_ONE) if value.one_sided else flags


def _against(accuracy: Estimate, chance: float) -> tuple[str, ...]:
    """The remark on a (balanced) accuracy that is not clearly above chance."""
    if accuracy.value is None or accuracy.low is None or accuracy.high is None or accuracy.low > chance:
        return ()
    if accuracy.high < chance:
        return (ADVERSARIAL,)
    return (CHANCE,) if accuracy.value < chance + LITTLE * (1 - chance) else ()


def _surely_harms(adds: Estimate) -> bool:
    if adds.value is None or adds.high is None or adds.high == adds.value:
        return False
    return adds.value + SURE * (adds.high - adds.value) / WIDTH < 0


def values_of(table: VoteTable, answers: CombinerAnswers, tally: SourceCounts) -> list[SourceValue]:
    """What each source adds: by gold from `LEAST_GOLD_VOTES` votes on, otherwise expected."""
    truths = [answers.fit.posterior]
    if (tally.gold_votes >= LEAST_GOLD_VOTES).any():
        truths.append(np.eye(table.n_classes + 1)[table.gold][:, : table.n_classes])
    measured = [(right_votes(table, truth), added_recall(table, answers, truth)) for truth in truths]
    unlike = table.label != answers.each[0].label[table.item]
    differs = np.bincount(table.source, unlike, minlength=len(table.sources)) / np.maximum(table.n_per_source, 1)
    values, one_sided = [], one_sided_class(answers.votes) >= 0
    for index in range(len(table.sources)):
        counts, adds = measured[int(tally.gold_votes[index] >= LEAST_GOLD_VOTES)]
        right, items = counts.right[index], counts.items[index]
        values.append(
            SourceValue(
                balanced_accuracy(right, items),
                chance_of(items),
                adds[index],
                bool(one_sided[index]),
                float(differs[index]),
            )
        )
    return values


def _by_agreement(table: VoteTable, answers: CombinerAnswers, tally: SourceCounts, index: int) -> Estimate:
    """The estimate without gold."""
    votes, fit = int(table.n_per_source[index]), answers.fit
    if not votes:
        return undefined("never voted")
    if int((table.n_per_source > 0).sum()) < 2:
        return undefined("one source has no other to agree with")
    if isinstance(fit, BayesianFit) and (tally.class_votes[index] > 0).sum() > 1:
        low, high = fit.interval[index].tolist()
        return Estimate(
            float(fit.accuracy[index]), min(low, fit.accuracy[index]), max(high, fit.accuracy[index]), votes, 1
        )
    return counted(float(tally.expected_right[index]), votes, note=TOO_NARROW)


def tally_of(table: VoteTable, posterior: Float[np.ndarray, "item class"]) -> SourceCounts:
    """Votes of each source per class, and its right votes by the posterior and by gold."""
    n_sources, n_classes = len(table.sources), table.n_classes
    class_votes = np.bincount(table.source * n_classes + table.label, minlength=n_sources * n_classes)
    has_gold = table.gold[table.item] >= 0
    right = has_gold & (table.gold[table.item] == table.label)
    return SourceCounts(
        class_votes.reshape(n_sources, n_classes).astype(float),
        np.bincount(table.source, posterior[table.item, table.label], minlength=n_sources),
        np.bincount(table.source, right, minlength=n_sources),
        np.bincount(table.source, has_gold, minlength=n_sources),
    )


def confusion_of(table: VoteTable, posterior: Float[np.ndarray, "item class"]) -> list[Confusion | None]:
    """P(vote | truth) of each source: counted by gold from `LEAST_GOLD_VOTES` votes on, otherwise expected."""
    group, names = _class_groups(table)
    n_groups, n_sources = len(names), len(table.sources)
    truth = _grouped(posterior, group, n_groups)
    by_gold = np.eye(n_groups + 1)[np.where(table.gold >= 0, group[table.gold], n_groups)][:, :n_groups]
    counts, gold_counts = (_counts(table, group, groups) for groups in (truth, by_gold))
    n_gold = gold_counts.sum(axis=(1, 2))
    chosen = np.where((n_gold >= LEAST_GOLD_VOTES)[:, None, None], gold_counts, counts)
    return [
        Confusion(names, _shares(chosen[index])) if table.n_per_source[index] else None for index in range(n_sources)
    ]


def _class_groups(table: VoteTable) -> tuple[Int[np.ndarray, "class"], tuple[str, ...]]:
    """The group of each class: the class itself, or the last group for rare classes if there are many."""
    if table.n_classes <= MOST_CLASSES:
        return np.arange(table.n_classes), table.classes
    frequent = np.argsort(-np.bincount(table.label, minlength=table.n_classes), kind="stable")[: MOST_CLASSES - 1]
    frequent = np.sort(frequent)
    group = np.full(table.n_classes, MOST_CLASSES - 1)
    group[frequent] = np.arange(len(frequent))
    return group, (*(table.classes[index] for index in frequent.tolist()), OTHERS)


def _grouped(
    posterior: Float[np.ndarray, "item class"], group: Int[np.ndarray, "class"], n_groups: int
) -> Float[np.ndarray, "item group"]:
    return np.asarray(posterior @ np.eye(n_groups)[group])


def _counts(
    table: VoteTable, group: Int[np.ndarray, "class"], truth: Float[np.ndarray, "item group"]
) -> Float[np.ndarray, "source truth vote"]:
    """Counts of (true group, voted group) for each source."""
    n_groups, n_sources = truth.shape[1], len(table.sources)
    column = table.source * n_groups + group[table.label]
    ones, shape = np.ones(table.n_votes), (n_sources * n_groups, len(table.items))
    counts = csr_array((ones, (column, table.item)), shape=shape) @ truth
    return np.asarray(counts.reshape(n_sources, n_groups, n_groups).transpose(0, 2, 1))


def _shares(counts: Float[np.ndarray, "truth vote"]) -> tuple[tuple[float | None, ...], ...]:
    """Rows that sum to one; None for a class with a count below one half."""
    return tuple(tuple((row / row.sum()).tolist()) if row.sum() >= 0.5 else (None,) * len(row) for row in counts)


def _mean_per_source(table: VoteTable, column: Float[np.ndarray, "vote"] | None) -> Sequence[float | None]:
    """The mean per source over the votes with a value."""
    if column is None:
        return [None] * len(table.sources)
    has_value = np.isfinite(column)
    total, count = (
        np.bincount(table.source[has_value], weight, minlength=len(table.sources))
        for weight in (column[has_value], np.ones(int(has_value.sum())))
    )
    return [float(t / c) if c else None for t, c in zip(total, count, strict=True)]


def _per_correct(cost: float | None, accuracy: Estimate) -> float | None:
    """Cost of a right vote: cost / accuracy."""
    return cost / accuracy.value if cost is not None and accuracy.value else None
