"""YAML of experiment and rule files: plain data of limited size, without repeated keys.

Safe YAML, with these differences. A repeated key is an error. A key is always a text (`no: …` and `1: …` are the names
`no` and `1`). Dates and times of day are texts. Only the tags of plain data are allowed. The values of aliases are
counted before they are created, so that a few lines cannot expand to billions of values. Each alias gets its own copy.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from outgrow.errors import ConfigError
from outgrow.text_format import HALF_CHARACTER, short

Tree = dict[str, Any]
MOST_LETTERS = 1 << 20
"""Characters of a file; a study has a few thousand."""
MOST_VALUES = 100_000
"""Values of a file; an alias counts each time it is used."""
DEEPEST = 50
MOST_DIGITS = 300
"""Of a whole number."""
TEMPLATE = re.compile(r"\{[^{}:,\"']+\}")
"""How a template begins, such as `{title}: {body}`."""
TAG = "tag:yaml.org,2002:"
PLAIN = {f"{TAG}{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")}
NUMBERS = {
    f"{TAG}int": re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)$"),
    f"{TAG}float": re.compile(
        r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?$|[-+]?\.(?:inf|nan)$", re.I
    ),
}
"""YAML 1.1 without numbers in base 60: `12:30` is a text."""


class YamlProblem(ConfigError):
    """Text that is not YAML, or not plain data; the message has the line."""


class Loader(yaml.SafeLoader):
    """See above; `sizes` has by node the number of its values and their depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.sizes: dict[int, tuple[int, int]] = {}
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Raises `YamlProblem` as soon as there are too many values, or too deep."""
        self.depth += 1
        if self.depth > DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise YamlProblem(f"line {mark.line + 1}: nested more than {DEEPEST} deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and id(node) not in self.sizes:
            self.sizes[id(node)] = self._measured(node)
        return node

    def _measured(self, node: yaml.Node) -> tuple[int, int]:
        children = list(node.value) if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in children for part in pair]
        child_sizes = [self.sizes.get(id(child)) for child in children]
        line = node.start_mark.line + 1
        if None in child_sizes:
            raise YamlProblem(f"line {line}: an alias is inside its own anchor")
        count = 1 + sum(size for size, _ in child_sizes)  # type: ignore[misc]
        depth = 1 + max((depth for _, depth in child_sizes), default=0)  # type: ignore[misc]
        if count > MOST_VALUES or depth > DEEPEST:
            much = f"more than {MOST_VALUES:,} values" if count > MOST_VALUES else f"nested more than {DEEPEST} deep"
            raise YamlProblem(f"line {line}: {much}, with every use of an alias counted")
        return count, depth

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Raises `YamlProblem` for a value that its tag makes impossible, or that is no plain data."""
        line = node.start_mark.line + 1
        if node.tag not in PLAIN:
            raise YamlProblem(f"line {line}: the tag `{short(node.tag)}` is unknown; plain values need none")
        if node.tag == f"{TAG}int" and len(node.value) > MOST_DIGITS:
            raise YamlProblem(f"line {line}: a number of more than {MOST_DIGITS} digits")
        try:
            value = super().construct_object(node, deep=True)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            text = f"`{short(node.value)}`" if isinstance(node, yaml.ScalarNode) else "this value"
            raise YamlProblem(f"line {line}: {text} is not of type {node.tag.removeprefix(TAG)}") from None
        if isinstance(value, str) and HALF_CHARACTER.search(value):
            raise YamlProblem(f"line {line}: holds half a character (a lone surrogate, \\uD800 … \\uDFFF)")
        return value

    def construct_tree(self, node: yaml.MappingNode) -> Tree:
        """A mapping whose keys are texts; raises `YamlProblem` for a repeated key."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                raise YamlProblem(f"line {line}: a mapping or list cannot be a key")
            if key.tag != f"{TAG}merge":
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise YamlProblem(f"line {line}: the key `{short(key.value)}` occurs twice; keep one of them")
                seen.add(key.value)
                key.tag = f"{TAG}str"
        self.flatten_mapping(node)
        return {self.construct_object(key): self.construct_object(value) for key, value in node.value}


Loader.add_constructor(f"{TAG}map", Loader.construct_tree)
Loader.yaml_implicit_resolvers = {
    letter: [(tag, NUMBERS.get(tag, pattern)) for tag, pattern in resolvers if tag in PLAIN]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """The data of a text, and its nodes with their lines. Raises `YamlProblem`, one sentence without the file."""
    if len(text) > MOST_LETTERS:
        raise YamlProblem(f"more than {MOST_LETTERS:,} characters; a file of settings has a few thousand")
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        return (None, None) if node is None else (unshared(loader.construct_document(node)), node)
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlProblem(f"not YAML: {_problem(error)}") from None


def unshared(tree: Any, depth: int = 0) -> Any:
    """A deep copy of plain containers, so that a change of one alias does not change the others."""
    if depth > DEEPEST:
        raise YamlProblem(f"nested more than {DEEPEST} deep")
    if isinstance(tree, Mapping):
        return {key: unshared(value, depth + 1) for key, value in tree.items()}
    return [unshared(value, depth + 1) for value in tree] if isinstance(tree, list | tuple) else tree


def _problem(error: Exception) -> str:
    """What the parser says, and where."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        letter = mark.buffer[mark.pointer : mark.pointer + 1] if mark.buffer is not None else ""
        if letter == "\t":
            return f"line {mark.line + 1} is indented with a tab; use spaces"
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"the character {error.character!r} is not allowed in YAML (position {error.position})"
    return "nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
