"""The commands for existing votes: labels, rules, combine, train."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli.output import AsJson, Plugins, complain, say, say_json
from outgrow.cli.vote_options import (
    Classes,
    Columns,
    Gold,
    KindOfVotes,
    MethodOfKind,
    Renormalise,
    Votes,
    check_outputs,
    class_list,
)
from outgrow.errors import ConfigError
from outgrow.text_format import many

if TYPE_CHECKING:
    from outgrow.vote_kinds import VoteKind


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
    kind: KindOfVotes = None,
    explain: Annotated[bool, typer.Option("--explain", help="Only show how each column was read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a file of votes, and estimate how accurate its sources and labels are."""
    from rich.console import Console

    from outgrow import api_votes
    from outgrow.cli.progress import waiting
    from outgrow.data.write_table import SUFFIXES, write_table
    from outgrow.readers.raw_file import shown
    from outgrow.trust_report.measure_trust import next_table
    from outgrow.trust_report.trust_page import FORMATS, write_trust
    from outgrow.trust_report.trust_text import trust_text
    from outgrow.vote_kinds import Options, kind_of, text_of

    files, words = _files_and_words(file, words)
    check_outputs([*files, gold], {"--report": (report, tuple(FORMATS)), "--next": (ask, SUFFIXES)})
    given = Options(class_list(classes), gold, renormalise).given()
    record = kind_of(files, words, kind=kind, options=given)
    if explain:
        _explain(record, files, words, as_json)
        return
    if not record.has_trust_report:
        record.check([name for name, path in (("report", report), ("next", ask)) if path is not None])
        options: dict[str, Any] = {"classes": class_list(classes), "gold": gold, "renormalise": renormalise}
        combined = api_votes.combine(files, kind=record.name, words=words, **options)
        say_json(combined.about) if as_json else say(text_of(record, combined))
        return
    votes = api_votes.read_labels(files, *words, classes=class_list(classes), gold=gold, renormalise=renormalise)
    with waiting(Console(stderr=True), f"measuring {many(votes.n_votes, 'vote')}"):
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

    check_outputs([items, file], {"--output": (output, SUFFIXES)})
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
    method: MethodOfKind = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The labels: .parquet, .csv, .tsv or .jsonl.", show_default=False),
    ] = None,
    kind: KindOfVotes = None,
    gold: Gold = None,
    classes: Classes = None,
    renormalise: Renormalise = False,
    calibrate: Annotated[bool, typer.Option(help="Calibrate probabilities (temperature scaling).")] = True,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Texts: when two answers are the same; answer_match, math_match …, or FILE.py:FUNCTION.",
            show_default=False,
        ),
    ] = None,
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
    no_code: Annotated[bool, typer.Option("--no-code", help="Refuse plug-in files and a metric's function.")] = False,
    as_json: AsJson = False,
) -> None:
    """Combine the votes of several sources to one label per item with its probability."""
    from rich.console import Console

    from outgrow import api_votes
    from outgrow.cli.progress import waiting
    from outgrow.config.user_code import refusal
    from outgrow.data.write_table import SUFFIXES
    from outgrow.plugins import load_plugins
    from outgrow.vote_kinds import Options, default_kind, kind_of, text_of

    if plugin and no_code:
        raise ConfigError(refusal("combine", map(str, plugin)))
    load_plugins(*(plugin or []))
    files, words = _files_and_words(file, words)
    check_outputs([*files, gold, update], {"--output": (output, SUFFIXES), "--state": (state, ())})
    check_outputs([*files, gold], {"--update": (update, ())})
    reading: dict[str, Any] = {"gold": gold, "renormalise": renormalise, "calibrate": calibrate, "on_wait": complain}
    combined: Any
    if update is not None:
        method = None if method == "auto" else method
        _refuse_beside_update(
            {"--state": state, "--classes": classes, "--method": method, "--kind": kind, "--metric": metric}
        )
        record = default_kind()
        combined = api_votes.update(update, files, *words, overwrite=overwrite, near=near, output=output, **reading)
    else:
        if near or overwrite:
            raise ConfigError(f"{'--near' if near else '--overwrite'}: needs `--update STATE`")
        options = Options(class_list(classes), gold, renormalise, calibrate, metric, state)
        record = kind_of(files, words, kind=kind, method=method, options=options.given())
        reading |= {"classes": options.classes, "metric": metric, "state": state, "code": not no_code}
        with waiting(Console(stderr=True), "combining"):
            combined = api_votes.combine(files, method, kind=record.name, words=words, **reading)
        if output is not None:
            combined.save(output)
    if as_json:
        say_json({"written": None if output is None else str(output), **combined.about})
    else:
        say("\n".join([text_of(record, combined), *_written(output, state or update)]))


def _files_and_words(file: Path, words: list[str] | None) -> tuple[list[Path], list[str]]:
    """The files of votes, and the settings: what has no `=` is a further file."""
    given = words or []
    return [file, *(Path(word) for word in given if "=" not in word)], [word for word in given if "=" in word]


def _explain(record: "VoteKind", files: list[Path], words: list[str], as_json: bool) -> None:
    """Show how each column of the files was read."""
    from outgrow import api_votes
    from outgrow.cli.votes_text import uses_text

    explained = api_votes.explain(files, *words, kind=record.name)
    if as_json:
        say_json([{"file": origin, "columns": [use._asdict() for use in uses]} for origin, uses in explained])
    else:
        say("\n\n".join(uses_text(origin, uses) for origin, uses in explained))


def _refuse_beside_update(given: dict[str, Any]) -> None:
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f"{option}: the state in `--update` defines it; leave it out")


def _written(output: Path | None, state: Path | None) -> list[str]:
    """The written files."""
    lines = [f"written: {path}" for path in (output, state) if path is not None]
    return lines if output is not None else [*lines, "The labels were not written; -o FILE writes them."]
