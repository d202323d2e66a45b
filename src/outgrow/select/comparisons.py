"""Training examples of a reward model: texts on which two models agree, and texts on which they do not.

A weak text and the strong model's own text for the same item are compared by the task's metric
(`row_scores.text_agreement`). They agree if the value is at least `consistent`.

    positive    every weak text with which the strong model agrees              (Zhou et al.: D^c)
    negative    the strong model's text where it agrees with no weak text       (its inconsistent answers, D̂^c)

So one item gives positives or a negative, never both, and no text twice. Gold is not used: a positive may be wrong
where both models are, and a negative right where only the strong one is. Items without a text of one of the two give
neither. Positives are in the weak models' words and negatives in the strong one's, as in the paper.

For the Bradley-Terry loss each example is paired with a random one of the other kind (`make_pairs`), because nothing
orders the answers to one item: it has examples of one kind only.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Task
from outgrow.select.keep_rules import lots
from outgrow.select.row_scores import text_agreement
from outgrow.select.selection import capabilities_of
from outgrow.texts import TextTargets, WeakTexts


class Sample(NamedTuple):
    """A text for an item."""

    item: str
    text: str
    capability: str
    """Empty in a task that is no mixture."""


class RewardExamples(NamedTuple):
    """Good and bad examples of texts."""

    positives: list[Sample]
    negatives: list[Sample]


def compare(task: Task, weak: TextTargets, strong: WeakTexts, consistent: float = 1.0) -> RewardExamples:
    """Positives in the order of the weak rows, negatives in that of their items' first weak rows."""
    value = text_agreement(task, weak, strong)
    own = {item: row[0] for item, row in zip(strong.items, strong.texts, strict=True)}
    agreed = {item for item, agreement in zip(weak.items, value.tolist(), strict=True) if agreement >= consistent}
    positives: dict[Sample, None] = {}
    negatives: dict[Sample, None] = {}
    names = capabilities_of(task, weak.items)
    for item, text, name, agreement in zip(weak.items, weak.texts, names, value.tolist(), strict=True):
        answer = own.get(item)
        if agreement >= consistent:
            positives[Sample(item, text, name)] = None
        elif answer is not None and item not in agreed:
            negatives[Sample(item, answer, name)] = None
    return RewardExamples(list(positives), list(negatives))


def make_pairs(
    positives: Sequence[Sample], negatives: Sequence[Sample], seed: int, passes: int = 1
) -> Int[np.ndarray, "pair 2"]:
    """Random pairs (index of a positive, index of a negative), of one capability wherever it has both kinds.

    Every pass uses every example at least once, as many pairs as the commoner kind of each capability has examples.
    A capability with one kind only is paired with the other kind of all capabilities. The pairs depend on the seed
    and on what the examples are, not on their order. Needs an example of each kind.
    """
    if not positives or not negatives:
        raise ValueError("pairs need an example of each kind")
    pairs: list[tuple[int, int]] = []
    for index in range(passes):
        good, bad = _shuffled(positives, seed, f"positive {index}"), _shuffled(negatives, seed, f"negative {index}")
        own_good, own_bad = _by_capability(positives, good), _by_capability(negatives, bad)
        for name in sorted({*own_good, *own_bad}):
            pairs += _matched(own_good.get(name, good), own_bad.get(name, bad), max(_size(own_good, own_bad, name)))
    return np.asarray(pairs, dtype=np.int64)


def _matched(good: Sequence[int], bad: Sequence[int], n: int) -> list[tuple[int, int]]:
    return [(good[index % len(good)], bad[index % len(bad)]) for index in range(n)]


def _size(good: dict[str, list[int]], bad: dict[str, list[int]], name: str) -> tuple[int, int]:
    return len(good.get(name, ())), len(bad.get(name, ()))


def _shuffled(samples: Sequence[Sample], seed: int, salt: str) -> list[int]:
    lot = lots(seed, ((salt, *sample) for sample in samples))
    order: list[int] = np.argsort(-lot).tolist()
    return order


def _by_capability(samples: Sequence[Sample], order: Sequence[int]) -> dict[str, list[int]]:
    groups = defaultdict(list)
    for index in order:
        groups[samples[index].capability].append(index)
    return dict(groups)
