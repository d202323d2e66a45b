"""The picture behind a selection: the answers of all labels as a probe reads them, and which of them are kept.

A reward model that is a probe leaves two numbers for each label: its answer's vector on the plane of the two principal
components of all. Any selection from the same labels can be drawn on that plane, not only the reward model's. Labels
are drawn at random, by a fixed seed, where there are more than a drawing holds.
"""

from collections.abc import Sequence

import numpy as np

from outgrow.graph.step import Step
from outgrow.reporting.evidence.labels import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import SharedStep, identity, last_selection, reward_model, shared
from outgrow.reporting.measure.selection import Vectors
from outgrow.reporting.results_analyses import Cloud
from outgrow.select import SELECTIONS

SHOWN = 400
DRAWN_BY = 11
"""The seed of the draw."""
DECIMALS = 4


def find_clouds(reader: LabelReader) -> tuple[Cloud, ...]:
    """One for every table of labels that a probe has read, of the first seed in which it is finished."""
    study = reader.frame.study
    chosen = _worth_drawing(shared(study, last_selection, identity))
    seen, found = set(), []
    for one in shared(study, reward_model, identity):
        for seed, step in enumerate(one.found):
            labels, plane = reader.rows(step.inputs["targets"]), reader.vectors(step)
            key = one.found[0].inputs["targets"].identity
            if labels is not None and plane is not None and key not in seen:
                seen.add(key)
                found.append(_cloud(reader, seed, step, labels, plane, chosen))
    return tuple(found)


def _worth_drawing(chosen: Sequence[SharedStep[Step]]) -> list[SharedStep[Step]]:
    """None that was chosen for what it is about, and of those at random only the first."""
    kinds = [one.found[0].params["select"]["type"] for one in chosen]
    return [
        one
        for number, (one, kind) in enumerate(zip(chosen, kinds, strict=True))
        if SELECTIONS[kind].by_content and not (SELECTIONS[kind].is_control and kind in kinds[:number])
    ]


def _cloud(
    reader: LabelReader, seed: int, step: Step, labels: LabelRows, plane: Vectors, chosen: Sequence[SharedStep[Step]]
) -> Cloud:
    readable = np.flatnonzero(np.isfinite(plane[labels.row]).all(axis=1))
    order = np.random.default_rng(DRAWN_BY).permutation(len(readable))[:SHOWN]
    some = np.sort(readable[order])
    names = reader.frame.half_b.capabilities
    kept = {}
    for one in chosen:
        found = reader.kept(one.found[seed])
        if found is not None and one.found[seed].inputs["targets"].identity == step.inputs["targets"].identity:
            kept[", ".join(one.methods)] = tuple(found.kept[some].tolist())
    across, up = reader.about_rewards(step)["explained"]
    points = np.round(plane[labels.row[some]], DECIMALS) + 0.0
    return Cloud(
        points=tuple((x, y) for x, y in points.tolist()),
        capabilities=tuple(names[item] for item in labels.item[some].tolist()),
        kept=kept,
        explained=(across, up),
        labels=len(plane),
        seed=reader.frame.study.experiment.seeds[seed],
    )
