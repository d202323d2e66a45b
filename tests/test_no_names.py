"""No code tests for an extension by name, and none for its section by class."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import outgrow
from outgrow.config.endpoint import EndpointSection
from outgrow.config.model import ModelSection
from outgrow.config.section import Section
from outgrow.extensions import registries
from outgrow.generation.generators import GENERATORS

ROOT = Path(outgrow.__file__).parent
KINDS = {**registries(), "kind of model": GENERATORS}
NAMES = {name for registry in KINDS.values() for name in registry}
SECTIONS = {
    record.section.__name__ for kind in KINDS.values() for record in kind.values() if hasattr(record, "section")
} - {Section.__name__}
NARROWING = {"config/model.py": {ModelSection.__name__, EndpointSection.__name__}}
"""The one place that tells the two kinds of language model apart for the type checker."""


def is_type(node: ast.expr) -> bool:
    """Whether an expression reads a section's `type`: `x.type`, `x["type"]`, `x.get("type")`."""
    match node:
        case ast.Attribute(attr="type") | ast.Subscript(slice=ast.Constant(value="type")):
            return True
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value="type"), *_]):
            return True
    return False


def names_compared(tree: ast.AST) -> Iterator[str]:
    """Comparisons of a `type` with an extension's name, and `isinstance` with an extension's section."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                words = {
                    one.value for other in (left, *others) for one in ast.walk(other) if isinstance(one, ast.Constant)
                }
                if any(map(is_type, (left, *others))) and words & NAMES:
                    yield ast.unparse(node)
            case ast.Match(subject=subject) if is_type(subject):
                yield ast.unparse(subject)
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, classes]):
                used = {one.id for one in ast.walk(classes) if isinstance(one, ast.Name)} & SECTIONS
                yield from (f"isinstance(…, {name})" for name in used)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_extension_is_tested_by_name(path: Path) -> None:
    allowed = {f"isinstance(…, {name})" for name in NARROWING.get(str(path.relative_to(ROOT)), ())}
    assert set(names_compared(ast.parse(path.read_text()))) <= allowed


def test_what_is_looked_for_is_found() -> None:
    code = 'a.type == "vote"\nb["type"] in ("mace", "x")\nisinstance(c, Vote | int)\nd.get("type") != "endpoint"'
    assert len(list(names_compared(ast.parse(code)))) == 4
    assert not list(names_compared(ast.parse('device.type == "cpu"\nname == "vote"\nstage["type"] == "Metaspace"')))
