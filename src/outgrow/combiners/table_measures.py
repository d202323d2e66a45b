"""What can be observed of a table of votes and of its combined labels, for `simulated_accuracy.py`.

Shares are logits, sizes are logarithms. Items without a vote do not count; those with one do not for agreement.

    expected            mean of the posterior's maximum
    label_agreement     votes that equal their item's label
    others_agreement    votes that equal the most frequent class of the item's other votes; classes that tie share
    pair_agreement      equal pairs of an item's votes, mean over items;  `kappa`: beyond chance (Fleiss)
    unanimous           items whose votes are all equal
    coverage            votes / (items · sources)
    vote_entropy        entropy of the classes' shares among the votes / ln K
    preference          root of the mean Kullback-Leibler divergence of a source's class shares from those of all
    spread              standard deviation, over votes, of their source's agreement with the labels
    correlation         mean correlation of two sources' errors, as the posterior expects (`effective_sources.py`)
    one_sided           votes of sources that give one class at least `ONE_CLASS` of the time
    recall, precision   as the posterior expects; `mass`: expected items of the class; `labels`: items so labelled
    votes, ratio        expected items by the mean vote: their share, and relative to `labels`
    support, leak       mean share of the votes for the class, on items with its label and on the others
    leaked              votes for the class on other items relative to those on its own
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from outgrow.lazy import special
from outgrow.vote_table import VoteTable

LEAST_SHARE = 1e-3
"""Shares nearer to 0 or 1 count as this near."""
ONE_CLASS = 0.95
"""Share of a source's votes for one class from which its votes count as one-sided."""
BLOCK_NUMBERS = 2**22
"""Votes × classes at a time."""
TABLE_MEASURES = (
    "expected",
    "label_agreement",
    "others_agreement",
    "pair_agreement",
    "kappa",
    "unanimous",
    "votes_per_item",
    "items",
    "classes",
    "coverage",
    "largest_class",
    "vote_entropy",
    "preference",
    "spread",
    "one_sided",
    "correlation",
)
OF_CLASSES = (
    "expected",
    "label_agreement",
    "others_agreement",
    "pair_agreement",
    "classes",
    "votes_per_item",
    "items",
    "coverage",
    "one_sided",
    "largest_class",
    "preference",
)
"""Measures of the table that enter the regressions of classes, too."""
CLASS_MEASURES = (
    "recall",
    "precision",
    "labels",
    "mass",
    "share",
    "votes",
    "ratio",
    "support",
    "leak",
    "leaked",
)
Posterior = Float[np.ndarray, "item class"]


def table_columns(of_table: Mapping[str, float]) -> Float[np.ndarray, "1 measure"]:
    """The measures of a table in their order."""
    return np.asarray([[of_table[name] for name in TABLE_MEASURES]])


def class_columns(
    of_table: Mapping[str, float], of_class: Mapping[str, Float[np.ndarray, "class"]]
) -> Float[np.ndarray, "class measure"]:
    """The measures of each class, those of the table first."""
    own = np.column_stack([of_class[name] for name in CLASS_MEASURES])
    shared = np.broadcast_to([of_table[name] for name in OF_CLASSES], (len(own), len(OF_CLASSES)))
    return np.concatenate([shared, own], axis=1)


def measures_of(
    table: VoteTable, posterior: Posterior
) -> tuple[dict[str, float], dict[str, Float[np.ndarray, "class"]]]:
    """The measures of the table, and those of each class as arrays."""
    voted = table.n_per_item > 0
    counts = np.bincount(table.item * table.n_classes + table.label, minlength=len(voted) * table.n_classes).reshape(
        len(voted), table.n_classes
    )
    label = posterior.argmax(axis=1)
    of_table = {
        "expected": logit(float(posterior[voted].max(axis=1).mean())),
        "votes_per_item": float(np.log(table.n_votes / voted.sum())),
        "items": float(np.log(voted.sum())),
        "classes": float(np.log(table.n_classes)),
        "correlation": _correlation(table, counts, posterior),
        "largest_class": logit(float(np.bincount(label[voted]).max() / voted.sum())),
        **_agreement(table, counts, label),
        **_sources(table, label, int(voted.sum())),
    }
    return of_table, _classes(counts[voted], table.n_per_item[voted], posterior[voted], label[voted])


def logit(share: float) -> float:
    """ln(share / (1 − share)), bounded."""
    return float(special.logit(np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)))


