"""One set of data: its items as they lie there, and then in the form that the experiment asks for.

Copies and leaks are looked for in between, in the bare texts, before an instruction makes different items alike.
"""

from dataclasses import replace

from outgrow.config.task import SetSection
from outgrow.data.binary import balanced_binary
from outgrow.data.data_source import source_of
from outgrow.data.leak import screen
from outgrow.data.load_published import load_published
from outgrow.data.task import Task
from outgrow.data.task_kind import fields_of, set_kind, set_metric, template_of
from outgrow.data.tasks import TASKS
from outgrow.data.template import answered, instruct
from outgrow.data.text_form import as_text, list_options
from outgrow.data.user_data import load_own
from outgrow.errors import DataError
from outgrow.metrics.slu_f1 import SLOT_METRICS, parse_slots


def read_set(section: SetSection) -> Task:
    """All items in their native form, without copies and leaks. Raises `ConfigError` or `DataError`."""
    source = source_of(section)
    metric = set_metric(section)
    known = TASKS.get(section.name)
    task = load_own(section) if known is None else load_published(known, source, section)
    keep, notes = screen(task.items)
    return replace(task.take(keep), notes=(*task.notes, *notes), metric=metric)


def formed(task: Task, section: SetSection, seed: int) -> Task:
    """What `read_set` has read, in the form that the section asks for.

    For *generate* the prompts are whole prompts: the item's text in its template. `seed` matters for the binary form
    alone (which wrong candidate a question gets).
    """
    if section.form == "binary":
        return balanced_binary(task, seed)
    if set_kind(section) != "generate":
        return task
    known, listed = TASKS.get(section.name), list_options(task)
    notes = (known.text_note,) if known is not None and known.text_note and listed is not None else ()
    texts = as_text(replace(task, notes=(*task.notes, *notes)))
    _require_slots(texts)
    return answered(instruct(texts, template_of(section), fields_of(section), listed), section.answer)


def _require_slots(task: Task) -> None:
    """Gold that SLU-F1 cannot read would be counted as an utterance without slots."""
    if task.metric not in SLOT_METRICS:
        return
    items = task.items
    for name, text, gold in zip(items.ids, items.answers or [], items.gold.tolist(), strict=True):
        if gold >= 0 and parse_slots(text) is None:
            raise DataError(
                f"task `{task.name}`, item `{name}`: {task.metric} needs gold such as"
                f' {{"type": "filler"}}, found {text[:60]!r}; mend it, or choose another task.metric'
            )
