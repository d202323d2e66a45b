"""From labels to students, for tasks of kind *generate*: targets, selections, trainings, preferences.

    labels ─► targets ─► training ─► training … ─► preferences
                 │          ▲            ▲
                 └─ select ─┴────────────┘      by the strong model's own answers, a reward model, gold, chance

A method's trainings go on from each other's weights, each on all targets or on some of them (`method_rows.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outgrow.config.combine import AnswerVote, SlotVote
from outgrow.config.endpoint import EndpointSection
from outgrow.config.method import Method, Preference, SelfTraining
from outgrow.graph.step import Json, Step
from outgrow.losses import LOSSES
from outgrow.losses.softmax_losses import CrossEntropy
from outgrow.refine import REFINERS, Refine
from outgrow.select import SELECTIONS, Select
from outgrow.study.method_rows import RowTraining, method_named, parts_of, selection_of
from outgrow.study.step_params import combine_params, dump, hints, loss_params, reading_params, speaker_hints
from outgrow.study.steps import STUDENT, SeedPlan, selected_step, student_here, training_inputs, training_label
from outgrow.study.text_experiment import ScoredTexts, TextSupervisor, labels_for, scored_by, taught_by, trained_params
from outgrow.study.text_steps import refined_step, reward_step, scores_step, texts_step


@dataclass(frozen=True)
class TextTrainingData:
    """A method's labels, and the targets that they make."""

    stage: SeedPlan
    method: Method
    heard: Mapping[str, TextSupervisor]
    labels: ScoredTexts
    targets: Step


def taught_student(stage: SeedPlan, method: Method, heard: Mapping[str, TextSupervisor], trained: bool) -> Step:
    """A method's student after all of its trainings; `trained`: with self-training."""
    lesson, student = text_lesson(stage, method, heard), None
    self_training = (method.self_training or stage.experiment.self_training) if trained else None
    parts = parts_of(method)
    for number, part in enumerate(parts, start=1):
        chosen = None if part.select is None else selected_texts(lesson, part.select)
        inputs = training_inputs(method, lesson.targets, chosen, student)
        label = training_label(stage, method, trained, number, len(parts))
        student = student_step(stage, method, inputs, part, self_training, label)
    assert student is not None, "`check_stages.py` leaves every method a training"
    return student if method.preference is None else preferring(stage, method, student, heard)


def text_lesson(stage: SeedPlan, method: Method, heard: Mapping[str, TextSupervisor]) -> TextTrainingData:
    """The labels that a method looks at, and its targets."""
    labels = labels_for(stage, method, heard)
    inputs = {"pool": stage.pool, "labels": labels.texts, **_scored(labels.scores)}
    params: dict[str, Json] = {"combine": combine_params(method.combine, stage.experiment.task)}
    function = "outgrow.combiners.text_targets_step:make_text_targets"
    label = f"{method.combine.type} of {labels.texts.label}"
    version = 2 if isinstance(method.combine, AnswerVote | SlotVote) else 1
    targets = Step("targets", function, params, inputs, label=label, version=version)
    return TextTrainingData(stage, method, heard, labels, targets)


# ---- trainings ------------------------------------------------------------------------------------------


def student_step(
    stage: SeedPlan,
    method: Method,
    taught: Mapping[str, Step],
    part: RowTraining,
    self_training: SelfTraining | None,
    label: str,
) -> Step:
    """One training of the student, here or by its provider."""
    if isinstance(stage.experiment.student, EndpointSection):
        return remote_student_step(stage, stage.experiment.student, taught["targets"], label)
    section = student_here(stage.experiment)
    params = {
        "adapt": section.adapt,
        "model": shared_out(trained_params(section), part.share),
        "loss": loss_params(part.loss, "generate"),
        "soft_labels": dump(method.soft_labels or stage.experiment.soft_labels),
        "self_training": None if self_training is None else dump(self_training),
        "seed": stage.seed,
    }
    function = "outgrow.training.text_student_step:train_text_student"
    inputs, where = {**stage.data, **taught}, hints(stage.experiment, section)
    version = LOSSES.of(part.loss).version
    return Step("student", function, params, inputs, hints=where, label=label, version=version)


def shared_out(model: dict[str, Any], share: float) -> dict[str, Json]:
    """The model's parameters with a share of its passes; all of them exactly as they are."""
    training = model["training"]
    return {**model, "training": {**training, "epochs": training["epochs"] * share}}


