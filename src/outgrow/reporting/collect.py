"""From a study's finished steps to `Results`, and to the files of its report.

    report.html        everything, in one file that opens offline
    examples.html      studies of texts: single items with every source's text
    tables/NAME.*      every table as Markdown, CSV, JSON and LaTeX
    figures/NAME.svg   every plot
    results.json       all measured numbers
    resolved.yaml      the experiment, every default spelled out
    provenance.json    versions and hashes
    timing.json        wall time per step: beside page and manifest, the only file in which two runs of a study differ
    manifest.json      the hash of what the report was made of, whether it is complete, and every file's SHA-256

Each file appears whole or not at all. Files of an earlier report that this one lacks are removed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from outgrow.config.load import dump_experiment, file_settings
from outgrow.config.paths import SETTINGS
from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.reporting.about import make_about
from outgrow.reporting.examples import find_examples, make_examples_page
from outgrow.reporting.frame import make_frame
from outgrow.reporting.provenance import provenance, times
from outgrow.reporting.report_folder import PAGE, write_folder
from outgrow.reporting.report_page import make_page
from outgrow.reporting.results import Results
from outgrow.reporting.topics import measure_topics, plain_data, read_topics, topic_contents
from outgrow.study.build import Study

EXAMPLES, RESULTS = "examples.html", "results.json"


def collect(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> Results:
    """Measure everything that is finished. Raises `DataError` if the items themselves are not there."""
    frame = make_frame(study, store, outcomes)
    topics, failures = measure_topics(frame)
    about = make_about(study.experiment, frame.task, frame.splits, frame.baseline)
    return Results(about, frame.rows, frame.missing, topics, failures)


def write_report(
    study: Study,
    store: Store,
    outcomes: Mapping[str, StepOutcome],
    folder: Path,
    *,
    made_of: str = "",
    complete: bool = True,
) -> Results:
    """Measure what is finished and write the report into `folder`; `made_of` and `complete`: see `Manifest`.

    Raises `DataError` if there is nothing to report or the folder cannot be written, `StepFailed` if the disk is full.
    """
    results = collect(study, store, outcomes)
    contents = report_files(study, store, outcomes, results)
    write_folder(folder, contents, file_settings(study.experiment), made_of, complete)
    return results


def report_files(study: Study, store: Store, outcomes: Mapping[str, StepOutcome], results: Results) -> dict[str, str]:
    """The text of every file of the report, by its path."""
    topics = list(topic_contents(results, draw=True))
    source, taken = provenance(study, store), times(study, store, outcomes)
    examples = find_examples(study, store, results) if results.about.of_texts else None
    contents = {
        PAGE: make_page(results, topics, study.experiment, source, taken, EXAMPLES if examples else ""),
        RESULTS: _json(results_as_data(results)),
        SETTINGS: dump_experiment(study.experiment, of_report=True),
        "provenance.json": _json(asdict(source)),
        "timing.json": _json([asdict(step) for step in taken]),
    }
    if examples:
        contents[EXAMPLES] = make_examples_page(results.about, examples)
    for topic in topics:
        for table in topic.tables:
            contents |= {f"tables/{name}": text for name, text in table.files().items()}
        for drawing in topic.drawings:
            contents[f"figures/{drawing.name}.svg"] = drawing.svg + "\n"
    return contents


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


# ---- results as JSON ------------------------------------------------------------------------------------


def results_as_data(results: Results) -> dict[str, Any]:
    """Everything that a study found, as plain data."""
    topics = {name: plain_data(measured) for name, measured in results.topics.items()}
    return {**asdict(results), "topics": topics}


def read_results(folder: Path) -> Results:
    """The results in a report's folder, equal to those that were written."""
    tree = json.loads((folder / RESULTS).read_bytes())
    return TypeAdapter(Results).validate_python({**tree, "topics": read_topics(tree["topics"])})
