"""Write the pages that are made from the code: cli.md and configuration.md. Run by `make docs`; a test compares."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

import click
import typer
import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from outgrow.cli.verbs import app
from outgrow.config import (
    combine,
    decoding,
    endpoint,
    method,
    model,
    rules,
    task,
    train,
    tune,
    votes,
)
from outgrow.config.experiment import Experiment
from outgrow.config.load import presets
from outgrow.config.section import Section
from outgrow.extensions import unfolded
from outgrow.judge import options
from outgrow.losses import LOSSES
from outgrow.metrics.measures import MEASURES
from outgrow.refine import REFINERS
from outgrow.select import SELECTIONS

FOLDER = Path(__file__).parent
WIDTH = 96


def cli_page() -> str:
    """Every verb's own help text."""
    command = typer.main.get_command(app)
    parts = ["# The command\n\nGenerated from the code by `make docs`.\n"]
    for name, verb in verbs(command, "outgrow"):
        context = click.Context(verb, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
        parts.append(f"## `{name}`\n\n```text\n{verb.get_help(context).strip()}\n```\n")
    parts.append(EXIT_CODES)
    return "\n".join(parts)


EXIT_CODES = """## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | a step failed; the report is written from the others, and the same command tries again |
| 2 | bad input: one message names the file, row or key, and the fix |
| 130 | interrupted; finished steps are kept |
"""


def verbs(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The command and everything below it, depth first."""
    yield name, command
    for child in getattr(command, "commands", {}).values():
        yield from verbs(child, f"{name} {child.name}")


def configuration_page() -> str:
    """Every key of an experiment file, from the docstrings beside the fields."""
    parts = ["# The experiment file\n\nGenerated from the code by `make docs`. Unknown keys are errors.\n"]
    parts += [section_text(section, title) for section, title in sections()]
    rows = yaml.safe_dump(presets(), sort_keys=False)
    parts.append(f"## Named methods\n\n`methods: [naive, …]` picks from these rows.\n\n```yaml\n{rows}```\n")
    parts.append("# Settings of `outgrow train`\n\nWords `key.sub=value`; what is not listed here is as above.\n")
    parts += [section_text(section, title) for section, title in sections_of(train)]
    return "\n".join(parts)


def sections() -> Iterator[tuple[type[Section], str]]:
    """Every section of an experiment with the heading it gets, the root first."""
    yield Experiment, "The whole file"
    for module in (task, model, rules, votes, endpoint, decoding, tune, method, combine):
        yield from sections_of(module)
    for registry in (LOSSES, SELECTIONS, REFINERS, MEASURES):
        modules = {base.__module__: None for record in registry.values() for base in record.section.__mro__[1::-1]}
        for name in modules:
            if name != Section.__module__:
                yield from sections_of(sys.modules[name])
    yield from sections_of(options)


def sections_of(module: ModuleType) -> Iterator[tuple[type[Section], str]]:
    """The sections that a module defines."""
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, Section) and value.__module__ == module.__name__:
            tag = value.model_fields.get("type")
            if tag is not None and len(value.model_fields) == 1 and not get_args(tag.annotation):
                continue  # the common base of a registry's sections
            tags = () if tag is None else get_args(tag.annotation)
            yield value, f"{name} (`type: {tags[0]}`)" if tags else name


def section_text(section: type[Section], title: str) -> str:
    """A heading, the class's docstring, and a table of its own fields; the section that it extends has the others."""
    parent = section.__bases__[0]
    inherited = {} if parent is Section else {name: one for name, one in parent.model_fields.items() if name != "type"}
    own = {
        name: field
        for name, field in section.model_fields.items()
        if name != "type" and not same(field, inherited.get(name))
    }
    rows = [field_row(name, field) for name, field in own.items()]
    others = [f"The keys of `{parent.__name__}`{', and:' if rows else '.'}"] if inherited else []
    others += [""] if others and rows else []
    table = ["| key | values | default | meaning |", "|---|---|---|---|", *rows]
    listed = table if rows else [] if inherited else ["No further keys."]
    return "\n".join([f"## {title}\n", f"{section.__doc__}\n", *others, *listed, ""])


def same(field: FieldInfo, other: FieldInfo | None) -> bool:
    """Whether a section says of a field what the section that it extends says."""
    return other is not None and (field.annotation, field.default) == (other.annotation, other.default)


def field_row(name: str, field: FieldInfo) -> str:
    """`| key | values | default | meaning |`"""
    default = "required" if field.default is PydanticUndefined else f"`{shown(field.default)}`"
    meaning = " ".join((field.description or "").split())
    accepted = values(unfolded(field.annotation, field.metadata))
    return f"| `{name}` | {accepted} | {default} | {meaning} |".replace("\n", " ")


def shown(value: object) -> str:
    """A default as it would stand in the file."""
    if isinstance(value, Section):
        tag = value.model_dump().get("type")
        return "its defaults" if tag is None else f"{{type: {tag}}}"
    if isinstance(value, list):
        value = [one.model_dump(exclude_defaults=True) if isinstance(one, Section) else one for one in value]
    return yaml.safe_dump(str(value) if isinstance(value, Path) else value, default_flow_style=True).split("\n")[0]


def values(annotation: Any) -> str:
    """The type of a field in words that need no Python."""
    if get_origin(annotation) is Annotated:
        bare, *metadata = get_args(annotation)
        annotation = unfolded(bare, metadata)
    if get_origin(annotation) is Literal:
        return " · ".join(f"`{choice}`" for choice in get_args(annotation))
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return "section" if issubclass(annotation, Section) else NAMES.get(annotation.__name__, annotation.__name__)
    if get_origin(annotation) is list:
        return f"list of {values(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return f"name: {values(get_args(annotation)[1])}"
    parts = dict.fromkeys(values(part) for part in get_args(annotation) if values(part))
    return " or ".join(part for part in parts if part != "nothing")


NAMES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "yes/no",
    "Path": "path",
    "NoneType": "nothing",
}
PAGES = {"cli.md": cli_page, "configuration.md": configuration_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