def remote_student_step(stage: SeedPlan, section: EndpointSection, targets: Step, label: str) -> Step:
    """The same at its provider; how often it is looked at changes nothing."""
    assert section.fine_tuning is not None, "students that cannot be tuned are refused before"
    params = {
        "model": reading_params(section),
        "fine_tuning": dump(section.fine_tuning, without=["poll"]),
        "seed": stage.seed,
    }
    inputs = {**stage.data, "targets": targets}
    function = "outgrow.training.remote_student_step:train_remote_student"
    asking = {**speaker_hints(stage.experiment, section), "poll": section.fine_tuning.poll}
    return Step("student", function, params, inputs, hints=asking, label=label)


def ceiling(stage: SeedPlan) -> Step:
    """The student on half B's gold."""
    gold = Step(
        "gold", "outgrow.combiners.text_targets_step:make_text_gold", {}, stage.data, label=f"seed {stage.seed}"
    )
    method = Method(name="ceiling", loss=CrossEntropy())
    (part,) = parts_of(method)
    return student_step(stage, method, {"targets": gold}, part, None, f"ceiling, seed {stage.seed}")


# ---- selections -----------------------------------------------------------------------------------------


def selected_texts(lesson: TextTrainingData, select: Select) -> Step:
    """Some of a method's targets."""
    inputs = {"targets": lesson.targets, **_evidence(lesson, select)}
    return selected_step(lesson.stage, lesson.method, "texts", select, inputs)


def _evidence(lesson: TextTrainingData, select: Select) -> dict[str, Step]:
    """What a selection reads beside the targets themselves."""
    stage, needs, inputs = lesson.stage, SELECTIONS.of(select).needs(select), dict[str, Step]()
    if needs.strong is not None:
        inputs["strong"] = strong_answers(lesson, needs.strong)
    if needs.reward is not None:
        inputs = {"reward": reward_step(stage, lesson.method, needs.reward, {"targets": lesson.targets, **inputs})}
    if needs.student_scores:
        tables = {"labels": lesson.labels.texts}
        inputs["scores"] = scores_step(stage, student_here(stage.experiment), None, STUDENT, tables)
    if needs.size_of is not None:
        other = text_lesson(stage, method_named(stage.experiment, needs.size_of), lesson.heard)
        copied = selection_of(other.method)
        assert copied is not None, "`check_stages.py` checks it"
        inputs["like"] = selected_texts(other, copied)
    return inputs


def strong_answers(lesson: TextTrainingData, refine: Refine) -> Step:
    """The strong model's own answers to the items of the method's labels."""
    labels = lesson.labels.texts if REFINERS.of(refine).reads_labels else None
    return refined_step(lesson.stage, refine, STUDENT, labels)


# ---- preferences ----------------------------------------------------------------------------------------


def preferring(stage: SeedPlan, method: Method, student: Step, heard: Mapping[str, TextSupervisor]) -> Step:
    """The student tuned on what the supervisors prefer among its own texts."""
    preference, section = method.preference, student_here(stage.experiment)
    assert preference is not None, "only methods with a second stage are asked for one"
    params = {
        "adapt": section.adapt,
        "model": trained_params(section),
        "preference": dump(preference, without=["candidates", "weights"]),
        "seed": stage.seed,
    }
    inputs = {**stage.data, "student": student, "pairs": _pairs(stage, preference, student, taught_by(method, heard))}
    function = "outgrow.training.preference_step:train_preference"
    label = f"{student.label}, {preference.loss}"
    return Step("preference", function, params, inputs, hints=hints(stage.experiment, section), label=label)


def _pairs(stage: SeedPlan, preference: Preference, student: Step, heard: Mapping[str, TextSupervisor]) -> Step:
    """The student's best and worst text for every item, by the supervisors' scores."""
    section = student_here(stage.experiment)
    candidates = texts_step(stage, section, student, STUDENT, "half_b", preference.candidates)
    table = {STUDENT: candidates}
    scores = scored_by(stage, heard, table)
    inputs = {
        "pool": stage.pool,
        "candidates": candidates,
        "reference": scores_step(stage, section, student, STUDENT, table),
        **_scored(scores),
    }
    params = dump(preference, only=["epsilon", "weights", "logprobs"])
    return Step("pairs", "outgrow.combiners.text_targets_step:make_pairs", params, inputs, label=student.label)


def _scored(scores: Mapping[str, Step]) -> dict[str, Step]:
    return {f"scores.{name}": step for name, step in scores.items()}
