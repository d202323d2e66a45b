"""The rows that the methods of a file stand for, by name, and the trainings of each row.

Some methods stand for several rows: `single` that names no supervisor for one per supervisor, a selection by
`capability` that names none for one per capability.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method, TrainingStage
from outgrow.data.task import Kind
from outgrow.losses import Loss
from outgrow.select import SELECTIONS, Select

NEARLY = 1e-9
"""What is left of 1 - .1 - .2 - .7 is rounding, and no share."""


@dataclass(frozen=True)
class RowTraining:
    """One training of a row's student."""

    select: Select | None
    share: float
    """Of the row's training; the parts of a row sum to 1."""
    loss: Loss


def parts_of(method: Method) -> list[RowTraining]:
    """The trainings that happen at all, in their order.

    Stages that name no share divide what is left equally. One without any is left out, so that a row of two stages
    whose first has none is the row of the second alone, step for step.
    """
    named = sum(stage.share or 0.0 for stage in method.stages)
    silent = sum(stage.share is None for stage in method.stages)
    rest = max(0.0, 1.0 - named) / max(1, silent)
    parts = [
        RowTraining(stage.select, rest if stage.share is None else stage.share, stage.loss or method.loss)
        for stage in method.stages
    ]
    return [part for part in parts if part.share > NEARLY]


def selection_of(method: Method) -> Select | None:
    """The last selection of a row: what other rows copy the size of."""
    return next((part.select for part in reversed(parts_of(method)) if part.select is not None), None)


def for_kind(method: Method, kind: Kind) -> Method:
    """The method with its combiner as it is for a kind of task."""
    return method.model_copy(update={"combine": method.combine.for_kind(kind)})


def with_methods_for(experiment: Experiment, kind: Kind) -> Experiment:
    """The experiment with every method as it is for a kind of task."""
    return experiment.model_copy(update={"methods": [for_kind(method, kind) for method in experiment.methods]})


def expanded(experiment: Experiment) -> Iterator[Method]:
    """The methods, with several rows in place of one that stands for several."""
    for method in experiment.methods:
        for row in _once_per_source(method, experiment):
            yield from _once_per_capability(row, experiment)


def method_named(experiment: Experiment, name: str) -> Method:
    """The row of this name; `check_stages.py` guarantees that there is one."""
    return next(method for method in expanded(experiment) if method.name == name)


def _once_per_source(method: Method, experiment: Experiment) -> Iterator[Method]:
    rows = method.combine.for_each(method.sources_among(experiment.supervisors))
    if not rows:
        yield method
    for name, combine in rows.items():
        yield method.model_copy(update={"name": f"{method.name}: {name}", "combine": combine})


def _once_per_capability(method: Method, experiment: Experiment) -> Iterator[Method]:
    if not any(map(_is_of_each_capability, method.stages)):
        yield method
        return
    for name in experiment.task.capabilities:
        stages = [_about(stage, name) for stage in method.stages]
        yield method.model_copy(update={"name": f"{method.name}: {name}", "stages": stages})


def _about(stage: TrainingStage, capability: str) -> TrainingStage:
    if stage.select is None or not _is_of_each_capability(stage):
        return stage
    return stage.model_copy(update={"select": stage.select.model_copy(update={"only": [capability]})})


def _is_of_each_capability(stage: TrainingStage) -> bool:
    return stage.select is not None and SELECTIONS.of(stage.select).once_per_capability(stage.select)
