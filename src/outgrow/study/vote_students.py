"""From votes to students, for tasks of kind *classify* and *choose*: labels, targets, selections, trainings.

    labels ─► targets ─► training ─► training … ─► rounds ─► matching, views
                 │          ▲            ▲
                 └─ select ─┴────────────┘

`text_students.py` is the same for texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from outgrow.config.method import Method, TrainingStage, Variant
from outgrow.config.model import ModelSection, local_model
from outgrow.graph.step import Json, Step
from outgrow.losses import Loss
from outgrow.select import SELECTIONS, Select
from outgrow.study.gold_use import uses_anchors
from outgrow.study.method_rows import method_named, parts_of, selection_of
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump
from outgrow.study.steps import (
    STUDENT,
    UNTOUCHED,
    features_input,
    noised_step,
    reward_step,
    selected_step,
    student_here,
    zero_shot_source,
)
from outgrow.study.student_step import ceiling_step, half_a_step, study_student, training_inputs, training_label
from outgrow.supervise.sources import SOURCES


@dataclass(frozen=True)
class VoteTrainingData:
    """What the student of a method learns from."""

    plan: SeedPlan
    section: ModelSection
    """The student's, or that of the second view."""
    method: Method
    sources: Mapping[str, Step]
    """All supervisors."""

    @property
    def labels(self) -> Step:
        """Those of the method's sources."""
        names = self.method.sources_among(self.sources)
        sources = {name: noised_step(self.plan, self.method, "votes", self.sources[name]) for name in names}
        if self.method.zero_shot:
            sources[UNTOUCHED] = zero_shot_source(self.plan)
        return labels_step(self.plan, sources)

    @property
    def targets(self) -> Step:
        """What they are combined to, with half A's gold where the method learns it."""
        if self.method.half_a_gold == "unused":
            return targets_step(self.plan, self.labels, self.method)
        added = self.method.half_a_gold == "added"
        return half_a_step(self.plan, "classify", targets_step(self.plan, self.labels, self.method) if added else None)


@dataclass(frozen=True)
class TrainedRow:
    """A trained student and the targets that the sources' labels made for it."""

    student: Step
    targets: Step


# ---- labels and targets ---------------------------------------------------------------------------------


def supervisor_steps(plan: SeedPlan) -> dict[str, Step]:
    """Every source's answers to half A, half B and the test items."""
    steps = {}
    for name, section in plan.experiment.supervisors.items():
        build = SOURCES.of(section).votes
        assert build is not None, "`check_methods.py` refuses sources of texts only"
        steps[name] = build(plan, name, section)
    return steps


def labels_step(plan: SeedPlan, sources: Mapping[str, Step]) -> Step:
    """The sources' answers to half B side by side, and their held-out answers to half A as anchors."""
    inputs = {f"source.{name}": step for name, step in sources.items()}
    label = f"{', '.join(sources)}, seed {plan.seed}"
    function = "outgrow.supervise.label_steps:gather_labels"
    return Step("labels", function, {"sources": list(sources)}, inputs, label=label)


def targets_step(plan: SeedPlan, labels: Step, method: Method) -> Step:
    """What the student of this method learns."""
    combine = method.combine
    params: dict[str, Json] = {"combine": dump(combine)}
    if not uses_anchors(method, plan.experiment):
        params["anchors"] = False
    inputs = {**plan.data, "labels": labels}
    label = f"{combine.type} of {labels.label}"
    function = "make_calibrated_targets" if combine.calibrated else "make_targets"
    return Step("targets", f"outgrow.combiners.targets_step:{function}", params, inputs, label=label)


def selected_votes(data: VoteTrainingData, select: Select) -> Step:
    """Some of a method's targets. The strong model's own votes are those of a student that has learned all targets."""
    needs, inputs = SELECTIONS.of(select).needs(select), {"targets": data.targets}
    if needs.strong is not None:
        unselected = replace(data, method=data.method.model_copy(update={"stages": [TrainingStage()]}))
        inputs["strong"] = trained_row(unselected, self_training=False).student
    if needs.reward is not None:
        inputs = {"targets": data.targets, "reward": reward_step(data.plan, data.method, needs.reward, inputs)}
    if needs.states is not None:
        inputs |= {"labels": data.labels, **_hidden_states(data, needs.states)}
    if needs.size_of is not None:
        copied_data = replace(data, method=method_named(data.plan.experiment, needs.size_of))
        copied = selection_of(copied_data.method)
        assert copied is not None, "`check_methods.py` requires one"
        inputs["like"] = selected_votes(copied_data, copied)
    return selected_step(data.plan, data.method, "votes", select, inputs)


