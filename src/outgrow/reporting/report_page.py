"""The report as one HTML file."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from outgrow.config.experiment import Experiment
from outgrow.render.html_page import style_sheet, template
from outgrow.reporting.headline import make_headline
from outgrow.reporting.methods_text import methods_paragraph
from outgrow.reporting.provenance import Provenance, StepTime, show_seconds
from outgrow.reporting.references import bibtex
from outgrow.reporting.results import Results
from outgrow.reporting.row_picker import make_picker
from outgrow.reporting.topics import TopicContent, sections
from outgrow.reporting.topics.chosen import CHOSEN, HALF_A


def make_page(
    results: Results,
    topics: Sequence[TopicContent],
    experiment: Experiment,
    source: Provenance,
    times: Sequence[StepTime],
    examples: str = "",
) -> str:
    """The whole file; `examples` is the name of the page of examples, if there is one."""
    picker = make_picker(results)
    return _template().render(
        about=results.about,
        headline=make_headline(results),
        sections=sections(topics),
        shown={topic.record.name for topic in topics if not topic.is_empty},
        oracle=any(choice.oracle for choice in CHOSEN.of(results).settings),
        by_half_a=any(choice.select_by == HALF_A for choice in CHOSEN.of(results).settings),
        yaml=_settings(experiment),
        source=source,
        times=times,
        total=show_seconds(sum(step.seconds or 0 for step in times)),
        citation=bibtex(experiment),
        methods=methods_paragraph(results.about, experiment, source.packages["outgrow"]),
        picker=picker,
        css=style_sheet("reporting/row_picker.css") if picker else style_sheet(),
        examples=examples,
    )


def _settings(experiment: Experiment) -> str:
    """The experiment as YAML; files below the working folder by their relative path."""
    tree = _relative(experiment.model_dump(mode="json"), Path.cwd())
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _relative(tree: Any, here: Path) -> Any:
    if isinstance(tree, dict):
        return {key: _relative(value, here) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_relative(value, here) for value in tree]
    below = isinstance(tree, str) and Path(tree).is_absolute() and Path(tree).is_relative_to(here)
    return str(Path(tree).relative_to(here)) if below else tree


@cache
def _template() -> jinja2.Template:
    return template("reporting/page.html", seconds=show_seconds)
