"""The `pool` step: all items that a study may use, leak-checked and cut down to what its sizes need.

Models compute features once for every item of the pool, so it holds no more than the study can use: `sizes.test` of
the published test items and weak + strong others; where no test part is published, weak + strong + test items in all.
Where items come in groups there are a few more, so that every split can be filled without tearing a group. Every
capability of a mixture is cut down by itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int

from outgrow.config.task import Sizes, TaskSection
from outgrow.data.capability import speaking_of
from outgrow.data.draw import draw, spare
from outgrow.data.load import load_task
from outgrow.data.task import Task
from outgrow.errors import DataError
from outgrow.graph.step import Job


def make_pool(job: Job, *, task: dict[str, Any]) -> None:
    """Write `task.json` and `items.parquet`. `task` is a `TaskSection`; its key `content` is identity only."""
    section = TaskSection.model_validate({key: value for key, value in task.items() if key != "content"})
    job.report(f"reading {section.name}", 0.0)
    cut(load_task(section), section.sizes_by_capability, section.split_seed).save(job.out)


def cut(task: Task, sizes: Sizes | Mapping[str, Sizes], seed: int) -> Task:
    """The items with gold that a study of these sizes can use, drawn by `seed`, in their published order.

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
    """The items that a study can use at all; a note counts the others."""
    has_gold = np.flatnonzero(task.items.gold >= 0)
    unlabelled = len(task.items) - len(has_gold)
    if not unlabelled:
        return task
    note = f"Items without a label left out, as every part of a study is compared with gold: {unlabelled}."
    return replace(task.take(has_gold), notes=(*task.notes, note))


def _rows(task: Task, sizes: Mapping[str, Sizes], seed: int) -> Int[np.ndarray, "row"]:
    found = []
    for name, wanted in sizes.items():
        mine = task.items.rows_of(name)
        with speaking_of(name):
            found.append(mine[_draw_set(task.take(mine), wanted, seed)])
    return np.sort(np.concatenate(found))


def _draw_set(task: Task, sizes: Sizes, seed: int) -> Int[np.ndarray, "row"]:
    part = np.asarray(task.items.parts)
    if not (part == "test").any():
        return _draw_part(task, "train", {"weak": sizes.weak, "strong": sizes.strong, "test": sizes.test}, seed)
    train = _draw_part(task, "train", {"weak": sizes.weak, "strong": sizes.strong}, seed)
    test = _draw_part(task, "test", {"test": sizes.test}, seed)
    return np.sort(np.concatenate([train, test]))


def _draw_part(task: Task, part: str, sizes: dict[str, int], seed: int) -> Int[np.ndarray, "row"]:
    rows = np.flatnonzero(np.asarray(task.items.parts) == part)
    needed = sum(sizes.values())
    if len(rows) < needed:
        raise DataError(_too_few(task.name, part, len(rows), sizes))
    groups = [task.items.groups[i] for i in rows.tolist()]
    # One set is filled here and now (its size is exact); several are filled later, by every split anew.
    extra = spare(groups, len(sizes)) if len(sizes) > 1 else 0
    (drawn,) = draw(groups, [min(len(rows), needed + extra)], seed)
    return np.asarray(rows[drawn])


def _too_few(name: str, part: str, have: int, sizes: dict[str, int]) -> str:
    asked = " + ".join(f"{key} {size}" for key, size in sizes.items())
    total = sum(sizes.values())
    kind = f"{part} items" if len(sizes) < 3 else "items"
    largest = max(sizes, key=lambda key: sizes[key])
    room = have - (total - sizes[largest])
    fix = f"lower task.sizes.{largest} to at most {room}" if room > 0 else f"lower task.sizes to {have} in all"
    asks = f"asks for {asked}" + (f" = {total}" if len(sizes) > 1 else "")
    return f"task `{name}` has only {have} usable {kind}, but task.sizes {asks}: {fix}"


def _refuse_one_class(task: Task) -> None:
    found = np.unique(task.items.gold)
    if len(found) < 2:
        only = task.classes[int(found[0])]
        raise DataError(f"task `{task.name}`: all items that the study would use are `{only}`; it needs two classes")
