"""The command for finished students: predict."""

from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, say, say_json
from outgrow.cli.vote_commands import check_outputs
from outgrow.text_format import many


def predict(
    student: Annotated[Path, typer.Option(help="The student's folder.")],
    items: Annotated[Path, typer.Option(help="New items: CSV, TSV, JSONL, JSON, Parquet or Arrow.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The labels: .parquet, .csv, .tsv or .jsonl.")],
    text: Annotated[
        str | None,
        typer.Option(
            help="The column of the texts, or '{title}: {body}'; default: as in training.", show_default=False
        ),
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="The column of ids.", show_default=False)] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="The least confidence of an answer of its own; default: its card's.", show_default=False),
    ] = None,
    store: Annotated[Path, typer.Option(help="Folder of the finished steps. They are reused.")] = Path("runs/steps"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Label new items by a student, and mark those that should go back to the sources.

    The column `by` is `student` or `sources`. The student's card has the confidence from which on it answers alone
    (`outgrow train … cascade.accuracy=0.95`).
    """
    from rich.console import Console

    from outgrow import api_students
    from outgrow.cli.progress import display
    from outgrow.data.write_table import SUFFIXES

    check_outputs([items], {"--output": (output, SUFFIXES)})
    with display(Console(stderr=True), quiet or as_json) as shown:
        table = api_students.predict(
            student,
            items,
            text=text,
            id=id,
            threshold=threshold,
            output=output,
            store=store,
            on_event=lambda event: None if event.kind == "failed" else shown(event),  # the error itself is printed
        )
    alone = table["by"].to_pylist().count("student")
    if as_json:
        say_json({"written": str(output), "items": len(table), "by_student": alone})
    else:
        say(
            f"{alone} of {many(len(table), 'item')} by the student, {len(table) - alone} back to the sources: {output}"
        )
