"""Writing a study's report folder.

    report.html        everything, in one file that opens offline
    examples.html      studies of texts: single items with everybody's text
    tables/NAME.*      every table as Markdown, CSV, JSON and LaTeX
    figures/NAME.svg   every plot
    results.json       all measured numbers
    resolved.yaml      the experiment, every default spelled out
    provenance.json    versions and hashes
    timing.json        wall time per step: the only file, beside page and manifest, that two runs of a study differ in
    manifest.json      what the report was made of, whether it is finished, and every file's SHA-256

Each file appears whole or not at all. What an earlier report had of these and this one lacks is removed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from outgrow.config.load import dump_experiment, file_settings
from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.reporting.collect import collect
from outgrow.reporting.examples import find_examples
from outgrow.reporting.examples_page import make_examples_page
from outgrow.reporting.provenance import provenance, times
from outgrow.reporting.report_folder import PAGE, SETTINGS, write_folder
from outgrow.reporting.report_page import draw_all, make_page
from outgrow.reporting.results import Results
from outgrow.reporting.tables.all_tables import make_tables
from outgrow.study.build import Study

EXAMPLES = "examples.html"


def write_report(
    study: Study,
    store: Store,
    outcomes: Mapping[str, StepOutcome],
    folder: Path,
    *,
    made_of: str = "",
    complete: bool = True,
) -> Results:
    """Measure what is finished and write all of the above into `folder`; `made_of` and `complete`: see `Manifest`.

    Raises `DataError` if there is nothing to report or the folder cannot be written, `StepFailed` if the disk is full.
    """
    results = collect(study, store, outcomes)
    contents = report_files(study, store, outcomes, results)
    write_folder(folder, contents, file_settings(study.experiment), made_of, complete)
    return results


def report_files(study: Study, store: Store, outcomes: Mapping[str, StepOutcome], results: Results) -> dict[str, str]:
    """The text of every file of the report, by its path."""
    tables, drawings = make_tables(results), draw_all(results)
    source, taken = provenance(study, store), times(study, store, outcomes)
    examples = find_examples(study, store, results) if results.about.of_texts else None
    contents = {
        PAGE: make_page(results, tables, drawings, study.experiment, source, taken, EXAMPLES if examples else ""),
        "results.json": _json(asdict(results)),
        SETTINGS: dump_experiment(study.experiment, of_report=True),
        "provenance.json": _json(asdict(source)),
        "timing.json": _json([asdict(step) for step in taken]),
    }
    if examples:
        contents[EXAMPLES] = make_examples_page(results.about, examples)
    for table in tables:
        contents |= {f"tables/{name}": text for name, text in table.files().items()}
    for drawing in drawings.values():
        contents[f"figures/{drawing.name}.svg"] = drawing.wide + "\n"
    return contents


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
