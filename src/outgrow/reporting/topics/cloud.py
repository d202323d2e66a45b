"""The answers of all labels on the plane of their two principal components, and which of them each selection keeps.

A reward model that is a probe stores two numbers for each label: its answer's vector on the plane of the two principal
components of all. Every selection from the same labels is drawn on that plane. If there are too many labels, some are
drawn at random by a fixed seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from outgrow.graph.step import Step
from outgrow.metrics.estimate import show_percent
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark, NamedPoint, Pixels
from outgrow.reporting.evidence.label_reader import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import SharedStep, identity, last_selection, reward_model, shared
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import TopicRecord
from outgrow.reporting.topics.selections import Vectors
from outgrow.select import SELECTIONS

MOST_POINTS = 400
SEED = 11
DECIMALS = 4


@dataclass(frozen=True)
class Cloud:
    """The answers of some labels as vectors of a strong model, on the plane of their two principal components."""

    points: tuple[tuple[float, float], ...]
    capabilities: tuple[str, ...]
    """Of every point; empty names if the task is no mixture."""
    kept: Mapping[str, tuple[bool, ...]]
    """By selection, which of the points it keeps."""
    explained: tuple[float, float]
    """Shares of all variance along the two axes."""
    labels: int
    """The number of all labels, of which the points are a random part."""
    seed: int


# ---- measure --------------------------------------------------------------------------------------------


def find_clouds(frame: Frame) -> tuple[Cloud, ...]:
    """One for every table of labels that a probe has read, of the first seed in which it is finished."""
    reader = LabelReader(frame)
    selections = _worth_drawing(shared(frame.study, last_selection, identity))
    seen, clouds = set(), []
    for model in shared(frame.study, reward_model, identity):
        key = model.found[0].inputs["targets"].identity
        for seed, step in enumerate(model.found):
            labels, plane = reader.rows(step.inputs["targets"]), reader.vectors(step)
            if labels is not None and plane is not None and key not in seen:
                seen.add(key)
                clouds.append(_cloud(reader, seed, step, labels, plane, selections))
    return tuple(clouds)


def _worth_drawing(selections: Sequence[SharedStep[Step]]) -> list[SharedStep[Step]]:
    """No selection of a capability, and only the first one of the random ones."""
    kinds = [selection.found[0].params["select"]["type"] for selection in selections]
    return [
        selection
        for place, (selection, kind) in enumerate(zip(selections, kinds, strict=True))
        if SELECTIONS[kind].by_content and not (SELECTIONS[kind].is_control and kind in kinds[:place])
    ]


def _cloud(
    reader: LabelReader,
    seed: int,
    step: Step,
    labels: LabelRows,
    plane: Vectors,
    selections: Sequence[SharedStep[Step]],
) -> Cloud:
    readable = np.flatnonzero(np.isfinite(plane[labels.row]).all(axis=1))
    order = np.random.default_rng(SEED).permutation(len(readable))[:MOST_POINTS]
    some = np.sort(readable[order])
    names = reader.frame.half_b.capabilities
    kept = {}
    for selection in selections:
        selected = reader.kept(selection.found[seed])
        targets = selection.found[seed].inputs["targets"].identity
        if selected is not None and targets == step.inputs["targets"].identity:
            kept[", ".join(selection.methods)] = tuple(selected.kept[some].tolist())
    across, up = reader.reward_record(step)["explained"]
    points = np.round(plane[labels.row[some]], DECIMALS) + 0.0
    return Cloud(
        points=tuple((x, y) for x, y in points.tolist()),
        capabilities=tuple(names[item] for item in labels.item[some].tolist()),
        kept=kept,
        explained=(across, up),
        labels=len(plane),
        seed=reader.frame.study.experiment.seeds[seed],
    )


# ---- plot -----------------------------------------------------------------------------------------------

COLUMNS, GAP, HEAD, FOOT = 3, 12, 26, 34
"""Panels side by side; pixels between them, for a title, for the lines below."""
CAPTION = (
    "Every label's answer as a vector of the strong model, on the plane of the two principal components of all; a"
    " point is a label, drawn at random where there are many. A selection by chance would look like the whole cloud."
)


class Panel(NamedTuple):
    """One selection."""

    cloud: Cloud
    name: str
    kept: tuple[bool, ...]


def clouds_plot(results: Results, found: tuple[Cloud, ...]) -> Iterator[Drawing | None]:
    """A panel for every selection; capabilities are named on the first panel of each cloud."""
    panels = [Panel(cloud, name, kept) for cloud in found for name, kept in cloud.kept.items()]
    if not panels:
        return
    side = (canvas.width() - 4 - GAP * (COLUMNS - 1)) / COLUMNS
    tall, legend = (
        0.85 * side,
        Legend([LegendMark("kept", canvas.BLUE, "o"), LegendMark("left out", canvas.GREY, "o")]),
    )
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + -(-len(panels) // COLUMNS) * (HEAD + tall + FOOT))
        for place, panel in enumerate(panels):
            down, right = divmod(place, COLUMNS)
            top = legend.height + HEAD + down * (HEAD + tall + FOOT)
            ax = canvas.axes(fig, 2 + right * (side + GAP), top, side, tall)
            _panel(ax, panel, side)
            if place == 0 or panels[place - 1].cloud is not panel.cloud:
                canvas.name_points(ax, _capability_names(panel.cloud), 0.6 * side)
                ax.set_xlabel(_sample(panel.cloud), size=canvas.SMALL, loc="left")
        legend.draw(fig)
        yield canvas.drawing(fig, "cloud", f"Answers of the labels as vectors. {_description(panels)}", CAPTION)


def _panel(ax: Axes, panel: Panel, side: Pixels) -> None:
    points, kept = np.asarray(panel.cloud.points).reshape(-1, 2), np.asarray(panel.kept, dtype=np.bool_)
    low, high = points.min(axis=0), points.max(axis=0)
    room = 0.06 * np.maximum(high - low, 1e-6)
    ax.set_xlim(low[0] - room[0], high[0] + room[0])
    ax.set_ylim(low[1] - room[1], high[1] + room[1])
    for marks, colour in ((~kept, canvas.GREY), (kept, canvas.BLUE)):
        ax.plot(*points[marks].T, "o", ms=4, color=colour, alpha=0.65, mew=0)
    ax.set_title(canvas.shortened(panel.name, side), loc="left", weight="bold")
    ax.set_xticks([])
    ax.set_yticks([])


def _sample(cloud: Cloud) -> str:
    across, up = (show_percent(share) for share in cloud.explained)
    return f"{len(cloud.points)} of {cloud.labels} labels\nvariance {across} across, {up} up"


def _capability_names(cloud: Cloud) -> list[NamedPoint]:
    """The names of the capabilities above their answers; none if the task is no mixture."""
    names = [name for name in dict.fromkeys(cloud.capabilities) if name]
    points = []
    for name in names:
        mine = [
            point for point, capability in zip(cloud.points, cloud.capabilities, strict=True) if capability == name
        ]
        points.append(NamedPoint(name, float(np.median(mine, axis=0)[0]), float(np.max(mine, axis=0)[1])))
    return points


def _description(panels: Sequence[Panel]) -> str:
    first = panels[0].cloud
    parts = [f"{panel.name} keeps {sum(panel.kept)} of {len(panel.kept)}" for panel in panels]
    return f"{len(first.points)} of {first.labels} labels, seed {first.seed}: {'; '.join(parts)}"


CLOUD = TopicRecord(
    name="clouds",
    summary="Kept and all labels on the plane of two principal components",
    heading="What was selected",
    measure=find_clouds,
    plots=clouds_plot,
)
