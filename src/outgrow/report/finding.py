"""The headline: what the numbers say, in plain words, and no more than they say.

A claim is made only where an interval carries it ("outgrew its supervisors" needs an interval above zero); the
best of many rows is called what it is, the highest of many, because picking it on the test items flatters it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from outgrow.labels import INSTEAD
from outgrow.metrics.estimate import Estimate, show, show_number, show_percent
from outgrow.report.results import MEAN_VOTE, Results, RowResult


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
    return Finding(_headline(best, results.about.metric_title), tuple(sentences), tuple(_tiles(results)))


def highest(rows: Sequence[RowResult]) -> RowResult | None:
    """The row with the highest score; the first one on a tie."""
    measured = [row for row in rows if row.score.value is not None]
    return max(measured, key=lambda row: row.score.value or 0.0, default=None)


def best_method(results: Results) -> RowResult | None:
    """The method row with the highest test score."""
    return highest(results.of("method"))


def plain_naive(results: Results) -> RowResult | None:
    """The row that others are compared with."""
    rows = [row for row in results.of("method") if row.method == results.about.baseline and row.variant == "plain"]
    return rows[0] if rows and rows[0].score.defined else None


def ceiling_of(results: Results, view: str = "main") -> RowResult | None:
    """The student trained on gold."""
    rows = [row for row in results.of("ceiling") if row.view == view and row.score.defined]
    return rows[0] if rows else None


def _headline(best: RowResult, metric: str) -> str:
    ahead = best.versus_best_supervisor
    if ahead is None or ahead.value is None:
        return f"The best student reaches a test {metric} of {show_number(best.score.value)}."
    if not ahead.clear:
        return "No student is clearly better than the best of its supervisors."
    if ahead.value < 0:
        return "Every student stays below the best of its supervisors."
    share = best.pgr
    if share is None or share.value is None:
        return "The student outgrew its supervisors, but the gap to the ceiling is too small to say how far."
    return f"The student outgrew its supervisors and recovered {show_percent(share.value)} of the gap to its ceiling."


def _story(results: Results, best: RowResult) -> Iterator[str]:
    top = ceiling_of(results, best.view)
    gold = f"; with gold labels instead it reaches {show(top.score)}" if top else ""
    yield (
        f"Taught by nothing but the labels of {_teachers(results, best)}, the student reaches a test"
        f" {results.about.metric_title} of {show(best.score)} with {best.name}{gold}."
    )
    together = [one for one in results.supervisors if one.name == MEAN_VOTE and one.test.defined]
    if together:
        yield f"The mean of all supervisors' votes reaches {show(together[0].test)} without any student."
    untouched = highest(results.of("untouched"))
    if untouched and (untouched.score.value or 0.0) > (best.score.value or 0.0):
        yield f"Asked without any training, the student's model reaches {show(untouched.score)}, more than any row."
    if best.pgr is not None and best.pgr.value is None:
        yield f"Performance gap recovered is undefined: {best.pgr.note}."
    naive = plain_naive(results)
    if naive is not None and best.versus_plain_naive is not None and best.versus_plain_naive.defined:
        certain = "" if best.versus_plain_naive.clear else ", which may be chance"
        yield (
            f"Naive multi-weak training ({naive.name}) reaches {show(naive.score)}; the difference is"
            f" {show(best.versus_plain_naive, signed=True)}{certain}."
        )


def _teachers(results: Results, best: RowResult) -> str:
    """Whose labels the best row was taught by, and how good the best of them is."""
    floor, count = highest([row for row in results.of("floor") if row.name in best.teachers]), len(best.teachers)
    reached = "" if floor is None else f"reaches {show_number(floor.score.value)}"
    if count == 1:
        return f"one weak supervisor ({best.teachers[0]}{reached and f', which {reached}'})"
    return f"{count} weak supervisors" + (f" (the best one, {floor.name}, {reached})" if floor else "")


def _caveats(results: Results) -> Iterator[str]:
    rows = [row for row in results.of("method") if row.score.defined]
    if len(rows) > 1:
        yield f"{best_name(rows)} is the highest of {len(rows)} rows on these test items; being picked flatters it."
    if len(results.about.seeds) == 1:
        yield "One seed: the intervals cover other test items, not other runs."
    if any(one.oracle for one in results.chosen):
        yield "Settings were chosen on gold (oracle selection), which a real use does not have."
    for method, sentences in results.origins.items():
        yield from (f"{method}: {sentence}" for sentence in sentences if sentence.endswith(INSTEAD))
    lost = len({one.row for one in results.missing})
    if lost:
        yield f"{lost} of {len(results.rows)} rows lack{'s' if lost == 1 else ''} a result for some seed; see below."


def best_name(rows: Sequence[RowResult]) -> str:
    """The highest row's name."""
    best = highest(rows)
    return best.name if best else ""


def _tiles(results: Results) -> Iterator[Tile]:
    floor, naive, best = highest(results.of("floor")), plain_naive(results), best_method(results)
    top = ceiling_of(results, best.view if best else "main")
    if floor:
        yield Tile("floor", "best supervisor", floor.name, floor.score)
    if naive and naive is not best:
        yield Tile("naive", "naive student", naive.name, naive.score)
    if best:
        yield Tile("best", "best student", best.name, best.score)
    if top:
        yield Tile("ceiling", "ceiling", "student trained on gold", top.score)
