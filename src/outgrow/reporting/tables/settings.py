"""What rows of one kind differ in, beside what they reach: tables 8 to 11 of paper 1, or your own ablation."""

from collections.abc import Sequence

from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.results import MethodSettings, Results
from outgrow.reporting.tables.of_results import INTERVALS, VARIANT_TITLES, results_table

YES = "✓"


def ablation(results: Results) -> Table:
    """A line per method with what tells it apart; where that is one setting and the teachers, a line per setting."""
    found = results.settings
    by_teachers = _grid(found) if len(results.about.variants) == 1 else None
    columns, lines = _side_by_side(results, *by_teachers) if by_teachers else _one_by_one(results, found)
    caption = f"Rows that combine and learn labels in the same way, and the settings that tell them apart. {INTERVALS}"
    return results_table(results, "ablation", "What the settings do", caption, columns, lines)


# ---- a line per method ----------------------------------------------------------------------------------


def _one_by_one(results: Results, found: Sequence[MethodSettings]) -> tuple[list[Column], list[Line]]:
    plain = list(dict.fromkeys(key for one in found for key in one.plain))
    marks = _marks(found)
    columns = [Column("method", ""), *(Column(key, key) for key in plain)]
    columns += [Column(f"{key} {name}", name, key) for key, name in marks]
    for variant in results.about.variants:
        group = VARIANT_TITLES[variant]
        columns += [Column(f"score_{variant}", results.about.metric_title, group, best="high")]
        columns += [Column(f"pgr_{variant}", "PGR", group, best="high")]
    several = len({one.kind for one in found}) > 1
    bounds = {row.method for row in results.of("method") if row.oracle}
    lines = [
        Line(
            (
                one.method,
                *(one.plain.get(key, "") for key in plain),
                *(YES if name in one.lists.get(key, ()) else "" for key, name in marks),
                *(cell for variant in results.about.variants for cell in _reached(results, one.method, variant)),
            ),
            one.kind if several else "",
            ranked=one.method not in bounds,
        )
        for one in found
    ]
    return columns, lines


def _marks(found: Sequence[MethodSettings]) -> list[tuple[str, str]]:
    """Who or what is in some methods' list and not in all."""
    keys = dict.fromkeys(key for one in found for key in one.lists)
    pairs = dict.fromkeys((key, name) for key in keys for one in found for name in one.lists.get(key, ()))
    return [(key, name) for key, name in pairs if not all(name in one.lists.get(key, ()) for one in found)]


def _reached(results: Results, method: str, variant: str) -> tuple[Cell, Cell]:
    for row in results.of("method"):
        if (row.method, row.variant) == (method, variant):
            return row.score, row.pgr
    return None, None


# ---- a line per setting, teachers side by side ----------------------------------------------------------

Grid = dict[str, dict[tuple[str, ...], str]]
"""By the value of a setting and by teachers, the method."""


def _grid(found: Sequence[MethodSettings]) -> tuple[str, Grid] | None:
    """The one setting and the teachers, if these two are all that differs and every combination is there."""
    keys = {key for one in found for key in one.plain}
    if len(keys) != 1 or len({one.kind for one in found}) != 1:
        return None
    (key,) = keys
    grid: Grid = {}
    for one in found:
        teachers = set(one.lists.values())
        if len(teachers) != 1:
            return None
        grid.setdefault(one.plain[key], {})[next(iter(teachers))] = one.method
    whole = len({frozenset(row) for row in grid.values()}) == 1
    cells = sum(len(row) for row in grid.values())
    return (key, grid) if whole and cells == len(found) and len(grid) > 1 else None


def _side_by_side(results: Results, key: str, grid: Grid) -> tuple[list[Column], list[Line]]:
    groups = sorted(next(iter(grid.values())), key=len)
    columns, variant = [Column(key, key)], results.about.variants[0]
    for number, teachers in enumerate(groups):
        title = f"weaks-to-strong-{len(teachers)}"
        columns.append(Column(f"score_{number}", results.about.metric_title, title, best="high"))
        columns.append(Column(f"pgr_{number}", "PGR", title, best="high"))
    lines = [
        Line((value, *(cell for who in groups for cell in _reached(results, row[who], variant))), ranked=True)
        for value, row in grid.items()
    ]
    return columns, lines
