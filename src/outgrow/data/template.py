"""The instruction around an item's text, and other texts with fields in braces.

What a *generate* task asks is written once, as a template such as

    Which slots does this request fill? Types: {types}
    {text}

with `{text}` for the item and, for slots, `{types}` for the slot types that the gold of the training part has; where
the answer is one of several (`task_forms.py`), `{options}` lists them. `{{` and `}}` are braces. Copies and leaks are
looked for in the bare texts, so the template comes after that; from then on the whole prompt is the item's prompt.
"""

from collections.abc import Sequence
from dataclasses import replace
from string import Formatter

from outgrow.data.task import Task
from outgrow.errors import ConfigError
from outgrow.metrics.slu_f1 import parse_slots

Piece = tuple[str, str | None]
"""A literal text, and the name of the field behind it."""


def template_pieces(template: str, key: str) -> list[Piece]:
    """The pieces in order. Raises `ConfigError`, with the config's `key`, for anything but plain names in braces."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{key}: `{template}` is no template ({error}); write `{{name}}`") from error
    for _, name, spec, conversion in pieces:
        if name is not None and (not name or spec or conversion):
            raise ConfigError(f"{key}: only plain names may stand in braces in `{template}`")
    return [(literal, name) for literal, name, _, _ in pieces]


def require_fields(template: str, key: str, known: Sequence[str], needed: Sequence[str]) -> None:
    """Raise `ConfigError`, with the config's `key` or the file, for a field that is unknown or one that is missing."""
    used_fields = {name for _, name in template_pieces(template, key) if name is not None}
    for name in sorted(used_fields - set(known)):
        listed = " and ".join(f"`{{{field}}}`" for field in known) or "none"
        raise ConfigError(f"{key}: `{{{name}}}` cannot be filled; its fields are {listed}, and `{{{{` is a brace")
    for name in needed:
        if name not in used_fields:
            raise ConfigError(f"{key}: has no place for `{{{name}}}`")


def fill(template: str, **values: str) -> str:
    """The template with its fields filled in; what is filled in is not looked at for fields."""
    pieces = template_pieces(template, "template")
    return "".join(literal + ("" if name is None else values[name]) for literal, name in pieces)


def instruction_pieces(template: str, fields: Sequence[str]) -> list[Piece]:
    """The pieces of `task.template`, in which `fields` can be filled, `text` among them.

    Raises `ConfigError` if `{text}` is missing or another field cannot be filled.
    """
    pieces = template_pieces(template, "task.template")
    names = [name for _, name in pieces if name is not None]
    for name in names:
        if name not in fields:
            listed = " and ".join(f"`{{{field}}}`" for field in fields)
            reason = _ELSEWHERE.get(name, "cannot be filled")
            raise ConfigError(f"task.template: `{{{name}}}` {reason}; use {listed}, and `{{{{` for a brace")
    if "text" not in names:
        raise ConfigError(f"task.template: `{template}` has no place for the item's `{{text}}`")
    return pieces


_ELSEWHERE = {"types": "is for tasks measured by slu_f1", "options": "is for options or classes with `form: text`"}


def instruct(task: Task, template: str, fields: Sequence[str], options: Sequence[str] | None = None) -> Task:
    """The same task with its prompts filled into `template`; `options` says item by item what may be answered.

    Raises `ConfigError` as above.
    """
    pieces = instruction_pieces(template, fields)
    types = ", ".join(slot_types(task)) if ("types" in {name for _, name in pieces}) else ""
    values = zip(task.items.prompts, options or [""] * len(task.items), strict=True)
    prompts = [
        "".join(
            literal + {"text": text, "types": types, "options": listed, None: ""}[name] for literal, name in pieces
        )
        for text, listed in values
    ]
    return replace(task, items=replace(task.items, prompts=[prompt.strip() for prompt in prompts]))


def answered(task: Task, template: str | None) -> Task:
    """The same task with its gold texts filled into `task.answer`; unknown ones stay empty."""
    if template is None:
        return task
    items = task.items
    texts = [text and fill(template, text=text).strip() for text in items.answers or []]
    allowed = items.allowed and [[fill(template, text=text).strip() for text in choice] for choice in items.allowed]
    return replace(task, items=replace(items, answers=texts, allowed=allowed))


def slot_types(task: Task) -> list[str]:
    """The slot types in the gold of the training part, sorted. Where no test part is published, of all items."""
    items = task.items
    golds = (text for text, part in zip(items.answers or [], items.parts, strict=True) if part == "train")
    return sorted({slot.type for text in golds for slot in parse_slots(text) or []})
