"""`trust`: every measurement of a table of votes, as plain data.

Combiners are fitted without gold; gold checks them. Only the items to label next are chosen by fits that use gold,
because the next fit would use it, too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from outgrow.combiners import COMBINERS, section_named
from outgrow.combiners.bayesian_dawid_skene import BayesianFit
from outgrow.combiners.cross_fit import LEAST_GOLD
from outgrow.combiners.effective_sources import effective_sources
from outgrow.errors import ConfigError, DataError
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.metrics.rater_agreement import Level, fleiss_kappa, krippendorff_alpha, raw_agreement
from outgrow.text_format import many
from outgrow.trust_report.class_quality import class_trust
from outgrow.trust_report.combiner_answers import NO_LABEL, CombinerAnswers, ask, by_gold
from outgrow.trust_report.findings import (
    Basis,
    ClassShare,
    CombinerTrust,
    DisputedItems,
    NextItem,
    OverallAgreement,
    Trust,
    VoteCounts,
)
from outgrow.trust_report.label_quality import accuracy_by_gold, simulated
from outgrow.trust_report.next_items import next_items
from outgrow.trust_report.source_pairs import pair_trust
from outgrow.trust_report.source_quality import source_trust
from outgrow.trust_report.summary import Evidence, summarise
from outgrow.vote_table import UNKNOWN, VoteTable

MOST_NUMBERS = 500_000_000
"""Items times classes: a posterior of every item is held in memory."""
RAW, ALPHA = "raw agreement", "Krippendorff's α"
COMBINE_COMPARES = "`outgrow combine` compares the combiners, by gold or by hidden votes, and says which it takes."
SOFT_NOTE = (
    "Some votes are soft: combiners read their probabilities; agreement, confusion and accuracy by gold count a vote"
    " as its most probable class."
)


def trust(table: VoteTable, *, combiners: Sequence[str] | None = None, n_next: int = 50) -> Trust:
    """Measure how far the votes can be trusted; sources of one group are measured as one.

    Args:
        combiners: names of `combiners.fit_names`. The labels of the first one are evaluated. By default those that
            suit the table and do not take minutes.
        n_next: number of items to propose for labelling.

    Raises `ConfigError` for an unknown combiner or n_next below 0, `DataError` for a table without items or classes,
    or a table that is too large.
    """
    table = table.by_group()
    _check(table, n_next)
    without_gold = replace(table, gold=np.empty(0, np.int64))
    has_gold = (table.gold != UNKNOWN) & (table.n_per_item > 0)
    enough = int(has_gold.sum()) >= LEAST_GOLD
    answers = ask(without_gold, combiners, by_gold(np.where(has_gold, table.gold, UNKNOWN)) if enough else None)
    counts = count_votes(table, answers)
    sources = source_trust(table, answers, _balance(table, answers))
    pairs, pair_note = pair_trust(answers.votes, _truth(table, answers))
    accuracy, basis = label_accuracy(table, answers)
    classes = class_trust(table, answers, basis, _gold_with_votes(table))
    combiner_results = combiner_trust(table, answers)
    ask_next = _next(table, answers, n_next)
    shared = answers.fit.shared_difficulty if isinstance(answers.fit, BayesianFit) and len(pairs) > 1 else None
    n_effective = effective_sources(answers.votes, answers.fit.posterior).n_effective if table.n_votes else np.nan
    base_note = why_base(answers.base) if combiners is None else ""
    notes = [base_note, *answers.notes, pair_note, SOFT_NOTE if table.probs is not None else ""]
    return Trust(
        summary=summarise(
            Evidence(
                counts, accuracy, basis, classes, answers.base, sources, pairs, combiner_results, shared, ask_next
            )
        ),
        counts=counts,
        label_accuracy=accuracy,
        label_basis=basis,
        classes=classes,
        base=answers.base,
        sources=sources,
        shared_errors=shared,
        n_effective=n_effective if np.isfinite(n_effective) else None,
        pairs=pairs,
        agreement=agreement_of_all(table),
        combiners=combiner_results,
        disputed=disputed_items(table, answers),
        next_items=ask_next,
        notes=tuple(note for note in notes if note),
    )


def why_base(name: str) -> str:
    """Why this combiner's labels are evaluated."""
    reason = COMBINERS.of(section_named(name)).compared.why or "the first one that could be fitted to these votes"
    return f"The evaluated labels are those of `{name}`, {reason}. {COMBINE_COMPARES}"


