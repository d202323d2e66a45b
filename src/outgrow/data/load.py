"""`load_task`: from what an experiment file says about its task to the task itself."""

from outgrow.config.task import TaskSection
from outgrow.data.binary import balanced_binary
from outgrow.data.leak import screen
from outgrow.data.own import load_own
from outgrow.data.published import load_published
from outgrow.data.source import source_of
from outgrow.data.task import Task
from outgrow.data.tasks import TASKS


def load_task(section: TaskSection) -> Task:
    """Read the whole task, drop copies and leaks, and bring it into the form the section asks for.

    The same section and data give the same task. `split_seed` matters for the binary form alone (which wrong candidate
    a question gets); sizes are not looked at, `pool.py` cuts down to them.
    Raises `ConfigError` or `DataError`.
    """
    source = source_of(section)
    known = TASKS.get(section.name)
    task = load_own(section) if known is None else load_published(known, source, section)
    keep, notes = screen(task.items)
    task = Task(task.name, task.kind, task.classes, task.items.take(keep), (*task.notes, *notes))
    return balanced_binary(task, section.split_seed) if section.form == "binary" else task
