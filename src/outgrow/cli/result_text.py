"""A finished study as text: the headline, and the main table without its intervals.

A number with a caveat has a star; the caveats are below the table.
"""

from outgrow.metrics.estimate import Estimate, show_number
from outgrow.render.table import Cell, Table
from outgrow.reporting.headline import find
from outgrow.reporting.results import Results
from outgrow.reporting.tables.all_tables import main_table

NAME_WIDTH = 34
STAR = "*"


def result_text(results: Results) -> str:
    """Headline and a table that fits a terminal."""
    finding = find(results)
    return "\n".join([finding.headline, *finding.sentences, "", compact(main_table(results))])


def compact(table: Table) -> str:
    """Names and values only, in aligned columns under their headings."""
    titles = [column.title for column in table.columns]
    groups = table.groups()
    narrow = [11, *(len(title) + 2 for title in titles), *(2 + len(group) // span for group, span in groups)]
    width = max(narrow)
    lines = []
    if groups:
        heads = enumerate(groups)
        lines.append("".join(_fit(group, width * span, number == 0) for number, (group, span) in heads))
    lines.append("".join(_fit(title, width, number == 0) for number, title in enumerate(titles)))
    for section, block in table.sections():
        lines += [section] if section else []
        for line in block:
            texts = [_text(cell) + STAR * bool(table.note_of(cell)) for cell in line.cells]
            lines.append("".join(_fit(text, width, number == 0) for number, text in enumerate(texts)))
    lines += [f"{STAR} {note}" for note in table.notes]
    return "\n".join(line.rstrip() for line in lines)


def _fit(text: str, width: int, first: bool) -> str:
    if first:
        return f"  {text}"[:NAME_WIDTH].ljust(NAME_WIDTH)
    return text[: width - 1].rjust(width)


def _text(cell: Cell) -> str:
    if isinstance(cell, Estimate):
        return show_number(cell.value)
    return "" if cell is None else str(cell)
