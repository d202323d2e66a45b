"""From an experiment to its steps, one function per stage, in the order of the picture.

    items ─► supervisors learn half A ─► they label half B ─► combine ─► the student learns ─► test
                                  gold of half B ─► the ceiling ─────────────────────────────┘

Nothing runs here and nothing is read but content hashes: the steps are data (`graph/step.py`). Two rows of the table
share every step up to the point where they differ. Which steps make which row: `study.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import CrossEntropy, Method, SelfTraining, Variant
from outgrow.config.model import ModelSection, NgramSection, Supervisor
from outgrow.data.identity import data_identity
from outgrow.graph.step import Json, Step
from outgrow.models.identity import model_identity
from outgrow.parameters import ASKING, dump, hints, loss_params, speaker_hints

STUDENT = "student"
"""The name under which every student's predictions are stored, so that renaming a method re-runs nothing."""


@dataclass(frozen=True)
class Stage:
    """What all steps of one seed share."""

    experiment: Experiment
    seed: int
    pool: Step
    split: Step

    @property
    def data(self) -> dict[str, Step]:
        return {"pool": self.pool, "split": self.split}


def student_here(experiment: Experiment) -> ModelSection:
    """The student, where it is trained on this machine (`fit.py` has seen to it)."""
    assert isinstance(experiment.student, ModelSection), "students behind a server are refused before"
    return experiment.student


# ---- items ----------------------------------------------------------------------------------------------


def pool_step(experiment: Experiment) -> Step:
    """All items that the study may use, whatever the seed."""
    task = {**dump(experiment.task, without=["resplit"]), "content": data_identity(experiment.task)}
    return Step("pool", "outgrow.data.pool:make_pool", {"task": task}, label=experiment.task.name)


def split_step(experiment: Experiment, pool: Step, seed: int) -> Step:
    """Who may see which items, drawn anew for every seed unless `task.resplit` is off."""
    drawn = seed if experiment.task.resplit else experiment.task.split_seed
    params = {"sizes": dump(experiment.task.sizes), "seed": drawn}
    return Step("split", "outgrow.data.split:make_split", params, {"pool": pool}, label=f"seed {drawn}")


# ---- supervisors ----------------------------------------------------------------------------------------


def supervisor_steps(stage: Stage) -> dict[str, Step]:
    """Every weak source trained on half A's gold; each answers half B and the test items."""
    return {name: supervisor_step(stage, name, section) for name, section in stage.experiment.supervisors.items()}


def supervisor_step(stage: Stage, name: str, section: Supervisor) -> Step:
    label = f"{name}, seed {stage.seed}"
    if isinstance(section, EndpointSection):
        return _asked_supervisor(stage, name, section, label)
    if isinstance(section, NgramSection):
        params = {**dump(section, without=["type"]), "seed": stage.seed, "source": name}
        return Step("supervisor", "outgrow.supervise.ngram:train_ngram", params, stage.data, label=label)
    params = {
        "adapt": section.adapt,
        "model": model_params(section),
        # Half A is gold: what its folds are scored on is not a choice.
        "tune": tune_params(stage.experiment, section, without=["select_by"]),
        "seed": stage.seed,
        "source": name,
    }
    function = "outgrow.supervise.weak_model:train_supervisor"
    inputs = {**stage.data, **features_input(stage, section)}
    return Step("supervisor", function, params, inputs, hints=hints(stage.experiment, section), label=label)


def _asked_supervisor(stage: Stage, name: str, section: EndpointSection, label: str) -> Step:
    """A model behind a server, which learns nothing: one step for all seeds that ask it the same."""
    params = {"model": dump(section, only=[*ASKING, "structured"]), "source": name}
    function, asking = "outgrow.supervise.endpoint:ask_supervisor", speaker_hints(stage.experiment, section)
    return Step("supervisor", function, params, stage.data, hints=asking, label=label)


def labels_for(method: Method, supervisors: Mapping[str, Step]) -> Step:
    """The labels that a method looks at: its teachers' and nobody else's."""
    return labels_step({name: supervisors[name] for name in method.teachers(supervisors)})


def labels_step(sources: Mapping[str, Step]) -> Step:
    """The sources' answers to half B side by side, and their held-out answers to half A as anchors."""
    inputs = {f"source.{name}": step for name, step in sources.items()}
    params = {"sources": list(sources)}
    return Step("labels", "outgrow.supervise.gather:gather_labels", params, inputs, label=", ".join(sources))


# ---- models ---------------------------------------------------------------------------------------------


def features_input(stage: Stage, section: ModelSection) -> dict[str, Step]:
    """The hidden states a probe reads: one extraction per model, layers and pool, whoever uses it."""
    if section.adapt != "probe":
        return {}
    params = {
        **dump(section, only=["model", "revision", "dims", "dtype", "max_length", "trust_remote_code"]),
        "layers": layers_of(section),
        "identity": model_identity(section.model, section.revision),
    }
    step = Step(
        "features",
        "outgrow.models.features:make_features",
        params,
        {"pool": stage.pool},
        hints=hints(stage.experiment, section),
        label=section.model,
    )
    return {"features": step}


def layers_of(section: ModelSection) -> list[int] | None:
    return [section.layer] if isinstance(section.layer, int) else section.layer


