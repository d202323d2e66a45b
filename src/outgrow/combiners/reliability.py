"""Every label a row of its own, weighed by how many sources give the same answer (reliability re-weighting).

Of an item with n labels let f_a be the share of those with the answer a. Over the item's distinct answers

    r_a = exp(f_a / T) / sum_b exp(f_b / T),        weight of a label with the answer a = r_a / n

(Guo and Yang 2024, arXiv 2406.19032, and its released code, T = .2.) There one supervisor is asked in n wordings; here
n sources answer. An item on which all agree has the weight 1 in sum; one with three answers against two has .55 at
T = .2, of which .44 is the majority's. So disputed items teach less, and within them the frequent answer teaches more,
beyond its share.

A vote's answer is its most probable class; the row keeps the vote as it is. A text's answer is what the metric
compares (`answer_vote.answers_in`); texts without an answer are left out. Nothing here knows which source is good.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from outgrow.combiners.answer_vote import AnswersSection, answers_in
from outgrow.combiners.combiner_record import CombinerRecord
from outgrow.combiners.keep_all import without_votes
from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.texts import TextTargets, WeakTexts


class Reliability(AnswersSection):
    """Every source's label is a row of its own, weighed by how many sources give the same answer."""

    type: Literal["reliability"]
    temperature: Annotated[float, Field(gt=0)] = 0.2
    """Divides the shares of the answers in the softmax over an item's answers: the smaller, the more the most frequent
    answer counts."""


def reliability(
    labels: WeakLabels, anchors: Anchors | None = None, metric: str | None = None, temperature: float = 0.2
) -> Targets:
    """A row per (item, voting source), with a weight within (0, 1]; an item's weights sum to at most 1.

    `temperature` > 0. `metric` is for texts, and `anchors` are not used. Items without a vote have no row.
    """
    weight = reliability_weights(labels.hard, temperature)
    item, source = np.nonzero(labels.voted)
    names = [labels.items[index] for index in item.tolist()]
    silent = int((~labels.voted.any(axis=1)).sum())
    return Targets(names, labels.probs[item, source], weight[item, source], without_votes(silent))


def reliability_of_texts(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    metric: str | None = "exact_match",
    temperature: float = 0.2,
) -> TextTargets:
    """The same of every source's best text; `metric` is `exact_match`, `answer_match` or `math_match`.

    Texts without an answer that can be read have no row. `scores` are not used. `ConfigError` without a metric.
    """
    if metric is None:
        raise ConfigError("`combine: reliability`: of texts it needs a `metric` that says which answers are the same")
    answers = _numbered_answers(labels, metric)
    weight = reliability_weights(answers, temperature)
    item, source = np.nonzero(answers >= 0)
    texts = [labels.candidates[i][s][0] for i, s in zip(item.tolist(), source.tolist(), strict=True)]
    names = [labels.items[i] for i in item.tolist()]
    origin = tuple(_sentences(labels, answers))
    return TextTargets(
        names,
        [text.text for text in texts],
        [text.pieces for text in texts],
        weight[item, source],
        (*origin, *remarks(texts)),
    )


def reliability_weights(
    answers: Int[np.ndarray, "item source"], temperature: float
) -> Float[np.ndarray, "item source"]:
    """r_a / n of every label; `answers` are numbers from 0, -1 = none, whose weight is 0."""
    given = answers >= 0
    n_answers = max(1, int(answers.max(initial=0)) + 1)
    counts = np.stack([(answers == answer).sum(axis=1) for answer in range(n_answers)], axis=1)
    n = given.sum(axis=1, keepdims=True)
    share = counts / np.maximum(n, 1)
    # Relative to the largest share: a low temperature must not overflow.
    power = np.where(counts > 0, np.exp((share - share.max(axis=1, keepdims=True)) / temperature), 0.0)
    score = power / np.maximum(power.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    of_label = np.take_along_axis(score, np.where(given, answers, 0), axis=1)
    return np.asarray(np.where(given, of_label / np.maximum(n, 1), 0.0))


def _numbered_answers(labels: WeakTexts, metric: str) -> Int[np.ndarray, "item source"]:
    """Within each item, equal answers as equal numbers; -1 where a source gives none."""
    numbers = np.full((len(labels.items), len(labels.sources)), -1)
    for item, row in enumerate(labels.candidates):
        sources = [source for source, own in enumerate(row) if own]
        answer_ids: dict[str, int] = {}
        for source, answer in zip(sources, answers_in(metric, [row[s][0].text for s in sources]), strict=True):
            if answer is not None:
                numbers[item, source] = answer_ids.setdefault(answer, len(answer_ids))
    return numbers


def _sentences(labels: WeakTexts, answers: Int[np.ndarray, "item source"]) -> Iterator[str]:
    unread = sum(1 for _, _, rank, _ in labels.rows() if rank == 0) - int((answers >= 0).sum())
    if unread:
        yield f"Texts without an answer that can be read, left out: {unread}."
    silent = int((answers < 0).all(axis=1).sum())
    if silent:
        yield f"Items without an answer that can be read, left out: {silent}."


RELIABILITY = CombinerRecord(
    Reliability,
    paper="Guo and Yang 2024, arXiv 2406.19032, and its released code",
    deviations=(
        "Several sources in place of one that is asked in several wordings; weights divided by the number of labels;"
        " the filter by entropy is not part of it"
    ),
    targets=reliability,
    text_targets=reliability_of_texts,
)
