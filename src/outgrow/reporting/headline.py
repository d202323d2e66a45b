"""The headline and the sentences below it: what the numbers say, and what a reader must know of them.

A claim is made only if an interval supports it: "outgrew its supervisors" needs an interval above zero. The best of
many rows is called the highest of many, since picking it on the test items flatters it; rows that tie are called a
tie. Topics add their own sentences (`TopicRecord.caveats`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from outgrow.metrics.estimate import Estimate, show, show_number, show_percent
from outgrow.reporting.results import ANSWERED, Results, RowResult, highest, leaders
from outgrow.reporting.topics import topic_caveats
from outgrow.reporting.topics.scores import NO_NAIVE, leading


@dataclass(frozen=True)
class HeadlineNumber:
    """A number to put in large type."""

    kind: Literal["floor", "naive", "best", "ceiling"]
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
    best = results.best_method
    story = [] if best is None else list(_story(results, best))
    title = "No method has a result yet." if best is None else _title(best, results.about.metric_title)
    sentences = (*story, *topic_caveats(results), *_caveats(results))
    return Headline(title, sentences, tuple(_tiles(results)))


def _title(best: RowResult, metric: str) -> str:
    ahead = best.versus_best_supervisor
    if ahead is None or ahead.value is None:
        return f"The best student reaches a test {metric} of {show_number(best.score.value)}."
    if not ahead.clear:
        return "No student is clearly better than the best of its supervisors."
    if ahead.value < 0:
        return "Every student stays below the best of its supervisors."
    share = best.pgr
    if share is None or share.value is None:
        return "The student outgrew its supervisors; by which share is unknown: no ceiling is clearly above them."
    return f"The student outgrew its supervisors and recovered {show_percent(share.value)} of the gap to its ceiling."


def _story(results: Results, best: RowResult) -> Iterator[str]:
    ceiling = results.ceiling(best.view)
    gold = f"; trained on gold it reaches {show(ceiling.score)}" if ceiling else ""
    yield (
        f"Trained on nothing but the labels of {_sources_of(results, best)}, the student reaches a test"
        f" {results.about.metric_title} of {show(best.score)} with {leading(results.fair)}{gold}."
    )
    untouched = highest(results.of("untouched"))
    if untouched and (untouched.score.value or 0.0) > (best.score.value or 0.0):
        yield f"Without any training, the student's model reaches {show(untouched.score)}, more than any row."
    if best.pgr is not None and best.pgr.value is None:
        yield f"Performance gap recovered is undefined: {best.pgr.note}."
    naive, difference = results.plain_naive, best.versus_plain_naive
    if naive is not None and difference is not None and difference.defined:
        chance = "" if difference.clear else ", which may be chance"
        yield (
            f"Naive multi-weak training ({naive.name}) reaches {show(naive.score)}; the difference is"
            f" {show(difference, signed=True)}{chance}."
        )


def _sources_of(results: Results, best: RowResult) -> str:
    """The supervisors of the best row, and how good the best of them is."""
    floor, count = highest([row for row in results.of("floor") if row.name in best.sources]), len(best.sources)
    where = f" {ANSWERED}" if floor is not None and floor.score.note == ANSWERED else ""
    reached = "" if floor is None else f"reaches {show_number(floor.score.value)}{where}"
    if count == 1:
        return f"one weak supervisor ({best.sources[0]}{reached and f', which {reached}'})"
    return f"{count} weak supervisors" + (f" (the best one, {floor.name}, {reached})" if floor else "")


def _caveats(results: Results) -> Iterator[str]:
    rows = [row for row in results.fair if row.score.defined]
    if len(rows) > 1:
        yield _picked(rows)
    if results.about.baseline is None and results.of("method"):
        yield NO_NAIVE
    bounds = [row.name for row in results.of("method") if row.oracle]
    if bounds:
        yield f"Gold selected the labels of {', '.join(bounds)}: an upper bound, not counted here."
    if len(results.about.seeds) == 1:
        yield "One seed: the intervals cover other test items, not other runs."
    missing = len({step.row for step in results.missing})
    if missing:
        yield (
            f"{missing} of {len(results.rows)} rows lack{'s' if missing == 1 else ''} a result under some seed; see"
            " the missing rows."
        )


def _picked(rows: list[RowResult]) -> str:
    count = len(leaders(rows))
    if count == len(rows):
        return f"All {count} rows tie on these test items."
    verb, them = ("is", "it") if count == 1 else ("are", "them")
    return f"{leading(rows)} {verb} the highest of {len(rows)} rows on these test items; being picked flatters {them}."


def _tiles(results: Results) -> Iterator[HeadlineNumber]:
    floor, naive, best = highest(results.of("floor")), results.plain_naive, results.best_method
    ceiling = results.ceiling(best.view if best else "main")
    if floor:
        yield HeadlineNumber("floor", "best supervisor", floor.name, floor.score)
    if naive and naive is not best:
        yield HeadlineNumber("naive", "naive student", naive.name, naive.score)
    if best:
        tied = len(leaders(results.fair)) > 1
        yield HeadlineNumber("best", "best students" if tied else "best student", leading(results.fair), best.score)
    if ceiling:
        yield HeadlineNumber("ceiling", "ceiling", "student trained on gold", ceiling.score)
