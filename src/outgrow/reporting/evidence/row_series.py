"""Rows that differ in one number: a share of exchanged labels (`noise`), or of randomly kept ones (`share`)."""

import json
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from outgrow.config.method import Method
from outgrow.select import SELECTIONS, Select
from outgrow.select.selector_record import KeepSection
from outgrow.study.build import Row

Setting = Literal["noise", "share"]
BUDGETS = {"examples": "same number of updates", "epochs": "same number of passes"}
TOGETHER = ", drawn from all together"


class CurvePosition(NamedTuple):
    """A row in a series; `line` is empty where all lines begin."""

    row: Row
    value: float
    line: str


def series_of(setting: Setting, rows: Iterable[Row], methods: dict[str, Method]) -> Iterator[list[CurvePosition]]:
    """Rows whose other settings are equal, by their number."""
    series: dict[str, list[CurvePosition]] = {}
    for row in rows:
        method = methods[row.method]
        key, value, line = by_noise(method) if setting == "noise" else by_share(method)
        series.setdefault(f"{row.variant} {key}", []).append(CurvePosition(row, value, line))
    for positions in series.values():
        if len({position.value for position in positions}) > 1:
            yield sorted(positions, key=lambda position: (position.line, position.value))


def by_noise(method: Method) -> tuple[str, float, str]:
    """All settings but noise; the noise; the line."""
    return _settings(method, without=["noise"]), method.noise, "noise" if method.noise else ""


def by_share(method: Method) -> tuple[str, float, str]:
    """All settings but the random share; the share; the line, which is the training budget."""
    chosen = [(stage.select, keep) for stage in method.stages if (keep := _random_share(stage.select)) is not None]
    if len(chosen) != 1:
        return _settings(method, without=["budget"]), 1.0, ""
    select, keep = chosen[0]
    whole = [stage.model_copy(update={"select": None}) if stage.select is select else stage for stage in method.stages]
    line = BUDGETS[method.budget] + (TOGETHER if keep.within == "all" else "")
    return _settings(method.model_copy(update={"stages": whole}), without=["budget"]), keep.fraction or 1.0, line


def _random_share(select: Select | None) -> KeepSection | None:
    """The rule of a random selection that keeps a share of the labels; `None` for any other selection."""
    if select is None or not SELECTIONS.of(select).is_control or SELECTIONS.of(select).needs(select).size_of:
        return None
    keep: KeepSection | None = getattr(select, "keep", None)
    return keep if keep is not None and keep.fraction is not None else None


def _settings(method: Method, without: Iterable[str]) -> str:
    return json.dumps(method.model_dump(mode="json", exclude={"name", "variants", *without}), sort_keys=True)
