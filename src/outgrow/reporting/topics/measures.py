"""Further measures of texts beside the study's metric: patterns, other metrics, ratings of judges; two as a plane.

An answer without a rating is left out of a judge's mean; the number of rated answers stands beside it (`rated`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float

from outgrow.graph.step import Step
from outgrow.metrics.estimate import Estimate, show, show_number
from outgrow.metrics.measures import MEASURES
from outgrow.metrics.text_score import alone, mean_value
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark, NamedPoint
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.about import judged_names
from outgrow.reporting.evidence.pattern_search import PatternMatches, search_all
from outgrow.reporting.evidence.steps import reason, record
from outgrow.reporting.evidence.texts import TextAnswers, score_counts
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import AnswerCount, Results, Role, RowResult, leaders
from outgrow.reporting.rows import Value, seed_values, seeds_estimate
from outgrow.reporting.topic import INTERVALS, TEXTS, TopicRecord, results_table, score_columns
from outgrow.reporting.topics.scores import leading
from outgrow.study.build import Row

Counts = Float[np.ndarray, "seed item part"]


@dataclass(frozen=True)
class RatedCount:
    """The number of a row's answers that a judge rated."""

    answers: AnswerCount
    why_not_all: str = ""
    """The first reason for an answer without a rating."""


@dataclass(frozen=True)
class RowMeasures:
    """The further measures of a row."""

    measures: dict[str, Estimate]
    """The study's `measures` and its judges' ratings, by name."""
    rated: dict[str, RatedCount] = field(default_factory=dict)
    """By judge, without judges whose ratings of this row are not finished."""


# ---- measure --------------------------------------------------------------------------------------------


def find_measures(frame: Frame) -> dict[str, RowMeasures]:
    """By row; empty without further measures."""
    experiment, rows = frame.study.experiment, frame.study.rows
    if not experiment.measures and not experiment.judges:
        return {}
    answers = frame.scored(rows, frame.texts)
    texts = (text for given in answers for seed in range(len(given.there)) for text in given.of_seed(seed))
    matches = search_all(experiment.measures, texts)
    return {row.name: row_measures(frame, row, given, matches) for row, given in zip(rows, answers, strict=True)}


def row_measures(frame: Frame, row: Row, texts: TextAnswers, matches: Mapping[str, PatternMatches]) -> RowMeasures:
    """Every further measure of one row. `matches`: the texts in which the measures' patterns were found."""
    measures = {name: _estimate(frame, counts, value) for name, counts, value in _without_judge(frame, texts, matches)}
    notes = {name: match.note for name, match in matches.items() if match.note}
    measures |= {name: replace(measures[name], note=note) for name, note in notes.items()}
    rated: dict[str, RatedCount] = {}
    for name, judge in frame.study.experiment.judges.items():
        ratings = _ratings(frame, row.judged[name], judged_names(name, judge))
        note = _note(name, ratings.rated) or ratings.missing
        for column, counts in ratings.counts.items():
            measures[column] = replace(_estimate(frame, counts, mean_value), note=note)
        rated |= {name: ratings.rated} if ratings.rated.answers.of else {}
    return RowMeasures(measures, rated)


def _estimate(frame: Frame, counts: Counts, value: Value) -> Estimate:
    per_seed = seed_values(frame.on_test.items, counts[None], value)[:, 0]
    return seeds_estimate(per_seed, (counts != 0).any(axis=2), frame.on_test)


def _without_judge(
    frame: Frame, texts: TextAnswers, matches: Mapping[str, PatternMatches]
) -> Iterator[tuple[str, Counts, Value]]:
    test = frame.test
    for name, measure in frame.study.experiment.measures.items():
        measure_record = MEASURES.of(measure)
        score = measure_record.score(measure, matches[name].found if name in matches else {})
        gold = test.keys if measure_record.against_key(measure) else test.answers
        yield name, score_counts(texts, gold, alone(score)), score.value


class JudgeRatings(NamedTuple):
    """A judge's ratings of a row's answers."""

    counts: dict[str, Counts]
    """By scale: (rating, 1) for every rated item; zeros where there is no rating."""
    rated: RatedCount
    missing: str
    """Why some seed has no ratings; empty if all have."""


