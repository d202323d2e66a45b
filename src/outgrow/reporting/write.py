"""Writing a study's report folder.

    report.html        everything, in one file that opens offline
    examples.html      studies of texts: single items with everybody's text
    tables/NAME.*      every table as Markdown, CSV, JSON and LaTeX
    figures/NAME.svg   every plot
    results.json       all measured numbers
    resolved.yaml      the experiment, every default spelled out
    provenance.json    versions and hashes
    timing.json        wall time per step: the only file, beside the page, that two runs of a study differ in

Each file appears whole or not at all. What an earlier report had of these and this one lacks is removed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from outgrow.config.experiment import Experiment
from outgrow.config.read import dump_experiment
from outgrow.errors import DataError, StepFailed
from outgrow.graph.durable import full_disk
from outgrow.graph.event import Outcome
from outgrow.graph.output import alone, whole_file
from outgrow.graph.store import Store
from outgrow.reporting.collect import collect
from outgrow.reporting.examples import find_examples
from outgrow.reporting.examples_page import make_examples_page
from outgrow.reporting.page import draw_all, make_page
from outgrow.reporting.provenance import provenance, times
from outgrow.reporting.results import Results
from outgrow.reporting.tables.all_tables import make_tables
from outgrow.study.build import Study

EXAMPLES = "examples.html"
WITHOUT_EFFECT = ("store", "output", "threads")
"""Keys that change no number."""


def write_report(study: Study, store: Store, outcomes: Mapping[str, Outcome], folder: Path) -> Results:
    """Measure what is finished and write all of the above into `folder`.

    Raises `DataError` if there is nothing to report or the folder cannot be written, `StepFailed` if the disk is full.
    """
    results = collect(study, store, outcomes)
    contents = report_files(study, store, outcomes, results)
    try:
        # Two runs that end at once leave the report of one of them, not a mixture.
        with alone(folder / "report.html", on_wait=lambda: None):
            for name, text in contents.items():
                write_file(folder / name, text)
            _sweep(folder, set(contents))
    except OSError as error:
        sentence = full_disk(error, folder)
        if sentence is not None:
            raise StepFailed(sentence) from error
        raise DataError(
            f"the report folder `{folder}` cannot be written: {error.strerror} ({error.filename});"
            " choose another with `output:`"
        ) from error
    return results


def report_files(study: Study, store: Store, outcomes: Mapping[str, Outcome], results: Results) -> dict[str, str]:
    """The text of every file of the report, by its path."""
    tables, drawings = make_tables(results), draw_all(results)
    source, taken = provenance(study, store), times(study, store, outcomes)
    examples = find_examples(study, store, results) if results.about.of_texts else None
    contents = {
        "report.html": make_page(
            results, tables, drawings, study.experiment, source, taken, EXAMPLES if examples else ""
        ),
        "results.json": _json(asdict(results)),
        "resolved.yaml": dump_experiment(study.experiment),
        "provenance.json": _json(asdict(source)),
        "timing.json": _json([asdict(step) for step in taken]),
    }
    if examples:
        contents[EXAMPLES] = make_examples_page(results.about, examples)
    for table in tables:
        contents[f"tables/{table.name}.md"] = table.to_markdown()
        contents[f"tables/{table.name}.csv"] = table.to_csv()
        contents[f"tables/{table.name}.json"] = table.to_json()
        contents[f"tables/{table.name}.tex"] = table.to_latex()
    for drawing in drawings.values():
        contents[f"figures/{drawing.name}.svg"] = drawing.wide + "\n"
    return contents


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def settings_that_differ(folder: Path, experiment: Experiment) -> list[str]:
    """Keys in which the report in `folder` is of another experiment; none if there is no report."""
    then, now = _then_and_now(folder, experiment)
    # A key that only one of them has came or went with a version of outgrow.
    return [key for key in now if key in then and then[key] != now[key] and key not in WITHOUT_EFFECT]


def words_that_differ(folder: Path, experiment: Experiment, words: Sequence[str]) -> list[str]:
    """Those of the overrides by which `experiment` was read that the report in `folder` contradicts."""
    then, now = _then_and_now(folder, experiment)
    keys = [word.partition("=")[0] for word in words]
    return [
        key
        for key in dict.fromkeys(keys)
        if then and key not in WITHOUT_EFFECT and _part(then, key.split(".")) != _part(now, key.split("."))
    ]


def _then_and_now(folder: Path, experiment: Experiment) -> tuple[Any, Any]:
    """The settings of the report in `folder`, which are empty if there is none, and those of the experiment."""
    path = folder / "resolved.yaml"
    then = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return then, yaml.safe_load(dump_experiment(experiment))


def _part(tree: Any, path: Sequence[str]) -> Any:
    """What stands under a key, None if nothing does."""
    for key in path:
        within = {str(place): one for place, one in enumerate(tree)} if isinstance(tree, list) else tree
        tree = within.get(key) if isinstance(within, dict) else None
    return tree


def write_file(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all; folders above it are made."""
    # It can be made again from the store at any time, so nobody waits for the disk.
    with whole_file(path, lasting=False) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _sweep(folder: Path, written: set[str]) -> None:
    if EXAMPLES not in written:
        (folder / EXAMPLES).unlink(missing_ok=True)
    for name, endings in (("tables", (".md", ".csv", ".json", ".tex")), ("figures", (".svg",))):
        for path in (folder / name).glob("*"):
            if path.suffix in endings and f"{name}/{path.name}" not in written:
                path.unlink()
