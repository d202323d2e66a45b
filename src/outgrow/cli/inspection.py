"""The verbs that only look: at this machine, at data, at the examples that come along."""

from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, Words, say, say_json, say_rows


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has: versions, devices, bundled models and data, caches. For bug reports."""
    from outgrow.cli.doctor import examine

    findings = examine()
    if as_json:
        say_json(findings)
    else:
        width = max(map(len, findings))
        say("\n".join(f"{key.ljust(width)}  {value}" for key, value in findings.items()))


def data_ls(as_json: AsJson = False) -> None:
    """List the tasks that outgrow knows, and where each can come from."""
    from outgrow.data.preview import describe_tasks

    say_rows(describe_tasks(), as_json)


def data_show(
    name: Annotated[str, typer.Argument(help="A task's name, or an experiment file.")],
    words: Words = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many items.")] = 3,
    model: Annotated[str | None, typer.Option(help="Show the tokens that this model will see.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show some items: prompt, options, gold, and the tokens a model will see."""
    from outgrow.cli.items_text import items_text, look_at_items

    seen = look_at_items(name, words or [], n, model)
    if as_json:
        say_json(seen)
    else:
        say(items_text(seen))


def examples_ls(as_json: AsJson = False) -> None:
    """List the experiments that come with outgrow."""
    from outgrow.cli.list_recipes import list_recipes

    say_rows(list_recipes(), as_json)


def examples_cp(
    name: str,
    to: Annotated[Path | None, typer.Argument(help="File to write; default: NAME.yaml here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy an experiment to start from; an existing file is left alone."""
    from outgrow.cli.list_recipes import copy_recipe, verb

    written = copy_recipe(name, to)
    if as_json:
        say_json({"written": [str(path) for path in written]})
    else:
        say("\n".join([*map(str, written), f"Next: outgrow {verb(written[0])} {written[0]}"]))
