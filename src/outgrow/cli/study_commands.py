"""The verbs of studies: run, suite, simulate, plan, report, show."""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, Words, complain, say, say_json, say_markdown, say_result, say_suite

NoCode = Annotated[
    bool,
    typer.Option("--no-code", help="Refuse a study that contains code: plug-ins, functions of rules, models' code."),
]
File = Annotated[Path, typer.Argument(help="The experiment: a YAML file, or the folder of its report.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Steps to run at the same time. Default: 1; with GPUs, as many as fit."),
]
Launcher = Annotated[
    str, typer.Option("--launcher", help="Where steps run: `local`, this machine, or `ray`, a cluster.")
]
Address = Annotated[
    str, typer.Option(help="The Ray cluster: `auto`, `local` (one for this run), or `ray://HOST:PORT`.")
]
Devices = Annotated[
    str | None,
    typer.Option("--devices", help="GPUs to use: a number, or labels such as 0,2. Default: those of this machine."),
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a finished report of other settings.")]


def run(
    file: File,
    words: Words = None,
    jobs: Jobs = None,
    launcher: Launcher = "local",
    devices: Devices = None,
    address: Address = "auto",
    no_code: NoCode = False,
    replace: Replace = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study and write its report. Finished steps are reused.

    A finished report is replaced by one of other settings only with --replace. A report that lacks results does not
    replace it: it is written to the folder NAME.incomplete.
    """
    from rich.console import Console

    from outgrow import api
    from outgrow.cli.progress import display
    from outgrow.config.suite import is_suite

    if is_suite(file):
        suite(file, words, jobs, launcher, devices, address, no_code, replace, quiet, as_json)
        return
    with display(Console(stderr=True), quiet or as_json) as shown:
        result = api.run(
            file,
            *(words or []),
            jobs=jobs,
            launcher=launcher,
            devices=devices,
            address=address,
            code=not no_code,
            replace=replace,
            on_event=shown,
        )
    say_result(result, as_json)


def suite(
    file: Annotated[
        Path, typer.Argument(help="A YAML file with `sweep`, or a suite with `suite`, `base`, `studies`.")
    ],
    words: Words = None,
    jobs: Jobs = None,
    launcher: Launcher = "local",
    devices: Devices = None,
    address: Address = "auto",
    no_code: NoCode = False,
    replace: Replace = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run several studies and compare them. The rules for replacing reports are those of `run`."""
    from rich.console import Console

    from outgrow.cli.progress import display
    from outgrow.study.launch import Launch
    from outgrow.suite import run_suite

    console = Console(stderr=True)
    with display(console, quiet or as_json) as shown:
        suite_result = run_suite(
            file,
            *(words or []),
            launch=Launch(jobs, launcher, devices, address),
            code=not no_code,
            replace=replace,
            on_event=shown,
            on_study=shown.section,
        )
    say_suite(suite_result, as_json)


def simulate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A simulation, a YAML file with `simulation`.")],
    words: Words = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Simulate the theory of label refinement, on data with a known truth."""
    from outgrow.config.simulation import read_simulation
    from outgrow.simulate.simulation_folder import plain_data, require_place, terminal_text, write_simulation
    from outgrow.simulate.study import simulate

    settings = read_simulation(path, words or [])
    require_place(settings, replace)
    outcome = simulate(settings)
    report = write_simulation(settings, outcome)
    if as_json:
        say_json({"report": str(report), "results": plain_data(outcome)})
    else:
        say(f"{terminal_text(outcome)}\n\nreport: {report}")


def plan(file: File, words: Words = None, no_code: NoCode = False, as_json: AsJson = False) -> None:
    """List every step, its expected cost, and whether it is cached or new. Runs no step."""
    from outgrow import api
    from outgrow.cli.plan_text import plan_text, remarks

    planned = api.plan(file, *(words or []), code=not no_code)
    if as_json:
        say_json(planned.to_json())
        for sentence in remarks(planned):
            complain(sentence)
    else:
        say(plan_text(planned))


def report(file: File, words: Words = None, replace: Replace = False, as_json: AsJson = False) -> None:
    """Write the report of the finished steps. Runs no step. The rules for replacing reports are those of `run`."""
    from outgrow import api
    from outgrow.config.suite import is_suite
    from outgrow.suite import report_suite

    if is_suite(file):
        return say_suite(report_suite(file, *(words or []), replace=replace), as_json)
    return say_result(api.report(file, *(words or []), replace=replace), as_json)


def show(
    file: File,
    words: Words = None,
    table: Annotated[str, typer.Option(help="The name of the table.")] = "main",
    as_json: AsJson = False,
) -> None:
    """Print one table of the finished report of a study, suite or sweep."""
    from outgrow import api

    with warnings.catch_warnings(record=True) as caught:
        text = api.read_table(file, *(words or []), table=table, kind="json" if as_json else "md")
    for warning in caught:
        complain(str(warning.message))
    (say if as_json else say_markdown)(text.rstrip("\n"))
