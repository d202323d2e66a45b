"""The headline and the sentences below it: what the numbers say, and what a reader must know of them.

The headline is about one row that was fixed before any result (`About.headline`), never about the highest of many,
which is flattered by being picked on the test items. A claim is made only if an interval supports it: "outgrew its
supervisors" needs an interval above zero. Topics add their own sentences (`TopicRecord.caveats`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from outgrow.metrics.estimate import Estimate, show, show_number, show_percent
from outgrow.reporting.results import ANSWERED, Results, RowResult, highest, leaders
from outgrow.reporting.rows import NO_CEILING
from outgrow.reporting.topics import topic_caveats
from outgrow.reporting.topics.scores import GOLD_USED, NO_NAIVE, leading
from outgrow.study.gold_use import GOLD_ALONE


@dataclass(frozen=True)
class HeadlineNumber:
    """A number to put in large type."""

    kind: Literal["floor", "naive", "student", "ceiling"]
    title: str
    what: str
    estimate: Estimate


@dataclass(frozen=True)
class Headline:
    """A headline, its sentences, and the four numbers it rests on."""

    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[HeadlineNumber, ...]


def make_headline(results: Results) -> Headline:
    """From the results alone."""
    row = results.headline
    story = [] if row is None else list(_story(results, row))
    title = _no_title(results) if row is None else _title(row, results.about.metric_title)
    sentences = (*story, *topic_caveats(results), *_caveats(results))
    return Headline(title, sentences, tuple(_tiles(results)))


def _no_title(results: Results) -> str:
    if any(row.score.defined for row in results.of("method")):
        return f"`{results.about.headline}` has no result yet."
    return "No method has a result yet."


def _title(row: RowResult, metric: str) -> str:
    ahead = row.versus_best_supervisor
    if ahead is None or ahead.value is None:
        return f"The student reaches a test {metric} of {show_number(row.score.value)} with {row.name}."
    if not ahead.clear:
        return f"With {row.name}, the student is not clearly better than the best of its supervisors."
    if ahead.value < 0:
        return f"With {row.name}, the student stays below the best of its supervisors."
    share = row.pgr
    if share is not None and share.note == NO_CEILING:
        return f"With {row.name}, the student outgrew its supervisors; without gold of half B there is no ceiling."
    if share is None or share.value is None:
        return (
            f"With {row.name}, the student outgrew its supervisors; by which share is unknown: no ceiling is clearly"
            " above them."
        )
    return (
        f"With {row.name}, the student outgrew its supervisors and recovered {show_percent(share.value)} of the gap to"
        " its ceiling."
    )


def _story(results: Results, row: RowResult) -> Iterator[str]:
    ceiling = results.ceiling(row.view)
    gold = f"; trained on gold it reaches {show(ceiling.score)}" if ceiling else ""
    yield (
        f"Trained on the labels of {_sources_of(results, row)}, the student reaches a test"
        f" {results.about.metric_title} of {show(row.score)} with {row.name}{gold}. {GOLD_USED[row.gold]}"
    )
    untouched = highest(results.of("untouched"))
    if untouched and (untouched.score.value or 0.0) > (row.score.value or 0.0):
        yield f"Without any training, the student's model reaches {show(untouched.score)}, more than any row."
    if row.pgr is not None and row.pgr.value is None:
        yield f"Performance gap recovered is undefined: {row.pgr.note}."
    naive, difference = results.plain_naive, row.versus_plain_naive
    if naive is not None and difference is not None and difference.defined:
        chance = "" if difference.clear else ", which may be chance"
        yield (
            f"Naive multi-weak training ({naive.name}) reaches {show(naive.score)}; the difference is"
            f" {show(difference, signed=True)}{chance}."
        )
    yield from _control(results, row)


def _control(results: Results, row: RowResult) -> Iterator[str]:
    """How the student does on half A's gold alone, which its supervisors learned."""
    control = highest([control_row for control_row in results.of("control") if control_row.name == GOLD_ALONE])
    if control is None or control.score.value is None or row.score.value is None:
        return
    wins = control.score.low is not None and control.score.low > row.score.value
    yield f"Trained on half A's gold alone, as its supervisors are, the student reaches {show(control.score)}" + (
        f", more than with {row.name}: where that gold is at hand, train the student on it." if wins else "."
    )


def _sources_of(results: Results, row: RowResult) -> str:
    """The supervisors of a row, and how good the best of them is."""
    floor, count = highest([floor for floor in results.of("floor") if floor.name in row.sources]), len(row.sources)
    where = f" {ANSWERED}" if floor is not None and floor.score.note == ANSWERED else ""
    reached = "" if floor is None else f"reaches {show_number(floor.score.value)}{where}"
    if count == 1:
        return f"one weak supervisor ({row.sources[0]}{reached and f', which {reached}'})"
    return f"{count} weak supervisors" + (f" (the best one, {floor.name}, {reached})" if floor else "")


def _caveats(results: Results) -> Iterator[str]:
    rows = [row for row in results.fair if row.score.defined]
    if len(rows) > 1 and results.headline is not None:
        yield _highest(results.headline, rows)
    if results.about.baseline is None and results.of("method"):
        yield NO_NAIVE
    bounds = [row.name for row in results.of("method") if row.oracle]
    if bounds:
        yield f"Gold selected the labels or the weights of {', '.join(bounds)}: an upper bound, not counted here."
    if len(results.about.seeds) == 1:
        yield "One seed: the intervals cover other test items, not other runs."
    missing = len({step.row for step in results.missing})
    if missing:
        yield (
            f"{missing} of {len(results.rows)} rows lack{'s' if missing == 1 else ''} a result under some seed; see"
            " the missing rows."
        )


def _highest(row: RowResult, rows: list[RowResult]) -> str:
    """Which rows are the highest, and that the headline's row is not one of them by choice."""
    first = leaders(rows)
    if len(first) == len(rows):
        return f"All {len(first)} rows tie on these test items."
    verb = "is" if len(first) == 1 else "are"
    fixed = "" if row in first else f" The headline is about {row.name}, which was fixed beforehand."
    return (
        f"{leading(rows)} {verb} the highest of {len(rows)} rows on these test items: selected as best of {len(rows)},"
        f" hence optimistic.{fixed}"
    )


def _tiles(results: Results) -> Iterator[HeadlineNumber]:
    floor, naive, student = highest(results.of("floor")), results.plain_naive, results.headline
    ceiling = results.ceiling(student.view if student else "main")
    if floor:
        yield HeadlineNumber("floor", "best supervisor", floor.name, floor.score)
    if naive and naive is not student:
        yield HeadlineNumber("naive", "naive student", naive.name, naive.score)
    if student:
        yield HeadlineNumber("student", "student", student.name, student.score)
    if ceiling:
        yield HeadlineNumber("ceiling", "ceiling", "student trained on gold", ceiling.score)
