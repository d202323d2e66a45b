"""`load_task`: reads the task of an experiment: one set, or a mixture of capabilities as one table of texts.

Of each set, copies and leaks are removed from the bare texts, before an instruction is added; then the set is brought
into the requested form. In a mixture, copies between the sets are removed too. Ids and groups begin with the
capability's name; `Task.metrics` has the metric of each capability, and the task's metric is their macro average
(`metrics.text_score`). A passage that two capabilities share is not detected, only equal items are.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
from jaxtyping import Int

from outgrow.config.task import SetSection, TaskSection
from outgrow.data.data_source import source_of
from outgrow.data.leak import apart, fingerprints, screen, sift
from outgrow.data.load_published import load_published
from outgrow.data.task import Items, Task
from outgrow.data.task_forms import as_text, balanced_binary, list_options, preference_pairs
from outgrow.data.task_kind import capability_errors, fields_of, kind_of, set_kind, set_metric, template_of
from outgrow.data.tasks import TASKS
from outgrow.data.template import answered, instruct
from outgrow.data.user_data import load_user_data
from outgrow.errors import DataError
from outgrow.metrics.slu_f1 import parse_slots
from outgrow.metrics.text_score import MACRO, counts_slots


def load_task(section: TaskSection) -> Task:
    """Read the whole task, drop copies and leaks, and bring it into the form the section asks for.

    The same section and data give the same task. `split_seed` matters for the forms `binary` and `pairs` alone; sizes
    are not looked at, `pool.py` cuts down to them. Raises `ConfigError` or `DataError`.
    """
    return load_mixture(section) if section.capabilities else formed(read_set(section), section, section.split_seed)


def load_mixture(section: TaskSection) -> Task:
    """All capabilities' items as one task. Raises `ConfigError` or `DataError`, with the capability's name."""
    kind_of(section)
    bare: dict[str, Task] = {}
    for name, capability in section.capabilities.items():
        with capability_errors(name):
            bare[name] = read_set(capability)
    kept, between = _without_copies(bare)
    tasks: dict[str, Task] = {}
    for name, capability in section.capabilities.items():
        with capability_errors(name):
            tasks[name] = formed(bare[name].take(kept[name]), capability, section.split_seed)
    notes = [*_own_notes(tasks), *between, *_untested(tasks)]
    metrics = {name: task.metric for name, task in tasks.items()}
    return Task(section.name, "generate", (), _joined(tasks), tuple(notes), MACRO, metrics)


def _without_copies(tasks: Mapping[str, Task]) -> tuple[dict[str, Int[np.ndarray, "row"]], list[str]]:
    """By capability the rows that are no copy of another capability's, and notes about the others."""
    all_fingerprints = [
        item._replace(group=f"{name}/{item.group}")
        for name, task in tasks.items()
        for item in fingerprints(task.items)
    ]
    keep, notes = sift(all_fingerprints)
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
        ids=[f"{name}/{item}" for name, items in parts.items() for item in items.ids],
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


def read_set(section: SetSection) -> Task:
    """All items in their native form, without copies and leaks. Raises `ConfigError` or `DataError`."""
    source = source_of(section)
    metric = set_metric(section)
    published = TASKS.get(section.name)
    task = load_user_data(section) if published is None else load_published(published, source, section)
    keep, notes = screen(task.items)
    screened = replace(task.take(keep), notes=(*task.notes, *notes), metric=metric)
    keep, notes = apart(screened.items)
    return replace(screened.take(keep), notes=(*screened.notes, *notes))


def formed(task: Task, section: SetSection, seed: int) -> Task:
    """What `read_set` has read, in the form that the section asks for.

    For *generate* the prompts are whole prompts: the item's text in its template. `seed` matters for the forms
    `binary` and `pairs` alone (which wrong candidate a question gets).
    """
    if section.form == "binary":
        return balanced_binary(task, seed)
    if section.form == "pairs":
        return preference_pairs(task, seed)
    if set_kind(section) != "generate":
        return task
    published, listed = TASKS.get(section.name), list_options(task)
    notes = (published.text_note,) if published is not None and published.text_note and listed is not None else ()
    texts = as_text(replace(task, notes=(*task.notes, *notes)))
    _require_slots(texts)
    return answered(instruct(texts, template_of(section), fields_of(section), listed), section.answer)


def _require_slots(task: Task) -> None:
    """Gold that SLU-F1 cannot read would be counted as an utterance without slots."""
    if not counts_slots(task.metric):
        return
    items = task.items
    for name, text, gold in zip(items.ids, items.answers or [], items.gold.tolist(), strict=True):
        if gold >= 0 and parse_slots(text) is None:
            raise DataError(
                f"task `{task.name}`, item `{name}`: {task.metric} needs gold such as"
                f' {{"type": "filler"}}, found {text[:60]!r}; mend it, or choose another task.metric'
            )
