"""The command: every verb parses, calls the Python door, prints. Nothing heavy is imported before a verb needs it."""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow import __version__
from outgrow.errors import OutgrowError

if TYPE_CHECKING:
    from outgrow.api import Result

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train a strong language model from several weaker supervisors, and measure how far it outgrows them.",
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at the tasks and their items.")
examples_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Experiments to start from.")
app.add_typer(data_app, name="data")
app.add_typer(examples_app, name="examples")

File = Annotated[Path, typer.Argument(help="The experiment, a YAML file.")]
Words = Annotated[list[str] | None, typer.Argument(help="Overrides: key.sub=value …", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def run(
    file: File,
    words: Words = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Steps to run at the same time.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study to its report; what is finished already is reused."""
    from rich.console import Console

    from outgrow import api
    from outgrow.console.progress import display

    with display(Console(stderr=True), quiet or as_json) as shown:
        result = api.run(file, *(words or []), jobs=jobs, on_event=shown)
    _print_result(result, as_json)


@app.command()
def suite(
    file: Annotated[Path, typer.Argument(help="A suite, a YAML file with `suite`, `base` and `studies`.")],
    words: Words = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Steps to run at the same time.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run several studies and put them side by side."""
    from rich.console import Console

    from outgrow.console.progress import display
    from outgrow.suite import run_suite

    console = Console(stderr=True)
    with display(console, quiet or as_json) as shown:
        found = run_suite(file, *(words or []), jobs=jobs, on_event=shown, on_study=shown.section)
    if as_json:
        _print_json({name: result.to_json() for name, result in found.results.items()})
    else:
        _print("\n".join(table.to_markdown() for table in found.tables) + f"\nreports: {found.folder}")
    _exit(list(found.results.values()))


@app.command()
def simulate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A simulation, a YAML file with `simulation`.")],
    words: Words = None,
    as_json: AsJson = False,
) -> None:
    """Watch the theory at work: simulate a world whose truth is known, where refinement beats naive fine-tuning."""
    from outgrow.config.simulation import read_simulation
    from outgrow.simulate.study import simulate
    from outgrow.simulate.write import plain_data, terminal_text, write_simulation

    settings = read_simulation(path, words or [])
    outcome = simulate(settings)
    report = write_simulation(settings, outcome)
    if as_json:
        _print_json({"report": str(report), "results": plain_data(outcome)})
    else:
        _print(f"{terminal_text(outcome)}\n\nreport: {report}")


@app.command()
def plan(file: File, words: Words = None, as_json: AsJson = False) -> None:
    """List every step with its expected cost, cached or new; execute nothing."""
    from outgrow import api

    planned = api.plan(file, *(words or []))
    if as_json:
        _print_json(planned.to_json())
    else:
        from outgrow.console.plan_text import plan_text

        _print(plan_text(planned))


@app.command()
def report(file: File, words: Words = None, as_json: AsJson = False) -> None:
    """Write the report of what is finished by now; execute nothing."""
    from outgrow import api

    _print_result(api.report(file, *(words or [])), as_json)


@app.command()
def show(
    file: File,
    words: Words = None,
    table: Annotated[str, typer.Option(help="Which of the report's tables.")] = "main",
    as_json: AsJson = False,
) -> None:
    """Print one table of a study's finished report."""
    from outgrow import api

    with warnings.catch_warnings(record=True) as caught:
        text = api.read_table(file, *(words or []), table=table, kind="json" if as_json else "md")
    for warning in caught:
        _complain(str(warning.message))
    _print(text.rstrip("\n"))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has: versions, devices, bundled models and data, caches. For bug reports."""
    from outgrow.console.doctor import examine

    findings = examine()
    if as_json:
        _print_json(findings)
    else:
        width = max(map(len, findings))
        _print("\n".join(f"{key.ljust(width)}  {value}" for key, value in findings.items()))


@data_app.command("ls")
def data_ls(as_json: AsJson = False) -> None:
    """List the tasks that outgrow knows, and where each can come from."""
    from outgrow.data.show import describe_tasks

    _print_rows(describe_tasks(), as_json)


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(help="A task's name, or an experiment file.")],
    words: Words = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many items.")] = 3,
    model: Annotated[str | None, typer.Option(help="Show the tokens that this model will see.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show some items: prompt, options, gold, and the tokens a model will see."""
    from outgrow.console.items_text import items_text, look_at_items

    seen = look_at_items(name, words or [], n, model)
    if as_json:
        _print_json(seen)
    else:
        _print(items_text(seen))


@examples_app.command("ls")
def examples_ls(as_json: AsJson = False) -> None:
    """List the experiments that come with outgrow."""
    from outgrow.console.recipes import list_recipes

    _print_rows(list_recipes(), as_json)


@examples_app.command("cp")
def examples_cp(
    name: str,
    to: Annotated[Path | None, typer.Argument(help="File to write; default: NAME.yaml here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy an experiment to start from; an existing file is left alone."""
    from outgrow.console.recipes import copy_recipe, verb

    written = copy_recipe(name, to)
    if as_json:
        _print_json({"written": [str(path) for path in written]})
    else:
        _print("\n".join([*map(str, written), f"Next: outgrow {verb(written[0])} {written[0]}"]))


@app.callback(invoke_without_command=True)
def version(show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show_version:
        _print(__version__)
        raise typer.Exit


def main() -> None:
    """The entry point: an error becomes a sentence on stderr (with --json an object on stdout) and an exit code."""
    try:
        app()
    except OutgrowError as error:
        if "--json" in sys.argv:
            _print_json({"error": str(error)})
        _complain(str(error))
        sys.exit(error.exit_code)
    except SystemExit as end:
        # This is what typer makes of Ctrl-C, without a word.
        if end.code == INTERRUPTED:
            _complain("interrupted; finished steps are kept, the same command goes on from there")
        raise


def _print_result(result: "Result", as_json: bool) -> None:
    if as_json:
        _print_json(result.to_json())
    else:
        from outgrow.console.result_text import result_text

        _print(f"{result_text(result.results)}\n\nreport: {result.report}")
    _exit([result])


def _exit(results: "list[Result]") -> None:
    for note in (note for result in results for note in result.notes):
        _complain(note)
    for complaint in dict.fromkeys(complaint for result in results for complaint in result.complaints):
        _complain(complaint)
    if any(result.interrupted for result in results):
        raise typer.Exit(INTERRUPTED)
    if any(result.failed for result in results):
        raise typer.Exit(FAILED)


def _print(text: str) -> None:
    encoding = sys.stdout.encoding
    if encoding.lower() != "utf-8":
        # A terminal that lacks a character is no reason to fail; of all characters, the minus must not get lost.
        text = text.replace("\N{MINUS SIGN}", "-").encode(encoding, "replace").decode(encoding)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough; Python must not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_json(value: Any) -> None:
    _print(json.dumps(value, ensure_ascii=False, indent=1))


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        return _print_json(rows)
    texts = [{key: key for key in rows[0]}, *({key: _cell(row[key]) for key in row} for row in rows)]
    widths = {key: max(len(row[key]) for row in texts) for key in texts[0]}
    for row in texts:
        _print("  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip())
    return None


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _complain(message: str) -> None:
    sys.stderr.write(f"outgrow: {message}\n")


if __name__ == "__main__":
    main()
