"""From votes to students, for tasks of kind *classify* and *choose*: targets, selections, trainings, adjustments.

    labels ─► targets ─► training ─► training … ─► rounds ─► matching, views
                 │          ▲            ▲
                 └─ select ─┴────────────┘

What `text_students.py` is for texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from outgrow.config.method import Method, SelfTraining, TrainingStage, Variant
from outgrow.config.model import ModelSection
from outgrow.graph.step import Json, Step
from outgrow.losses import LOSSES
from outgrow.losses.softmax_losses import CrossEntropy
from outgrow.select import SELECTIONS, Select
from outgrow.study.method_rows import RowTraining, method_named, parts_of, selection_of
from outgrow.study.step_params import dump, hints, loss_params
from outgrow.study.steps import (
    STUDENT,
    SeedPlan,
    features_input,
    labels_for,
    model_params,
    selected_step,
    student_here,
    training_inputs,
    training_label,
    tune_params,
)
from outgrow.study.text_steps import reward_step


@dataclass(frozen=True)
class VoteTrainingData:
    """Who learns what from whom."""

    stage: SeedPlan
    section: ModelSection
    """The student's, or that of the second view."""
    method: Method
    voices: Mapping[str, Step]
    """All supervisors."""

    @property
    def labels(self) -> Step:
        return labels_for(self.stage, self.method, self.voices)

    @property
    def targets(self) -> Step:
        return targets_step(self.stage, self.labels, self.method)


@dataclass(frozen=True)
class TrainedRow:
    """A trained student and the targets that the supervisors' labels made for it."""

    student: Step
    targets: Step


def targets_step(stage: SeedPlan, labels: Step, method: Method) -> Step:
    """What the student of this method learns."""
    params = {"combine": dump(method.combine)}
    inputs = {**stage.data, "labels": labels}
    label = f"{method.combine.type} of {labels.label}"
    function = "make_calibrated_targets" if params["combine"].get("temper") else "make_targets"
    return Step("targets", f"outgrow.combiners.targets_step:{function}", params, inputs, label=label)


def gold_step(stage: SeedPlan) -> Step:
    """Half B's gold in the shape of labels and targets: what the ceiling learns."""
    return Step("gold", "outgrow.combiners.targets_step:make_gold", {}, stage.data, label=f"seed {stage.seed}")


# ---- trainings ------------------------------------------------------------------------------------------


def student_step(
    stage: SeedPlan,
    section: ModelSection,
    part: RowTraining,
    self_training: SelfTraining | None,
    taught: Mapping[str, Step],
    tune: dict[str, Json],
    label: str,
) -> Step:
    """Train on `taught`: `targets`, the `labels` that held-out items are scored against, perhaps `start`, `whole`."""
    params = {
        "adapt": section.adapt,
        "model": model_params(section),
        "loss": loss_params(part.loss, "classify"),
        "self_training": None if self_training is None else dump(self_training),
        "tune": tune,
        "share": part.share,
        "seed": stage.seed,
        "name": STUDENT,
    }
    inputs = {**stage.data, **taught, **features_input(stage, section)}
    function = "outgrow.training.student_step:train_student"
    where, version = hints(stage.experiment, section), LOSSES.of(part.loss).version
    return Step("student", function, params, inputs, hints=where, label=label, version=version)


def taught_student(lesson: VoteTrainingData, trained: bool) -> TrainedRow:
    """All trainings of a method, and its rounds: before each, the last student multiplies the targets."""
    stage, section, method = lesson.stage, lesson.section, lesson.method
    self_training = (method.self_training or stage.experiment.self_training) if trained else None
    tune = tune_params(stage.experiment, section)
    parts, student = parts_of(method), None
    for number, part in enumerate(parts, start=1):
        chosen = None if part.select is None else selected_votes(lesson, part.select)
        taught = {"labels": lesson.labels, **training_inputs(method, lesson.targets, chosen, student)}
        label = training_label(stage, method, trained, number, len(parts))
        student = student_step(stage, section, part, self_training, taught, tune, label)
    assert student is not None, "`check_stages.py` leaves every method a training"
    for _ in range(method.rounds - 1):
        inputs = {"targets": lesson.targets, "student": student}
        joined = Step(
            "targets", "outgrow.combiners.second_round:multiply_in", {}, inputs, label="the last student joined"
        )
        taught = {"targets": joined, "labels": lesson.labels}
        student = student_step(
            stage, section, parts[0], self_training, taught, tune, training_label(stage, method, trained)
        )
    return TrainedRow(student, lesson.targets)


def selected_votes(lesson: VoteTrainingData, select: Select) -> Step:
    """Some of a method's targets. The strong model's own votes are those of a student that has learned all of them."""
    needs, inputs = SELECTIONS.of(select).needs(select), dict[str, Step]()
    if needs.strong is not None:
        everything = replace(lesson, method=lesson.method.model_copy(update={"stages": [TrainingStage()]}))
        inputs["strong"] = taught_student(everything, trained=False).student
    if needs.reward is not None:
        inputs = {
            "reward": reward_step(lesson.stage, lesson.method, needs.reward, {"targets": lesson.targets, **inputs})
        }
    if needs.size_of is not None:
        other = replace(lesson, method=method_named(lesson.stage.experiment, needs.size_of))
        copied = selection_of(other.method)
        assert copied is not None, "`check_stages.py` checks it"
        inputs["like"] = selected_votes(other, copied)
    return selected_step(lesson.stage, lesson.method, "votes", select, {"targets": lesson.targets, **inputs})


def ceiling(stage: SeedPlan, section: ModelSection) -> Step:
    """The student on half B's gold."""
    gold = gold_step(stage)
    (part,) = parts_of(Method(name="ceiling", loss=CrossEntropy()))
    tune = tune_params(stage.experiment, section, without=["select_by"])
    taught = {"targets": gold, "labels": gold}
    return student_step(stage, section, part, None, taught, tune, f"ceiling, seed {stage.seed}")


# ---- adjustments ----------------------------------------------------------------------------------------


def adjusted(stage: SeedPlan, method: Method, voices: Mapping[str, Step], variant: Variant) -> Step:
    """The student of one method in one variant."""
    lesson = VoteTrainingData(stage, student_here(stage.experiment), method, voices)
    taught = taught_student(lesson, trained="self_training" in variant)
    trained = " + self-training" if "self_training" in variant else ""
    label = f"{method.name}{trained}, seed {stage.seed}"
    if variant in ("matching", "self_training+matching"):
        inputs = {"student": taught.student, "targets": taught.targets}
        params = {"name": STUDENT, "of": stage.experiment.matching}
        return Step("matched", "outgrow.training.post_processing:match_marginals", params, inputs, label=label)
    if variant == "two_views":
        assert stage.experiment.second_view is not None, "checked when the experiment was read"
        second = taught_student(replace(lesson, section=stage.experiment.second_view), trained=False)
        return views_step(taught.student, second.student, label)
    return taught.student


def views_step(first: Step, second: Step, label: str) -> Step:
    """The mean of two students that look at the items through different layers or models."""
    inputs = {"first": first, "second": second}
    return Step("views", "outgrow.training.post_processing:average_views", {"name": STUDENT}, inputs, label=label)