def count_votes(table: VoteTable, answers: CombinerAnswers) -> VoteCounts:
    """The sizes of the table. The estimated class balance comes from the base combiner."""
    per_item, gold_classes = table.n_per_item, table.gold[table.gold != UNKNOWN]
    vote_shares = np.bincount(table.label, minlength=table.n_classes) / max(table.n_votes, 1)
    estimated = answers.fit.posterior[per_item > 0]
    gold_shares = np.bincount(gold_classes, minlength=table.n_classes) / max(len(gold_classes), 1)
    classes = tuple(
        ClassShare(
            name,
            float(vote_shares[index]),
            float(estimated[:, index].mean()) if len(estimated) else None,
            float(gold_shares[index]) if len(gold_classes) else None,
        )
        for index, name in enumerate(table.classes)
    )
    soft_share = 0.0 if table.probs is None or not table.n_votes else float((table.probs.max(axis=1) < 1).mean())
    return VoteCounts(
        items=len(table.items),
        sources=len(table.sources),
        votes=table.n_votes,
        classes=classes,
        least_per_item=int(per_item.min()),
        median_per_item=float(np.median(per_item)),
        mean_per_item=float(per_item.mean()),
        most_per_item=int(per_item.max()),
        items_without_votes=int((per_item == 0).sum()),
        items_with_one_vote=int((per_item == 1).sum()),
        silent_sources=int((table.n_per_source == 0).sum()),
        soft_share=soft_share,
        gold_items=len(gold_classes),
        notes=table.notes,
    )


def label_accuracy(table: VoteTable, answers: CombinerAnswers) -> tuple[Estimate, Basis]:
    """Accuracy of the base's labels: by gold from `LEAST_GOLD` items on, otherwise the model's expectation."""
    voting = int((table.n_per_source > 0).sum())
    gold = _gold_with_votes(table)
    if (gold != UNKNOWN).sum() >= LEAST_GOLD:
        return accuracy_by_gold(answers.each[0].label, gold), "gold"
    if voting < 2:
        return undefined("one source has no other to agree with" if voting else "there are no votes"), "none"
    if answers.simulated is None:
        return undefined("there are no votes"), "none"
    return simulated(answers.simulated.accuracy, int((table.n_per_item > 0).sum())), "agreement"


def combiner_trust(table: VoteTable, answers: CombinerAnswers) -> tuple[CombinerTrust, ...]:
    """Expected accuracy of each combiner, and its accuracy by gold if there is gold."""
    gold, n = _gold_with_votes(table), int((table.n_per_item > 0).sum())
    return tuple(
        CombinerTrust(
            answer.name,
            answer.own if np.isfinite(answer.own) else None,
            undefined("") if answer.simulated is None else simulated(answer.simulated, n),
            accuracy_by_gold(answer.label, gold),
            f"temperature {answer.temperature:.2f}" if answer.temperature != 1 else "not calibrated",
        )
        for answer in answers.each
    )


def agreement_of_all(table: VoteTable) -> tuple[OverallAgreement, ...]:
    """Raw agreement, Krippendorff's α, Fleiss' κ; for classes that are numbers also the ordinal and the interval α."""
    measures = [
        OverallAgreement(RAW, raw_agreement(table.item, table.label)),
        OverallAgreement(ALPHA, krippendorff_alpha(table.item, table.label)),
        OverallAgreement("Fleiss' κ", fleiss_kappa(table.item, table.label)),
    ]
    values = class_values(table.classes)
    if values is not None and table.n_classes > 2:
        rank = np.argsort(np.argsort(values))
        levels: tuple[tuple[Level, Float[np.ndarray, "class"]], ...] = (
            ("ordinal", np.sort(values)),
            ("interval", np.sort(values)),
        )
        for level, scale in levels:
            alpha = krippendorff_alpha(table.item, rank[table.label], level=level, values=scale)
            measures.append(OverallAgreement(f"{ALPHA}, {level}", alpha))
    return tuple(measures)


