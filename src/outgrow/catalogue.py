"""All methods and extensions by name, as `outgrow methods` and the generated docs show them."""

import re
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from typing import Annotated, Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from outgrow.config.accepted import accepted
from outgrow.config.presets import presets
from outgrow.config.section import Section
from outgrow.errors import ConfigError, suggest
from outgrow.extensions import registries
from outgrow.plugins import plugin_of

METHOD = "method"
"""The kind of a row of `methods.yaml`."""


@dataclass(frozen=True)
class Option:
    """A key of a section."""

    name: str
    accepts: str
    default: Any
    required: bool
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A method or an extension."""

    name: str
    kind: str
    summary: str
    options: tuple[Option, ...] = ()
    settings: dict[str, Any] | None = None
    """method only: what the name stands for."""
    properties: tuple[str, ...] = ()
    paper: str = ""
    deviations: str = ""
    plugin: str = ""
    """The file or package that added it; empty for one of outgrow's own."""

    def to_json(self) -> dict[str, Any]:
        """The entry as plain data."""
        return asdict(self)


def entries() -> list[Entry]:
    """All methods, then all extensions by kind."""
    all_entries = [
        Entry(name, METHOD, summary, settings=presets()[name]) for name, summary in _method_summaries().items()
    ]
    for kind, registry in registries().items():
        all_entries += [_of_record(kind, record) for record in registry.values()]
    return all_entries


def entries_named(name: str) -> list[Entry]:
    """The method and the extensions of that name. Raises `ConfigError` for an unknown one."""
    listed = entries()
    matching = [entry for entry in listed if entry.name == name]
    if not matching:
        raise ConfigError(f"no method or extension is called `{name}`; {suggest(name, _names(listed))}")
    return matching


def _names(listed: list[Entry]) -> list[str]:
    return list(dict.fromkeys(entry.name for entry in listed))


def _method_summaries() -> dict[str, str]:
    """The comment beside each row of `methods.yaml`; its settings where it has none."""
    text = (files("outgrow.config") / "methods.yaml").read_text()
    comments = dict(re.findall(r"^(\w+):\s*#\s*(.+)$", text, re.MULTILINE))
    return {name: comments.get(name) or _brief(row) for name, row in presets().items()}


def _brief(row: dict[str, Any]) -> str:
    """`combine: vote`"""
    return ", ".join(
        f"{key}: {value.get('type', value) if isinstance(value, dict) else value}" for key, value in row.items()
    )


def _of_record(kind: str, record: Any) -> Entry:
    """An extension; a report topic has no section and no paper."""
    plugin, section = plugin_of(record), getattr(record, "section", None)
    properties = [field.name.replace("_", " ") for field in fields(record) if getattr(record, field.name) is True]
    return Entry(
        record.name,
        kind,
        record.summary,
        () if section is None else options_of(section),
        properties=tuple(properties),
        paper=getattr(record, "paper", ""),
        deviations=getattr(record, "deviations", ""),
        plugin=plugin.reference.place if plugin is not None else "",
    )


def options_of(section: type[Section]) -> tuple[Option, ...]:
    """The keys of a section, but for `type`."""
    return tuple(_option(name, field) for name, field in section.model_fields.items() if name != "type")


def _option(name: str, field: FieldInfo) -> Option:
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    default = field.get_default(call_default_factory=False)
    if isinstance(default, Section):
        default = default.model_dump(mode="json", exclude_defaults=True)
    meaning = " ".join((field.description or "").split())
    return Option(
        name, accepted(annotation), None if default is PydanticUndefined else default, field.is_required(), meaning
    )
