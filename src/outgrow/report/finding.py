"""The headline: what the numbers say, in plain words, and no more than they say.

A claim is made only where an interval carries it ("outgrew its supervisors" needs an interval above zero); the
best of many rows is called what it is, the highest of many, because picking it on the test items flatters it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from outgrow.metrics.estimate import Estimate, show, show_number, show_percent
from outgrow.report.results import Results, RowResult


@dataclass(frozen=True)
class Tile:
    """A number to put in large type."""

    kind: Literal["floor", "naive", "best", "ceiling"]
    title: str
    what: str
    estimate: Estimate


@dataclass(frozen=True)
class Finding:
    """A headline, what stands behind it, and the four numbers it rests on."""

    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]


def find(results: Results) -> Finding:
    """Read the headline off the results."""
    best = best_method(results)
    if best is None:
        return Finding("No method has a result yet.", tuple(_caveats(results)), tuple(_tiles(results)))
    sentences = [*_story(results, best), *_caveats(results)]
    return Finding(_headline(best), tuple(sentences), tuple(_tiles(results)))


def highest(rows: list[RowResult]) -> RowResult | None:
    """The row with the highest accuracy; the first one on a tie."""
    measured = [row for row in rows if row.accuracy.value is not None]
    return max(measured, key=lambda row: row.accuracy.value or 0.0, default=None)


def best_method(results: Results) -> RowResult | None:
    """The method row with the highest test accuracy."""
    return highest(results.of("method"))


def plain_naive(results: Results) -> RowResult | None:
    """The row that others are compared with."""
    rows = [row for row in results.of("method") if row.method == results.about.baseline and row.variant == "plain"]
    return rows[0] if rows and rows[0].accuracy.defined else None


def ceiling_of(results: Results, view: str = "main") -> RowResult | None:
    """The student trained on gold."""
    rows = [row for row in results.of("ceiling") if row.view == view and row.accuracy.defined]
    return rows[0] if rows else None


def _headline(best: RowResult) -> str:
    ahead = best.versus_best_supervisor
    if ahead is None or ahead.value is None:
        return f"The best student reaches an accuracy of {show_number(best.accuracy.value)}."
    if not ahead.clear:
        return "No student is clearly better than the best of its supervisors."
    if ahead.value < 0:
        return "Every student stays below the best of its supervisors."
    share = best.pgr
    if share is None or share.value is None:
        return "The student outgrew its supervisors, but the gap to the ceiling is too small to say how far."
    return f"The student outgrew its supervisors and recovered {show_percent(share.value)} of the gap to its ceiling."


def _story(results: Results, best: RowResult) -> Iterator[str]:
    count = len(results.about.supervisors)
    floor, top = highest(results.of("floor")), ceiling_of(results, best.view)
    source = f" (the best one, {floor.name}, is right on {show_number(floor.accuracy.value)})" if floor else ""
    taught = f"{count} weak supervisors" if count > 1 else "one weak supervisor"
    gold = f"; with gold labels instead it reaches {show(top.accuracy)}" if top else ""
    yield (
        f"Taught by nothing but the labels of {taught}{source}, the student reaches a test accuracy of"
        f" {show(best.accuracy)} with {best.name}{gold}."
    )
    if best.pgr is not None and best.pgr.value is None:
        yield f"Performance gap recovered is undefined: {best.pgr.note}."
    naive = plain_naive(results)
    if naive is not None and best.versus_plain_naive is not None and best.versus_plain_naive.defined:
        certain = "" if best.versus_plain_naive.clear else ", which may be chance"
        yield (
            f"Naive multi-weak training ({naive.name}) reaches {show(naive.accuracy)}; the difference is"
            f" {show(best.versus_plain_naive, signed=True)}{certain}."
        )


def _caveats(results: Results) -> Iterator[str]:
    rows = [row for row in results.of("method") if row.accuracy.defined]
    if len(rows) > 1:
        yield f"{best_name(rows)} is the highest of {len(rows)} rows on these test items; being picked flatters it."
    if len(results.about.seeds) == 1:
        yield "One seed: the intervals cover other test items, not other runs."
    if any(one.oracle for one in results.chosen):
        yield "Settings were chosen on gold (oracle selection), which a real use does not have."
    lost = len({one.row for one in results.missing})
    if lost:
        yield f"{lost} of {len(results.rows)} rows lack{'s' if lost == 1 else ''} a result for some seed; see below."


def best_name(rows: list[RowResult]) -> str:
    """The highest row's name."""
    best = highest(rows)
    return best.name if best else ""


def _tiles(results: Results) -> Iterator[Tile]:
    floor, naive, best = highest(results.of("floor")), plain_naive(results), best_method(results)
    top = ceiling_of(results, best.view if best else "main")
    if floor:
        yield Tile("floor", "best supervisor", floor.name, floor.accuracy)
    if naive and naive is not best:
        yield Tile("naive", "naive student", naive.name, naive.accuracy)
    if best:
        yield Tile("best", "best student", best.name, best.accuracy)
    if top:
        yield Tile("ceiling", "ceiling", "student trained on gold", top.accuracy)