def _ratings(frame: Frame, steps: Sequence[Step], columns: Sequence[str]) -> JudgeRatings:
    test = frame.test
    counts = {column: np.zeros((*test.of_seed.shape, 2)) for column in columns}
    place = {item: index for index, item in enumerate(test.ids)}
    of, why_not_all, missing = 0, "", ""
    for seed, step in enumerate(steps):
        if record(frame.store, step) is None:
            missing = missing or reason(step, frame.outcomes)
            continue
        of += int(test.of_seed[seed].sum())
        why_not_all = why_not_all or _why_failed(frame, step)
        table = pq.read_table(frame.store.path(step) / "ratings.parquet")
        for column in columns:
            for item, value in zip(table["item"].to_pylist(), table[column].to_pylist(), strict=True):
                if item in place and value is not None and np.isfinite(value):
                    counts[column][seed, place[item]] = (value, 1.0)
    # An answer is rated on all scales or on none.
    n_rated = int(counts[columns[0]][:, :, 1].sum())
    return JudgeRatings(counts, RatedCount(AnswerCount(n_rated, of), why_not_all), missing)


def _why_failed(frame: Frame, step: Step) -> str:
    """Why the first answer without a rating has none."""
    written = json.loads((frame.store.path(step) / "written.json").read_text(encoding="utf-8"))
    return str(written.get("why_failed", ""))


def _note(judge: str, rated: RatedCount) -> str:
    """The caveat of a mean over fewer answers than there are."""
    lost = AnswerCount(rated.answers.of - rated.answers.count, rated.answers.of)
    why = f" ({rated.why_not_all})" if rated.why_not_all else ""
    return f"the judge {judge} gave no rating to {lost} answers{why}" if lost.count else ""


# ---- table and sentences --------------------------------------------------------------------------------

RATED = "Rated: the number of the row's answers that the judge rated; its means are over these. "


def measures_table(results: Results, found: dict[str, RowMeasures]) -> Iterator[Table]:
    """Every row under every further measure."""
    names = results.about.measures
    judges = list(dict.fromkeys(judge for row in found.values() for judge in row.rated))
    columns = [
        *score_columns(results),
        *(Column(f"measure_{name}", name) for name in names),
        *(Column(f"rated_{name}", f"rated by {name}") for name in judges),
    ]
    lines = []
    for name, row in found.items():
        rated = [str(row.rated[judge].answers) if judge in row.rated else None for judge in judges]
        result = results.named(name)
        cells = [row.measures[measure] for measure in names]
        lines.append(Line((name, result.score, *cells, *rated), ranked=result.ranked))
    scales = "; ".join(f"{name}: {low:g} to {high:g}" for name, (low, high) in results.about.scales.items())
    caption = f"{scales + '. ' if scales else ''}{RATED if judges else ''}{INTERVALS}"
    yield results_table(results, "measures", "Further measures of the answers", caption, columns, lines)


def caveats(results: Results, found: dict[str, RowMeasures]) -> Iterator[str]:
    """The best students on the plane, and answers without a rating."""
    yield from _on_plane(results, found)
    for judge in dict.fromkeys(name for row in found.values() for name in row.rated):
        rated = [row.rated[judge] for row in found.values() if judge in row.rated]
        total = sum(count.answers.of for count in rated)
        lost = total - sum(count.answers.count for count in rated)
        if lost:
            why = next((f" ({count.why_not_all})" for count in rated if count.why_not_all), "")
            count = AnswerCount(lost, total)
            yield f"The judge {judge} gave no rating to {count} answers{why}; see the further measures."


def _on_plane(results: Results, by_row: dict[str, RowMeasures]) -> Iterator[str]:
    references = [*results.of("untouched"), *results.of("ceiling")]
    parts = []
    for name in (results.about.plane or ()) if by_row else ():
        scores = {row: measured.measures[name] for row, measured in by_row.items()}
        best = leaders(results.fair, scores)
        if best:
            beside = ", ".join(f"{row.name} {show_number(scores[row.name].value)}" for row in references)
            reached = f"at most {show(scores[best[0].name])} with {leading(results.fair, scores)}"
            parts.append(f"{name} is {reached}{beside and f' ({beside})'}")
    if parts:
        yield f"Of the students, {'; '.join(parts)}."


