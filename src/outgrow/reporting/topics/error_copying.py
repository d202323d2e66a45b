"""Error copying: whom students follow on items whose weak label is wrong: gold, the weak label, or neither."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.metrics.bootstrap import Resamples, over_seeds, seed_means, seeds_with
from outgrow.metrics.error_correlation import weak_is_wrong
from outgrow.metrics.estimate import Estimate, show_number, undefined
from outgrow.metrics.proportion import share_from_draws
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.render.charts import name_line
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.row_answers import EvaluatedItems, RowAnswers
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results, Role
from outgrow.reporting.topic import INTERVALS, VOTES, TopicRecord, results_table
from outgrow.reporting.topics.supervisors import MEAN_VOTE, mean_vote
from outgrow.study.build import Row

PART_TITLES = {"test": "test items", "half_b": "items that the student was trained on"}


@dataclass(frozen=True)
class CopyResult:
    """Whom a student follows where a weak label is wrong; the three shares sum to one."""

    row: str
    role: Role
    variant: str
    part: Literal["test", "half_b"]
    weak: str
    """A supervisor, or `mean vote`."""
    follows_gold: Estimate
    follows_weak: Estimate
    neither: Estimate


class StudentAnswers(NamedTuple):
    """A row and its answers on one part."""

    row: Row
    answers: RowAnswers


# ---- measure --------------------------------------------------------------------------------------------


def find_copying(frame: Frame) -> tuple[CopyResult, ...]:
    """On test items, and on the items that students were trained on."""
    return (
        *_on_part(frame, frame.test, frame.votes, frame.on_test),
        *_on_part(frame, frame.half_b, frame.votes_on_half_b, frame.on_half_b),
    )


def _on_part(
    frame: Frame, part: EvaluatedItems, votes: Sequence[RowAnswers], resamples: Resamples
) -> Iterator[CopyResult]:
    weak = {row.name: answers.hard for row, answers in zip(frame.floor, frame.of_floor(votes), strict=True)}
    if len(weak) > 1:
        weak = {MEAN_VOTE: mean_vote(frame, part), **weak}
    # The ceiling was trained on the gold of half B.
    roles = ("method", "ceiling") if part.name == "test" else ("method",)
    answers = frame.scored(frame.study.rows, votes) if part.name == "test" else votes
    students = [
        StudentAnswers(row, given)
        for row, given in zip(frame.study.rows, answers, strict=True)
        if row.role in roles and given.seeds.any()
    ]
    for name in weak if students else ():
        yield from _copied_from(name, weak[name], students, part, resamples)


def _copied_from(
    name: str,
    weak: Int[np.ndarray, "seed item"],
    students: Sequence[StudentAnswers],
    part: EvaluatedItems,
    resamples: Resamples,
) -> Iterator[CopyResult]:
    wrong = np.asarray([weak_is_wrong(labels, part.gold) for labels in weak])
    among = np.stack([wrong & student.answers.there for student in students])
    hard = np.stack([student.answers.hard for student in students])
    gold = seed_means(resamples.items, hard == part.gold, among)
    copied = seed_means(resamples.items, hard == weak, among)
    for place, (row, _) in enumerate(students):
        items = among[place].any(axis=0)
        follows = (gold[:, place], copied[:, place], 1 - gold[:, place] - copied[:, place])
        shares = [_share(draws, resamples, int(items.sum()), part.groups_of(items)) for draws in follows]
        yield CopyResult(row.name, row.role, row.variant, part.name, name, *shares)


def _share(per_seed: Float[np.ndarray, "draw seed"], resamples: Resamples, n: int, groups: int) -> Estimate:
    seeds = seeds_with(per_seed)
    if not seeds:
        return undefined("the weak label is never wrong here", n)
    return share_from_draws(over_seeds(per_seed, resamples.seeds), n, groups, seeds)


# ---- table ----------------------------------------------------------------------------------------------


def copying_table(results: Results, found: tuple[CopyResult, ...]) -> Iterator[Table]:
    """A line per student and weak label."""
    columns = [
        Column("row", ""),
        Column("weak", "weak label"),
        Column("gold", "gold", "student agrees with"),
        Column("copied", "the weak label", "student agrees with"),
        Column("neither", "neither", "student agrees with"),
    ]
    lines = [
        Line((copy.row, copy.weak, copy.follows_gold, copy.follows_weak, copy.neither), PART_TITLES[copy.part])
        for copy in found
    ]
    caption = f"Among the items whose weak label is wrong. {INTERVALS}"
    yield results_table(results, "error_copying", "Did the student copy the error?", caption, columns, lines)


# ---- plot -----------------------------------------------------------------------------------------------

COLOURS = {"gold": canvas.GREEN, "the weak label": canvas.RED, "neither": canvas.GREY}
LINE, HEAD, NAMES, BAR = 22, 34, 200, 16
NUMBER = 35
"""Pixels that a number needs within its bar."""
CAPTION = (
    "Only items whose weak label is wrong. Green: the student is right; red: it repeats the error; grey: it makes"
    " another one. The ceiling has seen no weak label: it shares errors with them because the items are difficult."
)


def copying_plot(results: Results, found: tuple[CopyResult, ...]) -> Iterator[Drawing | None]:
    """Stacked bars."""
    parts = {part: _plotted(results, found, part) for part in PART_TITLES}
    parts = {part: copies for part, copies in parts.items() if copies}
    if not parts:
        return
    legend = Legend([LegendMark(name, colour) for name, colour in COLOURS.items()])
    heights = [HEAD + LINE * len(copies) + 14 for copies in parts.values()]
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + sum(heights))
        top = float(legend.height)
        for (part, copies), height in zip(parts.items(), heights, strict=True):
            width = canvas.width() - NAMES - 6
            ax = canvas.axes(fig, NAMES, top + HEAD, width, LINE * len(copies))
            ax.set_title(f"On {PART_TITLES[part]}", loc="left", weight="bold", x=-NAMES / width)
            _bars(ax, copies)
            top += height
        legend.draw(fig)
        yield canvas.drawing(fig, "error_copying", _description(parts), CAPTION)


def _plotted(results: Results, all_copies: Sequence[CopyResult], part: str) -> list[CopyResult]:
    """Rows with all supervisors, for the first weak label: the mean vote's, or the only supervisor's."""
    alone = {row.name for row in results.rows if row.source is not None}
    copies = [copy for copy in all_copies if copy.part == part and copy.follows_gold.defined]
    return [
        copy for copy in copies if copy.weak == copies[0].weak and (copy.row not in alone or len(alone) == len(copies))
    ]


def _bars(ax: Axes, copies: Sequence[CopyResult]) -> None:
    ax.set_xlim(0, 1)
    ax.set_ylim(LINE * len(copies), 0)
    ax.axis("off")
    ax.title.set_visible(True)
    room = ax.get_window_extent().width
    for place, copy in enumerate(copies):
        y, start = LINE * (place + 0.5), 0.0
        name_line(ax, copy.row, y, NAMES)
        shares = (copy.follows_gold, copy.follows_weak, copy.neither)
        for share, (name, colour) in zip(shares, COLOURS.items(), strict=True):
            size = share.value or 0.0
            ax.barh(y, size, left=start, height=BAR, color=colour, lw=0)
            if size * room > NUMBER:
                ink, number = canvas.INK if name == "neither" else canvas.PAPER, show_number(size, 2)
                ax.text(start + size / 2, y, number, ha="center", va="center", size=canvas.SMALL, color=ink)
            start += size


def _description(parts: Mapping[str, Sequence[CopyResult]]) -> str:
    words = [
        f"{copy.row} on {PART_TITLES[part]}: gold {show_number(copy.follows_gold.value, 2)},"
        f" weak label {show_number(copy.follows_weak.value, 2)}, neither {show_number(copy.neither.value, 2)}"
        for part, copies in parts.items()
        for copy in copies
    ]
    return f"Whom students follow where the weak label is wrong. {'; '.join(words)}"


ERROR_COPYING = TopicRecord(
    name="error_copying",
    summary="Whether students repeat the errors of weak labels",
    heading="Did the student copy the error?",
    measure=find_copying,
    tables=copying_table,
    plots=copying_plot,
    kinds=VOTES,
)
