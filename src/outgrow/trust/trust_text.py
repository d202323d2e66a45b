"""The trust report as Markdown, and as plain text for a terminal."""

import re
from html import escape

from outgrow.metrics.estimate import Estimate, show, show_number
from outgrow.render.table import Cell, Table
from outgrow.text_format import many, short
from outgrow.trust.trust_report import Trust, VoteCounts
from outgrow.trust.trust_tables import trust_tables

IN_TERMINAL = ("combiners", "sources", "costs", "agreement")
"""Tables that a terminal shows."""
FEW = 15
"""Their rows at most."""
FIRST = 5
"""Items to label next that are named."""
WIDEST = 28
"""Letters of a cell."""
SPECIAL = re.compile(r"[\\`*_\[\]|~#$]")
"""What Markdown would take for a command."""


def facts(glance: VoteCounts) -> tuple[str, ...]:
    """The table in a few words."""
    return (
        many(glance.items, "item"),
        many(glance.sources, "source"),
        many(glance.votes, "vote"),
        many(len(glance.classes), "class", "classes"),
        f"{many(glance.gold_items, 'item')} with gold" if glance.gold_items else "no gold",
    )


def glance_lines(trust: Trust) -> tuple[str, ...]:
    """What is in the table, a sentence each; what was read or done otherwise at the end."""
    glance = trust.glance
    lines = [
        f"Votes per item: {glance.least_per_item} to {glance.most_per_item}, median {glance.median_per_item:g},"
        f" mean {show_number(glance.mean_per_item, 2)}.",
        f"Items without a vote: {glance.items_without_votes}; with one vote: {glance.items_with_one_vote}.",
        f"Items with gold: {glance.gold_items} ({100 * glance.gold_items / max(glance.items, 1):.0f} %).",
    ]
    if glance.soft_share:
        lines.append(f"Soft votes: {100 * glance.soft_share:.0f} % of all.")
    if glance.silent_sources:
        lines.append(f"Sources that never voted: {glance.silent_sources}.")
    if trust.shared_errors is not None:
        lines.append(f"Correlation of two sources' errors, copies aside: {show_number(trust.shared_errors, 2)}.")
    return (*lines, *glance.notes, *trust.notes)


def trust_markdown(trust: Trust, title: str = "Votes") -> str:
    """Verdict, facts and every table; names are escaped."""
    parts = [
        f"# {_escaped(title)}: can these labels be trusted?",
        f"**{_escaped(trust.verdict.headline)}**",
        *(_escaped(sentence) for sentence in trust.verdict.sentences),
        "\n".join(f"* {_escaped(line)}" for line in (f"{', '.join(facts(trust.glance))}.", *glance_lines(trust))),
        *(table.to_markdown().strip() for table in trust_tables(trust)),
    ]
    return "\n\n".join(parts) + "\n"


def trust_text(trust: Trust) -> str:
    """Verdict, facts and the few tables that matter most, for a terminal."""
    tables = [one for one in trust_tables(trust) if one.name in IN_TERMINAL]
    told = [trust.verdict.headline, *trust.verdict.sentences]
    lines = [f"  {printable(line)}" for line in (f"{', '.join(facts(trust.glance))}.", *glance_lines(trust))]
    parts = ["\n".join(printable(line) for line in told), "\n".join(lines), *(_plain_table(one) for one in tables)]
    if trust.next_items:
        n, first = len(trust.next_items), ", ".join(_cell(one.item) for one in trust.next_items[:FIRST])
        more = f" …\n--next FILE writes all {n} of them." if n > FIRST else ""
        parts.append(f"Most worth a gold label: {first}{more}")
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    """Text for Markdown: one line, in which names are just names."""
    return SPECIAL.sub(r"\\\g<0>", escape(" ".join(text.split()), quote=False))


def _plain_table(table: Table) -> str:
    """Aligned columns, the first rows."""
    rows = [[_title(column.title, column.group) for column in table.columns]]
    rows += [
        [_cell(cell, column.digits) for cell, column in zip(line.cells, table.columns, strict=True)]
        for line in table.lines[:FEW]
    ]
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    more = len(table.lines) - FEW
    return "\n".join([table.title, *(f"  {line}" for line in lines), *([f"  … and {more} more"] if more > 0 else [])])


def _title(title: str, group: str) -> str:
    return f"{title} ({group})" if group and len(group) < 12 else title


def _cell(cell: Cell, digits: int = 3) -> str:
    if isinstance(cell, Estimate):
        return show(cell, digits)
    if isinstance(cell, float):
        return show_number(cell, digits)
    return printable("" if cell is None else short(cell, WIDEST))


def printable(text: str) -> str:
    """On one line, without what would steer a terminal."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split())
    )
