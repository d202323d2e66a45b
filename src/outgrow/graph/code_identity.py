"""A hash of the code that a result depends on: the mathematics of a step, definition by definition.

The search starts at the step's function and follows the names that each definition uses, within the folders of
`FOLLOWED`. Definitions in a folder of `HASHED` are hashed: losses, combiners, metrics, selections, refiners, judges,
alignment. So an edit of a loss changes the identity of the steps that use it, and of no others. An edit of a trainer
or a loader changes no identity: a step has a `version` for those. Comments, docstrings, formatting and type
annotations do not count (`source_tree.py`). No module is imported, so a plan needs no torch.

A registry such as `LOSSES` counts with all its entries, unless the step's parameters name one.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from outgrow.graph.source_tree import ALWAYS, Imported, SourceFile, Used, read_source

PACKAGE = "outgrow"
ROOT = Path(__file__).parents[1]
INIT = "__init__.py"
HASHED = frozenset({"align", "combiners", "judge", "losses", "metrics", "refine", "select"})
"""Folders of the mathematics."""
FOLLOWED = HASHED | {"deliver", "supervise", "training"}
"""Folders that are searched."""


class StaticRegistry(NamedTuple):
    """A registry whose entries have names; a step uses one entry."""

    section: str
    """The section of the step's parameters whose `type` names the entry."""
    always: tuple[str, ...] = ()
    """Entries that are always used."""
    everything: tuple[str, ...] = ()
    """Entries that may use any other entry."""


REGISTRIES = {
    ("outgrow.losses", "LOSSES"): StaticRegistry("loss"),
    ("outgrow.select", "SELECTIONS"): StaticRegistry("select"),
    ("outgrow.refine", "REFINERS"): StaticRegistry("refine"),
    ("outgrow.combiners", "COMBINERS"): StaticRegistry("combine", everything=("auto",)),
}
SECTIONS = frozenset(registry.section for registry in REGISTRIES.values())
DEFAULT_ENTRIES = {"loss": "cross_entropy"}
"""The entry for steps that name none: supervisors and reward models learn by cross-entropy."""


class Definition(NamedTuple):
    """A name of a module; with a key, one entry of a mapping with this name."""

    module: str
    name: str
    key: str | None = None


def code_of_step(function: str, params: Mapping[str, Any], plugins: Sequence[str] = ()) -> str:
    """The hash of a step's mathematics; empty if it has none, as for functions of other packages.

    The sources are those on the disk at the last `read_again`. `plugins`: contents of the plug-ins whose extensions
    the step uses.
    """
    sections = {section: params.get(section) for section in SECTIONS}
    named = {
        name: str(section["type"])
        for name, section in sections.items()
        if isinstance(section, Mapping) and "type" in section
    }
    code = _code(function, frozenset({**DEFAULT_ENTRIES, **named}.items()))
    return hashlib.sha256("\n".join([code, *plugins]).encode()).hexdigest() if plugins else code


@cache
def _code(function: str, chosen: frozenset[tuple[str, str]]) -> str:
    return code_identity(function, chosen=dict(chosen))


def read_again() -> None:
    """Clear the caches, so that edited sources are read again."""
    _code.cache_clear()
    _file.cache_clear()


def code_identity(
    *names: str,
    chosen: Mapping[str, str] | None = None,
    hashed: Collection[str] = HASHED,
    followed: Collection[str] = FOLLOWED,
) -> str:
    """A hash of the named definitions and of all that they use; empty if none of them is hashed.

    Args:
        names: `module:definition`, or a module or a folder's package for everything in it.
        chosen: the entry in use of the registries of a section (`loss`, `combine`); without it all entries count.
        hashed: folders of the package whose definitions are hashed.
        followed: further folders that are searched.
    """
    used = reached(names, chosen or {}, set(hashed) | set(followed))
    lines = sorted(
        f"{module}:{name}:{key or ''}={_source(module).digest(name, key)}"
        for module, name, key in used
        if _folder(module) in hashed and (name != ALWAYS or _source(module).statements.get(ALWAYS))
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def reached(names: Collection[str], chosen: Mapping[str, str], folders: Collection[str]) -> set[Definition]:
    """The named definitions and all that they use, directly or not, in modules of these folders."""
    seen: set[Definition] = set()
    queue = [definition for name in names for definition in _starting_at(name, folders)]
    while queue:
        for definition in _entries(queue.pop(), chosen):
            if definition not in seen:
                seen.add(definition)
                queue += _used_by(definition, folders)
    return seen


def _entries(definition: Definition, chosen: Mapping[str, str]) -> list[Definition]:
    """The used entries of a registry; any other definition unchanged."""
    registry = REGISTRIES.get((definition.module, definition.name))
    if registry is None or chosen.get(registry.section) in (None, *registry.everything):
        return [definition]
    return [definition._replace(key=key) for key in (chosen[registry.section], *registry.always)]


def _starting_at(name: str, folders: Collection[str]) -> Iterator[Definition]:
    module, _, definition = name.partition(":")
    path = _file(module)
    if _folder(module) not in folders or path is None:
        return
    if definition:
        yield Definition(module, definition)
        return
    yield from _all_definitions(module)
    for entry in sorted(path.parent.iterdir()) if path.name == INIT else ():
        if (entry.suffix == ".py" and entry.name != INIT) or (entry / INIT).is_file():
            yield from _starting_at(f"{module}.{entry.stem}", folders)


def _all_definitions(module: str) -> list[Definition]:
    return [Definition(module, name) for name in _source(module).statements]


def _used_by(definition: Definition, folders: Collection[str]) -> Iterator[Definition]:
    source = _source(definition.module)
    yield Definition(definition.module, ALWAYS)
    for used in source.uses(definition.name, definition.key):
        yield from _definitions_of(definition.module, source, used, folders)


def _definitions_of(
    module: str, source: SourceFile, used: Used | Imported, folders: Collection[str]
) -> Iterator[Definition]:
    """The definitions behind a used name: one of this module, one of another module, or a whole module."""
    if isinstance(used, Imported):
        yield from _imported_definitions(used, "", folders)
    elif used.name in source.statements:
        yield Definition(module, used.name)
    elif used.name in source.imports:
        yield from _imported_definitions(source.imports[used.name], used.attribute, folders)


def _imported_definitions(imported: Imported, attribute: str, folders: Collection[str]) -> Iterator[Definition]:
    submodule = f"{imported.module}.{imported.name}"
    if imported.name and _file(submodule) is not None:  # `from package import module`
        imported = Imported(submodule)
    name = imported.name or attribute
    if _folder(imported.module) not in folders or _file(imported.module) is None:
        return
    if not name:
        yield from _all_definitions(imported.module)
        return
    source = _source(imported.module)
    if name in source.statements:
        yield Definition(imported.module, name)
    elif name in source.imports:  # re-exported
        yield from _imported_definitions(source.imports[name], "", folders)


def _folder(module: str) -> str:
    """The package folder of a module; empty outside the package and for modules directly in it."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else ""


@cache
def _file(module: str) -> Path | None:
    if module.partition(".")[0] != PACKAGE:
        return None
    path = ROOT.joinpath(*module.split(".")[1:])
    return next((candidate for candidate in (path.with_suffix(".py"), path / INIT) if candidate.is_file()), None)


def _source(module: str) -> SourceFile:
    path = _file(module)
    assert path is not None, "only existing modules are searched"
    return read_source(path)
