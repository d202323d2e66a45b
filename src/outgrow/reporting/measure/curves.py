"""Rows that differ in one number only: how much the quality, the number and the variety of labels matter.

    noise    the same method with some share of its labels exchanged (`noise`)
    share    the same method on a random share of its labels: with as many updates as on all of them (fewer different
             labels, seen more often: variety), or with as many passes (fewer updates too: size)

Methods are of one series if the file says the same of them, defaults filled in, but for that number and their names.
The row with all labels begins every line of its series. What is measured is the labels that the last training saw;
the score and PGR are the row's.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from outgrow.config.method import Method
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.reporting.evidence.labels import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import learned_last
from outgrow.reporting.measure.rows import MISSING
from outgrow.reporting.measure.tally import LabelContext, SeedCounts
from outgrow.reporting.results_analyses import WHOLE, CurvePoint, Setting
from outgrow.select import SELECTIONS, Select
from outgrow.select.record import KeepSection
from outgrow.study.build import Row
from outgrow.study.method_rows import expanded

BUDGETS = {"examples": "same number of updates", "epochs": "same number of passes"}
TOGETHER = ", drawn from all together"
BEGINNING = {"noise": 0.0, "share": 1.0}
"""The number of the row that has all labels as they are."""


@dataclass(frozen=True)
class CurvePosition:
    """A row in a series; `line` is empty where all lines begin."""

    row: Row
    value: float
    line: str


def find_curves(reader: LabelReader) -> tuple[CurvePoint, ...]:
    """The points of every series of at least two numbers."""
    study = reader.frame.study
    methods = {method.name: method for method in expanded(study.experiment)}
    rows = [row for row in study.rows if row.role == "method"]
    settings: tuple[Setting, ...] = ("noise", "share")
    return tuple(point for setting in settings for point in _points(reader, setting, _series(setting, rows, methods)))


def _series(setting: Setting, rows: Iterable[Row], methods: dict[str, Method]) -> Iterator[list[CurvePosition]]:
    """Rows that have all else in common, by their number."""
    found: dict[str, list[CurvePosition]] = {}
    for row in rows:
        method = methods[row.method]
        key, value, line = by_noise(method) if setting == "noise" else by_share(method)
        found.setdefault(f"{row.variant} {key}", []).append(CurvePosition(row, value, line))
    for places in found.values():
        if len({place.value for place in places}) > 1:
            yield sorted(places, key=lambda place: (place.line, place.value))


def by_noise(method: Method) -> tuple[str, float, str]:
    """What rows have in common that differ in noise alone; the noise; their line."""
    return _said(method, without=["noise"]), method.noise, "noise" if method.noise else ""


def by_share(method: Method) -> tuple[str, float, str]:
    """The same of a random share of the labels, and of how much training is left for it."""
    chosen = [(stage.select, keep) for stage in method.stages if (keep := _random_share(stage.select))]
    if len(chosen) != 1:
        return _said(method, without=["budget"]), 1.0, ""
    whole = [
        stage.model_copy(update={"select": None}) if stage.select is chosen[0][0] else stage for stage in method.stages
    ]
    keep = chosen[0][1]
    line = BUDGETS[method.budget] + (TOGETHER if keep.within == "all" else "")
    return _said(method.model_copy(update={"stages": whole}), without=["budget"]), keep.fraction or 1.0, line


def _random_share(select: Select | None) -> KeepSection | None:
    """The rule of a random selection that keeps a share of the labels; `None` for any other selection."""
    if select is None or not SELECTIONS.of(select).is_control or SELECTIONS.of(select).needs(select).size_of:
        return None
    keep: KeepSection | None = getattr(select, "keep", None)
    return keep if keep is not None and keep.fraction is not None else None


def _said(method: Method, without: Iterable[str]) -> str:
    return json.dumps(method.model_dump(mode="json", exclude={"name", "variants", *without}), sort_keys=True)


# ---- points ---------------------------------------------------------------------------------------------


def _points(reader: LabelReader, setting: Setting, series: Iterable[list[CurvePosition]]) -> Iterator[CurvePoint]:
    ground = LabelContext.of(reader.frame)
    for places in series:
        name = next((place.row.name for place in places if place.value == BEGINNING[setting]), places[0].row.name)
        for place in places:
            accuracy, labels = _learned(reader, ground, place.row)
            yield CurvePoint(name, setting, place.line, place.row.name, place.value, accuracy, labels)


def _learned(reader: LabelReader, ground: LabelContext, row: Row) -> tuple[Estimate, float | None]:
    """The accuracy and the number of the labels that a row's last training saw."""
    steps = [learned_last(step) for step in row.steps]
    tables = [None if step is None else reader.rows(step) for step in steps]
    there = [table for table in tables if table is not None]
    if not there:
        return undefined(MISSING), None
    counts = ground.counts([None if table is None else _counted(table) for table in tables])
    draws = {name: one[:, 0] for name, one in ground.apart(counts).items()}
    accuracy = ground.estimates(draws, counts[0, ..., 1] > 0)[WHOLE]
    return accuracy, float(np.mean([len(table.targets.items) for table in there]))


def _counted(table: LabelRows) -> SeedCounts:
    return SeedCounts(table.item, table.value[None], np.ones((1, len(table.item)), dtype=np.bool_))
