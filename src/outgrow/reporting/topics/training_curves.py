"""Training curves: agreement with weak labels and with gold during a student's training, and where it was stopped.

A student that goes on learning learns the errors of the weak labels (Burns et al. 2023): its agreement with the labels
that it learned rises to the end, while its agreement with gold falls. Rows with `evaluations` have a curve. Gold of
learned items and the test items are shown and choose nothing.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from outgrow.evaluations import FILE, MEANS, Evaluations
from outgrow.graph.step import Step
from outgrow.metrics.bootstrap import Resamples, draw_items, over_seeds, paired, seed_means, seeds_with
from outgrow.metrics.estimate import Estimate, from_draws, show, show_number
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.evidence.row_answers import EvaluatedItems, read_part
from outgrow.reporting.evidence.row_provenance import trainings
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.frame import BOOTSTRAP_SEED, Frame
from outgrow.reporting.results import Results
from outgrow.reporting.rows import seeds_estimate
from outgrow.reporting.topic import INTERVALS, TopicRecord, results_table, sample_size
from outgrow.study.build import Row

LOG = "metrics.jsonl"
KEPT_BY = {"last": "none: the last", "weak": "weak labels, held out", "gold": "gold, held out (oracle)"}
SHOWN = ("weak_learned", "weak_held_out", "gold_half_b", "gold_test")


@dataclass(frozen=True)
class TrainingCurvePoint:
    """One evaluation; means over the seeds."""

    update: float
    loss: float | None
    """Mean over the updates since the evaluation before."""
    means: dict[str, Estimate]
    """By name (`evaluations.MEANS`)."""


@dataclass(frozen=True)
class TrainingCurve:
    """The training of one row."""

    row: str
    keep: str
    """By what the weights were kept: `last`, `weak`, `gold`."""
    points: tuple[TrainingCurvePoint, ...]
    kept: tuple[int, ...]
    """By seed, the update whose weights were kept."""
    at_kept: dict[str, Estimate]
    """The means of the weights that were kept."""
    test_gain: Estimate
    """On the test items, the kept weights less those at the end; paired."""


class SeedTraining(NamedTuple):
    """What one seed's training wrote."""

    evaluations: Evaluations
    kept: int
    log: list[dict[str, Any]]

    @property
    def kept_place(self) -> int:
        """The place of the kept evaluation among all."""
        return [one.update for one in self.evaluations.each].index(self.kept)


# ---- measure --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurveItems:
    """The items that evaluations are about, with their resamples."""

    parts: tuple[tuple[EvaluatedItems, Resamples], ...]

    @staticmethod
    def of(frame: Frame) -> "CurveItems":
        """Half B, with items that have no gold, and the test items."""
        half_b, resamples = read_part(frame.task, frame.splits, "half_b", unlabelled=True), frame.on_half_b
        if half_b.n != frame.half_b.n:
            generator = np.random.default_rng(BOOTSTRAP_SEED)
            drawn = draw_items(max(1, half_b.n_groups), len(resamples.seeds) - 1, generator)
            resamples = Resamples(resamples.seeds, drawn[:, half_b.group])
        return CurveItems(((half_b, resamples), (frame.test, frame.on_test)))

    def for_mean(self, name: str) -> tuple[EvaluatedItems, Resamples]:
        """Those of one of the means."""
        return self.parts[MEANS[name][1] == ("test",)]


def find_training_curves(frame: Frame) -> tuple[TrainingCurve, ...]:
    """The curve of every row that was evaluated and has a finished training."""
    items = CurveItems.of(frame)
    curves = (_curve(frame, items, row) for row in frame.study.rows)
    return tuple(curve for curve in curves if curve is not None)


