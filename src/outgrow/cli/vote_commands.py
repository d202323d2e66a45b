"""The commands for existing votes: labels, rules, combine, train, export."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from outgrow.cli.output import AsJson, Plugins, complain, say, say_json
from outgrow.errors import ConfigError
from outgrow.text_format import many

Votes = Annotated[Path, typer.Argument(help="Votes: CSV, TSV, JSONL, JSON, Parquet, Arrow or .npy.")]
Columns = Annotated[
    list[str] | None,
    typer.Argument(help="Roles of columns: item=task_id source=worker label=answer …", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Argument(
        help="Settings: key.sub=value, such as votes.item=task_id keep.confidence=0.8 …", show_default=False
    ),
]
Classes = Annotated[str | None, typer.Option(help="All classes in order, separated by commas.", show_default=False)]
Gold = Annotated[
    Path | None,
    typer.Option(
        help="A table with the true classes, or the right texts, of some items.", show_default=False, metavar="FILE"
    ),
]
Renormalise = Annotated[bool, typer.Option("--renormalise", help="Scale probabilities that do not sum to 1.")]
Method = Annotated[str, typer.Option(help="The combiner.")]


class WithMethods(TyperCommand):
    """A command whose help lists every combiner. Only the help imports them."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from outgrow.combiners import text_combiners, vote_combiners

        names = f"{', '.join(sorted(vote_combiners()))}, single:SOURCE; of texts {', '.join(text_combiners())}"
        for option in self.params:
            if option.name == "method":
                option.help = f"The combiner: {names}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def labels(
    file: Votes,
    words: Columns = None,
    gold: Gold = None,
    classes: Classes = None,
    renormalise: Renormalise = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the full report as .html, .md or .json.", show_default=False)
    ] = None,
    ask: Annotated[
        Path | None,
        typer.Option("--next", help="Write the items to label next to a file.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many items to label next.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Describe a file of votes, and estimate how accurate its sources and labels are."""
    from outgrow import api_votes
    from outgrow.data.write_table import SUFFIXES, write_table
    from outgrow.readers.raw_file import shown
    from outgrow.trust_report.measure_trust import next_table
    from outgrow.trust_report.trust_page import FORMATS, write_trust
    from outgrow.trust_report.trust_text import trust_text

    _check_outputs([file, gold], {"--report": (report, tuple(FORMATS)), "--next": (ask, SUFFIXES)})
    votes = api_votes.read_labels(file, *(words or []), classes=_split(classes), gold=gold, renormalise=renormalise)
    trust = api_votes.trust(votes, n_next=n)
    if report is not None:
        write_trust(trust, report, title=shown(Path(file.name)))
    if ask is not None:
        write_table(next_table(trust), ask)
    if as_json:
        say_json(asdict(trust))
    else:
        say("\n".join([trust_text(trust), *(f"written: {path}" for path in (report, ask) if path is not None)]))


def rules(
    file: Annotated[Path, typer.Argument(help="Rules, a YAML file.")],
    items: Annotated[Path, typer.Argument(help="Items: CSV, TSV, JSONL, JSON, Parquet or Arrow.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The votes: .csv, .tsv, .jsonl or .parquet.")],
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes.")] = 1,
    no_code: Annotated[bool, typer.Option("--no-code", help="Refuse a file of rules with functions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Apply rules to items: regular expressions, and functions of your own."""
    from outgrow.data.write_table import SUFFIXES, write_table
    from outgrow.supervise.rules_step import apply_rules

    _check_outputs([items, file], {"--output": (output, SUFFIXES)})
    votes, errors = apply_rules(file, items, jobs=jobs, code=not no_code)
    write_table(votes.to_arrow(), output)
    if as_json:
        say_json({"written": str(output), "votes": votes.n_votes, "errors": [error._asdict() for error in errors]})
        return
    for note in votes.notes:
        complain(note)
    vote_counts = f"{many(votes.n_votes, 'vote')} of {many(len(votes.sources), 'rule')}"
    say(f"{vote_counts} on {many(len(votes.items), 'item')}: {output}")


def combine(
    file: Votes,
    words: Columns = None,
    method: Method = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The labels: .parquet, .csv, .tsv or .jsonl.", show_default=False),
    ] = None,
    gold: Gold = None,
    classes: Classes = None,
    renormalise: Renormalise = False,
    calibrate: Annotated[bool, typer.Option(help="Calibrate probabilities (temperature scaling).")] = True,
    state: Annotated[
        Path | None, typer.Option(help="Write a state to which --update can add votes.", show_default=False)
    ] = None,
    update: Annotated[
        Path | None, typer.Option(help="Add the file's votes to this state.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With --update: new votes replace old ones.")] = False,
    near: Annotated[
        bool, typer.Option("--near", help="With --update: fit only items with new votes. The result is approximate.")
    ] = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Combine the votes of several sources to one label per item with its probability."""
    from outgrow import api_votes
    from outgrow.combiners import text_combiners
    from outgrow.data.write_table import SUFFIXES
    from outgrow.plugins import load_plugins

    load_plugins(*(plugin or []))
    _check_outputs([file, gold, update], {"--output": (output, SUFFIXES), "--state": (state, ())})
    _check_outputs([file, gold], {"--update": (update, ())})
    if update is None and (near or overwrite):
        raise ConfigError(f"{'--near' if near else '--overwrite'}: needs `--update STATE`")
    if update is not None:
        _refuse_beside_update(
            {"--state": state, "--classes": classes, "--method": None if method == "auto" else method}
        )
    reading: dict[str, Any] = {"gold": gold, "renormalise": renormalise}
    combined: Any
    if method.partition(":")[0] in text_combiners():
        _refuse_options(method, classes=classes, state=state, update=update, renormalise=renormalise)
        combined = api_votes.combine_answers(api_votes.read_answers(file, *(words or [])), method, gold=gold)
    elif update is not None:
        options: dict[str, Any] = {"calibrate": calibrate, "overwrite": overwrite, "near": near, "output": output}
        combined = api_votes.update(update, file, *(words or []), on_wait=complain, **options, **reading)
    else:
        votes = api_votes.read_labels(file, *(words or []), classes=_split(classes), **reading)
        combined = api_votes.combine(votes, method, calibrate=calibrate, state=state, on_wait=complain)
    if output is not None and update is None:
        combined.save(output)
    if as_json:
        say_json({"written": None if output is None else str(output), **combined.about})
    else:
        from outgrow.cli.votes_text import combined_text

        say("\n".join([combined_text(combined), *_written(output, state or update)]))


def train(
    items: Annotated[Path, typer.Option(help="The items: CSV, TSV, JSONL, JSON, Parquet or Arrow.")],
    labels: Annotated[Path, typer.Option(help="The votes on the items.")],
    model: Annotated[str, typer.Option(help="org/name on the hub, bundled:NAME, or a folder.")],
    words: Settings = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The student's folder.")] = Path("student"),
    method: Method = "auto",
    gold: Gold = None,
    test: Annotated[
        Path | None, typer.Option(help="Items with true classes, to measure the student on.", show_default=False)
    ] = None,
    classes: Classes = None,
    store: Annotated[Path, typer.Option(help="Folder of the finished steps. They are reused.")] = Path("runs/steps"),
    plugin: Plugins = None,
    no_code: Annotated[
        bool, typer.Option("--no-code", help="Refuse plug-in files and code in models' folders.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Combine votes, train a student on the combined labels, and write it with a model card."""
    from rich.console import Console

    from outgrow import api_votes
    from outgrow.cli.progress import display

    named: dict[str, Any] = {} if classes is None else {"classes": _split(classes)}
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


def export(
    path: Annotated[Path, typer.Argument(help="A student's folder, or a Parquet file of combined labels.")],
    hub: Annotated[str, typer.Option(help="The repository: name/repository.")],
    public: Annotated[bool, typer.Option("--public", help="Make it public; by default it is private.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a student or labels to the Hugging Face hub. No other command uploads to the hub."""
    from outgrow.deliver.export import export as send

    address = send(path, hub, private=not public)
    if as_json:
        say_json({"address": address})
    else:
        say(address)


def _refuse_options(method: str, **given: Any) -> None:
    """Refuse options that a combiner of texts does not use. Raises `ConfigError`."""
    for name, value in given.items():
        if value:
            raise ConfigError(f"--{name}: is for votes on classes, but `{method}` combines texts; leave it out")


def _refuse_beside_update(given: dict[str, Any]) -> None:
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f"{option}: the state in `--update` defines it; leave it out")


def _written(output: Path | None, state: Path | None) -> list[str]:
    """The written files."""
    lines = [f"written: {path}" for path in (output, state) if path is not None]
    return lines if output is not None else [*lines, "The labels were not written; -o FILE writes them."]


def _check_outputs(read: list[Path | None], written: dict[str, tuple[Path | None, tuple[str, ...]]]) -> None:
    """Check before any work that outputs (by option, with their formats) can be written and are not inputs.

    Raises `ConfigError` and `DataError`.
    """
    from outgrow.graph.writable import refuse_unwritable

    for option, (path, formats) in written.items():
        if path is None:
            continue
        refuse_unwritable(option, path, formats)
        if os.path.exists(path) and any(
            source and os.path.exists(source) and path.samefile(source) for source in read
        ):
            raise ConfigError(f"{option}: {path} is an input file; write to another file")


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]
