"""From pydantic's errors to sentences a person can act on: file, line, key, what is wrong, what would be right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from outgrow.config.endpoint import KEY_ITSELF
from outgrow.config.experiment import Experiment
from outgrow.config.section import Section
from outgrow.errors import suggest

Key = str | int
SHOWN = 60


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
    path, section = _follow(detail["loc"], root)
    where = place.at(*path)
    kind, value = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = [] if section is None else section.model_fields
        return f"{where}: unknown key; {suggest(str(path[-1]), known)}"
    if kind == KEY_ITSELF:
        return f"{where}: {detail['msg']}"
    if kind == "missing":
        return f"{where}: is required"
    if kind == "literal_error":
        return f"{where}: {_shown(value)} is not one of {detail['ctx']['expected']}"
    if kind == "union_tag_invalid":
        context = detail["ctx"]
        tags = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
        return f"{where}.type: `{context['tag']}` is unknown; {suggest(str(context['tag']), tags)}"
    if kind == "union_tag_not_found":
        return f"{where}: needs a `type`"
    return f"{where}: {detail['msg'][0].lower()}{detail['msg'][1:]}, not {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _follow(location: Sequence[Key], root: type[Section]) -> tuple[list[Key], type[Section] | None]:
    """Walk pydantic's location through the sections; drop union tags; return the path and the last section."""
    path: list[Key] = []
    here: Any = root
    section: type[Section] | None = root
    for key in location:
        tagged = _tagged(here, key)
        if tagged is not None:
            here, section = tagged, tagged
            continue
        # Non-discriminated unions (`int | list[int]`) add the branch's name, which is no key of the file.
        in_section = isinstance(here, type) and issubclass(here, Section)
        if isinstance(key, str) and not in_section and (key.endswith("]") or key in ("int", "str", "float", "[key]")):
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
    return path, section


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
