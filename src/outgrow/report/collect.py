"""From a study's finished steps to `Results`.

Every number of one call comes from one set of resamples, drawn from a fixed seed: the same folders give the same
results to the last digit. A step that is not there leaves its row, or its row's seed, undefined; `Results.missing`
says why. Nothing is computed again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.event import Outcome
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.labels import Targets
from outgrow.metrics.bootstrap import Resamples, draw_items, draw_seeds
from outgrow.report.evidence import Answers, Part, read_answers, read_mean_vote, read_part, read_split
from outgrow.report.measure import Measured, baseline_name, mean_estimate, measure, row_result
from outgrow.report.measure_calibration import calibration
from outgrow.report.measure_errors import Student, copy_results, pair_results
from outgrow.report.missing import reason, record
from outgrow.report.results import (
    MEAN_VOTE,
    About,
    Chosen,
    CopyResult,
    MissingStep,
    PairResult,
    Results,
    SupervisorResult,
)
from outgrow.study import Row, Study

BOOTSTRAP_SEED = 20_240_603
"""Any fixed number would do; it has nothing to do with the study's seeds."""


def collect(study: Study, store: Store, outcomes: Mapping[str, Outcome]) -> Results:
    """Measure everything that is finished. Raises `DataError` if the items themselves are not there."""
    task = _task(study, store, outcomes)
    splits = [read_split(store, step) for step in study.splits]
    test, strong = read_part(task, splits, "test"), read_part(task, splits, "strong")
    seeds = len(study.splits)
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = draw_seeds(seeds, study.experiment.bootstrap, generator)
    on_test, on_strong = (
        Resamples(drawn, draw_items(max(1, part.n_groups), study.experiment.bootstrap, generator)[:, part.group])
        for part in (test, strong)
    )
    answers = [read_answers(store, row.steps, test) for row in study.rows]
    measured = measure(study.rows, answers, test, on_test)
    baseline = baseline_name(study.experiment)
    rows = tuple(
        replace(row_result(row, measured, baseline), calibration=calibration(found, test, on_test))
        for row, found in zip(study.rows, answers, strict=True)
    )
    labelled = [read_answers(store, row.steps, strong) for row in study.rows]
    votes: dict[str, np.ndarray] = {part.name: _mean_vote(study, store, part) for part in (test, strong)}
    return Results(
        about=_about(study, task, splits, baseline),
        rows=rows,
        supervisors=tuple(_supervisors(study, measured, labelled, votes, (test, strong), (on_test, on_strong))),
        pairs=tuple(_pairs(study, answers, test, on_test)),
        copying=(
            *_copying(study, answers, votes["test"], test, on_test),
            *_copying(study, labelled, votes["strong"], strong, on_strong),
        ),
        chosen=tuple(_chosen(study, store)),
        origins=_origins(study, store),
        missing=tuple(_missing(study, store, outcomes)),
    )


def _task(study: Study, store: Store, outcomes: Mapping[str, Outcome]) -> Task:
    if record(store, study.pool) is None:
        raise DataError(f"there is nothing to report: the items are not there ({reason(study.pool, outcomes)})")
    return Task.load(store.path(study.pool))


def _about(study: Study, task: Task, splits: Sequence[Split | None], baseline: str | None) -> About:
    experiment = study.experiment
    made = [split for split in splits if split is not None]
    sizes = {"weak": len(made[0].weak), "strong": len(made[0].strong), "test": len(made[0].test)} if made else {}
    return About(
        name=experiment.name,
        task=task.name,
        kind=task.kind,
        classes=task.classes,
        sizes=sizes,
        seeds=tuple(experiment.seeds),
        supervisors=tuple(experiment.supervisors),
        student=f"{experiment.student.model} ({experiment.student.adapt})",
        variants=tuple(experiment.variants),
        baseline=baseline,
        resamples=experiment.bootstrap,
        notes=task.notes,
    )


# ---- supervisors ----------------------------------------------------------------------------------------


def _floor(study: Study) -> list[int]:
    return [number for number, row in enumerate(study.rows) if row.role == "floor"]


def _mean_vote(study: Study, store: Store, part: Part) -> np.ndarray:
    return read_mean_vote(store, [study.rows[number].steps for number in _floor(study)], part)


