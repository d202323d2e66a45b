"""Recall and precision of the combined label in each class, over items with a vote.

With n_ck the number of items of class c and label k:

    recall of c = n_cc / Σ_k n_ck            precision of c = n_cc / Σ_c' n_c'c

By gold: counted, with Jeffreys' intervals. Without gold: as in simulated tables like this one
(`combiners/simulated_accuracy.py`).
"""

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.simulated_accuracy import SimulatedQuality
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.trust_report.combiner_answers import NO_LABEL, CombinerAnswers
from outgrow.trust_report.findings import Basis, ClassTrust
from outgrow.trust_report.label_quality import counted, simulated
from outgrow.vote_table import VoteTable

NO_ITEM, NO_SUCH_LABEL = "no item of this class", "no item has this label"


def class_trust(
    table: VoteTable, answers: CombinerAnswers, basis: Basis, gold: Int[np.ndarray, "item"]
) -> tuple[ClassTrust, ...]:
    """All classes in their order. `gold`: the truth of each item with a vote, -1 = unknown."""
    voted = table.n_per_item > 0
    label = np.where(voted, answers.each[0].label, NO_LABEL)
    labels = np.bincount(label[label != NO_LABEL], minlength=table.n_classes)
    if basis == "gold":
        estimates = _by_gold(label, gold, table.n_classes)
    elif answers.simulated is not None:
        estimates = _expected(answers.fit.posterior[voted], answers.simulated, labels)
    else:
        nothing = [undefined("there is no second source to compare with")] * table.n_classes
        estimates = answers.fit.balance, nothing, nothing
    columns = (table.classes, estimates[0].tolist(), labels.tolist(), *estimates[1:])
    return tuple(ClassTrust(*values) for values in zip(*columns, strict=True))


ByClass = tuple[Float[np.ndarray, "class"], list[Estimate], list[Estimate]]
"""Share of the items, recall, precision."""


def _by_gold(label: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"], n_classes: int) -> ByClass:
    known = gold >= 0
    right = np.bincount(gold[known & (label == gold)], minlength=n_classes)
    items = np.bincount(gold[known], minlength=n_classes)
    labels = np.bincount(label[known & (label != NO_LABEL)], minlength=n_classes)
    return (
        items / max(int(items.sum()), 1),
        [counted(float(r), int(n), nothing=NO_ITEM) for r, n in zip(right, items, strict=True)],
        [counted(float(r), int(n), nothing=NO_SUCH_LABEL) for r, n in zip(right, labels, strict=True)],
    )


def _expected(
    posterior: Float[np.ndarray, "item class"], quality: SimulatedQuality, labels: Int[np.ndarray, "class"]
) -> ByClass:
    """`posterior` is that of the items with a vote."""
    items = posterior.sum(axis=0)
    return (
        items / max(float(items.sum()), 1.0),
        [simulated(share, round(n)) for share, n in zip(quality.recall, items.tolist(), strict=True)],
        [
            simulated(share, n) if n else undefined(NO_SUCH_LABEL)
            for share, n in zip(quality.precision, labels.tolist(), strict=True)
        ],
    )
