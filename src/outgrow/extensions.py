"""Extension points: an extension is one file with a `Record`, and one row in the `Registry` of its kind.

A record describes one extension: its options as a `Section` (its `type` is the name, its docstring the summary), the
paper, and its functions. Each kind has a subclass of `Record` beside its registry: `combiners.COMBINERS`,
`losses.LOSSES`, and so on; `KINDS` lists them. Files of settings, `outgrow methods`, the generated docs and the tests
that every extension must pass read the registries. A plug-in adds to them. No code tests for an extension by name.

A record's functions may be given as text, `module:function`, which is imported at the first use: planning and `--help`
then import no heavy library.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, get_args, runtime_checkable

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from outgrow.config.section import Section
from outgrow.errors import ConfigError, suggest

Function = Callable[..., Any] | str
"""A function, or `module:function`."""


@dataclass(frozen=True)
class Record:
    """One extension."""

    section: type[Section]
    """Its options. The field `type` is a `Literal` of its name; the docstring's first line is the summary."""
    paper: str = ""
    """Citation, with section and equation: `Cui et al., ICLR 2025, eqs 3 and 4`."""
    deviations: str = ""
    """The differences from the paper; empty if there are none."""

    @property
    def name(self) -> str:
        """Its name in a file of settings."""
        return str(get_args(self.section.model_fields["type"].annotation)[0])

    @property
    def summary(self) -> str:
        """One sentence."""
        return (self.section.__doc__ or "").strip().partition("\n")[0]


@runtime_checkable
class Named(Protocol):
    """What a registry needs of its records."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


R = TypeVar("R", bound=Named)


class Registry(Mapping[str, R], Generic[R]):
    """All extensions of one kind by name, in the order in which they are listed."""

    def __init__(self, noun: str, record_class: type[Any], records: Iterable[R]) -> None:
        self.noun = noun
        self.record_class: type[R] = record_class
        """The class of its records, by which a plug-in's record finds its registry."""
        self._records: dict[str, R] = {}
        for record in records:
            self.add(record)
        self.built_in = frozenset(self._records)
        """The names of outgrow's own."""

    def add(self, record: R) -> None:
        """Add a record; raises `ConfigError` if the name exists."""
        if record.name in self._records:
            raise ConfigError(f"there is a {self.noun} called `{record.name}` already; choose another name")
        self._records[record.name] = record

    def remove(self, name: str) -> None:
        """Remove a record."""
        del self._records[name]

    def of(self, section: Section) -> R:
        """The record of a section that was read from a file."""
        return self._records[dict(section)["type"]]

    def find(self, section: object) -> R | None:
        """The record of any section of a file; `None` if it is none of this kind."""
        name = dict(section).get("type") if isinstance(section, Section) else None
        record = self._records.get(name) if isinstance(name, str) else None
        return record if isinstance(record, Record) and isinstance(section, record.section) else None

    def named(self, name: str) -> R:
        """Raises `ConfigError` for an unknown name, with a suggestion."""
        if name not in self._records:
            raise ConfigError(f"no {self.noun} is called `{name}`; {suggest(name, self._records)}")
        return self._records[name]

    @property
    def union(self) -> Any:
        """The type of a section of any of them."""
        sections = (record.section for record in self._records.values() if isinstance(record, Record))
        return reduce(or_, sections)

    def __getitem__(self, name: str) -> R:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


@dataclass(frozen=True)
class Kind:
    """Where the extensions of one kind are listed, and where a step names them."""

    registry: str
    """`module:NAME`, imported when it is needed."""
    keys: tuple[str, ...] = ()
    """The keys of a step's parameters whose value is an extension's name, or a section whose `type` is its name."""


