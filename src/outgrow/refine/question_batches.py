"""Which questions are shown together."""

from collections.abc import Sequence
from typing import NamedTuple

from outgrow.refine.record import WeakExample


class ShownQuestion(NamedTuple):
    """A question that is to be answered anew, and the examples that are shown with it."""

    example: WeakExample
    others: tuple[WeakExample, ...]
    """Without the question itself."""
    batch: int


def in_batches(examples: Sequence[WeakExample], size: int) -> list[list[WeakExample]]:
    """Batches of `size` questions that follow each other in one capability.

    A last batch of one question is joined to the batch before.
    """
    return [batch for alike in _by_capability(examples) for batch in _cut(alike, size)]


def _cut(examples: Sequence[WeakExample], size: int) -> list[list[WeakExample]]:
    batches = [list(examples[start : start + size]) for start in range(0, len(examples), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] += last
    return batches


def leave_one_out(examples: Sequence[WeakExample], size: int) -> list[ShownQuestion]:
    """Every question with the others of its batch, in their order."""
    return [
        ShownQuestion(example, tuple(other for other in batch if other is not example), index)
        for index, batch in enumerate(in_batches(examples, size))
        for example in batch
    ]


def with_fixed(examples: Sequence[WeakExample], n: int) -> list[ShownQuestion]:
    """Every question but the first `n` of its capability, which are shown with all others of it."""
    return [
        ShownQuestion(example, tuple(alike[:n]), index)
        for index, alike in enumerate(_by_capability(examples))
        for example in alike[n:]
    ]


def _by_capability(examples: Sequence[WeakExample]) -> list[list[WeakExample]]:
    """The examples of each capability, in their order."""
    groups: dict[str, list[WeakExample]] = {}
    for example in examples:
        groups.setdefault(example.capability, []).append(example)
    return list(groups.values())
