"""The step `student`: one training of a student, for every kind of task, and for `outgrow train`."""

from collections.abc import Mapping

from outgrow.config.endpoint import EndpointSection
from outgrow.config.evaluations import EvaluationsSection
from outgrow.config.method import Method, SelfTraining, SoftLabels
from outgrow.config.model import LanguageModel, local_model, remote_model
from outgrow.data.task import Kind
from outgrow.graph.step import Json, Step
from outgrow.losses import LOSSES, Loss
from outgrow.losses.softmax_losses import CrossEntropy
from outgrow.study.gold_use import select_by_of
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump, hints, loss_params, model_params, reading_params, trained_params
from outgrow.study.steps import STUDENT, features_input

CLASSES = "outgrow.training.classifier_steps:train_student"
TEXTS = "outgrow.training.text_training_steps:train_text_student"
REMOTE = "outgrow.training.remote_student_step:train_remote_student"
HALF_A = "outgrow.combiners.targets_step:add_half_a_gold"
HALF_A_TEXTS = "outgrow.combiners.text_targets_step:add_half_a_texts"
REVISION = {"none": 0, "probe": 0, "lora": 1, "full": 1}
"""Added to the loss's version: how often results of a training changed. 1: an update is of items, not of rows."""


def student_step(
    kind: Kind,
    section: LanguageModel,
    inputs: Mapping[str, Step],
    *,
    tune: Mapping[str, Json],
    seed: int,
    hints: Mapping[str, Json],
    label: str,
    loss: Loss | None = None,
    passes: float = 1.0,
    self_training: SelfTraining | None = None,
    soft_labels: SoftLabels | None = None,
    evaluations: EvaluationsSection | None = None,
) -> Step:
    """Train `section` on the input `targets`.

    Args:
        kind: of the task; a *generate* task has no use for `tune`, the others none for `soft_labels`.
        inputs: `pool`, `split`, `targets`; for classes also `labels`, by which held-out items are judged, and
            `features` for a probe; perhaps `start`, an earlier training, and `whole`, the targets before a selection.
        passes: a factor on the passes over the data that the settings ask for.
    """
    if (remote := remote_model(section)) is not None:
        return _remote_step(remote, inputs, seed, hints, label)
    model = local_model(section)
    assert model is not None, "a language model is local or remote"
    loss = loss or CrossEntropy()
    params: dict[str, Json] = {
        "adapt": model.adapt,
        "loss": loss_params(loss, kind),
        "self_training": None if self_training is None else dump(self_training),
        "passes": passes,
        "seed": seed,
    }
    if evaluations is not None:
        params["evaluations"] = dump(evaluations)
    if kind == "generate":
        params |= {"model": trained_params(model), "soft_labels": dump(soft_labels or SoftLabels())}
    else:
        params |= {"model": model_params(model), "tune": dict(tune), "name": STUDENT}
    function, version = TEXTS if kind == "generate" else CLASSES, LOSSES.of(loss).version + REVISION[model.adapt]
    return Step("student", function, params, inputs, hints=hints, label=label, version=version)


def _remote_step(
    section: EndpointSection, inputs: Mapping[str, Step], seed: int, hints: Mapping[str, Json], label: str
) -> Step:
    """A training by the student's provider."""
    assert section.fine_tuning is not None, "students that cannot be tuned are refused before"
    params = {
        "model": reading_params(section),
        "fine_tuning": dump(section.fine_tuning, without=["poll"]),
        "seed": seed,
    }
    data = {name: inputs[name] for name in ("pool", "split", "targets")}
    return Step("student", REMOTE, params, data, hints={**hints, "poll": section.fine_tuning.poll}, label=label)


def study_student(
    plan: SeedPlan,
    kind: Kind,
    section: LanguageModel,
    inputs: Mapping[str, Step],
    *,
    label: str,
    method: Method | None = None,
    loss: Loss | None = None,
    passes: float = 1.0,
    self_training: bool = False,
) -> Step:
    """A training of a study's student; without `method` the ceiling, which learns gold."""
    experiment, model = plan.experiment, local_model(section)
    features = {} if model is None or kind == "generate" else features_input(plan, model)
    grid = experiment.tune if model is None or model.tune is None else model.tune
    options = None if method is None else method.self_training
    soft_labels = None if method is None else method.soft_labels
    tune = dump(grid, without=["select_by"] if method is None else [])
    if method is not None:
        tune["select_by"] = select_by_of(method, experiment)
    return student_step(
        kind,
        section,
        {**plan.data, **inputs, **features},
        tune=tune,
        seed=plan.seed,
        hints=hints(plan, section),
        label=label,
        loss=loss,
        passes=passes,
        self_training=(options or experiment.self_training) if self_training else None,
        soft_labels=soft_labels or experiment.soft_labels,
        evaluations=None if method is None else method.evaluations,
    )


def ceiling_step(plan: SeedPlan, kind: Kind, section: LanguageModel, gold: Mapping[str, Step]) -> Step:
    """The student on half B's gold."""
    return study_student(plan, kind, section, gold, label=f"ceiling, seed {plan.seed}")


def half_a_step(plan: SeedPlan, kind: Kind, targets: Step | None) -> Step:
    """Half A's gold as targets, alone or before the targets of half B."""
    inputs = {} if targets is None else {"targets": targets}
    label = f"half A's gold{'' if targets is None else ' and labels'}, seed {plan.seed}"
    return Step("targets", HALF_A_TEXTS if kind == "generate" else HALF_A, {}, {**plan.data, **inputs}, label=label)


def training_inputs(method: Method, targets: Step, selected: Step | None, start: Step | None) -> dict[str, Step]:
    """The targets of one training of a method, and the training whose weights it starts from.

    With `whole`, the targets before a selection, as many items are seen as without the selection.
    """
    inputs = {} if start is None else {"start": start}
    if selected is None:
        return {"targets": targets, **inputs}
    whole = {"whole": targets} if method.budget == "examples" else {}
    return {"targets": selected, **whole, **inputs}


def training_label(plan: SeedPlan, method: Method, self_training: bool, index: int = 0, count: int = 1) -> str:
    """The label of the step in messages: the row, and which of its trainings."""
    part = f" ({index + 1} of {count})" if count > 1 else ""
    return f"{method.name}{' + self-training' if self_training else ''}, seed {plan.seed}{part}"
