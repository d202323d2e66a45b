"""Settings that were chosen at the edge of the grid that was searched: better ones may lie outside it.

Looked at are the ridge penalty, the learning rate, the passes over the data, and an n-gram model's C. A penalty of
0 is no edge, for nothing lies below it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from outgrow.config.experiment import Experiment
from outgrow.config.model import local_model
from outgrow.graph.step import walk
from outgrow.graph.store import Store
from outgrow.reporting.evidence.missing import record
from outgrow.study.build import Row, Study
from outgrow.text_format import listed

SEARCHED = ("l2", "lr", "epochs", "C")
REWARD_KEY = "`select.l2` of the reward model"
FIXED_GRID = "C"


class Edge(NamedTuple):
    """Where a choice stands: at the end of a grid."""

    what: str
    """The key of the experiment file, or what the number is of."""
    side: str
    """`lowest` or `highest`."""
    value: float


def find_edges(study: Study, store: Store, choices: Iterable[tuple[Row, Mapping[str, Any]]]) -> tuple[str, ...]:
    """A sentence per edge, with the rows that reached it. `choices` are rows with what their `chosen.json` says."""
    rows: dict[Edge, dict[str, None]] = {}
    for row, chosen in choices:
        for edge in _of_search(row, chosen, study.experiment):
            rows.setdefault(edge, {})[row.name] = None
    for row in study.rows:
        for edge in _of_rewards(row, store):
            rows.setdefault(edge, {})[row.name] = None
    return tuple(_sentence(edge, list(names)) for edge, names in rows.items())


def _of_search(row: Row, chosen: Mapping[str, Any], experiment: Experiment) -> Iterator[Edge]:
    grid = chosen.get("grid", ())
    for key in SEARCHED:
        values = sorted({float(point[key]) for point in grid if point.get(key) is not None})
        if key in chosen.get("chosen", ()) and len(values) > 1:
            what = f"`{key}`" if key == FIXED_GRID else f"`{_section(row, experiment)}tune.{key}`"
            yield from _at_an_end(what, float(chosen["chosen"][key]), values)


def _section(row: Row, experiment: Experiment) -> str:
    """The section whose own grid a row is tuned on; nothing where it is the study's."""
    if row.role == "floor":
        name, section = f"supervisors.{row.source or row.name}.", experiment.supervisors.get(row.source or row.name)
    elif row.role == "ceiling" and row.view != "main":
        name, section = "second_view.", experiment.second_view
    else:
        name, section = "student.", experiment.student
    model = local_model(section)
    return name if model is not None and model.tune is not None else ""


def _of_rewards(row: Row, store: Store) -> Iterator[Edge]:
    """Of every reward model on the way to a row that had several penalties to choose from."""
    for step in walk(row.steps):
        path = store.path(step) / "reward.json"
        if step.name != "reward" or record(store, step) is None or not path.is_file():
            continue
        for model in json.loads(path.read_text(encoding="utf-8")).get("models", ()):
            yield from _of_reward_model(model)


def _of_reward_model(model: Mapping[str, Any]) -> Iterator[Edge]:
    losses = model.get("held_out_loss") or [0.0]
    # Penalties are in order, the strongest first; the first of the best is taken.
    best = min(range(len(losses)), key=lambda number: round(losses[number], 9))
    if len(losses) > 1 and best in (0, len(losses) - 1) and model["l2"]:
        yield Edge(REWARD_KEY, "lowest" if best else "highest", float(model["l2"]))


def _at_an_end(what: str, value: float, values: list[float]) -> Iterator[Edge]:
    if value == values[0] and value > 0:
        yield Edge(what, "lowest", value)
    elif value == values[-1]:
        yield Edge(what, "highest", value)


def _sentence(edge: Edge, rows: list[str]) -> str:
    where = "below" if edge.side == "lowest" else "above"
    advice = "this grid is fixed" if edge.what == f"`{FIXED_GRID}`" else "widen the grid"
    return (
        f"{edge.what}: {edge.value:.3g}, the {edge.side} value of its grid, was chosen for {listed(rows)};"
        f" the best may lie {where} it: {advice}."
    )
