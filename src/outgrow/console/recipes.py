"""The experiments that come with outgrow: list them, copy one to start from."""

import shutil
from importlib.resources import files
from pathlib import Path

import yaml

from outgrow.errors import ConfigError, suggest


def recipes_folder() -> Path:
    """`examples/`: inside an installed package, beside `src/` in a checkout."""
    packed = Path(str(files("outgrow"))) / "examples"
    return packed if packed.is_dir() else Path(str(files("outgrow"))).parents[1] / "examples"


def list_recipes() -> list[dict[str, str]]:
    """Name, command and first sentence of every recipe, from the comment at its top."""
    return [{"name": name, "about": about(path)} for name, path in recipes().items()]


def recipes() -> dict[str, Path]:
    """Every recipe's file by its name: `quickstart`, `ablations/weights`."""
    folder = recipes_folder()
    paths = sorted(folder.rglob("*.yaml"), key=lambda path: (path.parent, path.name))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def about(path: Path) -> str:
    """The first sentence of the comment under the command."""
    words: list[str] = []
    for line in path.read_text().splitlines()[1:]:
        if not line.startswith("#"):
            break
        words += line.lstrip("# ").split()
    return " ".join(words).split(". ")[0].rstrip(".")


def copy_recipe(name: str, to: Path | None) -> Path:
    """Write the recipe, and the data file that it names, to `to` (default: here). Returns the recipe's path.

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
        shutil.copyfile(known[name], target)
        _copy_data(known[name], target.parent)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written ({error.strerror})") from None
    return target


def _copy_data(recipe: Path, folder: Path) -> None:
    """Put the file that a recipe's `task.path` names where the copy will look for it."""
    named = yaml.safe_load(recipe.read_text()).get("task", {}).get("path")
    if named and (recipe.parent / named).is_file() and not (folder / named).exists():
        (folder / named).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(recipe.parent / named, folder / named)
