"""The parent of every part of an experiment file."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the file: immutable, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
