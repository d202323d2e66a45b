"""How much an item's targets agree: e to the minus entropy of their answers, the same for all of an item's rows.

With f_a the share of an item's rows with the answer a, the score is exp(Σ_a f_a ln f_a). Every row counts the same,
whatever its weight; so the combiner has to keep every source's label (`keep_all`), or all scores are 1. A vote's
answer is its most probable class, a text's answer what the task's metric compares: a final answer where it compares
those, else the text up to case and spaces. A text without an answer has no score, and no part in the others'.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from outgrow.combiners.answer_vote import answers_in
from outgrow.data.task import Task
from outgrow.metrics.text_score import EXACT_MATCH, TEXT_METRICS
from outgrow.select.selection import Scores, SelectionInputs, capabilities_of


def consensus_of_votes(inputs: SelectionInputs) -> Scores:
    return consensus(inputs.votes.items, inputs.votes.probs.argmax(axis=1).tolist())


def consensus_of_texts(inputs: SelectionInputs) -> Scores:
    return consensus(inputs.texts.items, answers_of(inputs.task, inputs.texts.items, inputs.texts.texts))


def consensus(items: Sequence[str], answers: Sequence[Hashable | None]) -> Scores:
    """A score per row; NaN where the answer is `None`."""
    counts: dict[str, Counter[Hashable]] = defaultdict(Counter)
    for item, answer in zip(items, answers, strict=True):
        if answer is not None:
            counts[item][answer] += 1
    score = {
        item: _certainty(np.asarray(list(counter.values()), dtype=np.float64)) for item, counter in counts.items()
    }
    return np.asarray([np.nan if answer is None else score[item] for item, answer in zip(items, answers, strict=True)])


def _certainty(counts: np.ndarray) -> float:
    share = np.sort(counts) / counts.sum()  # in order: rounding must not tell equal items apart
    return float(np.exp((share * np.log(share)).sum()))


def answers_of(task: Task, items: Sequence[str], texts: Sequence[str]) -> list[str | None]:
    """The answer of each text, so that equal answers to an item are equal; `None` = none that can be read."""
    rows = defaultdict(list)
    for row, item in enumerate(items):
        rows[item].append(row)
    row_answers: list[str | None] = [None] * len(items)
    for own, capability in zip(rows.values(), capabilities_of(task, list(rows)), strict=True):
        metric = task.metrics.get(capability, task.metric)
        counted = metric if TEXT_METRICS[metric].decides_equality else EXACT_MATCH.name
        answers = answers_in(counted, [texts[row] for row in own])
        for row, answer in zip(own, answers, strict=True):
            row_answers[row] = answer
    return row_answers