def _curve(frame: Frame, items: CurveItems, row: Row) -> TrainingCurve | None:
    steps = [next(iter(trainings(answers)), None) for answers in row.steps]
    seeds = [None if step is None else _read(frame, step) for step in steps]
    found = [seed for seed in seeds if seed is not None]
    if not found or steps[0] is None:
        return None
    length = len(found[0].evaluations.each)
    seeds = [seed if seed is not None and len(seed.evaluations.each) == length else None for seed in seeds]
    found = [seed for seed in seeds if seed is not None]
    means, kept, gain = _measure(items, seeds, length)
    points = tuple(
        TrainingCurvePoint(
            float(np.mean([seed.evaluations.each[place].update for seed in found])),
            _mean_loss(found, place),
            {name: estimates[place] for name, estimates in means.items()},
        )
        for place in range(length)
    )
    keep = str(steps[0].params["evaluations"]["keep"])
    return TrainingCurve(row.name, keep, points, tuple(seed.kept for seed in found), kept, gain)


def _read(frame: Frame, step: Step) -> SeedTraining | None:
    folder = frame.store.path(step)
    if step.params.get("evaluations") is None or record(frame.store, step) is None:
        return None
    chosen = json.loads((folder / "chosen.json").read_text(encoding="utf-8"))["chosen"]
    log = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    return SeedTraining(Evaluations.load(folder / FILE), int(chosen["updates"]), log)


def _mean_loss(seeds: Sequence[SeedTraining], place: int) -> float | None:
    """Over the updates after the evaluation before this one."""
    losses = []
    for seed in seeds:
        updates = [0, *(one.update for one in seed.evaluations.each)]
        losses += [
            line["loss"] for line in seed.log if "loss" in line and updates[place] < line["step"] <= updates[place + 1]
        ]
    return float(np.mean(losses)) if losses else None


def _measure(
    items: CurveItems, seeds: Sequence[SeedTraining | None], length: int
) -> tuple[dict[str, list[Estimate]], dict[str, Estimate], Estimate]:
    """By mean, its estimate at every evaluation, and at the kept one; and the gain on the test items."""
    at_all, at_kept, gain = {}, {}, None
    for name in MEANS:
        part, resamples = items.for_mean(name)
        numbers, among = _numbers(name, part, seeds, length)
        per_seed = seed_means(resamples.items, numbers, among)
        kept = np.full((len(per_seed), len(seeds)), np.nan)
        for index, seed in enumerate(seeds):
            if seed is not None:
                kept[:, index] = per_seed[:, seed.kept_place, index]
        at_all[name] = [seeds_estimate(per_seed[:, place], among[0], resamples) for place in range(length)]
        at_kept[name] = seeds_estimate(kept, among[0], resamples)
        if name == "gold_test":
            gain = _difference(kept, per_seed[:, -1], among[0], resamples)
    assert gain is not None, "`gold_test` is one of the means"
    return at_all, at_kept, gain


def _difference(
    kept: Float[np.ndarray, "draw seed"],
    last: Float[np.ndarray, "draw seed"],
    among: Bool[np.ndarray, "seed item"],
    resamples: Resamples,
) -> Estimate:
    first, second = paired(kept, last)
    draws = over_seeds(first - second, resamples.seeds)
    return from_draws(draws, int(among.any(axis=0).sum()), seeds_with(first))


def _numbers(
    name: str, part: EvaluatedItems, seeds: Sequence[SeedTraining | None], length: int
) -> tuple[Float[np.ndarray, "evaluation seed item"], Bool[np.ndarray, "1 seed item"]]:
    """The numbers behind a mean, and which items have one; these are the same at every evaluation."""
    number, parts = MEANS[name]
    place = {item: index for index, item in enumerate(part.ids)}
    numbers, among = np.zeros((length, len(seeds), part.n)), np.zeros((1, len(seeds), part.n), dtype=bool)
    for index, seed in enumerate(seeds):
        if seed is None:
            continue
        values = np.stack([getattr(one, number) for one in seed.evaluations.each])
        known = np.asarray([item in place for item in seed.evaluations.items], dtype=bool)
        wanted = np.flatnonzero(seed.evaluations.among(parts) & known & np.isfinite(values).all(axis=0))
        where = [place[seed.evaluations.items[item]] for item in wanted.tolist()]
        numbers[:, index, where], among[0, index, where] = values[:, wanted], True
    return numbers, among


