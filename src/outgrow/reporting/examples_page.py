"""The examples as one HTML file beside the report: no script, nothing to fetch."""

import re
from functools import cache

import jinja2
from markupsafe import Markup

from outgrow.metrics.estimate import show_number
from outgrow.reporting.about import About
from outgrow.reporting.examples import ItemExamples
from outgrow.reporting.report_page import resource, template

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
"""Characters that a browser would not show, but for the end of a line and the tab."""


def make_examples_page(about: About, examples: ItemExamples) -> str:
    """The whole file."""
    css = Markup(resource("page.css") + resource("examples.css"))
    return _template().render(about=about, metric=about.metric_title, examples=examples, css=css)


@cache
def _template() -> jinja2.Template:
    return template("examples.html", tenth=tenth, probability=show_probability, printable=printable)


def tenth(probability: float) -> int:
    """The colour of a probability: 0 (below 0.1) … 9 (0.9 and above)."""
    return min(9, max(0, int(probability * 10)))


def show_probability(probability: float) -> str:
    """`0.42`; a small one as `3e-05`."""
    return show_number(probability, 2) if probability >= 0.005 else f"{probability:.0e}"


def printable(text: str) -> str:
    """The text with a picture (␀ … ␡) in place of each control character."""
    return CONTROL.sub(lambda found: chr(0x2421 if found[0] == "\x7f" else 0x2400 + ord(found[0])), text)
