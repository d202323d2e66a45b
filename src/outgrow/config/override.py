"""Overrides: words of a command, or mappings given to a Python function, change keys of a file.

    seeds=0,1     task.sizes.test=200     {"seeds": [0, 1]}     {"task.sizes.test": 200}     {"task": {"sizes": …}}

A word sets its key. A mapping is merged key by key into the file's tree; null sets a key to its default.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outgrow.config.yaml_text import TEMPLATE, Tree, YamlProblem, parse_yaml, unshared
from outgrow.errors import ConfigError
from outgrow.text_format import short

Word = str | Mapping[str, Any]
"""An override."""
LONGEST_PLACE = 6
"""Digits of an index in a list."""


def override(tree: Tree, word: Word) -> None:
    """Apply an override to the tree. Raises `ConfigError` for an override without key or value."""
    if isinstance(word, Mapping):
        for key, value in unshared(word).items():
            _put(tree, str(key), value, f"{key}={short(value)}", merged=True)
    else:
        key, value = _read(word)
        _put(tree, key, value, word, merged=False)


def changes_of(words: Sequence[Word]) -> dict[str, str]:
    """By dotted key, the override that changes it, as it can be shown."""
    changes: dict[str, str] = {}
    for word in words:
        if isinstance(word, Mapping):
            changes |= {key: f"{key}={short(value)}" for key, value in _leaves(word)}
        else:
            changes[str(word).partition("=")[0]] = str(word)
    return changes


def merge(base: Any, changes: Any) -> Any:
    """Mappings are merged key by key, and a key changed to null is dropped; anything else is replaced."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    both = {key: merge(base.get(key), value) for key, value in changes.items()}
    return {key: value for key, value in {**base, **both}.items() if key not in changes or value is not None}


def _leaves(tree: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _read(word: str) -> tuple[str, Any]:
    """Key and value of a text."""
    if not isinstance(word, str):
        raise ConfigError(f"`{short(repr(word))}`: an override is a text, key.sub=value, or a mapping")
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise ConfigError(f"`{word}`: an override is written key.sub=value")
    # A template such as `{title}: {body}` is a text, though YAML takes braces for a mapping.
    if TEMPLATE.match(text):
        return key, text
    try:
        value, _ = parse_yaml(text)
        if isinstance(value, str) and "," in value and not text.lstrip().startswith(('"', "'")):
            value = [parse_yaml(part)[0] for part in text.split(",")]
    except YamlProblem as error:
        problem = str(error).removeprefix("not YAML: ")
        raise ConfigError(
            f"`{word}`: the value is not YAML: {problem}; write a text with such characters in quotes"
        ) from None
    return key, value


def _put(tree: Tree, dotted: str, value: Any, word: str, merged: bool) -> None:
    *path, last = dotted.split(".")
    node: Any = tree
    for name in path:
        node = _child(node, name, word)
    key: Any = _list_index(last, node, word) if isinstance(node, list) else last
    if merged and value is None and isinstance(node, dict):
        node.pop(key, None)
        return
    before = node[key] if isinstance(node, list) else node.get(key)
    node[key] = merge(before, value) if merged else value


def _child(node: Any, name: str, word: str) -> Any:
    key: Any = _list_index(name, node, word) if isinstance(node, list) else name
    child = node[key] if isinstance(node, list) else node.get(key)
    if not isinstance(child, dict | list):
        child = node[key] = {}
    return child


def _list_index(name: str, items: list[Any], word: str) -> int:
    usable = name.isascii() and name.isdecimal() and len(name) <= LONGEST_PLACE
    if not usable or int(name) >= len(items):
        places = (
            f"is not an index of the list (0 … {len(items) - 1})" if items else "is not an index: the list is empty"
        )
        raise ConfigError(f"`{word}`: `{name}` {places}")
    return int(name)
