"""For `outgrow data ls` and `outgrow data show`: what there is, and what it looks like."""

from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Int

from outgrow.data.data_source import sources_here
from outgrow.data.published_task import PublishedTask
from outgrow.data.task import Task
from outgrow.data.tasks import TASKS


def describe_tasks() -> list[dict[str, Any]]:
    """One row per known task.

    `name`, `kind`, `classes` (K, 0 for texts), `metric`, `sources` available here, `hub` (empty if it is not there),
    `licence`, `title`.
    """
    return [_describe(published) for published in TASKS.values()]


def show_items(task: Task, n: int, seed: int) -> list[dict[str, Any]]:
    """`n` random items (all, if there are fewer): `id`, `part`, `prompt`, `options`, and `gold` by name or text.

    `options` is `None` but for *choose*; `gold` is the text to write for *generate*, and `None` where it is unknown.
    The capabilities of a mixture take turns.
    """
    items = task.items
    rows = _in_turns(task, np.random.default_rng(seed % 2**64).permutation(len(items)))[: max(n, 0)]
    return [
        {
            "id": items.ids[row],
            "part": items.parts[row],
            "prompt": items.prompts[row],
            "options": items.options[row] if items.options else None,
            "gold": _gold_name(task, row),
        }
        for row in rows.tolist()
    ]


def describe_capabilities(task: Task) -> list[dict[str, Any]]:
    """Of a mixture, one row per capability: `name`, `metric`, and the items in the parts `train` and `test`."""
    items = task.items
    counts = Counter(zip(items.capabilities or [], items.parts, strict=False))
    return [
        {"name": name, "metric": metric, "train": counts[name, "train"], "test": counts[name, "test"]}
        for name, metric in task.metrics.items()
    ]


def count_classes(task: Task) -> dict[str, int]:
    """By class, how many items have it as gold; empty but for *classify*."""
    if task.kind != "classify":
        return {}
    counts = np.bincount(task.items.gold[task.items.gold >= 0], minlength=task.n_classes)
    return dict(zip(task.classes, counts.tolist(), strict=True))


def _in_turns(task: Task, rows: Int[np.ndarray, "row"]) -> Int[np.ndarray, "row"]:
    """The first row of every capability, then the second of every one, and so on."""
    if task.items.capabilities is None:
        return rows
    seen: Counter[str] = Counter()
    turn = []
    for row in rows.tolist():
        name = task.items.capabilities[row]
        turn.append(seen[name])
        seen[name] += 1
    return rows[np.argsort(turn, kind="stable")]


def _describe(published: PublishedTask) -> dict[str, Any]:
    return {
        "name": published.name,
        "kind": published.kind,
        "classes": len(published.classes),
        "metric": published.metric,
        "sources": sources_here(published),
        "hub": published.hub.id if published.hub else "",
        "licence": published.licence,
        "title": published.title,
    }


def _gold_name(task: Task, row: int) -> str | None:
    gold = int(task.items.gold[row])
    if gold < 0:
        return None
    if task.items.answers is not None:
        return task.items.answers[row]
    return task.classes[gold] if task.items.options is None else task.items.options[row][gold]
