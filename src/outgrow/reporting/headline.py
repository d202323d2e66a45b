"""The headline: what the numbers say, in plain words, and no more than they say.

A claim is made only where an interval carries it ("outgrew its supervisors" needs an interval above zero); the
best of many rows is called what it is, the highest of many, because picking it on the test items flatters it, and rows
that tie are called a tie. Answers that are missing behind the numbers are told here, too: nobody should have to look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from outgrow.labels import INSTEAD
from outgrow.metrics.estimate import Estimate, show, show_number, show_percent
from outgrow.reporting.results import HEARD, MEAN_VOTE, AnswerCount, Results, RowResult

NO_NAIVE = "No row has the settings of naive multi-weak, so there is no difference to it; add `naive` to `methods`."
MOST_NAMED = 3
"""Rows that tie and are told by their names."""


@dataclass(frozen=True)
class HeadlineNumber:
    """A number to put in large type."""

    kind: Literal["floor", "naive", "best", "ceiling"]
    title: str
    what: str
    estimate: Estimate


@dataclass(frozen=True)
class Headline:
    """A headline, what stands behind it, and the four numbers it rests on."""

    headline: str
    sentences: tuple[str, ...]
    tiles: tuple[HeadlineNumber, ...]


def find(results: Results) -> Headline:
    """Read the headline off the results."""
    best = best_method(results)
    if best is None:
        return Headline("No method has a result yet.", tuple(_caveats(results)), tuple(_tiles(results)))
    sentences = [*_story(results, best), *_caveats(results)]
    return Headline(_headline(best, results.about.metric_title), tuple(sentences), tuple(_tiles(results)))


def highest(rows: Sequence[RowResult]) -> RowResult | None:
    """The row with the highest score; the first one on a tie."""
    return next(iter(leaders(rows)), None)


def leaders(rows: Sequence[RowResult], measure: str = "") -> list[RowResult]:
    """The rows with the highest score, or the highest of a further measure: several on a tie."""
    values = [(row, _under(row, measure).value) for row in rows]
    top = max((value for _, value in values if value is not None), default=None)
    return [row for row, value in values if value is not None and value == top]


def _under(row: RowResult, measure: str) -> Estimate:
    return row.measures[measure] if measure else row.score


def best_method(results: Results) -> RowResult | None:
    """The method row with the highest test score; none whose labels were chosen by gold."""
    return highest(results.fair)


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
        return "The student outgrew its supervisors; how far cannot be said: no ceiling is clearly above them."
    return f"The student outgrew its supervisors and recovered {show_percent(share.value)} of the gap to its ceiling."


def _story(results: Results, best: RowResult) -> Iterator[str]:
    top = ceiling_of(results, best.view)
    gold = f"; with gold labels instead it reaches {show(top.score)}" if top else ""
    yield (
        f"Taught by nothing but the labels of {_teachers(results, best)}, the student reaches a test"
        f" {results.about.metric_title} of {show(best.score)} with {leading(results.fair)}{gold}."
    )
    yield from _on_plane(results)
    together = [one for one in results.supervisors if one.name == MEAN_VOTE and one.test.defined]
    if together:
        where = " on the items with a vote," if together[0].test.note == HEARD else ""
        yield f"The mean of all supervisors' votes reaches {show(together[0].test)}{where} without any student."
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


def leading(rows: Sequence[RowResult], measure: str = "") -> str:
    """The names of the rows that lead; how many, if they are many."""
    first, count = leaders(rows, measure), sum(_under(row, measure).defined for row in rows)
    if len(first) == count > 1:
        return "every row"
    return f"{len(first)} rows" if len(first) > MOST_NAMED else " and ".join(row.name for row in first)


def _on_plane(results: Results) -> Iterator[str]:
    """How far students get under each of the two measures, beside the untouched student and the ceiling."""
    methods, others = results.fair, [*results.of("untouched"), *results.of("ceiling")]
    parts = []
    for name in results.about.plane or ():
        best = leaders(methods, name)
        if best:
            beside = ", ".join(f"{row.name} {show_number(row.measures[name].value)}" for row in others)
            reached = f"at most {show(best[0].measures[name])} with {leading(methods, name)}"
            parts.append(f"{name} is {reached}{beside and f' ({beside})'}")
    if parts:
        yield f"Of the students, {'; '.join(parts)}."


def _teachers(results: Results, best: RowResult) -> str:
    """Whose labels the best row was taught by, and how good the best of them is."""
    floor, count = highest([row for row in results.of("floor") if row.name in best.teachers]), len(best.teachers)
    where = f" {HEARD}" if floor is not None and floor.score.note == HEARD else ""
    reached = "" if floor is None else f"reaches {show_number(floor.score.value)}{where}"
    if count == 1:
        return f"one weak supervisor ({best.teachers[0]}{reached and f', which {reached}'})"
    return f"{count} weak supervisors" + (f" (the best one, {floor.name}, {reached})" if floor else "")


def _caveats(results: Results) -> Iterator[str]:
    rows = [row for row in results.fair if row.score.defined]
    if len(rows) > 1:
        yield _picked(rows)
    if results.about.baseline is None and results.of("method"):
        yield NO_NAIVE
    bounds = [row.name for row in results.of("method") if row.oracle]
    if bounds:
        yield f"Chosen by gold were the labels of {', '.join(bounds)}: an upper bound, and not counted here."
    yield from _silences(results)
    if len(results.about.seeds) == 1:
        yield "One seed: the intervals cover other test items, not other runs."
    if any(one.oracle for one in results.chosen):
        yield "Settings were chosen on gold (oracle selection), which a real use does not have."
    if results.edges:
        yield "Some settings stand at the edge of the grid that was searched; see the chosen settings."
    for method, sentences in results.origins.items():
        yield from (f"{method}: {sentence}" for sentence in sentences if sentence.endswith(INSTEAD))
    lost = len({one.row for one in results.missing})
    if lost:
        yield f"{lost} of {len(results.rows)} rows lack{'s' if lost == 1 else ''} a result for some seed; see below."


def _picked(rows: Sequence[RowResult]) -> str:
    count = len(leaders(rows))
    if count == len(rows):
        return f"All {count} rows tie on these test items."
    highest_are = (
        f"{leading(rows)} {'is' if count == 1 else 'are'} the highest of {len(rows)} rows on these test items"
    )
    return f"{highest_are}; being picked flatters {'it' if count == 1 else 'them'}."


def _silences(results: Results) -> Iterator[str]:
    """Answers that nobody gave: of supervisors, and of judges."""
    what = "answer" if results.about.of_texts else "vote"
    once = " (each under every seed)" if len(results.about.seeds) > 1 else ""
    for one in results.supervisors:
        if one.ever_silent:
            labels, test = one.silent["half_b"], one.silent["test"]
            yield (
                f"{one.name} gave no {what} to {labels} items that it labels, and to {test} test items{once},"
                f" {'which count as wrong' if one.silence_is_wrong else 'and is measured on the others'}."
            )
    for judge in dict.fromkeys(name for row in results.rows for name in row.rated):
        rated = [row.rated[judge] for row in results.rows if judge in row.rated]
        lost, total = sum(one.answers.of - one.answers.count for one in rated), sum(one.answers.of for one in rated)
        if lost:
            why = next((f" ({one.why_not_all})" for one in rated if one.why_not_all), "")
            count = AnswerCount(lost, total)
            yield f"The judge {judge} gave no rating to {count} answers{why}; see the further measures."


def _tiles(results: Results) -> Iterator[HeadlineNumber]:
    floor, naive, best = highest(results.of("floor")), plain_naive(results), best_method(results)
    top = ceiling_of(results, best.view if best else "main")
    if floor:
        yield HeadlineNumber("floor", "best supervisor", floor.name, floor.score)
    if naive and naive is not best:
        yield HeadlineNumber("naive", "naive student", naive.name, naive.score)
    if best:
        tied = len(leaders(results.fair)) > 1
        yield HeadlineNumber("best", "best students" if tied else "best student", leading(results.fair), best.score)
    if top:
        yield HeadlineNumber("ceiling", "ceiling", "student trained on gold", top.score)