KINDS: dict[str, Kind] = {
    "combiner": Kind("outgrow.combiners:COMBINERS", ("combine",)),
    "loss": Kind("outgrow.losses:LOSSES", ("loss",)),
    "selection": Kind("outgrow.select:SELECTIONS", ("select",)),
    "refiner": Kind("outgrow.refine:REFINERS", ("refine",)),
    "metric": Kind("outgrow.metrics.text_score:TEXT_METRICS", ("metric",)),
    "measure": Kind("outgrow.metrics.measures:MEASURES"),
    "source": Kind("outgrow.supervise.sources:SOURCES"),
    "kind of votes": Kind("outgrow.vote_kinds:VOTE_KINDS"),
    "combiner of a kind of votes": Kind("outgrow.vote_kinds:KIND_COMBINERS"),
    "report topic": Kind("outgrow.reporting.topics:TOPICS"),
}
"""One row per kind. A source's steps name its function, and topics are measured in no step."""


def registry_of(kind: str) -> "Registry[Any]":
    """The registry of a kind, imported now."""
    module, name = KINDS[kind].registry.split(":")
    registry: Registry[Any] = getattr(import_module(module), name)
    return registry


def registries() -> dict[str, "Registry[Any]"]:
    """Every kind's registry."""
    return {kind: registry_of(kind) for kind in KINDS}


@dataclass(frozen=True)
class OneOf:
    """Marks a field as the section of one extension: `Loss = Annotated[Section, OneOf(LOSSES)]`.

    The registry is read when pydantic builds the model; after `add`, rebuild the models that use it
    (`model_rebuild(force=True)`).
    """

    registry: Registry[Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(Annotated[self.registry.union, Field(discriminator="type")])

    def __hash__(self) -> int:
        return id(self.registry)


@dataclass(frozen=True)
class NameOf:
    """Marks a text as the name of one extension: `Metric = Annotated[str, NameOf(METRICS)]`. Otherwise as `OneOf`."""

    registry: Registry[Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(self.names)

    def __hash__(self) -> int:
        return id(self.registry)

    @property
    def names(self) -> Any:
        """The type of a name of any of them."""
        return Literal[tuple(self.registry)]


def unfolded(annotation: Any, metadata: Iterable[Any]) -> Any:
    """The sections or names that a field marked with `OneOf` or `NameOf` takes; any other annotation as it is."""
    for mark in metadata:
        if isinstance(mark, OneOf):
            return mark.registry.union
        if isinstance(mark, NameOf):
            return mark.names
    return annotation


def function_of(function: Function) -> Callable[..., Any]:
    """The function itself; imported now if it is given as text."""
    if callable(function):
        return function
    module, name = function.split(":")
    imported: Callable[..., Any] = getattr(import_module(module), name)
    return imported


def rebuild_sections() -> None:
    """Build every section anew that takes an extension, inner sections before those that hold them."""
    takes: dict[type[Section], bool] = {}
    for section in _subclasses(Section):
        _rebuild(section, takes)


def _rebuild(section: type[Section], takes: dict[type[Section], bool]) -> bool:
    """Whether an extension may stand in the section; `takes`: what is known already."""
    if section not in takes:
        takes[section] = False  # a section may hold itself
        parts = [
            part for field in section.model_fields.values() for part in parts_of(field.annotation, *field.metadata)
        ]
        inner = [_rebuild(part, takes) for part in parts if isinstance(part, type) and issubclass(part, Section)]
        takes[section] = any(inner) or any(isinstance(part, OneOf | NameOf) for part in parts)
        if takes[section]:
            section.model_rebuild(force=True)
    return takes[section]


def parts_of(*annotations: Any) -> Iterator[Any]:
    """All that an annotation is made of, and the sections of the extensions that it takes."""
    for annotation in annotations:
        yield annotation
        if isinstance(annotation, OneOf):
            yield from (record.section for record in annotation.registry.values())
        else:
            yield from parts_of(*get_args(annotation))


def _subclasses(section: type[Section]) -> Iterator[type[Section]]:
    for child in section.__subclasses__():
        yield child
        yield from _subclasses(child)
