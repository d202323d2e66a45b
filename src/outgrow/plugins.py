"""Plug-ins: extensions from outside the package.

A plug-in is a Python file that a file of settings names (`plugins: [my_loss.py]`), or a module that an installed
package lists as an entry point of the group `outgrow.plugins`. Its list `EXTENSIONS` holds records of any kind
(`extensions.py`). `load` adds them to the registries and rebuilds the sections that take them.

A file is imported under a name that is made of its content, so a changed file is another module. The content is part
of the identity of the steps that use one of its extensions (`Step.plugins`); a worker loads these before it runs such
a step.
"""

import hashlib
import linecache
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from outgrow.errors import ConfigError, OutgrowError, StepFailed
from outgrow.extensions import KINDS, Record, Registry, rebuild_sections, registry_of
from outgrow.text_format import listed

GROUP = "outgrow.plugins"
LIST = "EXTENSIONS"
PREFIX = "outgrow_plugin_"


class PluginReference(NamedTuple):
    """What a worker needs to load the same plug-in."""

    place: str
    """The file's absolute path, or the distribution and module of an entry point."""
    content: str
    """64 hex digits: the file's hash; of an entry point, with the distribution's name and version."""
    installed: bool


@dataclass(frozen=True)
class Plugin:
    """A loaded plug-in."""

    reference: PluginReference
    module: str
    records: tuple[Any, ...]
    named: frozenset[tuple[str, str]]
    """Under which key of a step's parameters each extension is named."""


_loaded: dict[str, Plugin] = {}
"""By content."""
_places: dict[str, str] = {}
"""The content that each file had when it was loaded."""
_searched = False


def load_plugins(*files: str | Path) -> None:
    """Load installed plug-ins and some files, for `outgrow.combine` and `outgrow.train`. Raises `ConfigError`."""
    load_installed()
    load([Path(file) for file in files])


def load(paths: Iterable[Path]) -> tuple[Plugin, ...]:
    """Load plug-in files; one that is loaded already, with the same content, costs a look at the file.

    A changed file replaces what it added before. Raises `ConfigError`, which names the file, for one that cannot be
    read or imported, or that adds what cannot be added.
    """
    paths = [path.absolute() for path in paths]
    contents = {path: _read(path) for path in paths}
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    new = {hashed: path for path, hashed in hashes.items() if hashed not in _loaded}
    try:
        for hashed, path in new.items():
            _forget(_places.pop(str(path), None))
            module = _import_file(path, contents[path], f"{PREFIX}{hashed[:16]}")
            _add(PluginReference(str(path), hashed, installed=False), module, str(path), keep=set(hashes.values()))
    finally:
        if new:
            rebuild_sections()
    _places.update({str(path): hashed for path, hashed in hashes.items()})
    return tuple(_loaded[hashed] for hashed in dict.fromkeys(hashes.values()))


def load_installed() -> None:
    """Load the plug-ins of installed packages; only the first call looks for them. Raises `ConfigError`."""
    global _searched
    if _searched:
        return
    _searched = True
    installed = sorted(entry_points(group=GROUP), key=lambda entry: entry.value)
    for entry in installed:
        _load_entry(entry)
    if installed:
        rebuild_sections()


def require_loaded(references: Iterable[PluginReference]) -> None:
    """Load what a step needs. Raises `StepFailed` where a plug-in is no longer what the step was planned with."""
    references = list(references)
    if any(reference.installed for reference in references):
        load_installed()
    load(Path(reference.place) for reference in references if not reference.installed)
    for reference in references:
        if reference.content not in _loaded:
            raise StepFailed(f"{reference.place}: has changed since the study was planned; run the study again")


def forget(plugin: Plugin) -> None:
    """Remove what a plug-in added."""
    _forget(plugin.reference.content)
    rebuild_sections()


def used_by(function: str, params: Mapping[str, Any]) -> tuple[PluginReference, ...]:
    """The plug-ins of which a step uses the function or an extension, in a fixed order."""
    if not _loaded:
        return ()
    module, named = function.partition(":")[0], set(_names(params))
    used = [plugin for plugin in _loaded.values() if plugin.module == module or named & plugin.named]
    return tuple(sorted((plugin.reference for plugin in used), key=lambda reference: reference.content))


def loaded() -> tuple[Plugin, ...]:
    """All plug-ins, in the order of loading."""
    return tuple(_loaded.values())


def plugin_of(record: Any) -> Plugin | None:
    """The plug-in that added a record; none for one of outgrow's own."""
    return next((plugin for plugin in _loaded.values() if any(added is record for added in plugin.records)), None)


