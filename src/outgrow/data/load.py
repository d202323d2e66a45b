"""`load_task`: from what an experiment file says about its task to the task itself."""

from dataclasses import replace

from outgrow.config.task import TaskSection
from outgrow.data.binary import balanced_binary
from outgrow.data.kind import has_slots, kind_of, metric_of, template_of
from outgrow.data.leak import screen
from outgrow.data.own import load_own
from outgrow.data.published import load_published
from outgrow.data.source import source_of
from outgrow.data.task import Task
from outgrow.data.tasks import TASKS
from outgrow.data.template import answered, instruct
from outgrow.errors import DataError
from outgrow.metrics.slu_f1 import parse_slots


def load_task(section: TaskSection) -> Task:
    """Read the whole task, drop copies and leaks, and bring it into the form the section asks for.

    The same section and data give the same task. `split_seed` matters for the binary form alone (which wrong candidate
    a question gets); sizes are not looked at, `pool.py` cuts down to them. For *generate* the prompts are whole
    prompts: the item's text in its template.
    Raises `ConfigError` or `DataError`.
    """
    source = source_of(section)
    kind = kind_of(section)
    known = TASKS.get(section.name)
    task = load_own(section) if known is None else load_published(known, source, section)
    keep, notes = screen(task.items)
    task = replace(task.take(keep), notes=(*task.notes, *notes), metric=metric_of(section))
    if kind == "generate":
        _require_slots(task)
        return answered(instruct(task, template_of(section), has_slots(section)), section.answer)
    return balanced_binary(task, section.split_seed) if section.form == "binary" else task


def _require_slots(task: Task) -> None:
    """Gold that SLU-F1 cannot read would be counted as an utterance without slots."""
    if task.metric != "slu_f1":
        return
    items = task.items
    for name, text, gold in zip(items.ids, items.answers or [], items.gold.tolist(), strict=True):
        if gold >= 0 and parse_slots(text) is None:
            raise DataError(
                f"task `{task.name}`, item `{name}`: slu_f1 needs gold such as"
                f' {{"type": "filler"}}, found {text[:60]!r}; mend it, or choose another task.metric'
            )
