"""A task made of capabilities: several sets, each with its own prompts, as one table of texts.

Every set is read and checked as if it were alone. Then copies are looked for between the sets, and the items are put
below each other, in the order of the file. Ids and groups begin with the capability's name; `Task.metrics` says what
each capability is measured by, and the task itself is measured by their macro average (`metrics.text_score`).

A passage that two capabilities ask about is not looked for, only equal items are.
"""

from collections.abc import Mapping
from itertools import chain

import numpy as np
from jaxtyping import Int

from outgrow.config.task import TaskSection
from outgrow.data.capability_errors import speaking_of
from outgrow.data.leak import sift, witnesses
from outgrow.data.load_set import formed, read_set
from outgrow.data.task import Items, Task
from outgrow.data.task_kind import kind_of
from outgrow.metrics.text_score import MACRO


def load_mixture(section: TaskSection) -> Task:
    """All capabilities' items as one task. Raises `ConfigError` or `DataError`, with the capability's name."""
    kind_of(section)
    bare: dict[str, Task] = {}
    for name, one in section.capabilities.items():
        with speaking_of(name):
            bare[name] = read_set(one)
    kept, between = _without_copies(bare)
    tasks: dict[str, Task] = {}
    for name, one in section.capabilities.items():
        with speaking_of(name):
            tasks[name] = formed(bare[name].take(kept[name]), one, section.split_seed)
    notes = [*_own_notes(tasks), *between, *_untested(tasks)]
    metrics = {name: task.metric for name, task in tasks.items()}
    return Task(section.name, "generate", (), _joined(tasks), tuple(notes), MACRO, metrics)


def _without_copies(tasks: Mapping[str, Task]) -> tuple[dict[str, Int[np.ndarray, "row"]], list[str]]:
    """By capability the rows that say nothing that another capability says, and notes about the others."""
    found = [
        one._replace(group=f"{name}/{one.group}") for name, task in tasks.items() for one in witnesses(task.items)
    ]
    keep, notes = sift(found)
    ends = np.cumsum([0, *(len(task.items) for task in tasks.values())])
    rows = {
        name: keep[(keep >= start) & (keep < end)] - start
        for name, start, end in zip(tasks, ends[:-1], ends[1:], strict=True)
    }
    return rows, [f"Between capabilities: {note[0].lower()}{note[1:]}" for note in notes]


def _joined(tasks: Mapping[str, Task]) -> Items:
    """The items below each other."""
    parts = {name: task.items for name, task in tasks.items()}
    allowed = list(chain.from_iterable(items.allowed or [[]] * len(items) for items in parts.values()))
    return Items(
        ids=[f"{name}/{one}" for name, items in parts.items() for one in items.ids],
        prompts=list(chain.from_iterable(items.prompts for items in parts.values())),
        gold=np.concatenate([items.gold for items in parts.values()]),
        answers=list(chain.from_iterable(items.answers or [] for items in parts.values())),
        keys=list(chain.from_iterable(items.keys or [] for items in parts.values())),
        parts=list(chain.from_iterable(items.parts for items in parts.values())),
        groups=[f"{name}/{group}" for name, items in parts.items() for group in items.groups],
        allowed=allowed if any(allowed) else None,
        capabilities=[name for name, items in parts.items() for _ in items.ids],
    )


def _own_notes(tasks: Mapping[str, Task]) -> list[str]:
    return [f"{name}: {note}" for name, task in tasks.items() for note in task.notes]


def _untested(tasks: Mapping[str, Task]) -> list[str]:
    """A sentence on the capabilities that have no test part of their own."""
    names = [name for name, task in tasks.items() if "test" not in task.items.parts]
    if not names:
        return []
    return [f"Capabilities without a published test part, whose test items are drawn from all: {', '.join(names)}."]
