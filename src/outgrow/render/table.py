"""`Table`: one description of a table, and its text in Markdown, CSV, JSON, LaTeX and HTML.

A cell is an `Estimate`, a text, a number or None. Each format escapes its special characters, because names of models,
methods and classes come from files: pipes and HTML in Markdown, formulas in CSV (a spreadsheet runs a text that begins
with `=`), commands in LaTeX, tags in HTML. A cell that is undefined or has a caveat gets a numbered note.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from outgrow.metrics.estimate import MINUS, Estimate, show, show_interval, show_number

if TYPE_CHECKING:
    import pandas as pd

Cell = Estimate | str | int | float | None


@dataclass(frozen=True)
class Column:
    """A column; adjacent columns of the same `group` share a heading."""

    key: str
    """Its name in CSV and JSON."""
    title: str
    group: str = ""
    digits: int = 3
    signed: bool = False
    best: Literal["", "high", "low"] = ""
    """Whether the highest or the lowest value of the ranked lines is printed in bold."""


@dataclass(frozen=True)
class Line:
    """A row of cells; `section` is the heading of its block."""

    cells: tuple[Cell, ...]
    section: str = ""
    ranked: bool = False


@dataclass(frozen=True)
class Table:
    """A table: columns, lines, caption and notes."""

    name: str
    """File name without suffix."""
    title: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    seeds: int = 0
    """Seeds of the study: a number with fewer gets a note."""

    # ---- content -----------------------------------------------------------------------------------------

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """The numbered notes in their order."""
        all_notes = (self.note_of(cell) for line in self.lines for cell in line.cells)
        return tuple(dict.fromkeys(note for note in all_notes if note))

    def note_of(self, cell: Cell) -> str:
        """The caveat of a cell; empty without one."""
        if not isinstance(cell, Estimate):
            return ""
        missing_seeds = f"{cell.seeds} of {self.seeds} seeds" if cell.defined and 0 < cell.seeds < self.seeds else ""
        return "; ".join(part for part in (cell.note, missing_seeds) if part)

    def mark_of(self, cell: Cell) -> int:
        """The number of a cell's note; 0 without a note."""
        note = self.note_of(cell)
        return self.notes.index(note) + 1 if note else 0

    def best_values(self) -> tuple[float | None, ...]:
        """The value of each column that is printed in bold; None if all are equal."""
        return tuple(self._best(index, column) for index, column in enumerate(self.columns))

    def _best(self, index: int, column: Column) -> float | None:
        cells = [line.cells[index] for line in self.lines if line.ranked]
        values = [cell.value for cell in cells if isinstance(cell, Estimate) and cell.value is not None]
        if not column.best or len(set(values)) < 2:
            return None
        return max(values) if column.best == "high" else min(values)

    def sections(self) -> Iterator[tuple[str, list[Line]]]:
        """Adjacent lines of the same section."""
        block: list[Line] = []
        for line in self.lines:
            if block and line.section != block[0].section:
                yield block[0].section, block
                block = []
            block.append(line)
        if block:
            yield block[0].section, block

    def groups(self) -> list[tuple[str, int]]:
        """The group headings with their widths in columns; empty without groups."""
        headings: list[tuple[str, int]] = []
        for column in self.columns:
            if headings and headings[-1][0] == column.group:
                headings[-1] = (column.group, headings[-1][1] + 1)
            else:
                headings.append((column.group, 1))
        return headings if any(group for group, _ in headings) else []

    def records(self) -> list[dict[str, Any]]:
        """One flat mapping per line; an estimate fills KEY, KEY_low, KEY_high, KEY_n, KEY_seeds and KEY_note.

        A text instead of an estimate becomes its note.
        """
        has_estimates = [
            any(isinstance(line.cells[index], Estimate) for line in self.lines) for index in range(len(self.columns))
        ]
        return [self._record(line, has_estimates) for line in self.lines]

    def _record(self, line: Line, has_estimates: list[bool]) -> dict[str, Any]:
        record: dict[str, Any] = {"section": line.section} if any(line.section for line in self.lines) else {}
        for column, cell, has_estimate in zip(self.columns, line.cells, has_estimates, strict=True):
            if not has_estimate:
                record[column.key] = cell
                continue
            parts = (
                asdict(cell) if isinstance(cell, Estimate) else {"note" if isinstance(cell, str) else "value": cell}
            )
            record[column.key] = parts.get("value")
            record |= {f"{column.key}_{part}": parts.get(part) for part in ("low", "high", "n", "seeds", "note")}
        return record

    # ---- formats -----------------------------------------------------------------------------------------

    def files(self) -> dict[str, str]:
        """The table in every format, by file name."""
        texts = {"md": self.to_markdown(), "csv": self.to_csv(), "json": self.to_json(), "tex": self.to_latex()}
        return {f"{self.name}.{suffix}": text for suffix, text in texts.items()}

    def to_json(self) -> str:
        """Title, caption, and the records."""
        content = {"name": self.name, "title": self.title, "caption": self.caption, "rows": self.records()}
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def to_csv(self) -> str:
        """The records; an apostrophe precedes texts that a spreadsheet would run as a formula."""
        records = self.records()
        file = io.StringIO()
        writer = csv.DictWriter(file, list(records[0]) if records else [c.key for c in self.columns])
        writer.writeheader()
        for record in records:
            writer.writerow({key: _without_formula(value) for key, value in record.items()})
        return file.getvalue()

    def to_pandas(self) -> "pd.DataFrame":
        """The records as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def to_markdown(self) -> str:
        """Title, pipe table, notes."""
        titles = [f"{column.group}: {column.title}" if column.group else column.title for column in self.columns]
        align = [":--", *["--:" if self._is_number(index) else ":--" for index in range(1, len(titles))]]
        rows = [_pipes(markdown_text(title) for title in titles), _pipes(align)]
        best = self.best_values()
        for section, lines in self.sections():
            if section:
                rows.append(_pipes([f"*{markdown_text(section)}*", *[""] * (len(titles) - 1)]))
            rows += [_pipes(self._markdown_cell(index, line, best) for index in range(len(titles))) for line in lines]
        notes = [f"{number}. {markdown_text(note)}" for number, note in enumerate(self.notes, start=1)]
        parts = [f"### {markdown_text(self.title)}", "\n".join(rows), markdown_text(self.caption), "\n".join(notes)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _markdown_cell(self, index: int, line: Line, best: tuple[float | None, ...]) -> str:
        cell, column = line.cells[index], self.columns[index]
        plain = _plain(cell, column)
        text = plain if isinstance(cell, Estimate) else markdown_text(plain)
        if _is_best(line, cell, best[index]):
            text = f"**{text}**"
        mark = self.mark_of(cell)
        return f"{text} ({mark})" if mark else text

    def to_latex(self) -> str:
        """A `table` environment for the booktabs package."""
        columns = "".join("r" if index and self._is_number(index) else "l" for index in range(len(self.columns)))
        head = [_latex_row(_latex(column.title) for column in self.columns)]
        if self.groups():
            head.insert(
                0, _latex_row(rf"\multicolumn{{{width}}}{{c}}{{{_latex(group)}}}" for group, width in self.groups())
            )
        best, blocks = self.best_values(), []
        for section, lines in self.sections():
            rows = [rf"\multicolumn{{{len(columns)}}}{{l}}{{\emph{{{_latex(section)}}}}} \\"] if section else []
            rows += [
                _latex_row(self._latex_cell(index, line, best) for index in range(len(columns))) for line in lines
            ]
            blocks.append("\n".join(rows))
        notes = " ".join(rf"$^{{{number}}}$ {_latex(note)}." for number, note in enumerate(self.notes, start=1))
        return "\n".join(
            [
                r"% needs \usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_latex(self.title)}. {_latex(self.caption)} {notes}}}",
                rf"\label{{tab:{self.name.replace('_', '-')}}}",
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                *head,
                r"\midrule",
                "\n\\midrule\n".join(blocks),
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def _latex_cell(self, index: int, line: Line, best: tuple[float | None, ...]) -> str:
        cell, column = line.cells[index], self.columns[index]
        if not isinstance(cell, Estimate):
            return _latex(_plain(cell, column))
        value = _latex(show_number(cell.value, column.digits, column.signed))
        if _is_best(line, cell, best[index]):
            value = rf"\textbf{{{value}}}"
        interval = _latex(show_interval(cell, column.digits, column.signed))
        mark = self.mark_of(cell)
        reference = f"$^{{{mark}}}$" if mark else ""
        return value + reference + (rf" {{\scriptsize {interval}}}" if interval else "")

    def _is_number(self, index: int) -> bool:
        return any(isinstance(line.cells[index], Estimate | int | float) for line in self.lines)


def _plain(cell: Cell, column: Column) -> str:
    if isinstance(cell, Estimate):
        return show(cell, column.digits, column.signed)
    if isinstance(cell, float):
        return show_number(cell, column.digits, column.signed)
    return "" if cell is None else str(cell)


def _is_best(line: Line, cell: Cell, best: float | None) -> bool:
    return line.ranked and best is not None and isinstance(cell, Estimate) and cell.value == best


def _without_formula(value: Any) -> Any:
    is_formula = isinstance(value, str) and value.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")
    return f"'{value}" if is_formula else value


def _pipes(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


_SPECIAL = re.compile(r"[\\`*\[\]|~#$]|(?<![^\W_])_|_(?![^\W_])")
"""Special characters of Markdown; an underscore within a word is not special."""


def markdown_text(text: str) -> str:
    """Text for Markdown, on one line, without commands and tags."""
    return _SPECIAL.sub(r"\\\g<0>", escape(" ".join(text.split()), quote=False))


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    MINUS: "$-$",
    "Δ": r"$\Delta$",
    "…": r"\dots{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _latex_row(cells: Any) -> str:
    return " & ".join(cells) + r" \\"
