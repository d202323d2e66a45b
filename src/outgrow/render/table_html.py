"""A `Table` as HTML: grouped headings, block headings, values above their intervals, numbered notes."""

from html import escape

from outgrow.metrics.estimate import UNDEFINED, Estimate, show_interval, show_number
from outgrow.render.table import Column, Line, Table

NARROW = 2
"""Columns that fit on a telephone. A wider table is shown there row by row, with the titles beside the cells."""


def table_html(table: Table) -> str:
    """Markup for the page and for notebooks; the page's style sheet formats it."""
    best = table.best_values()
    body = []
    for section, lines in table.sections():
        rows = [_section(section, len(table.columns))] if section else []
        rows += [_row(table, line, best) for line in lines]
        body.append(f"<tbody>{''.join(rows)}</tbody>")
    wide = _class("wide" if len(table.columns) > NARROW else "")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f'<table id="table-{escape(table.name)}"{wide}>{_head(table)}{"".join(body)}</table></div>{_notes(table)}'
    )


def _head(table: Table) -> str:
    starts = _group_starts(table)
    cells = [
        f'<th scope="col"{_class("start" if index in starts else "")}>{escape(column.title)}</th>'
        for index, column in enumerate(table.columns)
    ]
    rows = [f"<tr>{''.join(cells)}</tr>"]
    if table.groups():
        tops = [
            f'<th scope="colgroup" colspan="{width}"{_class("group start" if group else "group")}>{escape(group)}</th>'
            for group, width in table.groups()
        ]
        rows.insert(0, f"<tr>{''.join(tops)}</tr>")
    return f"<thead>{''.join(rows)}</thead>"


def _group_starts(table: Table) -> set[int]:
    starts, index = set(), 0
    for group, width in table.groups():
        if group:
            starts.add(index)
        index += width
    return starts


def _section(title: str, width: int) -> str:
    # The span keeps the text visible when the table scrolls sideways.
    return f'<tr class="section"><th scope="rowgroup" colspan="{width}"><span>{escape(title)}</span></th></tr>'


def _row(table: Table, line: Line, best: tuple[float | None, ...]) -> str:
    starts = _group_starts(table)
    cells = [f'<th scope="row">{_plain(line.cells[0], table.columns[0])}</th>']
    for index, cell in enumerate(line.cells[1:], start=1):
        bold = line.ranked and isinstance(cell, Estimate) and cell.value is not None and cell.value == best[index]
        cells.append(_cell(table, cell, table.columns[index], bold, index in starts))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(table: Table, cell: Estimate | str | int | float | None, column: Column, bold: bool, start: bool) -> str:
    border, title = "start" if start else "", _title(column)
    if not isinstance(cell, Estimate):
        kind = "" if isinstance(cell, str) else "number"
        return f"<td{_class(kind, border)}{title}>{_plain(cell, column)}</td>"
    mark = table.mark_of(cell)
    reference = f"<sup>{mark}</sup>" if mark else ""
    if not cell.defined:
        return (
            f'<td{_class("number undefined", border)}{title} title="{escape(cell.note)}">{UNDEFINED}{reference}</td>'
        )
    value = show_number(cell.value, column.digits, column.signed)
    interval = escape(show_interval(cell, column.digits, column.signed))
    tooltip = f"n = {cell.n}, {cell.seeds} seed{'s' if cell.seeds != 1 else ''}"
    strong = f"<strong>{value}</strong>" if bold else value
    return (
        f'<td{_class("number", border)}{title} title="{tooltip}"><span class="value">{strong}{reference}</span>'
        f'<span class="interval">{interval}</span></td>'
    )


def _title(column: Column) -> str:
    """The column's title with its group's, which the style sheet shows beside the cell on a narrow screen."""
    group = f"{column.group}: " if column.group and column.group != column.title else ""
    return f' data-title="{escape(group + column.title)}"' if column.title else ""


def _plain(cell: Estimate | str | int | float | None, column: Column) -> str:
    if isinstance(cell, float):
        return show_number(cell, column.digits, column.signed)
    return "" if cell is None else escape(str(cell))


def _notes(table: Table) -> str:
    about = f'<p class="caption">{escape(table.about_seeds)}</p>' if table.about_seeds else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return about + (f'<ol class="notes">{notes}</ol>' if notes else "")


def _class(*names: str) -> str:
    joined = " ".join(name for name in names if name)
    return f' class="{joined}"' if joined else ""