# ---- table ----------------------------------------------------------------------------------------------

TITLES = {
    "weak_learned": "weak labels, learned",
    "weak_held_out": "weak labels, held out",
    "gold_held_out": "gold, held out",
    "gold_half_b": "gold of half B",
    "gold_test": "test items",
}


def _unit(results: Results) -> str:
    return "mean log-probability of a token" if results.about.of_texts else "agreement"


def training_curves_table(results: Results, found: tuple[TrainingCurve, ...]) -> Iterator[Table]:
    """A line per row: when it was stopped, and what that is worth."""
    columns = [
        Column("row", ""),
        Column("keep", "chosen by"),
        Column("kept", "updates kept"),
        Column("updates", "of"),
        *(Column(name, TITLES[name]) for name in ("weak_held_out", "gold_half_b", "gold_test")),
        Column("gain", "test items, less the end", signed=True),
    ]
    lines = [Line(_cells(curve)) for curve in found]
    caption = (
        f"The weights that were kept, and their {_unit(results)} with weak labels and with gold. Last column: less"
        " that of the weights at the end of the training. Gold of learned items, and test items, chose nothing."
        f" Where seeds differ: in the seeds' order. {INTERVALS}"
    )
    yield results_table(results, "training_curves", "Early stopping", caption, columns, lines)
    yield results_table(
        results, "training_curve_points", "Training curves", f"One line per evaluation. {INTERVALS}", *_points(found)
    )


def _cells(curve: TrainingCurve) -> tuple[Cell, ...]:
    kept = sorted(set(curve.kept)) if len(set(curve.kept)) == 1 else curve.kept
    means = (curve.at_kept[name] for name in ("weak_held_out", "gold_half_b", "gold_test"))
    last = f"{curve.points[-1].update:g}"
    return (curve.row, KEPT_BY[curve.keep], ", ".join(map(str, kept)), last, *means, curve.test_gain)


def _points(found: tuple[TrainingCurve, ...]) -> tuple[list[Column], list[Line]]:
    columns = [Column("row", ""), Column("update", "updates", digits=0), Column("loss", "loss")]
    columns += [Column(name, title) for name, title in TITLES.items()]
    lines = [
        Line((name, point.update, point.loss, *(point.means[mean] for mean in TITLES)), name)
        for name, curve in _groups(found).items()
        for point in curve[0].points
    ]
    return columns, lines


def _groups(found: Sequence[TrainingCurve]) -> dict[str, list[TrainingCurve]]:
    """Rows with the same curve (they differ in what was kept of it), by their names."""
    groups: list[list[TrainingCurve]] = []
    for curve in found:
        group = next((group for group in groups if group[0].points == curve.points), None)
        if group is None:
            groups.append([curve])
        else:
            group.append(curve)
    return {", ".join(curve.row for curve in group): group for group in groups}


# ---- plot -----------------------------------------------------------------------------------------------

LOOKS = {
    "weak_learned": (canvas.PURPLE, ":"),
    "weak_held_out": (canvas.ORANGE, "--"),
    "gold_half_b": (canvas.GREEN, "-."),
    "gold_test": (canvas.BLUE, "-"),
}
STOPS = {"weak": canvas.ORANGE, "gold": canvas.GREEN}
TALL, LEFT, RIGHT, BETWEEN, HEAD, FOOT = 190, 48, 10, 52, 26, 46
LOSS_SHARE = 0.3
"""Of the width, for the loss."""
MOST = 6
"""Curves in the picture."""