def _names(params: Any) -> Iterator[tuple[str, str]]:
    """Every key of nested parameters with the name that it has as value, or as the `type` of its section."""
    entries = params.items() if isinstance(params, Mapping) else ()
    for key, value in entries:
        name = value.get("type") if isinstance(value, Mapping) else value
        if isinstance(name, str):
            yield key, name
    for value in params.values() if isinstance(params, Mapping) else params if isinstance(params, list) else ():
        yield from _names(value)


# ---- loading ----------------------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _import_file(path: Path, content: bytes, name: str) -> ModuleType:
    """Run the content that was hashed. Raises `ConfigError` with the line at which it failed."""
    linecache.checkcache(str(path))  # attribute docstrings are read from the source
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(f"{path}{line_in(path, error)}: cannot be imported: {_brief(error)}") from error
    return module


def import_function(path: Path, name: str) -> Callable[..., Any]:
    """The function `name` of a file. Raises `ConfigError` if the file cannot be imported or does not have it."""
    content = _read(path)
    module = _import_file(path, content, f"{PREFIX}{hashlib.sha256(content).hexdigest()[:16]}")
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{path}: has no function `{name}`")
    return function  # type: ignore[no-any-return]


def line_in(path: Path, error: BaseException) -> str:
    """`, line 12`: the last line of the file that an error passed; empty if it passed none."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {frames[-1].lineno}" if frames else ""


def _brief(error: BaseException) -> str:
    text = getattr(error, "msg", None) or str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}".removesuffix(": ")


def _load_entry(entry: EntryPoint) -> None:
    """Load one entry point."""
    distribution = entry.dist.name if entry.dist is not None else "?"
    version = entry.dist.version if entry.dist is not None else "?"
    name = f"{distribution} ({entry.module})"
    try:
        module = import_module(entry.module)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{name}: the installed plug-in cannot be imported: {_brief(error)}") from error
    source = Path(module.__file__).read_bytes() if module.__file__ else b""
    content = hashlib.sha256(f"{distribution} {version} {hashlib.sha256(source).hexdigest()}".encode()).hexdigest()
    _add(PluginReference(name, content, installed=True), module, name, keep=set())


def _add(reference: PluginReference, module: ModuleType, name: str, keep: set[str]) -> None:
    """Add the module's records to their registries, all or none.

    A file of another study, which is not among those to `keep`, gives up names that it shares with this one.
    """
    records = _records(module, name)
    kinds = [(record, *_kind(record, name)) for record in records]
    added: list[tuple[Any, Registry[Any]]] = []
    try:
        for record, _, registry in kinds:
            _give_way(registry.get(record.name), keep)
            registry.add(record)
            added.append((record, registry))
    except OutgrowError as error:
        for record, registry in added:
            registry.remove(record.name)
        raise ConfigError(f"{name}: {error}") from None
    named = frozenset((key, record.name) for record, kind, _ in kinds for key in KINDS[kind].keys)
    _loaded[reference.content] = Plugin(reference, module.__name__, records, named)


def _records(module: ModuleType, name: str) -> tuple[Any, ...]:
    records = getattr(module, LIST, None)
    if not isinstance(records, list | tuple) or not records:
        raise ConfigError(f"{name}: the plug-in has no list `{LIST}` of records, such as `{LIST} = [LossRecord(…)]`")
    for record in records:
        if not isinstance(record, Record) or type(record).name is not Record.name:
            continue  # it has no section that names it
        tag = record.section.model_fields.get("type")
        if tag is None or get_origin(tag.annotation) is not Literal or len(get_args(tag.annotation)) != 1:
            raise ConfigError(f'{name}: the section `{record.section.__name__}` needs a field `type: Literal["NAME"]`')
    return tuple(records)


def _kind(record: Any, name: str) -> tuple[str, Registry[Any]]:
    """A record's kind and registry, by the class that the registry declares; the class's own folder is tried first."""
    folder = _folder(type(record).__module__)
    classes = []
    for kind in sorted(KINDS, key=lambda kind: _folder(KINDS[kind].registry) != folder):
        registry = registry_of(kind)
        if isinstance(record, registry.record_class):
            return kind, registry
        classes.append(registry.record_class.__name__)
    raise ConfigError(
        f"{name}: `{LIST}` holds {record!r:.80}, which is no record of any kind; known: {listed(sorted(set(classes)))}"
    )


def _folder(module: str) -> str:
    """`outgrow.losses` of `outgrow.losses.loss_record` and of `outgrow.losses:LOSSES`."""
    return ".".join(module.partition(":")[0].split(".")[:2])


def _give_way(record: Any, keep: set[str]) -> None:
    owner = None if record is None else plugin_of(record)
    if owner is not None and not owner.reference.installed and owner.reference.content not in keep:
        _forget(owner.reference.content)


def _forget(content: str | None) -> None:
    plugin = _loaded.pop(content or "", None)
    for record in plugin.records if plugin is not None else ():
        _kind(record, "")[1].remove(record.name)
