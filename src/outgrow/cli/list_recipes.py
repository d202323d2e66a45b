"""The recipes as a person meets them: list them, copy one to start from."""

import shutil
from pathlib import Path

import yaml

from outgrow.config.recipes import recipes
from outgrow.errors import ConfigError, suggest
from outgrow.graph.output import whole_file


def list_recipes() -> list[dict[str, str]]:
    """Name, command and first sentence of every recipe, from the comment at its top."""
    return [{"name": name, "about": about(path)} for name, path in recipes().items()]


def about(path: Path) -> str:
    """The first sentence of the comment under the command."""
    words: list[str] = []
    for line in path.read_text().splitlines()[1:]:
        if not line.startswith("#"):
            break
        words += line.lstrip("# ").split()
    return " ".join(words).split(". ")[0].rstrip(".")


def verb(path: Path) -> str:
    """By which verb of the command a recipe is run: the comment at its top begins with the whole command."""
    return path.read_text().split()[2]


def copy_recipe(name: str, to: Path | None) -> list[Path]:
    """Write the recipe, and the data files that it names, to `to` (default: here). Returns what was written.

    Raises `ConfigError` rather than overwrite a recipe; a data file that is there already is kept.
    """
    known = recipes()
    if name not in known:
        raise ConfigError(f"no example named `{name}`; {suggest(name, sorted(known))}")
    file = known[name].name
    target = Path(file) if to is None else to / file if to.is_dir() else to
    if target.exists():
        raise ConfigError(f"{target}: exists already; name another file")
    try:
        _copy(known[name], target)
        return [target, *_copy_data(known[name], target.parent)]
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written ({error.strerror})") from None


def _copy(file: Path, target: Path) -> None:
    """Whole or not at all: half a file would be one that is there already, and be left alone the next time."""
    with whole_file(target) as unfinished:
        shutil.copyfile(file, unfinished)


def _copy_data(recipe: Path, folder: Path) -> list[Path]:
    """Put the files that a recipe's `task.path` and supervisors' `votes` name where the copy will look for them."""
    tree = yaml.safe_load(recipe.read_text())
    supervisors = tree.get("supervisors", {}).values()
    named = [tree.get("task", {}).get("path"), *(section.get("votes") for section in supervisors)]
    copied = []
    for name in dict.fromkeys(filter(None, named)):
        if (recipe.parent / name).is_file() and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _copy(recipe.parent / name, folder / name)
            copied.append(folder / name)
    return copied
