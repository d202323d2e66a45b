"""From labels to students, for tasks of kind *generate*: targets, selections, trainings, preferences.

    labels ─► targets ─► training ─► training … ─► preferences
                 │          ▲            ▲
                 └─ select ─┴────────────┘      by the strong model's own answers, a reward model, gold, chance

Each training of a method starts from the weights of the one before, and learns all targets or some of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from outgrow.config.method import Method, Preference
from outgrow.graph.step import Json, Step
from outgrow.refine import REFINERS, Refine
from outgrow.select import SELECTIONS, Select
from outgrow.study.method_rows import method_named, parts_of, selection_of
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import combine_params, dump, hints, trained_params
from outgrow.study.steps import STUDENT, reward_step, selected_step, student_here
from outgrow.study.student_step import ceiling_step, half_a_step, study_student, training_inputs, training_label
from outgrow.study.text_steps import ScoredTexts, labels_for, refined_step, scored_by, scores_step, sources_of
from outgrow.supervise.source_record import TextSource, texts_step


@dataclass(frozen=True)
class TextTrainingData:
    """A method's labels, and the targets that they make."""

    plan: SeedPlan
    method: Method
    sources: Mapping[str, TextSource]
    labels: ScoredTexts
    targets: Step


def training_data(plan: SeedPlan, method: Method, sources: Mapping[str, TextSource]) -> TextTrainingData:
    """What a method learns from: its labels' targets, with half A's gold where the method learns it."""
    labels = labels_for(plan, method, sources)
    inputs = {"pool": plan.pool, "labels": labels.texts, **_score_inputs(labels.scores)}
    inputs |= {f"held_out.{name}": step for name, step in labels.held_out.items()}
    params: dict[str, Json] = {"combine": combine_params(method.combine, plan.experiment.task)}
    function = "outgrow.combiners.text_targets_step:make_text_targets"
    label = f"{method.combine.type} of {labels.texts.label}"
    targets = Step("targets", function, params, inputs, label=label)
    if method.half_a_gold != "unused":
        targets = half_a_step(plan, "generate", targets if method.half_a_gold == "added" else None)
    return TextTrainingData(plan, method, sources, labels, targets)


def trained_student(plan: SeedPlan, method: Method, sources: Mapping[str, TextSource], self_training: bool) -> Step:
    """A method's student after all of its trainings."""
    data, parts, student = training_data(plan, method, sources), parts_of(method), None
    for index, part in enumerate(parts):
        selected = None if part.select is None else selected_texts(data, part.select)
        student = study_student(
            plan,
            "generate",
            plan.experiment.student,
            training_inputs(method, data.targets, selected, student),
            method=method,
            loss=part.loss,
            passes=part.share,
            self_training=self_training,
            label=training_label(plan, method, self_training, index, len(parts)),
        )
    assert student is not None, "`check_methods.py` requires a training"
    return student if method.preference is None else preference_step(data, method.preference, student)


def ceiling(plan: SeedPlan) -> Step:
    """The student on half B's gold."""
    function = "outgrow.combiners.text_targets_step:make_text_gold"
    gold = Step("gold", function, {}, plan.data, label=f"seed {plan.seed}")
    return ceiling_step(plan, "generate", plan.experiment.student, {"targets": gold})


# ---- selections -----------------------------------------------------------------------------------------


def selected_texts(data: TextTrainingData, select: Select) -> Step:
    """Some of a method's targets."""
    inputs = {"targets": data.targets, **_selection_inputs(data, select)}
    return selected_step(data.plan, data.method, "texts", select, inputs)


def _selection_inputs(data: TextTrainingData, select: Select) -> dict[str, Step]:
    """What a selection needs beside the targets."""
    plan, needs, inputs = data.plan, SELECTIONS.of(select).needs(select), dict[str, Step]()
    if needs.strong is not None:
        inputs["strong"] = strong_answers(data, needs.strong)
    if needs.reward is not None:
        inputs = {"reward": reward_step(plan, data.method, needs.reward, {"targets": data.targets, **inputs})}
    if needs.student_scores:
        tables = {"labels": data.labels.texts}
        inputs["scores"] = scores_step(plan, student_here(plan.experiment), None, STUDENT, tables)
    if needs.size_of is not None:
        copied_data = training_data(plan, method_named(plan.experiment, needs.size_of), data.sources)
        copied = selection_of(copied_data.method)
        assert copied is not None, "`check_methods.py` requires one"
        inputs["like"] = selected_texts(copied_data, copied)
    return inputs


def strong_answers(data: TextTrainingData, refine: Refine) -> Step:
    """The strong model's own answers to the items of the method's labels."""
    labels = data.labels.texts if REFINERS.of(refine).reads_labels else None
    return refined_step(data.plan, refine, STUDENT, labels)


# ---- preferences ----------------------------------------------------------------------------------------


def preference_step(data: TextTrainingData, preference: Preference, student: Step) -> Step:
    """The student tuned on what the sources prefer among its own texts."""
    plan, section = data.plan, student_here(data.plan.experiment)
    params = {
        "adapt": section.adapt,
        "model": trained_params(section),
        "preference": dump(preference, without=["candidates", "weights"]),
        "seed": plan.seed,
    }
    inputs = {**plan.data, "student": student}
    if preference.learns_ratios:
        inputs["ratios"] = _ratios_step(data, preference, student)
        function = "outgrow.training.ratio_step:train_ratios"
        params["preference"] = dump(preference, only=["loss", "beta", "training"])
    else:
        inputs["pairs"] = _pairs_step(data, preference, student)
        function = "outgrow.training.preference_step:train_preference"
    label = f"{student.label}, {preference.loss}"
    return Step("preference", function, params, inputs, hints=hints(plan, section), label=label)


def _pairs_step(data: TextTrainingData, preference: Preference, student: Step) -> Step:
    """The student's best and worst text for every item, by the sources' scores."""
    params = dump(preference, only=["epsilon", "weights", "logprobs"])
    function = "outgrow.combiners.text_targets_step:make_pairs"
    return Step("pairs", function, params, _scored_candidates(data, preference, student), label=student.label)


def _ratios_step(data: TextTrainingData, preference: Preference, student: Step) -> Step:
    """What the sources' training changed, on the student's texts."""
    inputs = _scored_candidates(data, preference, student)
    table = {STUDENT: inputs["candidates"]}
    for name, source in sources_of(data.method, data.sources).items():
        inputs[f"before.{name}"] = scores_step(data.plan, source.section, None, name, table)
    params = dump(preference, only=["weights"])
    function = "outgrow.combiners.text_targets_step:make_ratios"
    return Step("ratios", function, params, inputs, label=student.label)


def _scored_candidates(data: TextTrainingData, preference: Preference, student: Step) -> dict[str, Step]:
    """The student's texts with its own scores and those of the sources."""
    plan, section = data.plan, student_here(data.plan.experiment)
    candidates = texts_step(plan, section, student, STUDENT, "half_b", preference.candidates)
    table = {STUDENT: candidates}
    return {
        "pool": plan.pool,
        "candidates": candidates,
        "reference": scores_step(plan, section, student, STUDENT, table),
        **_score_inputs(scored_by(plan, sources_of(data.method, data.sources), table)),
    }


def _score_inputs(scores: Mapping[str, Step]) -> dict[str, Step]:
    return {f"scores.{name}": step for name, step in scores.items()}
