"""Which questions are shown together."""

from collections.abc import Sequence
from typing import NamedTuple


class Example(NamedTuple):
    """A question with its weak answer."""

    item: str
    question: str
    answer: str


class Shown(NamedTuple):
    """A question that is to be answered anew, and the examples that are shown with it."""

    example: Example
    others: tuple[Example, ...]
    """Without the question itself."""
    batch: int


def in_batches(examples: Sequence[Example], size: int) -> list[list[Example]]:
    """Consecutive batches of `size`; a rest of one joins the batch before: alone it had nothing to go by."""
    batches = [list(examples[start : start + size]) for start in range(0, len(examples), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] += last
    return batches


def leave_one_out(examples: Sequence[Example], size: int) -> list[Shown]:
    """Every question with the others of its batch, in their order."""
    return [
        Shown(example, tuple(other for other in batch if other is not example), number)
        for number, batch in enumerate(in_batches(examples, size))
        for example in batch
    ]


def with_fixed(examples: Sequence[Example], n: int) -> list[Shown]:
    """Every question but the first `n`, which are shown with all others."""
    return [Shown(example, tuple(examples[:n]), 0) for example in examples[n:]]
