"""From a study's finished steps to `Results`.

Every number of one call comes from one set of resamples, drawn from a fixed seed: the same folders give the same
results to the last digit. A step that is not there leaves its row, or its row's seed, undefined; `Results.missing`
says why. Nothing is computed again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.model import ModelSection, Speaker, Supervisor
from outgrow.config.rules import FunctionRule, RegexRule
from outgrow.config.votes import VotesSection
from outgrow.errors import DataError
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.labels import unpack_names
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.text_score import TEXT_METRICS, score_of
from outgrow.models.model_size import model_size
from outgrow.reporting.about import About, ModelFacts
from outgrow.reporting.collect_texts import find_in_texts
from outgrow.reporting.collect_votes import find_in_votes
from outgrow.reporting.edges import find_edges
from outgrow.reporting.evidence.missing import reason, record
from outgrow.reporting.measure.analyses import analyse
from outgrow.reporting.measure.frame import Frame, make_frame
from outgrow.reporting.measure.further import measure_names, measure_plane, measure_scales
from outgrow.reporting.measure.rows import MISSING
from outgrow.reporting.results import CapabilityResult, ChosenSettings, MissingStep, Results, RowResult
from outgrow.reporting.settings import find_settings
from outgrow.reporting.spending import find_spending
from outgrow.study.build import Row, Study

BEHIND = "behind a server"
"""How a model is trained that is not on this machine."""


def collect(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> Results:
    """Measure everything that is finished. Raises `DataError` if the items themselves are not there."""
    frame = make_frame(study, store, outcomes)
    found = find_in_texts(frame) if frame.task.kind == "generate" else find_in_votes(frame)
    missing = tuple(_missing(study, store, outcomes))
    choices = _choices(study, store)
    return Results(
        about=_about(frame),
        rows=tuple(_explained(row, missing, study.experiment.seeds) for row in found.rows),
        supervisors=found.supervisors,
        pairs=found.pairs,
        copying=found.copying,
        chosen=tuple(_chosen_from(row.name, seed, settings) for row, seed, settings in choices),
        origins=_origins(study, store),
        missing=missing,
        settings=find_settings(study.experiment, frame.task.kind == "generate"),
        slot_types=found.slot_types,
        spent=find_spending(study, store),
        analyses=analyse(frame),
        edges=find_edges(study, store, [(row, settings) for row, _, settings in choices]),
    )


def _about(frame: Frame) -> About:
    experiment, task = frame.study.experiment, frame.task
    made = [split for split in frame.splits if split is not None]
    sizes = {"half_a": len(made[0].half_a), "half_b": len(made[0].half_b), "test": len(made[0].test)} if made else {}
    return About(
        name=experiment.name,
        task=task.name,
        kind=task.kind,
        classes=task.classes,
        metric=task.metric,
        metric_title=score_of(task).title if task.kind == "generate" else "accuracy",
        sizes=sizes,
        seeds=tuple(experiment.seeds),
        supervisors=tuple(experiment.supervisors),
        untaught=tuple(name for name, section in experiment.supervisors.items() if _is_untaught(section)),
        student=_speaker(experiment.student),
        models=_models(experiment),
        variants=tuple(experiment.variants),
        baseline=frame.baseline,
        resamples=experiment.bootstrap,
        notes=task.notes,
        measures=tuple(measure_names(experiment)),
        plane=measure_plane(experiment),
        scales=measure_scales(experiment),
        capabilities={name: TEXT_METRICS[metric].score.title for name, metric in task.metrics.items()},
    )


def _is_untaught(section: Supervisor) -> bool:
    as_it_is = isinstance(section, ModelSection) and section.adapt == "none"
    return as_it_is or isinstance(section, EndpointSection | RegexRule | FunctionRule | VotesSection)


def _speaker(section: Speaker) -> str:
    """`model (how it is trained)`."""
    trained = section.adapt if isinstance(section, ModelSection) else BEHIND
    return f"{section.model} ({trained})"


def _models(experiment: Experiment) -> dict[str, ModelFacts]:
    sections = {"ceiling": experiment.student, **experiment.supervisors}
    return {
        row: _model(section)
        for row, section in sections.items()
        if isinstance(section, ModelSection | EndpointSection)
    }


def _model(section: Speaker) -> ModelFacts:
    if isinstance(section, EndpointSection):
        return ModelFacts(section.model, BEHIND, None)
    try:
        size = model_size(section.model, section.revision)
    except DataError:  # a broken model has no result either, and its step says why
        size = None
    return ModelFacts(section.model, section.adapt, None if size is None else size.n_params)


# ---- what the steps say about themselves ----------------------------------------------------------------


def _choices(study: Study, store: Store) -> list[tuple[Row, int, dict[str, Any]]]:
    """By row and seed, what the row's training says of the settings that it chose."""
    found = []
    for row in study.rows:
        for seed, step in zip(study.experiment.seeds, row.steps, strict=True):
            settings = _settings(store, step)
            if settings is not None:
                found.append((row, seed, settings))
    return found