def model_params(section: ModelSection) -> dict[str, Json]:
    """What of a model's section changes a training's result."""
    params = {**dump(section, only=["model", "revision"]), "layer": layers_of(section)}
    if section.adapt == "probe":
        return params  # The features step answers for everything else.
    trained = ["dtype", "max_length", "training", "holdout", "trust_remote_code"]
    lora = ["lora"] if section.adapt == "lora" else []
    identity = model_identity(section.model, section.revision)
    return {**params, **dump(section, only=trained + lora), "identity": identity}


def tune_params(experiment: Experiment, section: ModelSection, without: Iterable[str] = ()) -> dict[str, Json]:
    return dump(section.tune or experiment.tune, without=without)


# ---- labels to students ---------------------------------------------------------------------------------


def targets_step(stage: Stage, labels: Step, method: Method) -> Step:
    """What the student of this method learns."""
    params = {"combine": dump(method.combine)}
    inputs = {**stage.data, "labels": labels}
    return Step("targets", "outgrow.combine.make:make_targets", params, inputs, label=method.combine.type)


def gold_step(stage: Stage) -> Step:
    """Half B's gold in the shape of labels and targets: what the ceiling learns."""
    return Step("gold", "outgrow.combine.make:make_gold", {}, stage.data, label=f"seed {stage.seed}")


def student_step(
    stage: Stage,
    section: ModelSection,
    method: Method,
    self_training: SelfTraining | None,
    taught: Mapping[str, Step],
    tune: dict[str, Json],
) -> Step:
    """Train on `taught` (`targets`, and the `labels` that hold-out items are scored against)."""
    params = {
        "adapt": section.adapt,
        "model": model_params(section),
        "loss": loss_params(method, "classify"),
        "self_training": None if self_training is None else dump(self_training),
        "tune": tune,
        "seed": stage.seed,
        "name": STUDENT,
    }
    inputs = {**stage.data, **taught, **features_input(stage, section)}
    label = f"{method.name}{' + self-training' if self_training else ''}, seed {stage.seed}"
    function = "outgrow.train.student:train_student"
    return Step("student", function, params, inputs, hints=hints(stage.experiment, section), label=label)


@dataclass(frozen=True)
class Taught:
    """A trained student and the targets that the supervisors' labels made for it."""

    student: Step
    targets: Step


def taught_student(stage: Stage, section: ModelSection, labels: Step, method: Method, trained: bool) -> Taught:
    """All rounds of a method: in each further round the last student's answers multiply the targets."""
    self_training = (method.self_training or stage.experiment.self_training) if trained else None
    tune = tune_params(stage.experiment, section)
    targets = targets_step(stage, labels, method)
    student = student_step(stage, section, method, self_training, {"targets": targets, "labels": labels}, tune)
    for _ in range(method.rounds - 1):
        inputs = {"targets": targets, "student": student}
        joined = Step("targets", "outgrow.combine.multiply:multiply_in", {}, inputs, label="the last student joined")
        taught = {"targets": joined, "labels": labels}
        student = student_step(stage, section, method, self_training, taught, tune)
    return Taught(student, targets)


def adjusted(stage: Stage, labels: Step, method: Method, variant: Variant) -> Step:
    """The student of one method in one variant."""
    student = student_here(stage.experiment)
    taught = taught_student(stage, student, labels, method, trained="self_training" in variant)
    trained = " + self-training" if "self_training" in variant else ""
    label = f"{method.name}{trained}, seed {stage.seed}"
    if variant in ("matching", "self_training+matching"):
        inputs = {"student": taught.student, "targets": taught.targets}
        params = {"name": STUDENT, "of": stage.experiment.matching}
        return Step("matched", "outgrow.train.adjust:match_marginals", params, inputs, label=label)
    if variant == "two_views":
        assert stage.experiment.second_view is not None, "checked when the experiment was read"
        second = taught_student(stage, stage.experiment.second_view, labels, method, trained=False)
        return views_step(taught.student, second.student, label)
    return taught.student


def views_step(first: Step, second: Step, label: str) -> Step:
    """The mean of two students that look at the items through different layers or models."""
    inputs = {"first": first, "second": second}
    return Step("views", "outgrow.train.adjust:average_views", {"name": STUDENT}, inputs, label=label)


def ceiling(stage: Stage, section: ModelSection) -> Step:
    gold = gold_step(stage)
    method = Method(name="ceiling", loss=CrossEntropy())
    tune = tune_params(stage.experiment, section, without=["select_by"])
    return student_step(stage, section, method, None, {"targets": gold, "labels": gold}, tune)


def untouched_step(experiment: Experiment, stages: Sequence[Stage]) -> Step:
    """The student's zero-shot answers to the test items of every seed, in one pass."""
    section = student_here(experiment)
    params = {
        **dump(section, only=["model", "revision", "dtype", "max_length", "trust_remote_code"]),
        "identity": model_identity(section.model, section.revision),
    }
    inputs = {"pool": stages[0].pool, **{f"split.{number}": stage.split for number, stage in enumerate(stages)}}
    function = "outgrow.models.zero_shot:answer"
    return Step("untouched", function, params, inputs, hints=hints(experiment, section), label=section.model)
