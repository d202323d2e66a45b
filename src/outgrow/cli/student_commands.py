"""The commands for students of votes: train, predict."""

from pathlib import Path
from typing import Annotated, Any

import typer

from outgrow.cli.output import AsJson, Plugins, say, say_json
from outgrow.cli.vote_options import Classes, Gold, Settings, check_outputs, class_list
from outgrow.text_format import many


def train(
    labels: Annotated[list[Path], typer.Option(help="The votes on the items; may be given several times.")],
    model: Annotated[str, typer.Option(help="org/name on the hub, bundled:NAME, or a folder.")],
    words: Settings = None,
    items: Annotated[
        Path | None,
        typer.Option(
            help="The items: CSV, TSV, JSONL, JSON, Parquet or Arrow; by default the texts in the files of votes.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The student's folder.")] = Path("student"),
    method: Annotated[
        str | None,
        typer.Option(help="The combiner; default: the student learns the evidence of all votes.", show_default=False),
    ] = None,
    gold: Gold = None,
    test: Annotated[
        Path | None, typer.Option(help="Items with true classes, to measure the student on.", show_default=False)
    ] = None,
    classes: Classes = None,
    store: Annotated[Path, typer.Option(help="Folder of the finished steps. They are reused.")] = Path("runs/steps"),
    plugin: Plugins = None,
    no_code: Annotated[
        bool, typer.Option("--no-code", help="Refuse plug-in files, functions and code in models' folders.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Combine votes, train a student on the combined labels, and write it with a model card."""
    from rich.console import Console

    from outgrow import api_votes
    from outgrow.cli.progress import display

    named: dict[str, Any] = {} if classes is None else {"classes": class_list(classes)}
    with display(Console(stderr=True), quiet or as_json) as shown:
        student = api_votes.train(
            items,
            labels,
            *(words or []),
            model=model,
            output=output,
            method=method,
            gold=gold,
            test=test,
            store=store,
            plugins=plugin or [],
            code=not no_code,
            on_event=lambda event: None if event.kind == "failed" else shown(event),  # the error itself is printed
            **named,
        )
    if as_json:
        say_json({"student": str(student.folder), **student.card})
    else:
        from outgrow.cli.votes_text import student_text

        say(student_text(student))


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
    (`outgrow train … cascade.accuracy=0.95`). Without it the student answers all items.
    """
    from rich.console import Console

    from outgrow import api_students
    from outgrow.cli.progress import display
    from outgrow.data.write_table import SUFFIXES
    from outgrow.deliver.predict import read_card

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
        return
    say(f"{alone} of {many(len(table), 'item')} by the student, {len(table) - alone} back to the sources: {output}")
    if threshold is None and read_card(student).get("cascade") is None:
        say("How often its answers are right is not known; `cascade.accuracy=0.95` of `outgrow train` finds it out.")
    if id is None and table["item"].to_pylist() == [str(row) for row in range(len(table))]:
        say("The items are named by their rows, from 0; `--id COLUMN` names them.")
