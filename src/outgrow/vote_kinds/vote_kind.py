"""The record of a kind of votes: what sources say of an item, how it is read, combined and shown.

A kind is one file in this folder with its record, and one row in `VOTE_KINDS` (`__init__.py`). Its section names the
columns that its tables have, as `item=task_id` on the command line. Its combiners are records of `KIND_COMBINERS`;
votes on classes and texts have those of `COMBINERS`, which studies use too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from outgrow.errors import ConfigError
from outgrow.extensions import Function, Record
from outgrow.readers.source_table import SourceTable

Method = str | Mapping[str, Any]
"""A combiner's name, or a mapping with its options: `{"type": "rater_model", "scale": "continuous"}`."""


@runtime_checkable
class AnyCombined(Protocol):
    """The combined votes of any kind."""

    @property
    def about(self) -> dict[str, Any]:
        """The combiner, its notes and the sources as plain data."""

    def to_arrow(self) -> pa.Table:
        """The results as a table."""

    def to_pandas(self) -> Any:
        """The same as a data frame."""

    def save(self, path: Path) -> None:
        """Write the table in the format of the suffix."""


@dataclass(frozen=True)
class Options:
    """What can be given beside the columns and the combiner. `VoteKind.options` are those that a kind takes."""

    classes: Sequence[str] | None = None
    """All classes in order."""
    gold: Any = None
    """A table with what is known to be right of some items."""
    renormalise: bool = False
    """Scale probabilities that do not sum to 1."""
    calibrate: bool = True
    """Calibrate probabilities (temperature scaling)."""
    metric: Any = None
    """Compares texts."""
    state: str | Path | None = None
    """A file to which `update` can add votes."""
    on_wait: Callable[[str], None] = lambda message: None
    """Gets a message if another process has held the state for a while."""

    def given(self) -> list[str]:
        """The names of the options that were given, but for `on_wait`, which does not depend on the kind."""
        unset = Options()
        names = [name for name in self.__dataclass_fields__ if name != "on_wait"]
        return [name for name in names if getattr(self, name) is not getattr(unset, name)]


def never(names: Sequence[str], table: Callable[[], SourceTable]) -> bool:
    """For kinds that no table shows by its shape."""
    return False


@dataclass(frozen=True)
class VoteKind(Record):
    """One kind of votes; its section has the roles of the columns."""

    read: Function = ""
    """`(source, section, options) -> votes`: from a path or a table in memory. Raises `ConfigError`, `DataError`."""
    combine: Function | None = None
    """`(votes, method, options) -> AnyCombined`; None: by the records of `KIND_COMBINERS` for this kind."""
    show: Function = "outgrow.vote_kinds.combined_items:shown"
    """`AnyCombined -> str`: lines for a terminal."""
    methods: Callable[[], Sequence[str]] | None = None
    """The names of its combiners, the default first; None: those of its records in `KIND_COMBINERS`."""
    votes: type | None = None
    """The class of its votes in memory."""
    options: frozenset[str] = field(default_factory=frozenset)
    """The fields of `Options` that it takes."""
    fits: Callable[[Sequence[str], Callable[[], SourceTable]], bool] = never
    """Whether a table is surely of this kind, from the names of its columns and, if these pass, its cells."""
    is_taught: bool = False
    """Whether a student of `outgrow train` can learn them."""
    has_trust_report: bool = False
    """Whether `outgrow labels` measures it; of other kinds it shows the sources as `combine` does."""

    @property
    def roles(self) -> frozenset[str]:
        """The words that can be given, as `item` of `item=task_id`."""
        return frozenset(self.section.model_fields) - {"type"}

    def check(self, given: Sequence[str]) -> None:
        """Raise `ConfigError` for an option that it does not take."""
        for name in given:
            if name not in self.options:
                raise ConfigError(
                    f"--{name}: is not for votes of kind `{self.name}`; leave it out, or name another kind by `--kind`"
                )


@dataclass(frozen=True)
class KindCombiner(Record):
    """A combiner of one kind of votes."""

    kind: str = ""
    """The name of the kind."""
    combine: Function = ""
    """`(votes, **options) -> AnyCombined`."""
