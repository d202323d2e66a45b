"""The page `api.md`: every name of `outgrow.__all__` with its signature and docstring, read from the sources.

griffe reads the files without importing them, so that signatures stand as they were written.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

import outgrow
from outgrow.config.experiment import Experiment

SOURCES = Path(__file__).parents[1] / "src"
GROUPS = {
    "run": "Studies",
    "ask": "Labels you already have",
    "read_experiment": "Experiments as data",
    "Task": "What steps hand on",
    "OutgrowError": "Errors",
}
"""A heading before each of these names, in the order of `outgrow.__all__`."""
INTRODUCTION = """# Python reference

Generated from the code by `make docs`. `import outgrow` has these names; nothing else is public.
"""
KEYS = "The fields are the keys of an experiment file: [configuration.md](configuration.md#the-whole-file).\n"
WIDTH = 100


def api_page() -> str:
    """All public names, by group."""
    package = griffe.load("outgrow", search_paths=[SOURCES])
    parts = [INTRODUCTION]
    for name in outgrow.__all__:
        if name in GROUPS:
            parts.append(f"## {GROUPS[name]}\n")
        found: Any = package[name]
        parts.append(entry(name, found.final_target if found.is_alias else found))
    return "\n".join(parts)


def entry(name: str, found: Any) -> str:
    """A heading, the signature of a function or the members of a class, and the docstring."""
    if found.is_function:
        return "\n".join([f"### `outgrow.{name}`\n", signature(found, f"outgrow.{name}"), text(found)])
    parts = [f"### `outgrow.{name}`\n", text(found)]
    parts.append(KEYS if name == Experiment.__name__ else members(found))
    return "\n".join(part for part in parts if part)


def text(found: Any) -> str:
    """The docstring as Markdown, with a list of the arguments where it describes them one by one."""
    sections = found.docstring.parse("google", warnings=False) if found.docstring else []
    return "\n\n".join(map(section_text, sections)) + "\n" if sections else ""


def section_text(section: Any) -> str:
    """A paragraph, or the list of the arguments."""
    if section.kind is griffe.DocstringSectionKind.parameters:
        return "\n".join(f"* `{one.name}`: {' '.join(one.description.split())}" for one in section.value)
    if section.kind is griffe.DocstringSectionKind.text:
        return str(section.value)
    raise ValueError(f"a docstring has a section of {section.kind}, which this page does not show")


def signature(found: Any, name: str) -> str:
    """The function as it is called: on one line, or with a line per parameter."""
    given = [shown(one) for one in parameters(found)]
    returned = f" -> {plain(found.returns)}" if found.returns is not None else ""
    line = f"{name}({', '.join(given)}){returned}"
    if len(line) > WIDTH:
        line = "\n".join([f"{name}(", *(f"    {one}," for one in given), f"){returned}"])
    return f"```python\n{line}\n```\n"


def parameters(found: Any) -> Iterator[Any]:
    """The parameters that a caller gives, with `/` and `*` where the kinds change."""
    last = None
    for one in found.parameters:
        if one.name in ("self", "cls"):
            continue
        if last is griffe.ParameterKind.positional_only and one.kind is not last:
            yield "/"
        keyword, star = griffe.ParameterKind.keyword_only, griffe.ParameterKind.var_positional
        if one.kind is keyword and last not in (keyword, star):
            yield "*"
        last = one.kind
        yield one


def shown(parameter: Any) -> str:
    """`name: type = default`, or one of the marks between parameters."""
    if isinstance(parameter, str):
        return parameter
    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(parameter.kind, "")
    kind = f": {plain(parameter.annotation)}" if parameter.annotation is not None else ""
    default = f" = {parameter.default}" if parameter.default is not None and not stars else ""
    return f"{stars}{parameter.name}{kind}{default}"


def plain(annotation: Any) -> str:
    """A type as it was written, without quotes around it."""
    return str(annotation).strip("'\"")


def members(found: Any) -> str:
    """A table of the fields and properties, then the methods."""
    public = [one for name, one in found.all_members.items() if is_public(name, one)]
    fields = [one for one in public if one.is_attribute]
    methods = [one for one in public if one.is_function]
    rows = [f"| `{one.name}` | {kind_of(one)} | {cell(one)} |" for one in fields]
    table = ["| field | type | meaning |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join([*table, *(f"{signature(one, f'.{one.name}')}\n{text(one)}" for one in methods)])


def is_public(name: str, found: Any) -> bool:
    """A field with a type, a property or a method of outgrow's own, not a constant."""
    if name.startswith("_") or found.is_alias or not (found.is_function or found.is_attribute):
        return False
    return bool(found.is_function or found.annotation is not None)


def kind_of(field: Any) -> str:
    """Its type; a bar would end the cell of a table."""
    return f"`{plain(field.annotation)}`".replace("|", "¦")


def cell(found: Any) -> str:
    """The first paragraph of a docstring on one line."""
    paragraph = found.docstring.value.split("\n\n")[0] if found.docstring else ""
    return " ".join(paragraph.split()).replace("|", "¦")
