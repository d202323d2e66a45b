"""What goes wrong with one capability of a mixture, said with its name and its keys.

A section of one set speaks of `task.path`; for a capability that key is `task.capabilities.NAME.path`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from outgrow.config.task import SetSection
from outgrow.errors import OutgrowError

_KEYS = "|".join([*SetSection.model_fields, "sizes"])
_KEY = re.compile(rf"(?<![\w./\\-])task\.(?=(?:{_KEYS})\b(?![/\\]))")
"""`task.` before one of the keys, but not in the name of a file."""


@contextmanager
def speaking_of(capability: str) -> Iterator[None]:
    """Every `ConfigError` and `DataError` from within names the capability; "" is a task that is no mixture."""
    try:
        yield
    except OutgrowError as error:
        if not capability:
            raise
        sentence = _KEY.sub(f"task.capabilities.{capability}.", str(error))
        raise type(error)(f"capability `{capability}`: {sentence}") from error
