"""Settings that training chose, choices at the edge of the searched grid, and how targets were made.

At the edge of a grid a better value may lie outside it. The ridge penalty, the learning rate, the number of epochs,
and an n-gram model's C are checked. A penalty of 0 is no edge, since no lower one exists.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from outgrow.config.experiment import Experiment
from outgrow.config.model import local_model
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.labels import INSTEAD, unpack_names
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import TopicRecord, results_table
from outgrow.study.build import Row, Study
from outgrow.text_format import listed


@dataclass(frozen=True)
class ChosenSettings:
    """Settings that were chosen on held-out items."""

    row: str
    seed: int
    settings: dict[str, str | int | float | bool | None]
    select_by: str
    oracle: bool
    """Whether they were chosen by gold."""


@dataclass(frozen=True)
class ChosenByRow:
    """All of a study."""

    settings: tuple[ChosenSettings, ...]
    edges: tuple[str, ...] = ()
    """A sentence for every setting at the edge of its grid."""


# ---- measure --------------------------------------------------------------------------------------------


def find_choices(frame: Frame) -> ChosenByRow:
    """What every training recorded of its settings."""
    choices = list(_records(frame.study, frame.store))
    return ChosenByRow(
        tuple(_chosen(row.name, seed, chosen) for row, seed, chosen in choices),
        find_edges(frame.study, frame.store, [(row, chosen) for row, _, chosen in choices]),
    )


def _records(study: Study, store: Store) -> Iterator[tuple[Row, int, dict[str, Any]]]:
    """By row and seed, the `chosen.json` of its training."""
    for row in study.rows:
        for seed, step in zip(study.experiment.seeds, row.steps, strict=True):
            chosen = _record(store, step)
            if chosen is not None:
                yield row, seed, chosen


def _record(store: Store, step: Step) -> dict[str, Any] | None:
    """The step's own choice, or that of the student behind it."""
    if record(store, step) is None:
        return None
    path = store.path(step) / "chosen.json"
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    students = [source for key, source in step.inputs.items() if key in ("student", "first", "model")]
    return _record(store, students[0]) if students else None


def _chosen(row: str, seed: int, chosen: Mapping[str, Any]) -> ChosenSettings:
    point = chosen.get("chosen", chosen)
    plain = {key: value for key, value in point.items() if isinstance(value, str | int | float | bool | None)}
    searched = len(chosen.get("grid", ())) > 1
    select_by = str(chosen.get("select_by", "")) if searched else "given"
    return ChosenSettings(row, seed, plain, select_by, searched and bool(chosen.get("oracle", False)))


# ---- edges of grids -------------------------------------------------------------------------------------

SEARCHED = ("l2", "lr", "epochs", "C")
REWARD_KEY = "`select.l2` of the reward model"
FIXED_GRID = "C"


class Edge(NamedTuple):
    """A choice at the end of a grid."""

    what: str
    """The key of the experiment file, or the name of the number."""
    side: str
    """`lowest` or `highest`."""
    value: float


def find_edges(study: Study, store: Store, choices: Iterable[tuple[Row, Mapping[str, Any]]]) -> tuple[str, ...]:
    """A sentence per edge, with its rows. `choices`: rows with their `chosen.json`."""
    rows: dict[Edge, dict[str, None]] = {}
    for row, chosen in choices:
        for edge in _search_edges(row, chosen, study.experiment):
            rows.setdefault(edge, {})[row.name] = None
    for row in study.rows:
        for edge in _reward_edges(row, store):
            rows.setdefault(edge, {})[row.name] = None
    return tuple(_sentence(edge, list(names)) for edge, names in rows.items())


def _search_edges(row: Row, chosen: Mapping[str, Any], experiment: Experiment) -> Iterator[Edge]:
    grid = chosen.get("grid", ())
    for key in SEARCHED:
        values = sorted({float(point[key]) for point in grid if point.get(key) is not None})
        if key in chosen.get("chosen", ()) and len(values) > 1:
            what = f"`{key}`" if key == FIXED_GRID else f"`{_section(row, experiment)}tune.{key}`"
            yield from _at_an_end(what, float(chosen["chosen"][key]), values)


def _section(row: Row, experiment: Experiment) -> str:
    """The section with the grid of a row; empty if it is the grid of the study."""
    if row.role == "floor":
        name, section = f"supervisors.{row.source or row.name}.", experiment.supervisors.get(row.source or row.name)
    elif row.role == "ceiling" and row.view != "main":
        name, section = "second_view.", experiment.second_view
    else:
        name, section = "student.", experiment.student
    model = local_model(section)
    return name if model is not None and model.tune is not None else ""


def _reward_edges(row: Row, store: Store) -> Iterator[Edge]:
    """Of every reward model behind a row that chose among several penalties."""
    for step in walk(row.steps):
        path = store.path(step) / "reward.json"
        if step.name != "reward" or record(store, step) is None or not path.is_file():
            continue
        for model in json.loads(path.read_text(encoding="utf-8")).get("models", ()):
            yield from _penalty_edge(model)


