"""The model card of a student: whose votes it learned from, how good they seem, how it was trained, how to redo it."""

import json
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from outgrow.data.task import Task
from outgrow.deliver.answers import answers_of
from outgrow.deliver.combined import about_file
from outgrow.models.names import parse_name


def facts_of(taught: Path, answered: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Everything that the card tells, as plain data.

    `answered` is the folder with the student's answers, `about` has `student`, `command` and `content` of the order.
    """
    combined, task = about_file(taught / "combined.parquet"), Task.load(taught)
    return {
        "outgrow": version("outgrow"),
        "kind": task.kind,
        "classes": list(task.classes),
        **combined,
        "lesson": json.loads((taught / "lesson.json").read_text()),
        "answers": answers_of(taught, answered),
        **about,
    }


def card_text(facts: dict[str, Any]) -> str:
    """The card as Markdown with its front matter."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters.update(cell=as_cell, line=as_line, json=partial(json.dumps, ensure_ascii=False))
    template = environment.from_string((files("outgrow.deliver") / "card.md").read_text(encoding="utf-8"))
    title = f"{facts['student']['name']}: a student of {len(facts['votes']['sources'])} sources"
    return template.render(
        facts=facts,
        title=title,
        use=facts["student"]["name"],
        front_matter=front_matter(facts),
        texts=facts["kind"] == "generate",
        prompt=facts["student"].get("prompt"),
    )


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
    """Names are anybody's: on one line, and no markup."""
    return " ".join(str(text).replace("<", "&lt;").split())


def as_cell(text: str) -> str:
    """The same within a table."""
    return as_line(text).replace("|", "\\|")
