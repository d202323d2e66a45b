"""From pydantic's errors to sentences a person can act on: file, line, key, what is wrong, what would be right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from outgrow.config.experiment import Experiment
from outgrow.config.section import WHOLE, Section
from outgrow.errors import suggest

Key = str | int
SHOWN = 60
MOST_MEANT = 3
"""A key of more sections than this says nothing about the one that was meant."""
NO_SECTION = ("model_type", "model_attributes_type")
"""A bare value stands where a section is expected."""


class Spot(NamedTuple):
    """What pydantic complains about."""

    path: list[Key]
    section: type[Section] | None
    """The last section on the way to it."""
    wanted: Any
    """The type that should be there."""


@dataclass(frozen=True)
class Place:
    """Where an experiment came from; with the YAML tree it can tell a key's line."""

    name: str
    tree: yaml.Node | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    """The overrides, by the key that they change."""

    def at(self, *path: Key) -> str:
        """`file:line: a.b.0`, with the line of the deepest part that the file has; or the override and the key."""
        dotted = ".".join(str(key) for key in path)
        for key, word in self.words.items():
            if f"{dotted}.".startswith(f"{key}."):
                return f"override `{word}`: {dotted}"
        line = _line(self.tree, path)
        return f"{self.name}{'' if line is None else f':{line}'}: {dotted}"


def complain(error: ValidationError, place: Place, root: type[Section] = Experiment) -> str:
    """All of the file's mistakes, one line each; `root` is the section that the file is."""
    return "\n".join(_sentence(detail, place, root) for detail in error.errors(include_url=False))


def _sentence(detail: ErrorDetails, place: Place, root: type[Section]) -> str:
    path, section, wanted = _follow(detail["loc"], root)
    where = place.at(*path)
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{where}: unknown key; {_known_key(path, section)}"
    if kind == "union_tag_invalid":
        return f"{where}.type: `{context['tag']}` is unknown; {suggest(str(context['tag']), _tags(wanted))}"
    if kind == "literal_error":
        return f"{where}: {_shown(value)} is not one of {context['expected']}"
    return f"{where}: {_plain_words(detail, path, wanted)}"


def _known_key(path: Sequence[Key], section: type[Section] | None) -> str:
    """The key that was meant: the same one of a section within this one, or else the nearest one of this."""
    fields = {} if section is None else section.model_fields
    word = str(path[-1])
    within = [
        ".".join(map(str, (*path[:-1], name, word)))
        for name, field in fields.items()
        if any(word in option.model_fields for option in _options(_unwrapped(field.annotation)))
    ]
    if 0 < len(within) <= MOST_MEANT:
        return f"did you mean {' or '.join(f'`{key}`' for key in within)}?"
    return suggest(word, fields)


def _plain_words(detail: ErrorDetails, path: Sequence[Key], wanted: Any) -> str:
    """What is wrong with a value, and what would be right."""
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    key = path[-1] if path else ""
    if kind == WHOLE:
        return detail["msg"]
    if kind == "missing":
        return "is required"
    if kind == "union_tag_not_found":
        return f"needs a `type`; {suggest('', _tags(wanted))}"
    if kind == "too_short":
        return f"has {context['actual_length']} entries; give at least {context['min_length']}"
    if kind in NO_SECTION:
        return f"{_as_section(key, value, wanted)}, not {_shown(value)}"
    if kind == "dict_type":
        return f"write names with their values, such as `{key}: {{NAME: …}}`, not {_shown(value)}"
    said = str(context["error"]) if kind == "value_error" else detail["msg"]
    return f"{said[0].lower()}{said[1:]}, not {_shown(value)}"


def _as_section(key: Key, value: Any, wanted: Any) -> str:
    """How a bare value is written as the section that it probably means: `budget: {tokens: 1000}`."""
    before = "" if isinstance(key, int) else f"{key}: "
    options, tags = _options(wanted), _tags(wanted)
    if value in tags:
        return f"write `{before}{{type: {value}}}`"
    meant = next((name for option in options for name in option.model_fields if _takes(option, name, value)), None)
    if meant is not None:
        return f"write `{before}{{{meant}: {value}}}`"
    fields = {name: field for option in reversed(options) for name, field in option.model_fields.items()}
    first = next((name for name, field in fields.items() if field.is_required()), next(iter(fields)))
    listed = f"; {suggest(str(value), tags)}" if first == "type" else ""
    return f"write a section, such as `{before}{{{first}: …}}`{listed}"


def _takes(option: type[Section], name: str, value: object) -> bool:
    """Whether a section can be nothing but this key with this value."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    try:
        option.model_validate({name: value})
    except ValidationError:
        return False
    return True


def _options(wanted: Any) -> list[type[Section]]:
    """The sections that a type allows."""
    allowed = get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,)
    return [one for one in map(_unwrapped, allowed) if isinstance(one, type) and issubclass(one, Section)]


def _tags(wanted: Any) -> list[str]:
    """The values of `type` that tell its sections apart."""
    fields = [option.model_fields["type"] for option in _options(wanted) if "type" in option.model_fields]
    return [str(tag) for field in fields for tag in get_args(field.annotation)]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _follow(location: Sequence[Key], root: type[Section]) -> Spot:
    """Walk pydantic's location through the sections, without its tags of unions."""
    path: list[Key] = []
    here: Any = root
    section: type[Section] | None = root
    for key in location:
        tagged = _tagged(here, key)
        if tagged is not None:
            here, section = tagged, tagged
            continue
        if key == "[key]":  # what is wrong is the name itself, which stands in the path already
            continue
        # Non-discriminated unions (`int | list[int]`) add the branch's name, which is no key of the file.
        in_section = isinstance(here, type) and issubclass(here, Section)
        if isinstance(key, str) and not in_section and (key.endswith("]") or key in ("int", "str", "float")):
            continue
        path.append(key)
        if in_section:
            section = here
            field = here.model_fields.get(str(key))
            here = None if field is None else field.annotation
        else:
            here = _element(here)
        here = _unwrapped(here)
        if isinstance(here, type) and issubclass(here, Section):
            section = here
    return Spot(path, section, here)


def _tagged(annotation: Any, key: Key) -> type[Section] | None:
    for option in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ():
        if isinstance(option, type) and issubclass(option, Section) and "type" in option.model_fields:
            tag = option.model_fields["type"].annotation
            if get_origin(tag) is Literal and key in get_args(tag):
                return option
    return None


def _unwrapped(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    options = [option for option in get_args(annotation) if option is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(options) == 1:
        return _unwrapped(options[0])
    return annotation


def _element(annotation: Any) -> Any:
    arguments = get_args(annotation)
    return _unwrapped(arguments[-1]) if arguments else None


def _line(node: yaml.Node | None, path: Sequence[Key]) -> int | None:
    if node is None:
        return None
    line = node.start_mark.line + 1
    for key in path:
        if isinstance(node, yaml.MappingNode):
            found = [(name, value) for name, value in node.value if name.value == str(key)]
            if not found:
                break
            name, node = found[0]
            line = name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line
