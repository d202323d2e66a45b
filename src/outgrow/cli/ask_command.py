"""The command `ask`: votes of models on items."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli.output import AsJson, complain, say, say_json
from outgrow.cli.vote_options import Classes, check_outputs, class_list
from outgrow.errors import ConfigError
from outgrow.text_format import many

if TYPE_CHECKING:
    from outgrow.asking.ask_plan import AskPlan, PlannedSource


def ask(
    items: Annotated[Path, typer.Option(help="The items: CSV, TSV, JSONL, JSON, Parquet or Arrow.")],
    by: Annotated[Path, typer.Option(help="The judges, a YAML file with `supervisors`.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Settings: key.sub=value, such as items.text=question …", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The votes: .parquet, .csv, .tsv or .jsonl.", show_default=False),
    ] = None,
    classes: Classes = None,
    scale: Annotated[
        str | None, typer.Option(help="The lowest and the highest grade: 1-5.", show_default=False)
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Which of two texts is better? Asked in both orders.")
    ] = False,
    prompt: Annotated[
        str | None,
        typer.Option(help="The prompt, with columns in braces: 'Is this spam? {text}'", show_default=False),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="The most that all answers together may cost.", show_default=False)
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show requests, tokens and price; ask nothing.")] = False,
    no_code: Annotated[bool, typer.Option("--no-code", help="Refuse code in models' folders.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask models behind servers or on this machine for votes on items: classes, grades, or the better of two texts.

    The same command again asks only for what is missing.
    """
    from rich.console import Console

    from outgrow import api_ask
    from outgrow.cli.progress import display
    from outgrow.data.write_table import SUFFIXES

    check_outputs([items, by], {"--output": (output, SUFFIXES)})
    asked: dict[str, Any] = {
        "classes": class_list(classes),
        "scale": scale,
        "pairs": pairs,
        "prompt": prompt,
        "budget": budget,
    }
    if plan:
        planned = api_ask.plan_ask(items, by, *(words or []), **asked)
        return say_json(asdict(planned)) if as_json else say(ask_plan_text(planned))
    if output is None:
        raise ConfigError("--output: name a file for the votes, such as `-o votes.parquet`; or add `--plan`")
    with display(Console(stderr=True), quiet or as_json) as shown:
        votes = api_ask.ask(
            items,
            by,
            *(words or []),
            **asked,
            output=output,
            code=not no_code,
            on_event=lambda event: None if event.kind == "failed" else shown(event),  # the error itself is printed
        )
    if as_json:
        return say_json({"written": str(output), "votes": votes.n_votes, "notes": list(votes.notes)})
    for note in votes.notes:
        complain(note)
    counts = f"{many(votes.n_votes, 'vote')} of {many(len(votes.sources), 'source')}"
    return say(f"{counts} on {many(len(votes.items), 'item')}: {output}")


def ask_plan_text(plan: "AskPlan") -> str:
    """A line per source, the total, and the keys that are sent."""
    head = ("source", "model", "questions", "new", "tokens read", "written", "price")
    rows = [head, *map(_row, plan.sources)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    new = many(sum(source.requests for source in plan.sources), "new answer")
    total = f"{new}; at most {plan.price:.4f} in the currency of `prices`, {plan.spent:.4f} spent before"
    limit = "" if plan.budget is None else f"; the budget is {plan.budget:g}"
    keys = [
        f"{where} is sent {_key(key)}." for where, key in dict.fromkeys((s.where, s.key) for s in plan.sources) if key
    ]
    return "\n".join([*lines, "", f"{total}{limit}. Nothing was asked.", *keys])


def _row(source: "PlannedSource") -> tuple[str, ...]:
    counts = (source.questions, source.requests, source.tokens_read, source.tokens_written)
    return (source.name, source.where, *map(str, counts), f"{source.price:.4f}")


def _key(variable: str) -> str:
    return f"the key in {variable}" if os.environ.get(variable) else f"the key in {variable}, which is not set"
