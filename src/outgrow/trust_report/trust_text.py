"""The trust report as Markdown, and as plain text for a terminal."""

from outgrow.metrics.estimate import Estimate, show, show_number
from outgrow.render.escapes import markdown_text
from outgrow.render.table import Cell, Table
from outgrow.text_format import many, short
from outgrow.trust_report.findings import Trust, VoteCounts
from outgrow.trust_report.trust_tables import trust_tables

IN_TERMINAL = ("combiners", "label_classes", "sources", "costs", "agreement")
"""Tables that a terminal shows."""
FEW = 15
"""Rows of such a table, at most."""
FIRST = 5
"""Number of items to label next that the terminal lists."""
WIDEST = 28
"""Characters of a cell, at most."""


def facts(counts: VoteCounts) -> tuple[str, ...]:
    """The sizes of the table as short phrases."""
    return (
        many(counts.items, "item"),
        many(counts.sources, "source"),
        many(counts.votes, "vote"),
        many(len(counts.classes), "class", "classes"),
        f"{many(counts.gold_items, 'item')} with gold" if counts.gold_items else "no gold",
    )


def table_facts(trust: Trust) -> tuple[str, ...]:
    """The table of votes in sentences, and the notes of the reader and of the measurements."""
    counts = trust.counts
    lines = [
        f"Votes per item: {counts.least_per_item} to {counts.most_per_item}, median {counts.median_per_item:g},"
        f" mean {show_number(counts.mean_per_item, 2)}.",
        f"Items without a vote: {counts.items_without_votes}; with one vote: {counts.items_with_one_vote}.",
        f"Items with gold: {counts.gold_items} ({100 * counts.gold_items / max(counts.items, 1):.0f} %).",
    ]
    if counts.soft_share:
        lines.append(f"Soft votes: {100 * counts.soft_share:.0f} % of all.")
    if counts.silent_sources:
        lines.append(f"Sources that never voted: {counts.silent_sources}.")
    if trust.n_effective is not None:
        worth = f"Votes on an item are worth {show_number(trust.n_effective, 1)} independent ones on average"
        lines.append(f"{worth}, as far as the votes show.")
    if trust.shared_errors is not None:
        lines.append(f"Correlation of two sources' errors, without copies: {show_number(trust.shared_errors, 2)}.")
    return (*lines, *counts.notes, *trust.notes)


def trust_markdown(trust: Trust, title: str = "Votes") -> str:
    """Summary, facts and every table; names are escaped."""
    parts = [
        f"# {markdown_text(title)}: can these labels be trusted?",
        f"**{markdown_text(trust.summary.headline)}**",
        *(markdown_text(sentence) for sentence in trust.summary.sentences),
        "\n".join(f"* {markdown_text(line)}" for line in (f"{', '.join(facts(trust.counts))}.", *table_facts(trust))),
        *(table.to_markdown().strip() for table in trust_tables(trust)),
    ]
    return "\n\n".join(parts) + "\n"


def trust_text(trust: Trust) -> str:
    """Summary, facts and the most important tables, for a terminal."""
    tables = [table for table in trust_tables(trust) if table.name in IN_TERMINAL]
    summary = [trust.summary.headline, *trust.summary.sentences]
    lines = [f"  {printable(line)}" for line in (f"{', '.join(facts(trust.counts))}.", *table_facts(trust))]
    parts = ["\n".join(printable(line) for line in summary), "\n".join(lines), *map(_plain_table, tables)]
    if trust.next_items:
        n, first = len(trust.next_items), ", ".join(_cell(item.item) for item in trust.next_items[:FIRST])
        more = f" …\n--next FILE writes all {n} of them." if n > FIRST else ""
        parts.append(f"Most worth a gold label: {first}{more}")
    return "\n\n".join(parts)


def _plain_table(table: Table) -> str:
    """The first rows with aligned columns."""
    rows = [[_title(column.title, column.group) for column in table.columns]]
    rows += [
        [_cell(cell, column.digits) for cell, column in zip(line.cells, table.columns, strict=True)]
        for line in table.lines[:FEW]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    n_hidden = len(table.lines) - FEW
    return "\n".join(
        [table.title, *(f"  {line}" for line in lines), *([f"  … and {n_hidden} more"] if n_hidden > 0 else [])]
    )


def _title(title: str, group: str) -> str:
    return f"{title} ({group})" if group and len(group) < 12 else title


def _cell(cell: Cell, digits: int = 3) -> str:
    if isinstance(cell, Estimate):
        return show(cell, digits)
    if isinstance(cell, float):
        return show_number(cell, digits)
    return printable("" if cell is None else short(cell, WIDEST))


def printable(text: str) -> str:
    """The text on one line, without control characters."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in " ".join(text.split())
    )
