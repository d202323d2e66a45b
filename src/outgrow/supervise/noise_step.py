"""The step `noised`: one supervisor's labels of half B, made worse by a known share.

A study of how much quality matters needs worse labels of the same kind. So a share of the items exchange their answers
among themselves: each of them gets the answer that the supervisor gave another one of the same capability. Length,
style and classes stay what they were; only that an answer fits its item is lost. An exchanged answer may happen to be
right, so the share is an upper bound of what becomes wrong.

Which items these are is the start of one random order per seed and supervisor: the items spoiled at .2 are spoiled at
.4 too, and two supervisors are not wrong together by design.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Split, Task
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.supervise.gather_step import STRONG, WEAK
from outgrow.texts import WeakTexts


def add_noise_to_texts(job: Job, *, noise: float, seed: int) -> None:
    """Inputs `pool`, `split`, `labels` (one supervisor's texts); writes `half_b.parquet`."""
    table = WeakTexts.load(job.inputs["labels"] / STRONG)
    answered = [number for number, row in enumerate(table.candidates) if any(row)]
    giver = exchange_answers(answered, capability_of(job, table.items), noise, order_of(table, seed))
    candidates = [table.candidates[number] for number in giver.tolist()]
    WeakTexts(table.items, table.sources, candidates).save(job.out / STRONG)


def add_noise_to_votes(job: Job, *, noise: float, seed: int) -> None:
    """The same for votes; answers to half A stay as they are: they tell how good the source was, not its labels."""
    table = WeakLabels.load(job.inputs["labels"] / STRONG)
    voted = np.flatnonzero(table.voted.any(axis=1)).tolist()
    giver = exchange_answers(voted, capability_of(job, table.items), noise, order_of(table, seed))
    WeakLabels(table.items, table.sources, table.probs[giver]).save(job.out / STRONG)
    _copy(job.inputs["labels"] / WEAK, job.out / WEAK)


def exchange_answers(
    answered: Sequence[int], capability: Sequence[str], share: float, order: Int[np.ndarray, "item"]
) -> Int[np.ndarray, "item"]:
    """For every item, whose answer it gets: its own, or that of another one of its capability.

    Args:
        answered: the items that have an answer; the others keep what they have.
        capability: of every item; answers never cross from one to another.
        share: of the answered items of each capability, rounded to whole items. A single item has nobody to
            exchange with and keeps its answer.
        order: in which items are spoiled; a permutation of all of them.
    """
    giver = np.arange(len(order))
    there = set(answered)
    for name in dict.fromkeys(capability):
        members = [item for item in order.tolist() if item in there and capability[item] == name]
        spoiled = members[: round(share * len(members))]
        if len(spoiled) > 1:
            giver[spoiled] = np.roll(spoiled, 1)
    return giver


def order_of(table: WeakLabels | WeakTexts, seed: int) -> Int[np.ndarray, "item"]:
    """A random order of the items, another one for every supervisor."""
    rng = np.random.default_rng([seed, zlib.crc32(" ".join(table.sources).encode())])
    return rng.permutation(len(table.items))


def capability_of(job: Job, items: Sequence[str]) -> list[str]:
    """The capability of each item of half B; the same empty one where the task is not made of several."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    known = task.items.take(split.half_b)
    names = known.capabilities or [""] * len(known)
    found = dict(zip(known.ids, names, strict=True))
    return [found[item] for item in items]


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.write_bytes(source.read_bytes())
