"""What comes with outgrow beside its code: experiments and documentation."""

from importlib.resources import files
from pathlib import Path


def recipes_folder() -> Path:
    """`examples/`: inside an installed package, next to `src/` in a checkout."""
    return _beside("examples")


def docs_folder() -> Path:
    """`docs/`: inside an installed package, next to `src/` in a checkout."""
    return _beside("docs")


def _beside(name: str) -> Path:
    package = Path(str(files("outgrow")))
    return package / name if (package / name).is_dir() else package.parents[1] / name


def recipes() -> dict[str, Path]:
    """Every recipe's file by its name: `quickstart`, `ablations/weights`."""
    folder = recipes_folder()
    paths = sorted(folder.rglob("*.yaml"), key=lambda path: (path.parent, path.name))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def where_to_start(path: Path) -> str:
    """The fix for a missing experiment file: copy the recipe that was probably meant."""
    here = path.with_suffix(".yaml")
    if here != path and here.is_file():
        return f"did you mean `{here}`?"
    meant = path.with_suffix("").as_posix().removeprefix("examples/")
    if meant in recipes():
        return f"`outgrow examples cp {meant}` copies that recipe to this folder"
    return "`outgrow examples ls` lists experiments to start from"