def _settings(store: Store, step: Step) -> dict[str, Any] | None:
    """The step's own choice, or that of the student that it adjusts or that wrote its texts."""
    if record(store, step) is None:
        return None
    path = store.path(step) / "chosen.json"
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    students = [source for key, source in step.inputs.items() if key in ("student", "first", "model")]
    return _settings(store, students[0]) if students else None


def _chosen_from(row: str, seed: int, settings: Mapping[str, Any]) -> ChosenSettings:
    point = settings.get("chosen", settings)
    plain = {key: value for key, value in point.items() if isinstance(value, str | int | float | bool | None)}
    searched = len(settings.get("grid", ())) > 1
    select_by = str(settings.get("select_by", "")) if searched else "given"
    return ChosenSettings(row, seed, plain, select_by, searched and bool(settings.get("oracle", False)))


def _origins(study: Study, store: Store) -> dict[str, tuple[str, ...]]:
    """By method, what its targets say they were made of."""
    found: dict[str, dict[str, None]] = {}
    for row in study.rows:
        if row.role != "method":
            continue
        for step in walk(row.steps):
            path = store.path(step) / "targets.parquet"
            if step.name == "targets" and record(store, step) is not None and path.is_file():
                found.setdefault(row.method, {}).update(dict.fromkeys(_origin_of(path)))
    return {method: tuple(sentences) for method, sentences in found.items() if sentences}


def _origin_of(path: Path) -> list[str]:
    """What a table of targets says of itself, without reading the targets."""
    return unpack_names(pq.read_schema(path).metadata[b"origin"])


def _explained(row: RowResult, missing: Sequence[MissingStep], seeds: Sequence[int]) -> RowResult:
    """The row with the reason in place of every number that is not there for want of a result."""
    reasons = {one.seed: f"{MISSING}: {one.reason}" for one in missing if one.row == row.name}
    if not reasons:
        return row
    first = next(iter(reasons.values()))
    of_seed = [reasons.get(seed, first) for seed in seeds]
    return replace(
        row,
        score=_because(row.score, first),
        per_seed=tuple(map(_because, row.per_seed, of_seed)),
        pgr=row.pgr and _because(row.pgr, first),
        pgr_per_seed=tuple(map(_because, row.pgr_per_seed, of_seed)),
        capabilities={
            name: CapabilityResult(_because(one.score, first), one.pgr and _because(one.pgr, first))
            for name, one in row.capabilities.items()
        },
    )


def _because(estimate: Estimate, why: str) -> Estimate:
    return replace(estimate, note=why) if estimate.note == MISSING else estimate


def _missing(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> list[MissingStep]:
    return [
        MissingStep(row.name, seed, step.folder, reason(step, outcomes))
        for row in study.rows
        for seed, step in zip(study.experiment.seeds, row.steps, strict=True)
        if record(store, step) is None
    ]
