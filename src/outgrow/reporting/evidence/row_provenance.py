"""What a row learned from: its trainings, their labels, and what selected these.

    answers ─► training (the last) ─► training ─► …        along `start`
                  │
                  └─► selected ─► targets ─► labels ─► source.NAME

This module reads steps, no files. Rows that learned from the same steps under every seed are grouped (`SharedStep`):
variants of a method share its labels, and two methods may share a selection or a reward model.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from outgrow.graph.step import Step
from outgrow.select import SELECTIONS
from outgrow.study.build import Row, Study

BEFORE = ("model", "student", "first")
"""Inputs that lead from answers to the training behind them."""
Found = TypeVar("Found")


@dataclass(frozen=True)
class SharedStep(Generic[Found]):
    """What some methods learned from, under every seed of the study."""

    found: tuple[Found, ...]
    methods: tuple[str, ...]


class Comparison(NamedTuple):
    """Labels, and the strong model's own answers with which a selection compares them."""

    targets: Step
    strong: Step
    agreed: float
    """The value of the metric from which on a label agrees."""


class LabelSource(NamedTuple):
    """The labels of one source as they are learned."""

    name: str
    step: Step
    """The step that wrote them last."""


# ---- from a row's answers backwards ---------------------------------------------------------------------


def trainings(answers: Step) -> list[Step]:
    """The trainings of a row's student, the last one first; none of a row that is no student."""
    step = answers
    while step.name != "student":
        before = [step.inputs[key] for key in BEFORE if key in step.inputs]
        if not before:
            return []
        step = before[0]
    steps = [step]
    while "start" in steps[-1].inputs:
        steps.append(steps[-1].inputs["start"])
    return steps


def learned_last(answers: Step) -> Step | None:
    """The targets of the last training, whole or selected."""
    steps = trainings(answers)
    return steps[0].inputs["targets"] if steps else None


def selections(answers: Step) -> list[Step]:
    """The steps that selected what the trainings saw, the last one first."""
    return [
        training.inputs["targets"] for training in trainings(answers) if training.inputs["targets"].name == "selected"
    ]


def last_selection(answers: Step) -> Step | None:
    return next(iter(selections(answers)), None)


def whole_targets(step: Step) -> Step:
    """The targets behind some that are selected, or that a student has joined."""
    while "targets" in step.inputs:
        step = step.inputs["targets"]
    return step


def reward_model(answers: Step) -> Step | None:
    """The reward model that made the last selection."""
    chosen = last_selection(answers)
    return None if chosen is None else chosen.inputs.get("reward")


def comparison(answers: Step) -> Comparison | None:
    """What the last selection compares, if it uses the strong model's own answers."""
    chosen = last_selection(answers)
    if chosen is None:
        return None
    reward = chosen.inputs.get("reward")
    if reward is not None:
        return Comparison(chosen.inputs["targets"], reward.inputs["strong"], reward.params["reward"]["consistent"])
    if "strong" not in chosen.inputs:
        return None
    threshold = chosen.params["select"]["keep"]["threshold"]
    return Comparison(chosen.inputs["targets"], chosen.inputs["strong"], 1.0 if threshold is None else threshold)


def sources(answers: Step) -> list[LabelSource]:
    """The labels of each source behind the targets of a row."""
    last = learned_last(answers)
    labels = None if last is None else whole_targets(last).inputs.get("labels")
    if labels is None:
        return []
    named = [(key.removeprefix("source."), step) for key, step in labels.inputs.items()]
    return [LabelSource(name, step) for name, step in named]


def chosen_by_gold(answers: Step) -> bool:
    """Whether gold selected the labels of some training, or the weights that it kept."""
    weights = [step.params.get("evaluations") for step in trainings(answers)]
    by_gold = any(evaluations["keep"] == "gold" for evaluations in weights if evaluations is not None)
    return by_gold or any(SELECTIONS[step.params["select"]["type"]].sees_gold for step in selections(answers))


# ---- of a whole study -----------------------------------------------------------------------------------


def first_rows(study: Study) -> Iterator[Row]:
    """One row of every method; what it learned from is the same in every variant."""
    seen = set()
    for row in study.rows:
        if row.role == "method" and row.method not in seen:
            seen.add(row.method)
            yield row


def shared(
    study: Study, find: Callable[[Step], Found | None], key: Callable[[Found], Hashable]
) -> list[SharedStep[Found]]:
    """What `find` returns for every method, grouped by `key`."""
    groups: dict[Hashable, SharedStep[Found]] = {}
    for row in first_rows(study):
        results = [result for result in map(find, row.steps) if result is not None]
        if len(results) == len(row.steps):
            same = tuple(map(key, results))
            methods = groups[same].methods if same in groups else ()
            groups[same] = SharedStep(tuple(results), (*methods, row.method))
    return list(groups.values())


def identity(step: Step) -> str:
    """The key of a step."""
    return step.identity


def same_comparison(one: Comparison) -> Hashable:
    """The key of a comparison."""
    return one.targets.identity, one.strong.identity, one.agreed


def shared_sources(study: Study) -> list[SharedStep[LabelSource]]:
    """The labels of every source, grouped by the methods that learn them."""
    groups: dict[Hashable, SharedStep[LabelSource]] = {}
    for row in first_rows(study):
        for columns in zip(*map(sources, row.steps), strict=True):
            same = tuple(source.step.identity for source in columns)
            methods = groups[same].methods if same in groups else ()
            groups[same] = SharedStep(groups[same].found if same in groups else columns, (*methods, row.method))
    return list(groups.values())
