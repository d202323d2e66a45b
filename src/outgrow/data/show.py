"""For `outgrow data ls` and `outgrow data show`: what there is, and what it looks like."""

from typing import Any

import numpy as np

from outgrow.data.known import KnownTask
from outgrow.data.source import sources_here
from outgrow.data.task import Task
from outgrow.data.tasks import TASKS


def describe_tasks() -> list[dict[str, Any]]:
    """One row per known task.

    `name`, `kind`, `classes` (K, 0 for texts), `metric`, `sources` available here, `hub` (empty if it is not there),
    `licence`, `title`.
    """
    return [_describe(known) for known in TASKS.values()]


def show_items(task: Task, n: int, seed: int) -> list[dict[str, Any]]:
    """`n` random items (all, if there are fewer): `id`, `part`, `prompt`, `options`, and `gold` by name or text.

    `options` is `None` but for *choose*; `gold` is the text to write for *generate*, and `None` where it is unknown.
    """
    items = task.items
    rows = np.random.default_rng(seed % 2**64).permutation(len(items))[: max(n, 0)]
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


def _describe(known: KnownTask) -> dict[str, Any]:
    return {
        "name": known.name,
        "kind": known.kind,
        "classes": len(known.classes),
        "metric": known.metric,
        "sources": sources_here(known),
        "hub": known.hub.id if known.hub else "",
        "licence": known.licence,
        "title": known.title,
    }


def _gold_name(task: Task, row: int) -> str | None:
    gold = int(task.items.gold[row])
    if gold < 0:
        return None
    if task.items.answers is not None:
        return task.items.answers[row]
    return task.classes[gold] if task.items.options is None else task.items.options[row][gold]