def class_values(classes: Sequence[str]) -> Float[np.ndarray, "class"] | None:
    """The classes as finite numbers, if all of them are."""
    try:
        values = np.asarray([float(name) for name in classes])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def disputed_items(table: VoteTable, answers: CombinerAnswers) -> DisputedItems:
    """Items with votes and with different labels by two combiners, by falling dispute."""
    labels = np.stack([answer.label for answer in answers.each], axis=1)
    highest = labels.max(axis=1)
    lowest = np.where(labels == NO_LABEL, table.n_classes, labels).min(axis=1)
    rows = np.flatnonzero((lowest < highest) & (table.n_per_item > 0))
    rows = rows[np.argsort(-answers.dispute[rows], kind="stable")]
    names = np.asarray((*table.classes, ""), dtype=object)
    return DisputedItems(
        combiners=tuple(answer.name for answer in answers.each),
        items=tuple(table.items[row] for row in rows.tolist()),
        votes=tuple(table.n_per_item[rows].tolist()),
        labels=tuple(tuple(names[answer.label[rows]].tolist()) for answer in answers.each),
    )


def next_table(report: Trust) -> pa.Table:
    """The items to label next as a table for annotators: `item` and an empty `label`."""
    items = [item.item for item in report.next_items]
    return pa.table({"item": pa.array(items, pa.string()), "label": pa.array([""] * len(items), pa.string())})


def _next(table: VoteTable, answers: CombinerAnswers, n: int) -> tuple[NextItem, ...]:
    """The items to label next, by fits that use gold, at the temperatures of the fits without gold."""
    has_gold = table.gold != UNKNOWN
    if not n or has_gold.all():
        return ()
    if has_gold.any():
        temperature = {answer.name: answer.temperature for answer in answers.each}
        answers = ask(table, list(temperature), lambda name, _: temperature[name])
    return next_items(table, answers, n)


def _gold_with_votes(table: VoteTable) -> Int[np.ndarray, "item"]:
    """Gold of the items with a vote, -1 elsewhere."""
    return np.where(table.n_per_item > 0, table.gold, UNKNOWN)


def _truth(table: VoteTable, answers: CombinerAnswers) -> Float[np.ndarray, "item class"]:
    """Gold where there is gold, elsewhere the posterior of the base's fit."""
    with_gold = np.flatnonzero(table.gold != UNKNOWN)
    if not len(with_gold):
        return answers.fit.posterior
    truth = answers.fit.posterior.copy()
    truth[with_gold] = np.eye(table.n_classes)[table.gold[with_gold]]
    return truth


def _balance(table: VoteTable, answers: CombinerAnswers) -> Float[np.ndarray, "class"]:
    """Class balance: by gold from `LEAST_GOLD` items on, otherwise by the base's fit."""
    known_gold: Int[np.ndarray, known_gold] = table.gold[table.gold != UNKNOWN]
    if len(known_gold) >= LEAST_GOLD:
        return np.bincount(known_gold, minlength=table.n_classes) / len(known_gold)
    return answers.fit.balance


def _check(table: VoteTable, n_next: int) -> None:
    if n_next < 0:
        raise ConfigError(f"`n_next` is {n_next}; give the number of items to label next, 0 or more")
    if not table.items or table.n_classes < 2:
        raise DataError(
            f"votes: {many(len(table.items), 'item')} and {many(table.n_classes, 'class', 'classes')}; a report needs"
            " an item and two classes"
        )
    if len(table.items) * table.n_classes > MOST_NUMBERS:
        raise DataError(
            f"votes: {len(table.items)} items of {table.n_classes} classes are too many for one report; take a"
            " sample with `table.take`"
        )
