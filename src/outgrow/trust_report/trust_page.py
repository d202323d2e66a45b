"""The trust report as a file: a page, Markdown or JSON. Every name in it is escaped."""

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
from outgrow.trust_report.trust_tables import trust_tables
from outgrow.trust_report.trust_text import facts, table_facts, trust_markdown

LEAST_VOTES = 20
"""Of a source that may be the best or the worst."""


class KeyNumber(NamedTuple):
    """A number in large type."""

    kind: str
    title: str
    estimate: Estimate
    what: str


def trust_html(trust: Trust, title: str = "Votes") -> str:
    """The whole file; `title` is what the votes are called."""
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
    """The combined label, the best and the worst source, and α."""
    judged = [source for source in trust.sources if source.accuracy.value is not None and source.votes >= LEAST_VOTES]
    judged.sort(key=lambda source: source.accuracy.value or 0.0)
    numbers = []
    if trust.label_accuracy.defined:
        numbers.append(KeyNumber("best", "combined label", trust.label_accuracy, trust.base))
    if len(judged) > 1:
        numbers.append(KeyNumber("ceiling", "best source", judged[-1].accuracy, short(judged[-1].name)))
        numbers.append(KeyNumber("floor", "worst source", judged[0].accuracy, short(judged[0].name)))
    alpha = trust.agreement[0]
    if alpha.value.defined:
        numbers.append(KeyNumber("naive", alpha.name, alpha.value, "agreement beyond chance"))
    return numbers


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
    """Write the file whole or not at all. Raises `ConfigError` for another suffix, `DataError` for another failure."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path}: a trust report is one of {', '.join(FORMATS)}; give the file one of these suffixes"
        )
    text = FORMATS[path.suffix.lower()](trust, title)
    try:
        write_file(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
