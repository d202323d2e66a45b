"""From a file or a mapping, with `key.sub=value` overrides, to an `Experiment`.

Precedence: defaults < file < overrides. Named methods are filled in from `methods.yaml`. All mistakes are in one
message with file, line and key; an unknown key comes with the nearest known one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from outgrow import plugins
from outgrow.config.consistency import check
from outgrow.config.experiment import Experiment
from outgrow.config.messages import FileLocation, error_messages
from outgrow.config.override import Word, changes_of, override
from outgrow.config.paths import ANSWERS, REPORTS, SETTINGS, STORE, seen_from, written_in
from outgrow.config.presets import DEFAULT_METHODS, presets
from outgrow.config.recipes import where_to_start
from outgrow.config.section import Section
from outgrow.config.user_code import refusal
from outgrow.config.yaml_text import MOST_LETTERS, Tree, YamlProblem, parse_yaml, unshared
from outgrow.errors import ConfigError, suggest

S = TypeVar("S", bound=Section)


def read_experiment(
    source: str | Path | Mapping[str, Any],
    words: Sequence[Word] = (),
    called: str = "experiment",
    folder: Path = Path(),
    code: bool = True,
) -> Experiment:
    """Parse and check an experiment.

    `source` is a YAML file, the folder of a report, or a mapping with the content of a file; each of `words` is
    `key.sub=value` with a YAML value (`seeds=0,1`, `task.sizes.test=200`, `methods.0.loss.type=evidential`), or a
    mapping that is merged in. Paths in a file are relative to its folder, those in words and mappings to the working
    directory. A mapping may have another `folder`, and a name for messages (`called`). Its plug-ins are loaded;
    without `code` they are refused. Raises `ConfigError`.
    """
    if isinstance(source, Mapping):
        tree, place = unshared(source), FileLocation(called)
    else:
        file = experiment_file(source)
        tree, place = load_tree(file)
        folder = file.parent
    if several := [key for key in ("suite", "sweep") if key in tree]:
        raise ConfigError(
            f"{place.name}: is a {several[0]} of several studies; use `outgrow suite` (in Python `outgrow.run_suite`)"
        )
    if "simulation" in tree:
        raise ConfigError(f"{place.name}: is a simulation; use `outgrow simulate`")
    place = with_words(place, words)
    _load_plugins(None, place)
    settled = _settled(tree, folder, words, place)
    if files := settled.get("plugins"):
        _load_plugins(files, place, code)
        settled = _settled(tree, folder, words, place)  # the sections of plug-ins have paths of their own
    try:
        experiment = Experiment.model_validate(settled)
    except ValidationError as error:
        raise ConfigError(error_messages(error, place)) from None
    check(experiment, place)
    return experiment.model_copy(update={"output": experiment.output or folder / REPORTS / experiment.name})


def _settled(tree: Tree, folder: Path, words: Sequence[Word], place: FileLocation) -> Tree:
    """A file's tree with its overrides, all methods in full, and all paths seen from the working directory."""
    tree = seen_from(folder, unshared(tree), Experiment)
    # Before every override, which may change a key of a named row, and after the last, which may name a row.
    for word in words:
        fill_in_methods(tree, place)
        override(tree, word)
    fill_in_methods(tree, place)
    return seen_from(Path(), _with_places(tree, folder), Experiment)


def _load_plugins(files: Any, place: FileLocation, code: bool = True) -> None:
    """Load installed plug-ins, and the files of a key `plugins`. Raises `ConfigError`; without `code` for any file."""
    # Anything else is reported later.
    paths = [Path(file) for file in files if isinstance(file, str | Path)] if isinstance(files, list) else []
    if paths and not code:
        raise ConfigError(refusal(place.name, map(str, paths)))
    try:
        plugins.load_plugins(*paths)
    except ConfigError as error:
        raise ConfigError(f"{place.at('plugins')}: {error}") from error


def read_section(section: type[S], tree: Tree, words: Sequence[Word], place: FileLocation) -> S:
    """A section from a tree with the overrides `words`. Raises `ConfigError` that names key and fix."""
    plugins.load_installed()
    for word in words:
        override(tree, word)
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(error_messages(error, with_words(place, words), section)) from None


def with_words(place: FileLocation, words: Sequence[Word]) -> FileLocation:
    """The location with the keys that the overrides change."""
    return replace(place, words=changes_of(words))


def file_settings(experiment: Experiment) -> Tree:
    """The resolved experiment as a file in its report's folder would have it."""
    tree = experiment.model_dump(mode="json")
    return tree if experiment.output is None else written_in(experiment.output, tree, Experiment)


def dump_experiment(experiment: Experiment, *, of_report: bool = False) -> str:
    """The resolved experiment as YAML, with every default.

    Paths are relative to the working directory; with `of_report`, to the report's folder.
    """
    tree = file_settings(experiment) if of_report else experiment.model_dump(mode="json")
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def experiment_file(source: str | Path) -> Path:
    """The YAML file that a path means: itself, or in the folder of a report that of its settings."""
    settings = Path(source) / SETTINGS
    return settings if settings.is_file() else Path(source)


def load_tree(path: Path) -> tuple[Tree, FileLocation]:
    """The mapping in a YAML file, and the lines of its keys. Raises `ConfigError` for anything else."""
    try:
        tree, node = parse_yaml(_text_of(path))
    except YamlProblem as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: an experiment is a mapping with keys such as `task`, `supervisors`, `student`")
    return tree, FileLocation(str(path), node)


def _text_of(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            what = f"a folder without the settings of a report ({SETTINGS})" if path.is_dir() else "not a regular file"
            raise ConfigError(f"{path}: is {what}; name a YAML file")
        with path.open("rb") as file:
            return file.read(4 * MOST_LETTERS).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{path}: no such file; {where_to_start(path)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError(f"{str(path)!r}: contains a NUL character; remove it") from None


def _with_places(tree: Tree, folder: Path) -> Tree:
    """The tree with the default folders of steps and answers filled in."""
    places = {"store": str(folder / STORE), "answers": str(folder / ANSWERS)}
    return {**tree, **{key: place for key, place in places.items() if tree.get(key) is None}}


def fill_in_methods(tree: Tree, place: FileLocation) -> None:
    """Named methods in full, in place. Raises `ConfigError` for an unknown name."""
    rows = tree.get("methods")
    rows = list(DEFAULT_METHODS) if rows is None else rows
    rows = [rows] if isinstance(rows, str) else rows
    if isinstance(rows, list):
        tree["methods"] = [_method_row(row, place.at("methods", index)) for index, row in enumerate(rows)]


def _method_row(row: Any, where: str) -> Any:
    if isinstance(row, str):
        row = {"preset": row}
    if not isinstance(row, dict) or "preset" not in row:
        return row
    changes = {key: value for key, value in row.items() if key != "preset"}
    name = str(row["preset"])
    if name not in presets():
        raise ConfigError(f"{where}: no method named `{name}`; {suggest(name, presets())}")
    return {"name": name, **_changed(unshared(presets()[name]), changes)}


def _changed(row: Tree, changes: Tree) -> Tree:
    """The named row with some keys replaced; a section without a `type` is merged into the row's section."""
    own = {key: row[key] for key in changes if isinstance(row.get(key), dict)}
    inherited = {
        key: {**own[key], **value}
        for key, value in changes.items()
        if key in own and isinstance(value, dict) and "type" not in value
    }
    return {**row, **changes, **inherited}
