"""What the functions among a study's rules cannot be: told by their files, which are read and not run."""

import ast
from collections.abc import Iterator

from outgrow.config.rules import FunctionRule
from outgrow.errors import OutgrowError, suggest
from outgrow.readers.raw_file import read_bytes
from outgrow.supervise.rule_file import function_of


def function_complaints(where: str, rule: FunctionRule) -> Iterator[str]:
    """A file that is not there or no Python, a function that is not in it; the file is read and not run."""
    file, name = function_of(rule.function)
    try:
        tree = ast.parse(read_bytes(file), str(file))
    except OutgrowError as error:
        yield f"{where}.function: {error}"
        return
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        yield f"{where}.function: {file}{line}: is no Python ({getattr(error, 'msg', error)})"
        return
    names = list(_names_in(tree))
    if name not in names and "*" not in names and "__getattr__" not in names:
        yield f"{where}.function: there is no function `{name}` in {file}; {suggest(name, names)}"


def _names_in(tree: ast.Module) -> Iterator[str]:
    """All names that are bound anywhere in a file: more than those that can be called, never fewer."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
