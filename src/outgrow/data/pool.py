"""The `pool` step: all items that a study may use, leak-checked and cut down to what its sizes need.

Models compute features once for every item of the pool, so it holds no more than splits of these sizes can use,
whatever their seeds: `sizes.test` of the published test items and as many others as `split.needed` says. The items
stand in the order in which they were drawn, those for training first, so that the pool of a larger study is this one
with more items behind it. Every capability of a mixture is cut down by itself.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int

from outgrow.config.task import Sizes, TaskSection
from outgrow.data.data_identity import with_paths
from outgrow.data.load_task import load_task
from outgrow.data.split import SHARES, in_order, needed, parts_with_own_items
from outgrow.data.task import Task
from outgrow.data.task_kind import capability_errors
from outgrow.errors import DataError
from outgrow.graph.step import Job

UNLABELLED = "No item of half B has a label, so there is no ceiling and no performance gap recovered."
ALL_THREE = "no test items are published, and task.sizes asks for `all` three times; give task.sizes.test a number"


def make_pool(job: Job, *, task: dict[str, Any]) -> None:
    """Write `task.json` and `items.parquet`. `task` is a `TaskSection`; its key `content` is identity only.

    The hint `paths` has the places of its files, by capability.
    """
    own = {key: value for key, value in task.items() if key != "content"}
    section = TaskSection.model_validate(with_paths(own, job.hints.get("paths", {})))
    job.report(f"reading {section.name}", 0.0)
    cut(load_task(section), section.sizes_by_capability, section.split_seed).save(job.out)


def cut(task: Task, sizes: Sizes | Mapping[str, Sizes], seed: int) -> Task:
    """The items with gold that a study of these sizes can use, in the order in which `seed` draws them.

    Of a mixture `sizes` are by capability. Raises `DataError` where there are too few items, or where all have one
    class (texts have none).
    """
    task = with_gold(task)
    by_capability = {"": sizes} if isinstance(sizes, Sizes) else sizes
    pool = task.take(_rows(task, by_capability, seed))
    if pool.kind != "generate":
        _refuse_one_class(pool)
    if len(pool.items) == len(task.items):
        return pool
    note = f"Items that this study uses: {len(pool.items)} of {len(task.items)} (drawn by split_seed {seed})."
    return replace(pool, notes=(*pool.notes, note))


def with_gold(task: Task) -> Task:
    """The items that a study can use at all; a note counts the others. Half B alone may have no gold at all."""
    has_gold = task.items.gold >= 0
    parts, notes = np.asarray(task.items.parts, dtype=np.str_), []
    if (parts == "half_b").any() and not has_gold[parts == "half_b"].any():
        has_gold = has_gold | (parts == "half_b")
        notes.append(UNLABELLED)
    kept = np.flatnonzero(has_gold)
    if left_out := len(task.items) - len(kept):
        notes.append(f"Items without a label left out, as they would be compared with gold: {left_out}.")
    return replace(task.take(kept), notes=(*task.notes, *notes)) if notes else task


def _rows(task: Task, sizes: Mapping[str, Sizes], seed: int) -> Int[np.ndarray, "row"]:
    rows = []
    for name, own_sizes in sizes.items():
        mine = task.items.rows_of(name)
        with capability_errors(name):
            rows.append(mine[_draw_set(replace(task, items=task.items.alone(name)), own_sizes, seed)])
    return np.concatenate(rows)


def _draw_set(task: Task, sizes: Sizes, seed: int) -> Int[np.ndarray, "row"]:
    counts = sizes.counts
    own = {part: counts.pop(part) for part in parts_with_own_items(task.items)}
    drawn = [_draw_part(task, "train", counts, seed)] if counts else []
    return np.concatenate([*drawn, *(_draw_part(task, part, {part: n}, seed)[:n] for part, n in own.items())])


def _draw_part(task: Task, part: str, sizes: Mapping[str, int | None], seed: int) -> Int[np.ndarray, "row"]:
    """The first groups in the order of `seed`, as many as every split of these sizes can need."""
    rows = np.flatnonzero(np.asarray(task.items.parts) == part)
    counted = {key: size for key, size in sizes.items() if size is not None}
    if len(rows) < sum(counted.values()) + (len(sizes) - len(counted)):
        raise DataError(_too_few(task.name, part, len(rows), sizes))
    _refuse_all_three(task.name, sizes)
    items = task.items.take(rows)
    blocks = in_order(items.groups, items.ids, seed)
    kept = blocks[: needed(blocks, counted)] if len(counted) == len(sizes) else blocks
    return np.asarray(rows[[row for block in kept for row in block.rows]])


def counts_in(task: Task, sizes: Sizes, capability: str = "") -> dict[str, int]:
    """By part, how many items a study of these sizes gets of a task's, or a pool's, usable items."""
    parts = Counter(task.items.parts[row] for row in task.items.rows_of(capability).tolist())
    counts = sizes.counts
    own = {part: counts.pop(part) for part in SHARES if parts[part]}
    open_to = [part for part, size in counts.items() if size is None]
    left = parts["train"] - sum(size or 0 for size in counts.values())
    open_counts = {part: (left + place) // len(open_to) for place, part in enumerate(open_to)}
    own_counts = {part: parts[part] if size is None else size for part, size in own.items()}
    return {**{part: size for part, size in counts.items() if size is not None}, **open_counts, **own_counts}


def _refuse_all_three(name: str, sizes: Mapping[str, int | None]) -> None:
    if len(sizes) == len(SHARES) and list(sizes.values()) == [None] * len(sizes):
        raise DataError(f"task `{name}`: {ALL_THREE}")


def _too_few(name: str, part: str, have: int, sizes: Mapping[str, int | None]) -> str:
    counted = {key: size for key, size in sizes.items() if size is not None}
    asked = " + ".join(f"{key} {'all' if size is None else size}" for key, size in sizes.items())
    total, n_open = sum(counted.values()), len(sizes) - len(counted)
    kind = f"{part} items" if len(sizes) < 3 else "items"
    largest = max(counted, key=counted.__getitem__)
    room = have - n_open - (total - counted[largest])
    fix = f"lower task.sizes.{largest} to at most {room}" if room > 0 else f"lower task.sizes to {have} in all"
    asks = f"asks for {asked}" + (f" = {total}" if len(sizes) > 1 and not n_open else "")
    return f"task `{name}` has only {have} usable {kind}, but task.sizes {asks}: {fix}"


def _refuse_one_class(task: Task) -> None:
    used_classes = np.unique(task.items.gold[task.items.gold >= 0])
    if len(used_classes) < 2:
        only = task.classes[int(used_classes[0])]
        raise DataError(f"task `{task.name}`: all items that the study would use are `{only}`; it needs two classes")
