"""Extension points: what can be added is one file with a `Record`, and one row in the `Registry` of its kind.

A record holds all that is known of one extension: its options as a `Section` (whose `type` is its name and whose
docstring is its summary), the paper, and what the program must know to run it. Each kind has its own subclass of
`Record`, beside its registry: `combiners.COMBINERS`, `losses.LOSSES`, `select.SELECTIONS`, and so on. Files of
settings, `outgrow methods`, the generated docs and the tests that every extension must pass read the registries; a
plug-in adds to them. Nothing asks for an extension by name.

A record's functions may be given as text, `module:function`, which is imported at the first use: planning and `--help`
then import no heavy library.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

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
    """In what it differs from the paper; empty where in nothing."""

    @property
    def name(self) -> str:
        """What a file of settings calls it."""
        return str(get_args(self.section.model_fields["type"].annotation)[0])

    @property
    def summary(self) -> str:
        """One sentence."""
        return (self.section.__doc__ or "").strip().partition("\n")[0]


R = TypeVar("R", bound=Record)


class Registry(Mapping[str, R], Generic[R]):
    """All extensions of one kind by name, in the order in which they are listed."""

    def __init__(self, noun: str, records: Iterable[R]) -> None:
        self.noun = noun
        self._records: dict[str, R] = {}
        for record in records:
            self.add(record)

    def add(self, record: R) -> None:
        """One more; raises `ConfigError` if the name is taken."""
        if record.name in self._records:
            raise ConfigError(f"there is a {self.noun} called `{record.name}` already; choose another name")
        self._records[record.name] = record

    def remove(self, name: str) -> None:
        """Forget one, as after a plug-in's test."""
        del self._records[name]

    def of(self, section: Section) -> R:
        """The record of a section that was read from a file."""
        return self._records[dict(section)["type"]]

    def named(self, name: str) -> R:
        """Raises `ConfigError` for an unknown name, with the one that was probably meant."""
        if name not in self._records:
            raise ConfigError(f"no {self.noun} is called `{name}`; {suggest(name, self._records)}")
        return self._records[name]

    @property
    def union(self) -> Any:
        """The type of a section of any of them."""
        return reduce(or_, (record.section for record in self._records.values()))

    def __getitem__(self, name: str) -> R:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


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
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
