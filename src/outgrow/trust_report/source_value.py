"""What a source adds: balanced accuracy, and the change of the combined labels without it.

A source is not judged by its share of right votes: where one class is frequent, always naming it is right often and
says nothing. Two measures count every class alike.

    balanced accuracy   mean over the classes c of P(vote = c | truth = c). 1/K for votes that do not depend on the
                        truth, however frequent each class is
    adds                on the items with its vote: mean over the classes of the recall of the combined label with its
                        votes, minus that without them

The labels with and without a source are those of naive Bayes with the base's matrices π and weights w,

    log q_i[c]  =  log p_c + Σ_s w_s log π_s[c, vote of s on i] + constant        without t: minus w_t log π_t[c, vote]

Truth is gold for a source with enough votes on items with gold. Otherwise it is the base's posterior; an expectation
under the model is hardly ever negative, so only gold can show that a source makes the labels worse. Classes without an
item do not enter a mean.

The interval of the balanced accuracy is normal, with the variance of Beta(right + 1/2, wrong + 1/2) in each class;
that of `adds` is normal, with the variance of the paired differences.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.special import ndtri

from outgrow.metrics.estimate import LEVEL, Estimate, undefined
from outgrow.trust_report.combiner_answers import CombinerAnswers
from outgrow.vote_table import VoteTable

BLOCK_NUMBERS = 2**22
"""Votes × classes at a time."""
LEAST_ITEMS = 0.5
"""Expected items of a class from which it enters a mean over classes."""
LEAST = 1e-12
WIDTH = float(ndtri((1 + LEVEL) / 2))
"""Standard errors on each side of a normal interval."""


class RightVotes(NamedTuple):
    """Items of each class that a source voted on, and its right votes among them."""

    right: Float[np.ndarray, "source class"]
    items: Float[np.ndarray, "source class"]


def right_votes(table: VoteTable, truth: Float[np.ndarray, "item class"]) -> RightVotes:
    """Counts per source and class, given a distribution (or zeros: unknown) of the truth of each item."""
    n_sources, n_classes = len(table.sources), table.n_classes
    of_source = csr_array((np.ones(table.n_votes), (table.source, table.item)), shape=(n_sources, len(table.items)))
    code = table.source * n_classes + table.label
    right = np.bincount(code, truth[table.item, table.label], minlength=n_sources * n_classes)
    # Without votes, `bincount` counts in whole numbers.
    return RightVotes(right.astype(float).reshape(n_sources, n_classes), np.asarray(of_source @ truth))


def balanced_accuracy(right: Float[np.ndarray, "class"], items: Float[np.ndarray, "class"]) -> Estimate:
    """Mean recall over the classes with an item; `n` is the number of items."""
    kept = items >= LEAST_ITEMS
    if not kept.any():
        return undefined("no item of a known class")
    above, below = right[kept] + 0.5, np.maximum(items[kept] - right[kept], 0) + 0.5
    variance = (above * below / ((above + below) ** 2 * (above + below + 1))).sum() / kept.sum() ** 2
    value = float(np.mean(right[kept] / items[kept]))
    reach = WIDTH * float(np.sqrt(variance))
    return Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0), round(float(items.sum())), 1)


def chance_of(items: Float[np.ndarray, "class"]) -> float:
    """Balanced accuracy of votes that do not depend on the truth: 1 / number of classes with an item."""
    return 1 / max(int((items >= LEAST_ITEMS).sum()), 1)


def added_recall(
    table: VoteTable,
    answers: CombinerAnswers,
    truth: Float[np.ndarray, "item class"],
) -> list[Estimate]:
    """`adds` of each source; `truth` is a distribution per item, zeros where it is unknown."""
    n_sources = len(table.sources)
    items = right_votes(table, truth).items
    kept = items >= LEAST_ITEMS
    class_weight = np.where(kept, 1 / np.maximum(items, LEAST), 0) / np.maximum(kept.sum(axis=1), 1)[:, None]
    gain, square = np.zeros(n_sources), np.zeros(n_sources)
    for source, item, change in _changes(table, answers):
        value = (change * truth[item] * class_weight[source]).sum(axis=1)
        gain += np.bincount(source, value, minlength=n_sources)
        square += np.bincount(source, value**2, minlength=n_sources)
    n = items.sum(axis=1)
    error = np.sqrt(np.maximum(square - gain**2 / np.maximum(n, 1), 0))
    return [
        Estimate(float(gain[s]), float(gain[s] - WIDTH * error[s]), float(gain[s] + WIDTH * error[s]), round(n[s]), 1)
        if n[s] >= LEAST_ITEMS
        else undefined("no vote on an item of a known class")
        for s in range(n_sources)
    ]


def _changes(
    table: VoteTable, answers: CombinerAnswers
) -> Iterator[tuple[Int[np.ndarray, "vote"], Int[np.ndarray, "vote"], Float[np.ndarray, "vote class"]]]:
    """By blocks of votes: source, item, and the label's indicator minus that of the label without the vote."""
    n_classes, fit = table.n_classes, answers.fit
    log_matrix = np.log(np.maximum(fit.confusion[:, :, :n_classes], LEAST)) * answers.weight[:, None, None]
    scores = np.empty((len(table.items), n_classes))
    column = table.source * n_classes + table.label
    for truth in range(n_classes):
        logs = log_matrix[:, truth, :].ravel()[column]
        scores[:, truth] = np.bincount(table.item, logs, minlength=len(table.items))
    scores += np.log(np.maximum(fit.balance, LEAST))
    step = max(1, BLOCK_NUMBERS // n_classes)
    for start in range(0, table.n_votes, step):
        item, source, label = (values[start : start + step] for values in (table.item, table.source, table.label))
        whole = scores[item]
        yield source, item, _indicator(whole) - _indicator(whole - log_matrix[source, :, label])


def _indicator(scores: Float[np.ndarray, "vote class"]) -> Float[np.ndarray, "vote class"]:
    """1 for the most probable class; classes that tie share it."""
    top = scores >= scores.max(axis=1, keepdims=True) - LEAST
    return np.asarray(top / top.sum(axis=1, keepdims=True))
