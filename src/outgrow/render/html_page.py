"""HTML pages from templates of this package: one style sheet, no external resources.

Only the report of a study has a script, for the choice of two rows (`reporting/row_picker.js`).

Templates escape all values. Only tables and drawings are markup, and both escape the names in them.
"""

from collections.abc import Callable
from importlib.resources import files

import jinja2
from markupsafe import Markup

from outgrow.metrics.estimate import show_interval, show_number
from outgrow.render.table_html import table_html


def template(name: str, **filters: Callable[..., str | int]) -> jinja2.Template:
    """A template by its path in the package: `trust_report/trust.html`."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(resource),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        number=show_number, interval=show_interval, html=lambda table: Markup(table_html(table)), svg=Markup, **filters
    )
    return environment.get_template(name)


def style_sheet(*names: str) -> Markup:
    """The common style sheet, followed by further ones."""
    return Markup("".join(map(resource, ("render/page.css", *names))))


def resource(name: str) -> str:
    """The text of a file of this package."""
    return (files("outgrow") / name).read_text(encoding="utf-8")
