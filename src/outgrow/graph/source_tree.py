"""The definitions of one source file, and the names that each of them uses.

Files are parsed with `ast` and not imported. Comments, formatting, docstrings and other bare strings, and the types of
arguments, results and variables are not part of a definition, because they change no result.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

IGNORED_FIELDS = frozenset({"ctx", "type_comment", "type_params", "returns", "annotation", "kind", "type_ignores"})
"""Fields of the tree that change no result."""
ALWAYS = ""
"""The name of a module's other statements; every definition of the module depends on them."""
DESCRIPTIONS = ("section", "paper", "deviations")
"""Arguments of an extension's record that change no result."""
FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+:[A-Za-z_]\w*")
"""A function named in a string."""
Bodied = ast.If | ast.Try | ast.With


class Used(NamedTuple):
    """A name that a definition uses, with the attribute that it reads if the name is a module."""

    name: str
    attribute: str = ""


class Imported(NamedTuple):
    """The origin of a name: a module and a name in it; an empty name is the module itself."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class SourceFile:
    """The statements of a module by the names that they bind, and its imports."""

    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Imported] = field(default_factory=dict)
    cache: dict[tuple[str, str | None], tuple[str, frozenset[Used | Imported]]] = field(default_factory=dict)
    """Cache: the hash and the uses of a definition."""

    def digest(self, name: str, key: str | None = None) -> str:
        """A hash of the definition of `name`; with `key`, of that entry of a mapping, which may be absent."""
        return self._read(name, key)[0]

    def uses(self, name: str, key: str | None = None) -> frozenset[Used | Imported]:
        """The names that a definition uses, and its own imports."""
        return self._read(name, key)[1]

    def _read(self, name: str, key: str | None) -> tuple[str, frozenset[Used | Imported]]:
        if (name, key) not in self.cache:
            trees = self._trees(name, key)
            text = "\n".join(map(_canonical, trees))
            uses = frozenset(use for tree in trees for use in _used(tree))
            self.cache[name, key] = hashlib.sha256(text.encode()).hexdigest(), uses
        return self.cache[name, key]

    def _trees(self, name: str, key: str | None) -> list[ast.AST]:
        statements = self.statements.get(name, [])
        if key is None:
            return list(statements)
        return [value for statement in statements for value in _entries(statement, key)]


def read_source(path: Path) -> SourceFile:
    """The definitions of a file; read again if its time or size changes."""
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(path: Path, _modified: int, _size: int) -> SourceFile:
    source = SourceFile()
    _collect(ast.parse(path.read_bytes()).body, source)
    return source


def _collect(body: list[ast.stmt], source: SourceFile) -> None:
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            source.imports.update(_imports(statement))
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            continue  # types only
        elif isinstance(statement, Bodied):
            # Statements under a condition count as definitions; the condition itself counts as `ALWAYS`.
            source.statements.setdefault(ALWAYS, []).append(statement)
            _collect([child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)], source)
        elif not _is_text(statement):
            for name in _bound(statement) or [ALWAYS]:
                source.statements.setdefault(name, []).append(statement)


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement defines; none for a statement that changes an existing object."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    nodes = [node for target in targets if target is not None for node in ast.walk(target)]
    if not nodes or any(isinstance(node, ast.Attribute | ast.Subscript) for node in nodes):
        return []
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Imported]]:
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            yield alias.asname or alias.name, Imported(statement.module or "", alias.name)
        else:
            yield alias.asname or alias.name.partition(".")[0], Imported(alias.name)


def _is_text(statement: object) -> bool:
    """Whether a statement is a docstring or another bare string."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _entries(statement: ast.stmt, key: str) -> Iterator[ast.AST]:
    """The value of a key in a literal mapping `{"key": value}`.

    Of `Registry("loss", LossRecord, [CROSS_ENTROPY, …])` it is the record that is named as the key in capitals.
    """
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call) and _is_registry(value):
        yield from (node for node in ast.walk(value) if isinstance(node, ast.Name) and node.id == key.upper())
        return
    if not isinstance(value, ast.Dict):
        yield statement  # no literal mapping
        return
    for name, entry in zip(value.keys, value.values, strict=True):
        if isinstance(name, ast.Constant) and name.value == key:
            yield entry


def _is_registry(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "Registry"


def _children(node: ast.AST) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Record"):
        # The first argument, its section, is left out: the step's parameters have the values of all options.
        keywords = [keyword for keyword in node.keywords if keyword.arg not in DESCRIPTIONS]
        node = ast.Call(node.func, node.args[1:], keywords)
    for name, value in ast.iter_fields(node):
        if name in IGNORED_FIELDS or value is None or value == []:
            continue
        yield name, [entry for entry in value if not _is_text(entry)] if isinstance(value, list) else value


def _canonical(value: object) -> str:
    """A tree as text, independent of the layout of the source."""
    if isinstance(value, ast.AST):
        fields = ",".join(f"{name}={_canonical(child)}" for name, child in _children(value))
        return f"{type(value).__name__}({fields})"
    if isinstance(value, list):
        return f"[{','.join(map(_canonical, value))}]"
    return repr(value)


def _used(node: ast.AST) -> Iterator[Used | Imported]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (imported for _, imported in _imports(node))
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        yield Used(node.value.id, node.attr)
    elif isinstance(node, ast.Name):
        yield Used(node.id)
    elif isinstance(node, ast.Constant) and FUNCTION.fullmatch(str(node.value)):
        module, _, name = str(node.value).partition(":")
        yield Imported(module, name)
    else:
        for _, child in _children(node):
            for entry in child if isinstance(child, list) else [child]:
                if isinstance(entry, ast.AST):
                    yield from _used(entry)
