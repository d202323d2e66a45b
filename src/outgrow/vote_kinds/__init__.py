"""Kinds of votes: on classes, texts, preferences, scores, several classes, spans. What a file has or `kind` decides.

A kind is a `VoteKind` (`vote_kind.py`), one file here and one row in `VOTE_KINDS`, in the order in which a table's
shape is tried. The combiners of the kinds but classes and texts are rows of `KIND_COMBINERS`, the default of a kind
before its others.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.section import Section
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.extensions import Registry, function_of
from outgrow.readers.open_table import files_in, read_columns, read_table
from outgrow.readers.source_table import SourceTable
from outgrow.vote_kinds.class_votes import CLASSES
from outgrow.vote_kinds.exports import kind_of_export
from outgrow.vote_kinds.multi_label import MULTI_LABEL, SHARE, SHARED_SOURCES
from outgrow.vote_kinds.pairs import BRADLEY_TERRY, PAIRS
from outgrow.vote_kinds.scores import MEAN, MEDIAN, RATER_MODEL, SCORES
from outgrow.vote_kinds.spans import EXACT_SPANS, OVERLAPPING_SPANS, SPANS
from outgrow.vote_kinds.text_votes import TEXTS
from outgrow.vote_kinds.vote_kind import AnyCombined, KindCombiner, Method, Options, VoteKind

VOTE_KINDS: Registry[VoteKind] = Registry(
    "kind of votes", VoteKind, [CLASSES, TEXTS, PAIRS, SPANS, MULTI_LABEL, SCORES]
)
"""In the order in which a table's shape is tried; the first one is the kind of a table that fits none."""

KIND_COMBINERS: Registry[KindCombiner] = Registry(
    "combiner of a kind of votes",
    KindCombiner,
    [RATER_MODEL, MEDIAN, MEAN, SHARED_SOURCES, SHARE, EXACT_SPANS, OVERLAPPING_SPANS, BRADLEY_TERRY],
)
"""The first row of a kind is its default."""


def default_kind() -> VoteKind:
    """The kind of a table that shows no other."""
    return next(iter(VOTE_KINDS.values()))


def methods_of(kind: VoteKind) -> list[str]:
    """The names of a kind's combiners, the default first."""
    if kind.methods is not None:
        return list(kind.methods())
    return [record.name for record in KIND_COMBINERS.values() if record.kind == kind.name]


def kind_of(
    source: Any,
    words: Sequence[str] = (),
    columns: Mapping[str, Any] | None = None,
    *,
    kind: str | None = None,
    method: Method | None = None,
    options: Sequence[str] = (),
) -> VoteKind:
    """The kind of some votes: as named, by the class of the votes, by a combiner or a role of a column that only one
    kind has, or by the shape of the table or export, among kinds that take the `options`.

    Raises `ConfigError` for an unknown name.
    """
    if kind is not None:
        return VOTE_KINDS.named(kind)
    kinds = list(VOTE_KINDS.values())
    for record in kinds:
        if record.votes is not None and isinstance(source, record.votes):
            return record
    name = method if isinstance(method, str) else "" if method is None else str(method.get("type", ""))
    if name:
        kinds = [record for record in kinds if name in methods_of(record)] or kinds[:1]
    possible = [record for record in kinds if record.options.issuperset(options) and _takes(record, words, columns)]
    if possible and kinds[0] not in possible:
        return possible[0]
    of_export = kind_of_export(source, words, columns)
    if of_export is not None:
        return next((record for record in possible if record.name == of_export), kinds[0])
    return next((record for record in possible if _fits(record, source)), kinds[0])


def _takes(record: VoteKind, words: Sequence[str], columns: Mapping[str, Any] | None) -> bool:
    """Whether a kind has the roles of the columns that are named."""
    given = {*(columns or {}), *(word.partition("=")[0].partition(".")[0] for word in words)}
    if not given <= record.roles:
        return False
    try:
        section_of(record, words, columns)
    except ConfigError:
        return False
    return True


def _fits(record: VoteKind, source: Any) -> bool:
    """Whether a table is of a kind by its shape. A table that cannot be read fits none: reading it says why."""

    first = files_in(source)[0]

    @cache
    def table() -> SourceTable:
        return read_table(first)

    try:
        names = read_columns(Path(first)).columns if isinstance(first, str | Path) else table().columns
        return record.fits(names, table)
    except (DataError, ConfigError):
        return False


def section_of(kind: VoteKind, words: Sequence[str] = (), columns: Mapping[str, Any] | None = None) -> Section:
    """The roles of the columns of a kind. Raises `ConfigError` for a role that it does not have."""
    return read_section(kind.section, dict(columns or {}), words, FileLocation("columns"))


def votes_of(kind: VoteKind, source: Any, section: Section, options: Options) -> Any:
    """The votes of a kind from a path or a table in memory, or as they are."""
    if kind.votes is not None and isinstance(source, kind.votes):
        return source
    return function_of(kind.read)(source, section, options)


def combine_kind(kind: VoteKind, votes: Any, method: Method | None, options: Options) -> AnyCombined:
    """Votes of a kind combined by one of its combiners, by default the first."""
    method = methods_of(kind)[0] if method is None else method
    combined: AnyCombined
    if kind.combine is not None:
        combined = function_of(kind.combine)(votes, method, options)
        return combined
    tree = {"type": method} if isinstance(method, str) else dict(method)
    if tree.get("type") not in methods_of(kind):
        fix = suggest(str(tree.get("type")), methods_of(kind))
        raise ConfigError(f"--method: `{tree.get('type')}` does not combine votes of kind `{kind.name}`; {fix}")
    record = KIND_COMBINERS[tree["type"]]
    section = read_section(record.section, tree, (), FileLocation("--method"))
    options_of_method = {name: value for name, value in dict(section).items() if name != "type"}
    combined = function_of(record.combine)(votes, **options_of_method)
    return combined


def text_of(kind: VoteKind, combined: AnyCombined) -> str:
    """Combined votes as lines for a terminal."""
    text: str = function_of(kind.show)(combined)
    return text


__all__ = [
    "KIND_COMBINERS",
    "VOTE_KINDS",
    "AnyCombined",
    "KindCombiner",
    "Method",
    "Options",
    "VoteKind",
    "combine_kind",
    "default_kind",
    "kind_of",
    "methods_of",
    "section_of",
    "text_of",
    "votes_of",
]
