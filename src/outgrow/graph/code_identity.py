"""Which code a result depends on, as a hash: the mathematics that a step runs, definition by definition.

From the function that a step names, definitions are followed through what they use, name by name, within the folders
of `FOLLOWED`; those in a folder of `HASHED` are hashed: losses, combiners, metrics, selections, refiners, judges,
alignment. So an edit of one loss concerns the steps that use it and no others, and an edit of a trainer or a loader
none: for those a step has a `version`. Comments, docstrings, formatting and type annotations change nothing
(`source_tree.py`). Nothing is imported, so that a plan needs no torch.

A registry such as `LOSSES` stands for all of its entries, unless the step's parameters say which one it uses.
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
"""Folders through which it is reached."""


class StaticRegistry(NamedTuple):
    """Entries by name; a step uses one of them."""

    section: str
    """The section of the step's parameters whose `type` is the name."""
    always: tuple[str, ...] = ()
    """Entries that are used besides."""
    everything: tuple[str, ...] = ()
    """Entries that may use any other entry."""


REGISTRIES = {
    ("outgrow.losses", "LOSSES"): StaticRegistry("loss"),
    ("outgrow.select", "SELECTIONS"): StaticRegistry("select"),
    ("outgrow.refine", "REFINERS"): StaticRegistry("refine"),
    ("outgrow.combiners", "COMBINERS"): StaticRegistry("combine", everything=("auto",)),
}
SECTIONS = frozenset(registry.section for registry in REGISTRIES.values())
UNSAID = {"loss": "cross_entropy"}
"""What a step uses whose parameters name none: a supervisor or a reward model learns by cross-entropy."""


class Definition(NamedTuple):
    """A name of a module; with a key, one entry of the mapping that it is."""

    module: str
    name: str
    key: str | None = None


def code_of_step(function: str, params: Mapping[str, Any], plugins: Sequence[str] = ()) -> str:
    """The hash of the mathematics behind a step; empty where there is none, as for functions of other packages.

    The sources are those that were on the disk at the last `read_again`. `plugins`: the contents of the plug-ins of
    which the step uses an extension.
    """
    sections = {section: params.get(section) for section in SECTIONS}
    told = {name: str(one["type"]) for name, one in sections.items() if isinstance(one, Mapping) and "type" in one}
    code = _code(function, frozenset({**UNSAID, **told}.items()))
    return hashlib.sha256("\n".join([code, *plugins]).encode()).hexdigest() if plugins else code


@cache
def _code(function: str, chosen: frozenset[tuple[str, str]]) -> str:
    return code_identity(function, chosen=dict(chosen))


def read_again() -> None:
    """Look at the sources anew: they may have been edited since."""
    _code.cache_clear()
    _file.cache_clear()


def code_identity(
    *names: str,
    chosen: Mapping[str, str] | None = None,
    hashed: Collection[str] = HASHED,
    followed: Collection[str] = FOLLOWED,
) -> str:
    """A hash over all definitions that the named ones use, themselves included; empty if none of them is hashed.

    Args:
        names: `module:definition`, or a module or a folder's package for everything in it.
        chosen: by section (`loss`, `combine`), the entry of its registries that is used; otherwise all entries are.
        hashed: folders of the package whose definitions count.
        followed: folders that are looked through for what they use.
    """
    used = reached(names, chosen or {}, set(hashed) | set(followed))
    lines = sorted(
        f"{one.module}:{one.name}:{one.key or ''}={_source(one.module).digest(one.name, one.key)}"
        for one in used
        if _folder(one.module) in hashed and (one.name != ALWAYS or _source(one.module).statements.get(ALWAYS))
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def reached(names: Collection[str], chosen: Mapping[str, str], folders: Collection[str]) -> set[Definition]:
    """The definitions that the named ones use, directly or not, in modules of some folders."""
    seen: set[Definition] = set()
    waiting = [one for name in names for one in _named(name, folders)]
    while waiting:
        for one in _entries(waiting.pop(), chosen):
            if one not in seen:
                seen.add(one)
                waiting += _next(one, folders)
    return seen


def _entries(one: Definition, chosen: Mapping[str, str]) -> list[Definition]:
    """The entries of a registry that are used; any other definition as it is."""
    registry = REGISTRIES.get((one.module, one.name))
    if registry is None or chosen.get(registry.section) in (None, *registry.everything):
        return [one]
    return [one._replace(key=key) for key in (chosen[registry.section], *registry.always)]


def _named(name: str, folders: Collection[str]) -> Iterator[Definition]:
    module, _, definition = name.partition(":")
    path = _file(module)
    if _folder(module) not in folders or path is None:
        return
    if definition:
        yield Definition(module, definition)
        return
    yield from _everything(module)
    for inner in sorted(path.parent.iterdir()) if path.name == INIT else ():
        if (inner.suffix == ".py" and inner.name != INIT) or (inner / INIT).is_file():
            yield from _named(f"{module}.{inner.stem}", folders)


def _everything(module: str) -> list[Definition]:
    return [Definition(module, name) for name in _source(module).statements]


def _next(one: Definition, folders: Collection[str]) -> Iterator[Definition]:
    source = _source(one.module)
    yield Definition(one.module, ALWAYS)
    for used in source.uses(one.name, one.key):
        yield from _meant(one.module, source, used, folders)


def _meant(module: str, source: SourceFile, used: Used | Imported, folders: Collection[str]) -> Iterator[Definition]:
    """What a name of a module stands for: a definition there, one of another module, or a module."""
    if isinstance(used, Imported):
        yield from _elsewhere(used, "", folders)
    elif used.name in source.statements:
        yield Definition(module, used.name)
    elif used.name in source.imports:
        yield from _elsewhere(source.imports[used.name], used.attribute, folders)


def _elsewhere(imported: Imported, attribute: str, folders: Collection[str]) -> Iterator[Definition]:
    inner = f"{imported.module}.{imported.name}"
    if imported.name and _file(inner) is not None:  # `from package import module`
        imported = Imported(inner)
    name = imported.name or attribute
    if _folder(imported.module) not in folders or _file(imported.module) is None:
        return
    if not name:
        yield from _everything(imported.module)
        return
    source = _source(imported.module)
    if name in source.statements:
        yield Definition(imported.module, name)
    elif name in source.imports:  # it is handed on
        yield from _elsewhere(source.imports[name], "", folders)


def _folder(module: str) -> str:
    """The folder of the package that a module lies in; empty outside the package and for its own modules."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else ""


@cache
def _file(module: str) -> Path | None:
    if module.partition(".")[0] != PACKAGE:
        return None
    path = ROOT.joinpath(*module.split(".")[1:])
    return next((one for one in (path.with_suffix(".py"), path / INIT) if one.is_file()), None)


def _source(module: str) -> SourceFile:
    path = _file(module)
    assert path is not None, "only modules that are there are followed"
    return read_source(path)