def _agreement(
    table: VoteTable, counts: Int[np.ndarray, "item class"], label: Int[np.ndarray, "item"]
) -> dict[str, float]:
    """Agreement on the items with two votes or more; that of chance if there is none."""
    several = table.n_per_item >= 2
    counted, n = counts[several].astype(float), table.n_per_item[several]
    if not len(n):
        chance = logit(1 / table.n_classes)
        agreements = dict.fromkeys(("label_agreement", "others_agreement", "pair_agreement"), chance)
        return {**agreements, "kappa": 0.0, "unanimous": logit(0.0)}
    pairs = float(((counted * (counted - 1)).sum(axis=1) / (n * (n - 1))).mean())
    by_chance = float(((counted / n[:, None]).mean(axis=0) ** 2).sum())
    votes = np.flatnonzero(several[table.item])
    right = table.label[votes] == label[table.item[votes]]
    return {
        "label_agreement": logit(float(right.mean())),
        "others_agreement": logit(_with_others(table, counts, votes)),
        "pair_agreement": logit(pairs),
        "kappa": (pairs - by_chance) / max(1 - by_chance, LEAST_SHARE),
        "unanimous": logit(float((counted.max(axis=1) == n).mean())),
    }


def _with_others(table: VoteTable, counts: Int[np.ndarray, "item class"], votes: Int[np.ndarray, "vote"]) -> float:
    """Share of votes for the most frequent class of the item's other votes."""
    total, step = 0.0, max(1, BLOCK_NUMBERS // table.n_classes)
    for start in range(0, len(votes), step):
        some = votes[start : start + step]
        others, at = counts[table.item[some]], (np.arange(len(some)), table.label[some])
        others[at] -= 1
        first = others == others.max(axis=1, keepdims=True)
        total += float((first[at] / first.sum(axis=1)).sum())
    return total / len(votes)


def _sources(table: VoteTable, label: Int[np.ndarray, "item"], n_items: int) -> dict[str, float]:
    """Measures of the sources, each with the weight of its votes."""
    voting = np.flatnonzero(table.n_per_source)
    n = table.n_per_source[voting].astype(float)
    code = table.source * table.n_classes + table.label
    classes = np.bincount(code, minlength=len(table.sources) * table.n_classes).reshape(-1, table.n_classes)[voting]
    share, overall = classes / n[:, None], classes.sum(axis=0) / table.n_votes
    agreement = np.bincount(table.source, table.label == label[table.item], minlength=len(table.sources))[voting] / n
    weight = n / table.n_votes
    divergence = special.rel_entr(share, overall).sum(axis=1)
    return {
        "coverage": logit(table.n_votes / (n_items * len(voting))),
        "vote_entropy": float(special.entr(overall).sum() / np.log(table.n_classes)),
        "preference": float(np.sqrt(weight @ divergence)),
        "spread": float(np.sqrt(weight @ (agreement - weight @ agreement) ** 2)),
        "one_sided": float(weight @ (share.max(axis=1) >= ONE_CLASS)),
    }


def _correlation(table: VoteTable, counts: Int[np.ndarray, "item class"], posterior: Posterior) -> float:
    """Σ_i Σ_{s≠t} E e_s e_t / Σ_i Σ_{s≠t} σ_s σ_t with e = 1[errs] − P(errs); 0 where no two sources meet."""
    n_sources, n_items = len(table.sources), len(counts)
    right = np.bincount(table.source, posterior[table.item, table.label], minlength=n_sources)
    skill = (right + 1 / table.n_classes) / (table.n_per_source + 1)
    own = skill[table.source]
    code = table.item * table.n_classes + table.label
    of_class = np.bincount(code, own, minlength=counts.size).reshape(counts.shape)
    total, squares, spread, spread_squares = (
        np.bincount(table.item, weight, minlength=n_items)
        for weight in (own, own**2, np.sqrt(own * (1 - own)), own * (1 - own))
    )
    together = (total[:, None] - counts) ** 2 - (squares[:, None] - 2 * of_class + counts)
    possible = float((spread**2 - spread_squares).sum())
    return float((posterior * together).sum()) / possible if possible > LEAST_SHARE else 0.0


def _classes(
    counts: Int[np.ndarray, "item class"],
    n: Int[np.ndarray, "item"],
    posterior: Posterior,
    label: Int[np.ndarray, "item"],
) -> dict[str, Float[np.ndarray, "class"]]:
    """Measures of each class over the items with a vote."""
    n_items, n_classes = counts.shape
    share, rows = counts / n[:, None], np.arange(n_items)
    labels = np.bincount(label, minlength=n_classes).astype(float)
    right = np.bincount(label, posterior[rows, label], minlength=n_classes)
    support = np.bincount(label, share[rows, label], minlength=n_classes)
    mass, votes = posterior.sum(axis=0), share.sum(axis=0)
    leak = votes - support

    def part(some: Float[np.ndarray, "class"], of: Float[np.ndarray, "class"]) -> Float[np.ndarray, "class"]:
        return np.asarray([logit(value) for value in (some + 0.5) / (of + 1)])

    everything = np.full(n_classes, float(n_items))
    return {
        "recall": part(right, mass),
        "precision": part(right, labels),
        "labels": np.log(labels + 0.5),
        "mass": np.log(mass + 0.5),
        "share": part(labels, everything),
        "votes": part(votes, everything),
        "ratio": np.log((votes + 0.5) / (labels + 0.5)),
        "support": part(support, labels),
        "leak": part(leak, n_items - labels),
        "leaked": np.log((np.maximum(leak, 0) + 0.5) / (support + 0.5)),
    }
