"""`TopicRecord`: one topic of the report, from finished folders to tables and plots.

A topic is one file in `topics/` with its result as dataclasses, a function that measures it, its tables and its plots,
and one row in `topics.TOPICS`. Page, terminal, exports and `results.json` find it there. A plug-in adds one with
`TOPICS.add(record)`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from outgrow.metrics.estimate import Estimate
from outgrow.render.canvas import Drawing
from outgrow.render.charts import DotChart, DotLine, Series, dot_chart
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import WHOLE, Results

Found = TypeVar("Found")
VOTES, TEXTS = ("classify", "choose"), ("generate",)
"""Kinds of task whose answers are classes or options, and whose answers are texts."""
INTERVALS = "In brackets: 95 % intervals of the paired bootstrap over items and seeds."
NOT_TOLD = "not told"
"""In place of a number that is not known."""
VARIANT_TITLES = {
    "plain": "without self-training",
    "self_training": "with self-training",
    "matching": "+ marginal matching",
    "self_training+matching": "self-training + matching",
    "two_views": "two views",
}


def _nothing(results: Results, found: Any) -> Iterable[Any]:
    return ()


@dataclass(frozen=True)
class TopicRecord(Generic[Found]):
    """One topic. Everything but `measure` sees the results only; `found` is what `measure` returned."""

    name: str
    summary: str
    heading: str
    """The section of the page; neighbours with the same heading share it."""
    measure: Callable[[Frame], Found]
    """From finished folders to plain data: dataclasses, lists, mappings, text, numbers. Its annotation is read to load
    `results.json`."""
    tables: Callable[[Results, Found], Iterable[Table]] = _nothing
    plots: Callable[[Results, Found], Iterable[Drawing | None]] = _nothing
    """A plot that has nothing to show is None."""
    notes: Callable[[Results, Found], Iterable[str]] = _nothing
    """Sentences for its section."""
    caveats: Callable[[Results, Found], Iterable[str]] = _nothing
    """Sentences for the summary at the top of the report."""
    kinds: Sequence[str] = (*VOTES, *TEXTS)
    """Kinds of task that it is for."""
    open: bool = False
    """Whether the page shows its first table; all others are folded."""
    in_terminal: bool = False
    """Whether the terminal shows its first table."""

    def of(self, results: Results) -> Found:
        """What it measured in this study."""
        found: Found = results.topics[self.name]
        return found


# ---- tables ---------------------------------------------------------------------------------------------


def results_table(
    results: Results, name: str, title: str, caption: str, columns: Iterable[Column], lines: Iterable[Line]
) -> Table:
    """A table that says which numbers have fewer seeds than the study, or that the study has one seed."""
    return Table(name, title, caption, tuple(columns), tuple(lines), len(results.about.seeds))


def score_columns(results: Results) -> list[Column]:
    """The first columns of a table with one line per row: the row and its score."""
    return [Column("row", ""), Column("score", results.about.metric_title)]


def sample_size(estimates: Iterable[Estimate], what: str = "items") -> str:
    """`4123 items, 3 seeds` of the largest estimate; empty if none is defined."""
    defined = [(estimate.n, estimate.seeds) for estimate in estimates if estimate.defined]
    if not defined:
        return ""
    n, seeds = max(defined)
    return f"{n} {what}, {seeds} seed{'s' if seeds != 1 else ''}"


SHOWN_METHODS = 3


def listed_methods(methods: Sequence[str]) -> str:
    """The first methods by name, and the number of the others."""
    more = len(methods) - SHOWN_METHODS
    return ", ".join(methods[:SHOWN_METHODS]) + (f" and {more} more" if more > 0 else "")


class CapabilityLine(NamedTuple):
    """A line for all items and for each capability. Its cells are by capability (`WHOLE`: all items)."""

    names: Callable[[str], tuple[Cell, ...]]
    cells: Callable[[str], tuple[Cell, ...]]


def tables_by_capability(
    results: Results, name: str, title: str, caption: str, columns: Sequence[Column], lines: Sequence[CapabilityLine]
) -> list[Table]:
    """A table over all items and, of a mixture, a second one with a block for every capability."""
    capabilities = list(results.about.capabilities)
    macro = "In all: the mean over the capabilities. " if capabilities else ""
    blocks = (_line(line, capability) for capability in capabilities for line in lines)
    return [
        results_table(
            results, name, title, f"{caption} {macro}{INTERVALS}", columns, [_line(line, WHOLE) for line in lines]
        ),
        results_table(
            results,
            f"{name}_by_capability",
            f"{title}: by capability",
            f"{caption} {INTERVALS}",
            columns,
            [line for line in blocks if _has_number(line)],
        ),
    ]


def _line(line: CapabilityLine, capability: str) -> Line:
    return Line((*line.names(capability), *line.cells(capability)), capability)


def _has_number(line: Line) -> bool:
    return any(isinstance(cell, Estimate) and cell.defined for cell in line.cells)


def label_chart(
    results: Results,
    *,
    name: str,
    title: str,
    axis: str,
    series: tuple[Series, ...],
    lines: Sequence[DotLine],
    caption: str,
    guide: float | None = None,
) -> Drawing | None:
    """A dot chart of labels: over all items, and in a panel for each capability."""
    capabilities = tuple(results.about.capabilities)
    return dot_chart(
        DotChart(
            name=name,
            title=title,
            axis=axis,
            series=series,
            lines=tuple(lines),
            panels=(WHOLE, *capabilities),
            panel_title="mean over the capabilities" if capabilities else "",
            sample=sample_size(estimate for line in lines for estimate in line.dots[WHOLE]),
            guide=guide,
            caption=caption,
        )
    )
