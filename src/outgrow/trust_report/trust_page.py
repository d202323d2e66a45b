"""The trust report as an HTML page, Markdown or JSON. All names are escaped."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jinja2

from outgrow.errors import ConfigError, DataError
from outgrow.metrics.estimate import Estimate
from outgrow.render.html_page import style_sheet, template
from outgrow.reporting.report_folder import write_file
from outgrow.text_format import short
from outgrow.trust_report.figures import trust_plots
from outgrow.trust_report.findings import Trust
from outgrow.trust_report.measure_trust import ALPHA
from outgrow.trust_report.trust_tables import trust_tables
from outgrow.trust_report.trust_text import facts, table_facts, trust_markdown

LEAST_VOTES = 20
"""Votes from which a source can be named best or worst."""


class KeyNumber(NamedTuple):
    """A number in large type."""

    kind: str
    title: str
    estimate: Estimate
    what: str


def trust_html(trust: Trust, title: str = "Votes") -> str:
    """The report as one HTML file. `title` names the votes."""
    return _template().render(
        title=title,
        trust=trust,
        facts=facts(trust.counts),
        table_facts=table_facts(trust),
        tiles=tiles(trust),
        tables={table.name: table for table in trust_tables(trust)},
        plots=trust_plots(trust),
        css=style_sheet(),
        version=version("outgrow"),
    )


def tiles(trust: Trust) -> list[KeyNumber]:
    """Key numbers: combined label, best source, worst source, Krippendorff's α."""
    ranked = [source for source in trust.sources if source.accuracy.value is not None and source.votes >= LEAST_VOTES]
    ranked.sort(key=lambda source: source.accuracy.value or 0.0)
    key_numbers = []
    if trust.label_accuracy.defined:
        key_numbers.append(KeyNumber("best", "combined label", trust.label_accuracy, trust.base))
    if len(ranked) > 1:
        key_numbers.append(KeyNumber("ceiling", "best source", ranked[-1].accuracy, short(ranked[-1].name)))
        key_numbers.append(KeyNumber("floor", "worst source", ranked[0].accuracy, short(ranked[0].name)))
    alpha = next(measure for measure in trust.agreement if measure.name == ALPHA)
    if alpha.value.defined:
        key_numbers.append(KeyNumber("naive", alpha.name, alpha.value, "agreement beyond chance"))
    return key_numbers


@cache
def _template() -> jinja2.Template:
    return template("trust_report/trust.html")


# ---- files ----------------------------------------------------------------------------------------------

FORMATS: Mapping[str, Callable[[Trust, str], str]] = {
    ".html": trust_html,
    ".md": trust_markdown,
    ".json": lambda trust, title: json.dumps(asdict(trust), ensure_ascii=False, indent=1),
}


def write_trust(trust: Trust, path: Path, *, title: str = "Votes") -> None:
    """Write the file atomically. Raises `ConfigError` for an unknown suffix, `DataError` if it cannot be written."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: unknown suffix of a trust report; use one of {', '.join(FORMATS)}")
    text = FORMATS[path.suffix.lower()](trust, title)
    try:
        write_file(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
