"""The model card of a student: its sources with their estimated accuracy, its training, and the command for it."""

import json
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from outgrow.data.task import Task
from outgrow.data.template import template_pieces
from outgrow.deliver.combined import about_file
from outgrow.deliver.evaluation import answers_of
from outgrow.models.model_names import parse_name
from outgrow.text_format import many, short


def facts_of(data: Path, answered: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The content of the card, as plain data.

    `answered` is the folder with the student's answers; `about` has `student`, `command` and `content`.
    """
    combined, task = about_file(data / "combined.parquet"), Task.load(data)
    return {
        "outgrow": version("outgrow"),
        "kind": task.kind,
        "classes": list(task.classes),
        **combined,
        "training_data": json.loads((data / "training_data.json").read_text()),
        "answers": answers_of(data, answered),
        **about,
    }


def card_text(facts: dict[str, Any]) -> str:
    """The card as Markdown with its front matter."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    as_json = partial(json.dumps, ensure_ascii=False)
    environment.filters.update(cell=as_cell, line=as_line, name=as_name, in_braces=in_braces, many=many, json=as_json)
    template = environment.from_string((files("outgrow.deliver") / "card.md").read_text(encoding="utf-8"))
    title = f"{facts['student']['name']}: a student of {many(len(facts['votes']['sources']), 'source')}"
    return template.render(
        facts=facts,
        title=title,
        use=facts["student"]["name"],
        front_matter=front_matter(facts),
        texts=facts["kind"] == "generate",
        asked=asked_as(facts["student"]["text"]),
        prompt=facts["student"].get("prompt"),
    )


def asked_as(template: str) -> str:
    """An item's text as Python makes it of its columns, with … for what they hold.

    >>> asked_as("{title}: {body}"), asked_as("message")
    ('"{title}: {body}".format(title="…", body="…")', '"…"')
    """
    if not in_braces(template):
        return '"…"'
    names = list(dict.fromkeys(name for _, name in template_pieces(template, "items.text") if name is not None))
    plain = all(name.isidentifier() and not iskeyword(name) for name in names)
    values = ", ".join(f'{name}="…"' for name in names)
    return f"{json.dumps(template, ensure_ascii=False)}{f'.format({values})' if plain else ''}"


def in_braces(template: str) -> bool:
    """Whether a text is made of several columns; else the template is the name of one."""
    return "{" in template or "}" in template


def front_matter(facts: dict[str, Any]) -> str:
    """What the hub reads."""
    base = parse_name(facts["student"]["model"])
    about = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation" if facts["kind"] == "generate" else "text-classification",
        "tags": ["outgrow", "weak-supervision", "weak-to-strong"],
        **({"base_model": base.base} if base.place == "hub" else {}),
    }
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def as_line(text: str) -> str:
    """A name on one line and without markup."""
    return " ".join(str(text).replace("<", "&lt;").split())


def as_name(text: str) -> str:
    """The same of a name, which may be long."""
    return as_line(short(text))


def as_cell(text: str) -> str:
    """The same within a table."""
    return as_name(text).replace("|", "\\|")
