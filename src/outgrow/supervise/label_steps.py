"""The steps `labels` and `noised`: the sources' labels side by side, and labels of known noise.

`labels` writes `half_b.parquet`, every source's answers to half B in the study's order, and `anchors.parquet`, answers
to items of half A by models that did not learn from those items, from which a source's accuracy and temperature are
estimated. A probe answers all of half A that way (by folds), a trained supervisor only the share that it held out. The
table has every item that any source answered; a source that did not answer an item abstains there. If a source has no
such answers, no table is written.

`noised` exchanges the answers of a share of the items of half B among themselves: each gets the answer that the source
gave another item of the same capability. Length, style and classes stay. An exchanged answer may be right, so the
share is an upper bound of the added errors. The items are the start of one random order per seed and source: those of
a share of .2 are among those of .4, and errors of two sources are independent.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels, join
from outgrow.texts import WeakTexts, join_texts

STRONG, WEAK = "half_b.parquet", "anchors.parquet"


def gather_labels(job: Job, *, sources: list[str]) -> None:
    """The step `labels`: inputs `source.NAME`; writes `half_b.parquet` and, if it can, `anchors.parquet`."""
    folders = [job.inputs[f"source.{name}"] for name in sources]
    tables = [
        _one_source(WeakLabels.load(folder / STRONG), name) for folder, name in zip(folders, sources, strict=True)
    ]
    join(tables).save(job.out / STRONG)
    if all((folder / WEAK).is_file() for folder in folders):
        tables = [
            _one_source(WeakLabels.load(folder / WEAK), name) for folder, name in zip(folders, sources, strict=True)
        ]
        join(on_all_items(tables)).save(job.out / WEAK)


def gather_texts(job: Job, *, sources: list[str]) -> None:
    """The step `labels` of a study of texts: inputs `source.NAME`; writes `half_b.parquet`."""
    tables = [WeakTexts.load(job.inputs[f"source.{name}"] / STRONG) for name in sources]
    for name, table in zip(sources, tables, strict=True):
        if table.sources != (name,):
            raise DataError(f"source `{name}`: expected its texts alone, found those of {', '.join(table.sources)}")
    join_texts(tables).save(job.out / STRONG)


def on_all_items(tables: Sequence[WeakLabels]) -> list[WeakLabels]:
    """The same tables, each over the union of their items (sorted by name); abstentions where it had no answer."""
    union = sorted({item for table in tables for item in table.items})
    place = {item: row for row, item in enumerate(union)}
    widened = []
    for table in tables:
        probs = np.zeros((len(union), len(table.sources), table.n_classes))
        probs[[place[item] for item in table.items]] = table.probs
        widened.append(WeakLabels(union, table.sources, probs))
    return widened


def _one_source(table: WeakLabels, name: str) -> WeakLabels:
    """The table under the name by which the study knows its source."""
    if len(table.sources) != 1:
        raise DataError(f"source `{name}`: expected the answers of one source, found {', '.join(table.sources)}")
    return WeakLabels(table.items, (name,), table.probs)


def add_noise_to_texts(job: Job, *, noise: float, seed: int) -> None:
    """Inputs `pool`, `split`, `labels` (one supervisor's texts); writes `half_b.parquet`."""
    table = WeakTexts.load(job.inputs["labels"] / STRONG)
    answered = [item for item, row in enumerate(table.candidates) if any(row)]
    giver = exchange_answers(answered, capability_of(job, table.items), noise, order_of(table, seed))
    candidates = [table.candidates[item] for item in giver.tolist()]
    WeakTexts(table.items, table.sources, candidates).save(job.out / STRONG)


def add_noise_to_votes(job: Job, *, noise: float, seed: int) -> None:
    """The same for votes; answers to half A stay as they are: they measure the source, not its labels."""
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
        share: of the answered items of each capability, rounded to whole items. A single item keeps its
            answer.
        order: in which items are spoiled; a permutation of all of them.
    """
    giver = np.arange(len(order))
    answered_items = set(answered)
    for name in dict.fromkeys(capability):
        members = [item for item in order.tolist() if item in answered_items and capability[item] == name]
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
    half_b = task.items.take(split.half_b)
    names = half_b.capabilities or [""] * len(half_b)
    capability = dict(zip(half_b.ids, names, strict=True))
    return [capability[item] for item in items]


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.write_bytes(source.read_bytes())
