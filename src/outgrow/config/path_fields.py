"""Which values of settings are paths: the sections say it by the types of their fields.

    Path         a file or folder
    FileText     a text that begins with a file's path, such as `my_rules.py:is_short`
    ModelText    a model's name, which may be a folder

`change_paths` changes them in a tree: the mapping that a file holds before it is validated, or a section's
`model_dump`. A new section needs no entry anywhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BeforeValidator

from outgrow.config.section import Section
from outgrow.extensions import unfolded


class PathForm(Enum):
    """How a value names a place on the disk."""

    FILE = "file"
    MODEL = "model"


FileText = Annotated[str, PathForm.FILE]
ModelText = Annotated[str, PathForm.MODEL]

Changes = Mapping[PathForm, Callable[[str], str]]
"""What is made of a value, by its form; the values of other forms stay."""


def change_paths(tree: Mapping[Any, Any], section: type[Section], changes: Changes) -> dict[str, Any]:
    """The tree of a section with its paths changed; what no section can be stays as it is."""
    return _changed_section(tree, [section], changes)


def _changed_section(tree: Mapping[Any, Any], sections: Sequence[type[Section]], changes: Changes) -> dict[str, Any]:
    def forms(key: Any) -> list[Any]:
        fields = (section.model_fields[key] for section in sections if key in section.model_fields)
        return [form for field in fields for form in _forms(field.annotation, field.metadata)]

    return {key: _changed(value, forms(key), changes) for key, value in tree.items()}


def _changed(value: Any, forms: Sequence[Any], changes: Changes) -> Any:
    if isinstance(value, str):
        return _changed_text(value, forms, changes)
    if isinstance(value, list):
        entry = _inner(forms, (list, tuple), slice(None))
        return [_changed(element, entry, changes) for element in value]
    if not isinstance(value, Mapping):
        return value
    if sections := _sections_of(value, forms):
        return _changed_section(value, sections, changes)
    inner = _inner(forms, (dict,), slice(1, None))
    return {key: _changed(element, inner, changes) for key, element in value.items()}


def _changed_text(value: str, forms: Sequence[Any], changes: Changes) -> Any:
    for form in forms:
        if isinstance(form, PathForm):
            return changes[form](value) if form in changes else value
    # A list of paths may be written as one text with commas.
    entry = _inner(forms, (list,), slice(None))
    if any(isinstance(form, PathForm) for form in entry):
        return [_changed_text(part.strip(), entry, changes) for part in value.split(",")]
    return value


def _sections_of(tree: Mapping[Any, Any], forms: Sequence[Any]) -> list[type[Section]]:
    """The sections that a mapping may be; the one that its `type` names, where it names one of several."""
    sections = [form for form in forms if isinstance(form, type) and issubclass(form, Section)]
    if len(sections) < 2:
        return sections
    whole: Any = dict(tree)
    for form in forms:
        if isinstance(form, BeforeValidator):
            with suppress(ValueError):  # it is reported when the tree is validated
                whole = form.func(whole)  # type: ignore[call-arg]
    name = whole.get("type") if isinstance(whole, Mapping) else None
    return [section for section in sections if _name_of(section) == name] or sections


def _name_of(section: type[Section]) -> Any:
    field = section.model_fields.get("type")
    return next(iter(get_args(field.annotation)), None) if field is not None else None


def _inner(forms: Sequence[Any], origins: tuple[type, ...], which: slice) -> list[Any]:
    """The forms of what lists or mappings hold; `which`: of their type's arguments."""
    arguments = [argument for form in forms if get_origin(form) in origins for argument in get_args(form)[which]]
    return [form for argument in arguments for form in _forms(argument)]


def _forms(annotation: Any, metadata: Sequence[Any] = ()) -> Iterator[Any]:
    """All that a value of this type may be: `PathForm`s, sections, lists, mappings; and validators that fill it in."""
    yield from (validator for validator in metadata if isinstance(validator, BeforeValidator))
    if marks := [mark for mark in metadata if isinstance(mark, PathForm)]:
        yield from marks
        return
    annotation = unfolded(annotation, metadata)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _forms(arguments[0], arguments[1:])
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _forms(argument)
    else:
        yield PathForm.FILE if annotation is Path else annotation