def training_curves_plots(results: Results, found: tuple[TrainingCurve, ...]) -> Iterator[Drawing | None]:
    """A panel of agreement and one of the loss for every curve."""
    groups = dict(list(_groups(found).items())[:MOST])
    if not groups:
        yield None
        return
    marks = [LegendMark(TITLES[name], colour, "", style) for name, (colour, style) in LOOKS.items()]
    keeps = {curve.keep for group in groups.values() for curve in group}
    marks += [LegendMark(f"kept: {KEPT_BY[keep]}", colour, "|") for keep, colour in STOPS.items() if keep in keeps]
    legend = Legend(marks)
    room = canvas.width() - LEFT - RIGHT - BETWEEN
    height = HEAD + TALL + FOOT
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + height * len(groups))
        for place, (name, group) in enumerate(groups.items()):
            top = legend.height + place * height + HEAD
            left = canvas.axes(fig, LEFT, top, room * (1 - LOSS_SHARE), TALL)
            _agreement(left, results, name, group)
            right = canvas.axes(fig, LEFT + room * (1 - LOSS_SHARE) + BETWEEN, top, room * LOSS_SHARE, TALL)
            _losses(right, group[0])
        legend.draw(fig)
        caption = (
            f"During training: {_unit(results)} with the weak labels and with gold. Bands are 95 % intervals on"
            " the test items. Upright lines: where the weights were kept."
        )
        yield canvas.drawing(fig, "training_curves", _description(results, groups), caption)


def _agreement(ax: Axes, results: Results, name: str, group: Sequence[TrainingCurve]) -> None:
    ax.grid()
    points = group[0].points
    across = [point.update for point in points]
    for mean, (colour, style) in LOOKS.items():
        known = [(x, point.means[mean]) for x, point in zip(across, points, strict=True) if point.means[mean].defined]
        ax.plot([x for x, _ in known], [one.value or 0.0 for _, one in known], color=colour, ls=style, lw=1.6)
        if mean == "gold_test":
            ends = [(x, one.low, one.high) for x, one in known if one.low is not None and one.high is not None]
            low, high = ([end[side] for end in ends] for side in (1, 2))
            ax.fill_between([end[0] for end in ends], low, high, color=colour, alpha=0.12, lw=0)
    for curve in group:
        for update in sorted(set(curve.kept)) if curve.keep in STOPS else ():
            ax.axvline(update, color=STOPS[curve.keep], lw=1.2, alpha=0.7)
    size = sample_size([points[-1].means["gold_test"]], "test items")
    room = canvas.width() * (1 - LOSS_SHARE)
    ax.set_title(canvas.shortened(name, room, canvas.SMALL), loc="left", weight="bold", size=canvas.SMALL)
    ax.set_xlabel(f"updates ({size})", size=canvas.SMALL)
    ax.set_ylabel(_unit(results), size=canvas.SMALL)


def _losses(ax: Axes, curve: TrainingCurve) -> None:
    ax.grid()
    known = [(point.update, point.loss) for point in curve.points if point.loss is not None]
    ax.plot([x for x, _ in known], [loss for _, loss in known], color=canvas.SOFT, lw=1.6)
    ax.set_title("loss", loc="left", weight="bold", size=canvas.SMALL)
    ax.set_xlabel("updates", size=canvas.SMALL)


def _description(results: Results, groups: dict[str, list[TrainingCurve]]) -> str:
    sentences = []
    for name, group in groups.items():
        first, last = group[0].points[0], group[0].points[-1]
        changes = (
            f"{TITLES[mean]} from {show_number(first.means[mean].value, 2)} to {show(last.means[mean], 2)}"
            for mean in SHOWN
            if last.means[mean].defined
        )
        sentences.append(f"{name}: {', '.join(changes)}")
    return f"{_unit(results).capitalize()} during training. {'; '.join(sentences)}"


TRAINING_CURVES = TopicRecord(
    name="training_curves",
    summary="Agreement with weak labels and with gold during training, and early stopping",
    heading="How training went",
    measure=find_training_curves,
    tables=training_curves_table,
    plots=training_curves_plots,
)
