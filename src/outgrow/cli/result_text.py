"""A finished study as text: headline, sentences, and some tables without intervals.

A number with a caveat has a star; the caveats are below the table.
"""

from outgrow.metrics.estimate import Estimate, show_number
from outgrow.render.table import Cell, Table
from outgrow.reporting.headline import make_headline
from outgrow.reporting.results import Results
from outgrow.reporting.topics import topic_contents

NAME_WIDTH = 34
STAR = "*"


def result_text(results: Results) -> str:
    """Headline, sentences, and tables that fit a terminal."""
    headline = make_headline(results)
    parts = [headline.headline, *headline.sentences]
    for topic in topic_contents(results):
        if topic.record.in_terminal and topic.tables:
            parts += ["", compact(topic.tables[0])]
    return "\n".join(parts)


def compact(table: Table) -> str:
    """Names and values only, in aligned columns under their headings."""
    titles = [column.title for column in table.columns]
    groups = table.groups()
    narrow = [11, *(len(title) + 2 for title in titles), *(2 + len(group) // span for group, span in groups)]
    width = max(narrow)
    lines = []
    if groups:
        heads = enumerate(groups)
        lines.append("".join(_fit(group, width * span, place == 0) for place, (group, span) in heads))
    lines.append("".join(_fit(title, width, place == 0) for place, title in enumerate(titles)))
    for section, block in table.sections():
        lines += [section] if section else []
        for line in block:
            texts = [_text(cell) + STAR * bool(table.note_of(cell)) for cell in line.cells]
            lines.append("".join(_fit(text, width, place == 0) for place, text in enumerate(texts)))
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