# ---- plot -----------------------------------------------------------------------------------------------

MARKS: dict[Role, LegendMark] = {
    "floor": LegendMark("supervisors", canvas.ORANGE, "o"),
    "untouched": LegendMark("untouched student", canvas.INK, "o", hollow=True),
    "ceiling": LegendMark("ceiling", canvas.GREEN, "^"),
    "method": LegendMark("students", canvas.BLUE, "D"),
    "control": LegendMark("students on half A's gold", canvas.PURPLE, "D"),
}
ROOM, LEFT, RIGHT, TALL = 0.06, 54, 30, 440
"""The part of an axis beyond the ends of its scale; pixels at the left, at the right, and of the height."""
CAPTION = (
    "Every row that has both measures; lines are 95 % intervals. Up and to the right is better; the hollow mark is the"
    " student before any training."
)


class PlanePoint(NamedTuple):
    """A row that has both measures."""

    row: RowResult
    across: Estimate
    up: Estimate

    @property
    def place(self) -> tuple[float, float]:
        """Its coordinates."""
        return self.across.value or 0.0, self.up.value or 0.0


def plane_plot(results: Results, found: dict[str, RowMeasures]) -> Iterator[Drawing | None]:
    """Two measures against each other: a mark per row with both intervals, and its name."""
    points = _points(results, found)
    if results.about.plane is None or len(points) < 2:
        return
    across, up = results.about.plane
    legend = Legend([mark for role, mark in MARKS.items() if any(point.row.role == role for point in points)])
    side = canvas.width() - LEFT - RIGHT
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + TALL + 50)
        ax = canvas.axes(fig, LEFT, legend.height, side, TALL)
        for bounds, name, label in ((ax.set_xlim, across, ax.set_xlabel), (ax.set_ylim, up, ax.set_ylabel)):
            low, high = results.about.scales.get(name, (0.0, 1.0))
            bounds(low - ROOM * (high - low), high + ROOM * (high - low))
            label(name)
        ax.grid()
        for point in points:
            _mark(ax, point)
        canvas.name_points(ax, [NamedPoint(point.row.name, *point.place) for point in points], 0.45 * side)
        legend.draw(fig)
        words = "; ".join(
            f"{point.row.name}: {show_number(point.across.value, 2)}, {show_number(point.up.value, 2)}"
            for point in points
        )
        yield canvas.drawing(fig, "plane", f"{up} against {across}. {words}", CAPTION)


def _points(results: Results, by_row: dict[str, RowMeasures]) -> list[PlanePoint]:
    if results.about.plane is None:
        return []
    points = [
        PlanePoint(row, *(by_row[row.name].measures[name] for name in results.about.plane))
        for row in results.rows
        if row.name in by_row
    ]
    return [point for point in points if point.across.defined and point.up.defined]


def _mark(ax: Axes, point: PlanePoint) -> None:
    mark, (x, y) = MARKS[point.row.role], point.place
    canvas.interval(ax, point.across.low, point.across.high, y, mark.colour, lw=1.2, alpha=0.5)
    canvas.interval(ax, point.up.low, point.up.high, x, mark.colour, upright=True, lw=1.2, alpha=0.5)
    face = "none" if mark.hollow else mark.colour
    ax.plot([x], [y], mark.marker, ms=8, color=mark.colour, mfc=face, mew=1.6)


def notes(results: Results, found: dict[str, RowMeasures]) -> Iterator[str]:
    """Why there is no plane."""
    if found and results.about.plane and len(_points(results, found)) < 2:
        first, second = results.about.plane
        yield f"Fewer than two rows have both {first} and {second}, so there is no plane; the table's notes say why."


MEASURES_TOPIC = TopicRecord(
    name="measures",
    summary="Further measures of texts, and two of them as a plane",
    heading="Results",
    measure=find_measures,
    tables=measures_table,
    plots=plane_plot,
    notes=notes,
    caveats=caveats,
    kinds=TEXTS,
    open=True,
)
