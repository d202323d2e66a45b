"""What a key takes, in words: `a whole number from 1`, `'a' or 'b'`, `a list of numbers greater than 0`."""

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
    """What a type with its bounds takes; `many`: of each entry of a list."""
    return " or ".join(dict.fromkeys(_alternatives(annotation, many)))


def _alternatives(annotation: Any, many: bool) -> Iterator[str]:
    bare, bounds = _taken_apart(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in (Union, UnionType):
        if sections := [one for one in arguments if _is_section(one)]:
            yield _noun(sections[0], many)
        for one in arguments:
            if one is not type(None) and not _is_section(one):
                yield from _alternatives(one, many)
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


def _is_section(one: Any) -> bool:
    bare, _ = _taken_apart(one)
    return isinstance(bare, type) and issubclass(bare, Section)


def _taken_apart(annotation: Any) -> tuple[Any, str]:
    """The type itself, and its bounds in words."""
    bounds: list[Any] = []
    while get_origin(annotation) is Annotated:
        bare, *metadata = get_args(annotation)
        annotation = unfolded(bare, metadata)
        for one in metadata:
            bounds += one.metadata if isinstance(one, FieldInfo) else [one]
    return annotation, _bounds({type(one): one for one in bounds}, get_origin(annotation) or annotation)


def _bounds(told: dict[type, Any], of: Any) -> str:
    if of is str:
        return " that is not empty" if at.MinLen in told else ""
    words = [
        f"greater than {told[at.Gt].gt}" if at.Gt in told else "",
        f"at least {told[at.Ge].ge}" if at.Ge in told else "",
        f"less than {told[at.Lt].lt}" if at.Lt in told else "",
        f"at most {told[at.Le].le}" if at.Le in told else "",
    ]
    said = " and ".join(filter(None, words))
    return f" {said}" if said else ""