def _penalty_edge(model: Mapping[str, Any]) -> Iterator[Edge]:
    losses = model.get("held_out_loss") or [0.0]
    # Penalties are in order, the strongest first; of equal losses the first counts.
    best = min(range(len(losses)), key=lambda place: round(losses[place], 9))
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


# ---- table of choices -----------------------------------------------------------------------------------


def chosen_table(results: Results, found: ChosenByRow) -> Iterator[Table]:
    """The settings that tuning chose, or how training on texts ended; if seeds differ, in their order."""
    keys = list(dict.fromkeys(key for choice in found.settings for key in choice.settings))
    searched = not results.about.of_texts
    learn_gold = {row.name for row in (*results.of("floor"), *results.of("ceiling"), *results.of("control"))}
    columns = [Column("row", ""), *(Column(key, key) for key in keys)]
    columns += [Column("by", "chosen by")] if searched else []
    rows: dict[str, list[ChosenSettings]] = {}
    for choice in found.settings:
        rows.setdefault(choice.row, []).append(choice)
    lines = []
    for name, choices in rows.items():
        cells = [_over_seeds(_setting(choice.settings.get(key)) for choice in choices) for key in keys]
        by = [_over_seeds(_criterion(choice, name in learn_gold) for choice in choices)] if searched else []
        lines.append(Line((name, *cells, *by)))
    title, how = (
        ("Chosen settings", "Chosen on held-out items")
        if searched
        else ("How training ended", "As each model's training reports it")
    )
    edges = "".join(f" {sentence}" for sentence in found.edges)
    caption = f"{how}; test items are used for no choice. Where seeds differ: in the seeds' order.{edges}"
    yield results_table(results, "chosen", title, caption, columns, lines)


def _over_seeds(values: Iterable[str]) -> str:
    values = list(values)
    return values[0] if len(set(values)) == 1 else ", ".join(values)


def _setting(value: str | int | float | bool | None) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


CRITERIA = {"weak_accuracy": "accuracy", "weak_log_loss": "log loss", "gold_accuracy": "accuracy"}
"""Measured on held-out items, by weak labels or by gold: by those that the row learns."""
HALF_A = "half_a_log_loss"


def _criterion(choice: ChosenSettings, learns_gold: bool) -> str:
    if choice.select_by == HALF_A:
        return "log loss by half A's gold"
    if choice.select_by not in CRITERIA:
        return choice.select_by
    by = "gold" if learns_gold or choice.oracle else "weak labels"
    return f"{CRITERIA[choice.select_by]} by {by}{' (oracle selection)' if choice.oracle else ''}"


def choice_caveats(results: Results, found: ChosenByRow) -> Iterator[str]:
    """Oracle selection, and edges of grids."""
    if any(choice.oracle for choice in found.settings):
        yield "Settings were chosen on gold (oracle selection), which a real use does not have."
    if found.edges:
        yield "Some settings are at the edge of the grid that was searched; see the chosen settings."


CHOSEN = TopicRecord(
    name="chosen",
    summary="Settings that training chose, and choices at the edge of a grid",
    heading="How training went",
    measure=find_choices,
    tables=chosen_table,
    caveats=choice_caveats,
)


# ---- origins of targets ---------------------------------------------------------------------------------


def find_origins(frame: Frame) -> dict[str, tuple[str, ...]]:
    """By method, how its targets were made, and what was done otherwise than asked."""
    origins: dict[str, dict[str, None]] = {}
    for row in frame.study.rows:
        if row.role != "method":
            continue
        for step in walk(row.steps):
            path = frame.store.path(step) / "targets.parquet"
            if step.name == "targets" and record(frame.store, step) is not None and path.is_file():
                origins.setdefault(row.method, {}).update(dict.fromkeys(_origin(path)))
    return {method: tuple(sentences) for method, sentences in origins.items() if sentences}


def _origin(path: Path) -> list[str]:
    """From the metadata of a table of targets."""
    return unpack_names(pq.read_schema(path).metadata[b"origin"])


def origins_table(results: Results, found: dict[str, tuple[str, ...]]) -> Iterator[Table]:
    """A line per sentence."""
    columns = [Column("method", ""), Column("how", "targets")]
    lines = [Line((method, sentence)) for method, sentences in found.items() for sentence in sentences]
    yield results_table(results, "origins", "How the labels were combined", "", columns, lines)


def origin_caveats(results: Results, found: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Targets that were made otherwise than asked."""
    for method, sentences in found.items():
        yield from (f"{method}: {sentence}" for sentence in sentences if sentence.endswith(INSTEAD))


ORIGINS = TopicRecord(
    name="origins",
    summary="How the targets of every method were made",
    heading="How training went",
    measure=find_origins,
    tables=origins_table,
    caveats=origin_caveats,
)
