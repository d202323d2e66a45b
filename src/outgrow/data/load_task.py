"""`load_task`: from what an experiment file says about its task to the task itself."""

from outgrow.config.task import TaskSection
from outgrow.data.load_set import formed, read_set
from outgrow.data.mixture import load_mixture
from outgrow.data.task import Task


def load_task(section: TaskSection) -> Task:
    """Read the whole task, drop copies and leaks, and bring it into the form the section asks for.

    The same section and data give the same task. `split_seed` matters for the binary form alone; sizes are not looked
    at, `pool.py` cuts down to them. Raises `ConfigError` or `DataError`.
    """
    return load_mixture(section) if section.capabilities else formed(read_set(section), section, section.split_seed)
