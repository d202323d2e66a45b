"""The base class of every section of an experiment file, and the checks of every value."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from outgrow.text_format import short

WHOLE = "whole_sentence"
"""The kind of an error whose message is complete; the value is not added to it."""
MOST = 10**15
LONGEST_NAME = 200
LONGEST_PART = 255
"""Bytes of one part of a path, as file systems have it."""
LONGEST_PATH = 4000


class Section(BaseModel):
    """A section of a file: immutable; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _as_they_are_meant(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {
            key: _meant(value, _types_of(cls, key)) if key in cls.model_fields else value
            for key, value in tree.items()
        }

    @field_validator("*", mode="after")
    @classmethod
    def _is_usable(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            _require_usable(value)
        if isinstance(value, int) and abs(value) > MOST:
            raise complaint(f"the largest number is {MOST:,}")
        return value


def complaint(sentence: str) -> PydanticCustomError:
    """For validators to raise: what is wrong with a value, and the fix."""
    return PydanticCustomError(WHOLE, "{sentence}", {"sentence": sentence})


def _meant(value: Any, types: frozenset[Any]) -> Any:
    """A value in its full form.

    `seeds: 7` is a list of one and `seeds: 0,1` a list of two, in a file and on the command line. true is not a
    number.
    """
    if isinstance(value, bool):
        return str(value).lower() if {int, float} & types and not {bool, Any} & types else value
    if not {list, tuple} & types or {str, Path} & types or not isinstance(value, str | int | float):
        return value
    if isinstance(value, str) and "," in value:
        return [part.strip() for part in value.split(",")]
    return value if type(value) in types else [value]


def _require_usable(value: str | Path) -> None:
    if "\0" in str(value):
        raise complaint("contains a NUL character; remove it")
    parts = [len(part.encode(errors="surrogateescape")) for part in value.parts] if isinstance(value, Path) else []
    if max(parts, default=0) > LONGEST_PART or sum(parts) > LONGEST_PATH:
        raise complaint(
            f"a path of {sum(parts)} bytes; the maximum is {LONGEST_PATH}, and {LONGEST_PART} for one part"
        )


@cache
def _types_of(section: type[Section], name: str) -> frozenset[Any]:
    """The types that a field takes by itself, such as `int` and `list` for `int | list[str]`."""
    return frozenset(_outermost(section.model_fields[name].annotation))


def _outermost(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _outermost(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _outermost(argument)
    elif origin is Literal:
        yield from map(type, get_args(annotation))
    else:
        yield origin or annotation


def _named(also: str) -> AfterValidator:
    pattern = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.{also}-]*")

    def require_name(value: str) -> str:
        if len(value) > LONGEST_NAME:
            raise complaint(f"a name of {len(value)} characters; the maximum is {LONGEST_NAME}")
        if not pattern.fullmatch(value):
            signs = ", ".join(f"`{sign}`" for sign in f"_.{also}")
            raise complaint(
                f"{short(repr(value))} is not a name; use letters from a to z, digits, {signs} and `-`; begin with a"
                " letter or digit"
            )
        return value

    return AfterValidator(require_name)


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""The range that every library accepts."""
Name = Annotated[str, _named("")]
"""Of a study, a capability, a measure: it may become the name of a folder."""
SourceName = Annotated[str, _named("@")]
"""Of a supervisor or rule."""
