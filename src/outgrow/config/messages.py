"""From pydantic's errors to sentences with file, line, key, the mistake and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from outgrow.config.accepted import accepted
from outgrow.config.experiment import Experiment
from outgrow.config.section import WHOLE, Section
from outgrow.errors import nearest, suggest
from outgrow.extensions import unfolded
from outgrow.text_format import HALF_CHARACTER, many

Key = str | int
SHOWN = 60
MOST_SUGGESTED = 3
"""A key that more sections have is not suggested."""
MOST_LISTED = 20
"""Maximum number of mistakes in a message."""
NO_SECTION = ("model_type", "model_attributes_type")
"""A bare value in place of a section."""


class ErrorLocation(NamedTuple):
    """Where an error is."""

    path: list[Key]
    section: type[Section] | None
    """The last section on the way to it."""
    wanted: Any
    """The expected type."""
    bounded: Any
    """The expected type with its bounds."""
    is_name: bool
    """The name is wrong, not its value."""


@dataclass(frozen=True)
class FileLocation:
    """The file of an experiment; with the YAML tree also the line of a key."""

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
        return f"{self.name}{'' if line is None else f':{line}'}{dotted and f': {dotted}'}"


def error_messages(error: ValidationError, place: FileLocation, root: type[Section] = Experiment) -> str:
    """The file's mistakes, one line each; `root` is the section that the file is."""
    by_path: dict[tuple[Key, ...], list[tuple[ErrorDetails, ErrorLocation]]] = {}
    for detail in error.errors(include_url=False):
        location = _follow(detail["loc"], root)
        by_path.setdefault(tuple(location.path), []).append((detail, location))
    # For a value that may be a number or a list there are errors of both; those of the list's entries are specific.
    listed = {path: group for path, group in by_path.items() if not _is_within(path, group, by_path)}
    lines = [_sentence(group, place) for group in list(listed.values())[:MOST_LISTED]]
    more = len(listed) - len(lines)
    return "\n".join([*lines, f"{place.name}: and {many(more, 'more mistake')}"] if more else lines)


def _is_within(
    path: tuple[Key, ...],
    group: Sequence[tuple[ErrorDetails, ErrorLocation]],
    by_path: Mapping[tuple[Key, ...], object],
) -> bool:
    in_union = all(len(detail["loc"]) > len(path) for detail, _ in group)
    return in_union and any(len(other_path) > len(path) and other_path[: len(path)] == path for other_path in by_path)


def _sentence(group: Sequence[tuple[ErrorDetails, ErrorLocation]], place: FileLocation) -> str:
    detail, location = group[0]
    where, kind, value = place.at(*location.path), detail["type"], detail.get("input")
    if len(group) > 1 and not any(detail["type"] == WHOLE for detail, _ in group):
        return f"{where}: {_not(location, value)}"
    if kind == "extra_forbidden":
        return f"{where}: unknown key; {_known_key(location.path, location.section)}"
    if kind == "union_tag_invalid":
        tag = str(detail["ctx"]["tag"])
        return f"{where}.type: `{tag}` is unknown; {suggest(tag, _tags(location.wanted))}"
    return f"{where}: {_plain_words(detail, location)}"


def _known_key(path: Sequence[Key], section: type[Section] | None) -> str:
    """A suggestion: the same key of an inner section, else the nearest key of this section."""
    fields = {} if section is None else section.model_fields
    word = str(path[-1])
    within = [
        ".".join(map(str, (*path[:-1], name, word)))
        for name, field in fields.items()
        if any(word in option.model_fields for option in _options(_unwrapped(_below(section, name))))
    ]
    if 0 < len(within) <= MOST_SUGGESTED:
        return f"did you mean {' or '.join(f'`{key}`' for key in within)}?"
    return suggest(word, fields)


def _plain_words(detail: ErrorDetails, location: ErrorLocation) -> str:
    """The mistake and the fix."""
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    key = location.path[-1] if location.path else ""
    if kind == WHOLE:
        return detail["msg"]
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        near = nearest(value, map(str, get_args(location.wanted))) if isinstance(value, str) else ""
        return f"{_shown(value)} is not one of {context['expected']}{f'; did you mean `{near}`?' if near else ''}"
    if kind == "union_tag_not_found":
        return f"needs a `type`; {suggest('', _tags(location.wanted))}"
    if kind in ("too_short", "too_long"):
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"has {many(context['actual_length'], 'entry', 'entries')}; give {bound}"
    if kind in NO_SECTION:
        return f"{_as_section(key, value, location.wanted)}, not {_shown(value)}"
    if kind == "dict_type":
        return f"write names with their values, such as `{key}: {{NAME: …}}`, not {_shown(value)}"
    if kind == "value_error":
        return f"{context['error']}, not {_shown(value)}"
    return _not(location, value)


