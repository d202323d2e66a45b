"""The trust report as one HTML file: no script, nothing to fetch; every name in it is escaped."""

from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from outgrow.metrics.estimate import Estimate, show_interval
from outgrow.render.canvas import NARROW, WIDE
from outgrow.render.table_html import table_html
from outgrow.reporting.report_page import Drawing, resource, template
from outgrow.text_format import short
from outgrow.trust.figures import DRAWINGS
from outgrow.trust.trust_report import Trust
from outgrow.trust.trust_tables import trust_tables
from outgrow.trust.trust_text import facts, glance_lines


class KeyNumber(NamedTuple):
    """A number to see first."""

    kind: str
    title: str
    estimate: Estimate
    what: str


def trust_html(trust: Trust, title: str = "Votes") -> str:
    """The whole file; `title` is what the votes are called."""
    tables = trust_tables(trust)
    return _template().render(
        title=title,
        trust=trust,
        facts=facts(trust.glance),
        glance=glance_lines(trust),
        tiles=tiles(trust),
        tables={table.name: table for table in tables},
        table_html={table.name: Markup(table_html(table)) for table in tables},
        drawings=draw(trust),
        css=Markup(resource("page.css")),
        version=version("outgrow"),
    )


def draw(trust: Trust) -> dict[str, Drawing]:
    """Every drawing that has something to show, for a wide page and a narrow one."""
    drawn = {}
    for name, make in DRAWINGS.items():
        wide, narrow = make(trust, WIDE), make(trust, NARROW)
        if wide is not None and narrow is not None:
            drawn[name] = Drawing(name, Markup(wide), Markup(narrow))
    return drawn


def tiles(trust: Trust) -> list[KeyNumber]:
    """The combined label, the best and the worst source by what is known, and α."""
    judged = [one for one in trust.sources if one.accuracy.value is not None and one.votes >= 20]
    judged.sort(key=lambda one: one.accuracy.value or 0.0)
    found = []
    if trust.label_accuracy.defined:
        found.append(KeyNumber("best", "combined label", trust.label_accuracy, trust.base))
    if len(judged) > 1:
        found.append(KeyNumber("ceiling", "best source", judged[-1].accuracy, short(judged[-1].name)))
        found.append(KeyNumber("floor", "worst source", judged[0].accuracy, short(judged[0].name)))
    alpha = trust.agreement[0]
    if alpha.value.defined:
        found.append(KeyNumber("naive", alpha.name, alpha.value, "agreement beyond chance"))
    return found


@cache
def _template() -> jinja2.Template:
    return template("trust/trust.html", interval=show_interval)
