"""Write api.md, cli.md, configuration.md, a block of methods.md and a picture, or with `--check` show what is stale.

Run by `make docs`; a test checks.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

import click
import typer
import yaml
from api_page import api_page
from pydantic.fields import FieldInfo

import outgrow
from outgrow.catalogue import METHOD, entries
from outgrow.cli.verbs import app
from outgrow.config.experiment import Experiment
from outgrow.config.presets import presets
from outgrow.config.section import Section
from outgrow.extensions import parts_of, registries, unfolded
from outgrow.trust_report.figures import trust_plots

FOLDER = Path(__file__).parent
WIDTH = 96
MODULES = (
    *(
        "task",
        "model",
        "engine",
        "rules",
        "votes",
        "endpoint",
        "decoding",
        "tune",
        "method",
        "combine",
        "select",
        "refine",
    ),
    *("measure", "resources"),
)
"""Of `config/`, in the order of the page; the sections of extensions follow by kind."""
BLOCK = re.compile(r"(<!-- extensions -->\n).*?(<!-- end -->)", re.DOTALL)


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
    parts += [section_text(section, title) for section, title in sections_of(import_module("outgrow.config.train"))]
    parts.append("# Settings of `outgrow ask`\n\nA YAML file, `--by`. Sections of `supervisors` are as above.\n")
    parts += [section_text(section, title) for section, title in sections_of(import_module("outgrow.config.ask"))]
    return "\n".join(parts)


def sections() -> Iterator[tuple[type[Section], str]]:
    """Every section of an experiment with its heading: the root, `config/` by module, then the extensions by kind."""
    known: dict[type[Section], str] = {Experiment: "The whole file"}
    for name in MODULES:
        if find_spec(f"outgrow.config.{name}") is not None:
            known.update(sections_of(import_module(f"outgrow.config.{name}")))
    for registry in registries().values():
        for record in registry.values():
            for section in related(getattr(record, "section", None)):
                known.setdefault(section, heading(section))
    yield from known.items()


def related(section: type[Section] | None) -> Iterator[type[Section]]:
    """A section with the one that it extends and those within it; without those that have no keys but `type`."""
    if section is None:
        return
    parent = section.__bases__[0]
    if parent is not Section and set(parent.model_fields) - {"type"}:
        yield from related(parent)
    yield section
    for field in section.model_fields.values():
        for part in parts_of(field.annotation):
            if isinstance(part, type) and issubclass(part, Section):
                yield part


def sections_of(module: ModuleType) -> Iterator[tuple[type[Section], str]]:
    """The sections that a module defines."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Section) and value.__module__ == module.__name__:
            yield value, heading(value)


def heading(section: type[Section]) -> str:
    """The class's name, and its `type` if it has one."""
    field = section.model_fields.get("type")
    tags = () if field is None else get_args(field.annotation)
    return f"{section.__name__} (`type: {tags[0]}`)" if tags else section.__name__


def section_text(section: type[Section], title: str) -> str:
    """A heading, the class's docstring, and a table of its own fields; the section that it extends has the others."""
    parent = section.__bases__[0]
    inherited = (
        {} if parent is Section else {name: field for name, field in parent.model_fields.items() if name != "type"}
    )
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
    return "\n".join([f"## {title}\n", f"{cleandoc(section.__doc__ or '')}\n", *others, *listed, ""])


def same(field: FieldInfo, other: FieldInfo | None) -> bool:
    """Whether a section says of a field what the section that it extends says."""
    return other is not None and (field.annotation, field.default) == (other.annotation, other.default)


def field_row(name: str, field: FieldInfo) -> str:
    """`| key | values | default | meaning |`"""
    default = (
        "required" if field.is_required() else "see the text" if field.default_factory else f"`{shown(field.default)}`"
    )
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
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list or (origin is tuple and Ellipsis in arguments):
        return f"list of {many(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)} {many(arguments[0])}"
    if origin in (dict, Mapping):
        return f"name: {values(arguments[1])}"
    parts = dict.fromkeys(values(part) for part in get_args(annotation) if values(part))
    return " or ".join(part for part in parts if part != "nothing")


def many(annotation: Any) -> str:
    """The same in the plural: `whole numbers`."""
    word = values(annotation)
    return f"{word}s" if word in ("section", *NAMES.values()) and word.isascii() and "/" not in word else word


NAMES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "yes/no",
    "Path": "path",
    "NoneType": "nothing",
}


def methods_page() -> str:
    """`methods.md` with its table of extensions made anew: those with a paper or a deviation."""
    lines = ["| name | kind | what | paper | deviations |", "|---|---|---|---|---|"]
    for entry in entries():
        if entry.kind != METHOD and (entry.paper or entry.deviations):
            cells = (f"`{entry.name}`", entry.kind, entry.summary, entry.paper, entry.deviations)
            lines.append(f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |")
    table = "\n".join(lines)
    return BLOCK.sub(lambda block: f"{block[1]}{table}\n{block[2]}", (FOLDER / "methods.md").read_text())


def ticket_picture() -> str:
    """The picture of `your-labels.md` that `outgrow labels examples/data/ticket_votes.csv --report` draws."""
    trust = outgrow.trust(FOLDER.parent / "examples" / "data" / "ticket_votes.csv")
    return f"{trust_plots(trust)['accuracies'].svg}\n"


PAGES = {
    "api.md": api_page,
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "methods.md": methods_page,
    "images/ticket_sources.svg": ticket_picture,
}


def stale_lines() -> str:
    """The lines in which the pages differ from the code, as a diff; empty if there are none."""
    return "\n".join(
        line
        for name, page in PAGES.items()
        for line in unified_diff((FOLDER / name).read_text().splitlines(), page().splitlines(), name, "code", n=0)
    )


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(stale_lines() or 0)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
