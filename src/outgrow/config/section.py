"""The parent of every part of an experiment file."""

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

WHOLE = "whole_sentence"
"""The kind of a complaint that says everything itself; the value is not shown beside it."""


class Section(BaseModel):
    """A part of the file: immutable, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


def complaint(sentence: str) -> PydanticCustomError:
    """For validators to raise: what is wrong with a value, and the fix."""
    return PydanticCustomError(WHOLE, "{sentence}", {"sentence": sentence})