def _hidden_states(data: VoteTrainingData, whose: Literal["sources", "student"]) -> dict[str, Step]:
    """Of all items, by the sources of the method or by the student."""
    if whose == "student":
        return {f"states.{STUDENT}": features_input(data.plan, data.section)["features"]}
    sections = {name: data.plan.experiment.supervisors[name] for name in data.method.sources_among(data.sources)}
    models = {name: model for name, section in sections.items() if (model := local_model(section)) is not None}
    return {f"states.{name}": features_input(data.plan, model)["features"] for name, model in models.items()}


# ---- trainings ------------------------------------------------------------------------------------------


def trained_row(data: VoteTrainingData, self_training: bool) -> TrainedRow:
    """All trainings of a method, and its rounds: before each, the last student multiplies the targets."""
    method, targets, parts, student = data.method, data.targets, parts_of(data.method), None
    for index, part in enumerate(parts):
        selected = None if part.select is None else selected_votes(data, part.select)
        inputs = training_inputs(method, targets, selected, student)
        label = training_label(data.plan, method, self_training, index, len(parts))
        student = _trained(data, inputs, part.loss, part.share, self_training, label)
    assert student is not None, "`check_methods.py` requires a training"
    for _ in range(method.rounds - 1):
        inputs = {"targets": targets, "student": student}
        function = "outgrow.combiners.second_round:multiply_in"
        joined = Step("targets", function, {}, inputs, label="the last student joined")
        label = training_label(data.plan, method, self_training)
        student = _trained(data, {"targets": joined}, parts[0].loss, parts[0].share, self_training, label)
    return TrainedRow(student, targets)


def _trained(
    data: VoteTrainingData, inputs: Mapping[str, Step], loss: Loss, passes: float, self_training: bool, label: str
) -> Step:
    # A student of half A's gold alone is judged by that gold, and reads no label.
    labels = {} if data.method.half_a_gold == "alone" else {"labels": data.labels}
    return study_student(
        data.plan,
        "classify",
        data.section,
        {**labels, **inputs},
        method=data.method,
        loss=loss,
        passes=passes,
        self_training=self_training,
        label=label,
    )


def ceiling(plan: SeedPlan, section: ModelSection) -> Step:
    """The student on half B's gold."""
    gold = Step("gold", "outgrow.combiners.targets_step:make_gold", {}, plan.data, label=f"seed {plan.seed}")
    return ceiling_step(plan, "classify", section, {"targets": gold, "labels": gold})


# ---- post-processing ------------------------------------------------------------------------------------


def variant_student(plan: SeedPlan, method: Method, sources: Mapping[str, Step], variant: Variant) -> Step:
    """The student of one method in one variant."""
    experiment, self_training = plan.experiment, "self_training" in variant
    data = VoteTrainingData(plan, student_here(experiment), method, sources)
    row = trained_row(data, self_training)
    label = training_label(plan, method, self_training)
    if variant in ("matching", "self_training+matching"):
        inputs = {"student": row.student, "targets": row.targets}
        params = {"name": STUDENT, "of": experiment.matching}
        return Step("matched", "outgrow.training.post_processing:match_marginals", params, inputs, label=label)
    if variant == "two_views":
        assert experiment.second_view is not None, "checked when the experiment was read"
        second = trained_row(replace(data, section=experiment.second_view), self_training=False)
        return views_step(row.student, second.student, label)
    return row.student


def views_step(first: Step, second: Step, label: str) -> Step:
    """The mean of two students that read the items through different layers or models."""
    inputs = {"first": first, "second": second}
    return Step("views", "outgrow.training.post_processing:average_views", {"name": STUDENT}, inputs, label=label)
