"""The report as one HTML file: style sheet and drawings inside, no script, nothing to fetch.

The template escapes everything; only what this package made itself (`table_html`, the drawings) goes in as markup,
and both escape the names and messages within them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from outgrow.config.experiment import Experiment
from outgrow.metrics.estimate import show_interval, show_number
from outgrow.render.canvas import NARROW, WIDE
from outgrow.render.table import Table
from outgrow.render.table_html import table_html
from outgrow.reporting.citation import citation
from outgrow.reporting.headline import find
from outgrow.reporting.plot.all_plots import PLOTS
from outgrow.reporting.provenance import Provenance, StepTime, show_seconds
from outgrow.reporting.results import Results


@dataclass(frozen=True)
class Drawing:
    """A plot in both widths."""

    name: str
    wide: Markup
    narrow: Markup


def draw_all(results: Results) -> dict[str, Drawing]:
    """Every plot that has something to show."""
    drawn = {}
    for name, plot in PLOTS.items():
        wide, narrow = plot(results, WIDE), plot(results, NARROW)
        if wide is not None and narrow is not None:
            drawn[name] = Drawing(name, Markup(wide), Markup(narrow))
    return drawn


def make_page(
    results: Results,
    tables: Sequence[Table],
    drawings: dict[str, Drawing],
    experiment: Experiment,
    source: Provenance,
    times: Sequence[StepTime],
    examples: str = "",
) -> str:
    """The whole file; `examples` is the name of the page of examples, if there is one."""
    return _template().render(
        about=results.about,
        finding=find(results),
        tables={table.name: table for table in tables},
        table_html={table.name: Markup(table_html(table)) for table in tables},
        drawings=drawings,
        oracle=any(one.oracle for one in results.chosen),
        yaml=_settings(experiment),
        source=source,
        times=times,
        total=show_seconds(sum(step.seconds or 0 for step in times)),
        citation=citation(experiment),
        css=Markup(resource("page.css")),
        examples=examples,
    )


def _settings(experiment: Experiment) -> str:
    """The experiment as YAML; a file below the working folder by its place there, however the file named it."""
    tree = _from_here(experiment.model_dump(mode="json"), Path.cwd())
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _from_here(tree: Any, here: Path) -> Any:
    if isinstance(tree, dict):
        return {key: _from_here(value, here) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_from_here(value, here) for value in tree]
    below = isinstance(tree, str) and Path(tree).is_absolute() and Path(tree).is_relative_to(here)
    return str(Path(tree).relative_to(here)) if below else tree


@cache
def _template() -> jinja2.Template:
    return template("page.html", interval=show_interval, seconds=show_seconds)


def template(name: str, **filters: Callable[..., str | int]) -> jinja2.Template:
    """One of this folder's templates; everything that goes in is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(resource),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(number=show_number, **filters)
    return environment.get_template(name)


def resource(name: str) -> str:
    """The text of a file of this folder."""
    return (files("outgrow.reporting") / name).read_text(encoding="utf-8")