def _not(location: ErrorLocation, value: Any) -> str:
    """The accepted values, and the given one."""
    if location.is_name:
        return f"{_shown(value)} is not a name; write a text"
    if isinstance(value, str) and HALF_CHARACTER.search(value):
        return "holds half a character (a lone surrogate, \\uD800 … \\uDFFF)"
    quotes = (
        "; write a text that looks like another value in quotes" if value is None or isinstance(value, bool) else ""
    )
    return f"write {accepted(location.bounded)}, not {_shown(value)}{quotes if location.wanted is str else ''}"


def _as_section(key: Key, value: Any, annotation: Any) -> str:
    """How to write a bare value as a section: `budget: {tokens: 1000}`."""
    before = "" if isinstance(key, int) else f"{key}: "
    options, tags = _options(annotation), _tags(annotation)
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
    """Whether a section may consist of this key with this value."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    try:
        section = option.model_validate({name: value})
    except ValidationError:
        return False
    return isinstance(value, str) or not isinstance(getattr(section, name), str)


def _options(annotation: Any) -> list[type[Section]]:
    """The sections that a type allows."""
    allowed = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [part for part in map(_unwrapped, allowed) if isinstance(part, type) and issubclass(part, Section)]


def _tags(annotation: Any) -> list[str]:
    """The values of `type` of its sections."""
    fields = [option.model_fields["type"] for option in _options(annotation) if "type" in option.model_fields]
    return [str(tag) for field in fields for tag in get_args(field.annotation)]


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _follow(location: Sequence[Key], root: type[Section]) -> ErrorLocation:
    """Follow pydantic's location through the sections, without its tags and the names of a union's branches."""
    path: list[Key] = []
    here: Any = root
    bounded: Any = root
    section: type[Section] | None = root
    for key in location:
        if key == "[key]":  # the name is wrong, which is in the path already
            return ErrorLocation(path, section, str, str, is_name=True)
        if get_origin(here) in (Union, UnionType):
            bounded = _tagged(here, key) or _branch(here, str(key)) or bounded
        else:
            path.append(key)
            bounded = _below(here, key)
        here = _unwrapped(bounded)
        if isinstance(here, type) and issubclass(here, Section):
            section = here
    return ErrorLocation(path, section, here, bounded, is_name=False)


def _below(here: Any, key: Key) -> Any:
    """The type of a section's field, or of the entries of a list or mapping."""
    if isinstance(here, type) and issubclass(here, Section):
        field = here.model_fields.get(str(key))
        if field is None:
            return None
        return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    arguments = [argument for argument in get_args(here) if argument is not Ellipsis]
    return arguments[-1] if arguments else None


def _branch(union: Any, label: str) -> Any:
    """The alternative by pydantic's label: `int`, `constrained-int`, `list[int]`."""
    places = {}
    for option in get_args(union):
        bare = _unwrapped(option)
        name = str(getattr(get_origin(bare) or bare, "__name__", bare)).lower()
        if name in label.lower():
            places[label.lower().index(name)] = option
    return places[min(places)] if places else None


def _tagged(annotation: Any, key: Key) -> type[Section] | None:
    for option in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ():
        if isinstance(option, type) and issubclass(option, Section) and "type" in option.model_fields:
            tag = option.model_fields["type"].annotation
            if get_origin(tag) is Literal and key in get_args(tag):
                return option
    return None


def _unwrapped(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        bare, *metadata = get_args(annotation)
        annotation = unfolded(bare, metadata)
    options = [option for option in get_args(annotation) if option is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(options) == 1:
        return _unwrapped(options[0])
    return annotation


def _line(node: yaml.Node | None, path: Sequence[Key]) -> int | None:
    if node is None:
        return None
    line = node.start_mark.line + 1
    for key in path:
        if isinstance(node, yaml.MappingNode):
            entries = [(name, value) for name, value in node.value if name.value == str(key)]
            if not entries:
                break
            name, node = entries[0]
            line = name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line
