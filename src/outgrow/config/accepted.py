"""The accepted values of a key, in words: `a whole number at least 1`, `'a' or 'b'`,
`a list of numbers greater than 0`."""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as at
from pydantic.fields import FieldInfo

from outgrow.config.section import Section
from outgrow.extensions import unfolded

NOUNS = {
    str: ("a text", "texts"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    Path: ("a path", "paths"),
}
ANYTHING = ("a value", "values")


def accepted(annotation: Any, many: bool = False) -> str:
    """The values that a type with its bounds accepts; `many`: in the plural."""
    return " or ".join(dict.fromkeys(_alternatives(annotation, many)))


def _alternatives(annotation: Any, many: bool) -> Iterator[str]:
    bare, bounds = _taken_apart(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in (Union, UnionType):
        if sections := [part for part in arguments if _is_section(part)]:
            yield _noun(sections[0], many)
        for part in arguments:
            if part is not type(None) and not _is_section(part):
                yield from _alternatives(part, many)
    elif origin is Literal:
        yield from map(repr, arguments)
    elif origin is list:
        yield f"{'lists' if many else 'a list'} of {accepted(arguments[0], many=True)}"
    elif origin is tuple:
        of = accepted(arguments[0], many=True)
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        yield f"{'lists' if many else 'a list'} of {count}{of}"
    elif origin is dict:
        yield f"names with their values, each {accepted(arguments[1])}"
    else:
        yield f"{_noun(bare, many)}{bounds}"


def _noun(bare: Any, many: bool) -> str:
    if _is_section(bare):
        return "sections" if many else "a section"
    return NOUNS.get(bare, ANYTHING)[many]


def _is_section(annotation: Any) -> bool:
    bare, _ = _taken_apart(annotation)
    return isinstance(bare, type) and issubclass(bare, Section)


def _taken_apart(annotation: Any) -> tuple[Any, str]:
    """The type itself, and its bounds in words."""
    bounds: list[Any] = []
    while get_origin(annotation) is Annotated:
        bare, *metadata = get_args(annotation)
        annotation = unfolded(bare, metadata)
        for part in metadata:
            bounds += part.metadata if isinstance(part, FieldInfo) else [part]
    return annotation, _bounds({type(bound): bound for bound in bounds}, get_origin(annotation) or annotation)


def _bounds(bounds: dict[type, Any], of: Any) -> str:
    if of is str:
        return " that is not empty" if at.MinLen in bounds else ""
    words = [
        f"greater than {bounds[at.Gt].gt}" if at.Gt in bounds else "",
        f"at least {bounds[at.Ge].ge}" if at.Ge in bounds else "",
        f"less than {bounds[at.Lt].lt}" if at.Lt in bounds else "",
        f"at most {bounds[at.Le].le}" if at.Le in bounds else "",
    ]
    text = " and ".join(filter(None, words))
    return f" {text}" if text else ""