def _supervisors(
    study: Study,
    measured: Measured,
    labelled: Sequence[Answers],
    votes: Mapping[str, np.ndarray],
    parts: tuple[Part, Part],
    resamples: tuple[Resamples, Resamples],
) -> list[SupervisorResult]:
    test, strong = parts
    floor = _floor(study)
    rows = [study.rows[number] for number in floor]
    on_strong = measure(rows, [labelled[number] for number in floor], strong, resamples[1])
    found = [
        SupervisorResult(
            row.name, mean_estimate(on_strong.of(row), on_strong), mean_estimate(measured.of(row), measured)
        )
        for row in rows
    ]
    if len(rows) < 2:
        return found
    vote = Row("floor", MEAN_VOTE, ())
    on_both = [
        measure([vote], [_as_answers(votes[part.name], part)], part, drawn)
        for part, drawn in ((strong, resamples[1]), (test, resamples[0]))
    ]
    return [*found, SupervisorResult(MEAN_VOTE, *(mean_estimate(one.of(vote), one) for one in on_both))]


def _as_answers(hard: np.ndarray, part: Part) -> Answers:
    nothing = np.zeros(hard.shape)
    there = part.of_seed & (hard >= 0).any(axis=1, keepdims=True)
    return Answers(there, hard, nothing, nothing, nothing)


def _pairs(study: Study, answers: Sequence[Answers], part: Part, resamples: Resamples) -> list[PairResult]:
    floor = _floor(study)
    names = [study.rows[number].name for number in floor]
    return pair_results(names, [answers[number].hard for number in floor], part, resamples)


def _copying(
    study: Study, answers: Sequence[Answers], vote: np.ndarray, part: Part, resamples: Resamples
) -> list[CopyResult]:
    floor = _floor(study)
    weak = {study.rows[number].name: answers[number].hard for number in floor}
    if len(floor) > 1:
        weak = {MEAN_VOTE: vote, **weak}
    # On half B the ceiling was trained on the gold in question; there is nothing to learn from it.
    roles = ("method", "ceiling") if part.name == "test" else ("method",)
    students = [Student(row, found) for row, found in zip(study.rows, answers, strict=True) if row.role in roles]
    return copy_results(students, weak, part, resamples)


# ---- what the steps say about themselves ----------------------------------------------------------------


def _chosen(study: Study, store: Store) -> list[Chosen]:
    found = []
    for row in study.rows:
        for seed, step in zip(study.experiment.seeds, row.steps, strict=True):
            settings = _settings(store, step)
            if settings is not None:
                found.append(_chosen_from(row.name, seed, settings))
    return found


def _settings(store: Store, step: Step) -> dict[str, Any] | None:
    """The step's own choice, or that of the student that it adjusts."""
    if record(store, step) is None:
        return None
    path = store.path(step) / "chosen.json"
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    students = [source for key, source in step.inputs.items() if key in ("student", "first")]
    return _settings(store, students[0]) if students else None


def _chosen_from(row: str, seed: int, settings: Mapping[str, Any]) -> Chosen:
    point = settings.get("chosen", settings)
    plain = {key: value for key, value in point.items() if isinstance(value, str | int | float | bool | None)}
    searched = len(settings.get("grid", ())) > 1
    select_by = str(settings.get("select_by", "")) if searched else "given"
    return Chosen(row, seed, plain, select_by, searched and bool(settings.get("oracle", False)))


def _origins(study: Study, store: Store) -> dict[str, tuple[str, ...]]:
    """By method, what its targets say they were made of."""
    found: dict[str, dict[str, None]] = {}
    for row in study.rows:
        if row.role != "method":
            continue
        for step in walk(row.steps):
            path = store.path(step) / "targets.parquet"
            if step.name == "targets" and path.is_file():
                found.setdefault(row.method, {}).update(dict.fromkeys(Targets.load(path).origin))
    return {method: tuple(sentences) for method, sentences in found.items() if sentences}


def _missing(study: Study, store: Store, outcomes: Mapping[str, Outcome]) -> list[MissingStep]:
    return [
        MissingStep(row.name, seed, step.folder, reason(step, outcomes))
        for row in study.rows
        for seed, step in zip(study.experiment.seeds, row.steps, strict=True)
        if record(store, step) is None
    ]
