"""The command: each verb parses its arguments, calls the Python function, and prints. Heavy imports are inside the
verbs."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from outgrow import __version__
from outgrow.cli import INTERRUPTED, inspection
from outgrow.cli import store_commands as store
from outgrow.cli import study_commands as studies
from outgrow.cli import vote_commands as votes
from outgrow.cli.ask_command import ask
from outgrow.cli.demo_command import demo
from outgrow.cli.docs_command import docs_ls, docs_show, docs_skill
from outgrow.cli.export_command import export
from outgrow.cli.output import complain, say, say_json
from outgrow.cli.paper_command import paper
from outgrow.cli.student_commands import predict, train
from outgrow.cli.vote_options import WithMethods
from outgrow.errors import OutgrowError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train a strong language model from several weaker supervisors, and measure how far it exceeds them.",
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show the tasks and their items.")
methods_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show the methods and their parts.")
examples_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Experiments to start from.")
docs_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The documentation of this version.")
store_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show, clean and share finished steps.")

VERBS: tuple[Callable[..., None], ...] = (
    *(demo, studies.run, studies.suite, studies.simulate, studies.plan, studies.report, studies.show, paper),
    *(ask, votes.labels, votes.rules, votes.combine, train, predict, export, inspection.doctor),
)
for verb in VERBS:
    app.command(cls=WithMethods if verb in (votes.labels, votes.combine, train) else None)(verb)
app.add_typer(data_app, name="data")
app.add_typer(methods_app, name="methods")
app.add_typer(examples_app, name="examples")
app.add_typer(docs_app, name="docs")
app.add_typer(store_app, name="store")
for verb in (store.ls, store.du, store.gc, store.pack, store.unpack):
    store_app.command()(verb)
data_app.command("ls")(inspection.data_ls)
data_app.command("show")(inspection.data_show)
methods_app.command("ls")(inspection.methods_ls)
methods_app.command("show")(inspection.methods_show)
examples_app.command("ls")(inspection.examples_ls)
examples_app.command("cp")(inspection.examples_cp)
for name, command in (("ls", docs_ls), ("show", docs_show), ("skill", docs_skill)):
    docs_app.command(name)(command)


@app.callback(invoke_without_command=True)
def version(show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show_version:
        say(__version__)
        raise typer.Exit


def run() -> None:
    """An error becomes a message on stderr (with --json also an object on stdout) and an exit code."""
    try:
        app()
    except OutgrowError as error:
        if "--json" in sys.argv:
            say_json({"error": str(error)})
        complain(str(error))
        sys.exit(error.exit_code)
    except SystemExit as end:
        # typer turns Ctrl-C into this exit code, without a message.
        if end.code == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise
