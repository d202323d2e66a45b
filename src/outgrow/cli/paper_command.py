"""The verb `paper`: figures, methods and references of a finished report, for LaTeX."""

from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, Words, say, say_json


def paper(
    file: Annotated[Path, typer.Argument(help="The experiment: a YAML file, or the folder of its report.")],
    words: Words = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder; default: `paper` in the report's folder.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the figures of a finished report for one column of a paper, with the methods in words and BibTeX.

    Figures are PDF and SVG. Nothing is measured again; the report's tables are in its folder as LaTeX.
    """
    from outgrow.config.load import read_experiment
    from outgrow.reporting.paper import write_paper

    experiment = read_experiment(file, words or [])
    written = write_paper(experiment, experiment.folder, output or experiment.folder / "paper")
    if as_json:
        say_json({"written": [str(path) for path in written]})
    else:
        say("\n".join(map(str, written)))
