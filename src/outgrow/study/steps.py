"""From an experiment to its steps, one function per stage, in the order of the picture.

    items ─► supervisors learn half A ─► they label half B ─► combine ─► the student learns ─► test
                                  gold of half B ─► the ceiling ─────────────────────────────┘

Nothing runs here and nothing is read but content hashes: the steps are data (`graph/step.py`). Two rows of the table
share every step up to the point where they differ. Which steps make which row: `build.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import ModelSection, NgramSection, Supervisor
from outgrow.config.rules import FunctionRule, RegexRule
from outgrow.config.votes import VotesSection
from outgrow.data.data_identity import data_identity
from outgrow.data.file_paths import paths_of, without_paths
from outgrow.graph.step import Json, Step
from outgrow.models import feature_reuse
from outgrow.models.model_identity import model_identity
from outgrow.select import SELECTIONS, Select
from outgrow.study.step_params import ASKING, dump, hints, rule_params, speaker_hints, votes_params

STUDENT = "student"
"""The name under which every student's predictions are stored, so that renaming a method re-runs nothing."""


@dataclass(frozen=True)
class SeedPlan:
    """What all steps of one seed share."""

    experiment: Experiment
    seed: int
    pool: Step
    split: Step

    @property
    def data(self) -> dict[str, Step]:
        return {"pool": self.pool, "split": self.split}


def student_here(experiment: Experiment) -> ModelSection:
    """The student, where it is trained on this machine (`check_methods.py` has seen to it)."""
    assert isinstance(experiment.student, ModelSection), "students behind a server are refused before"
    return experiment.student


# ---- items ----------------------------------------------------------------------------------------------


def pool_step(experiment: Experiment) -> Step:
    """All items that the study may use, whatever the seed."""
    # Where nothing is said of capabilities, the step is what it was before there were any.
    unsaid = ["resplit"] if experiment.task.capabilities else ["resplit", "capabilities"]
    task = without_paths({**dump(experiment.task, without=unsaid), "content": data_identity(experiment.task)})
    where: dict[str, Json] = {"paths": paths_of(experiment.task)}
    return Step(
        "pool", "outgrow.data.pool:make_pool", {"task": task}, version=2, hints=where, label=experiment.task.name
    )


def split_step(experiment: Experiment, pool: Step, seed: int) -> Step:
    """Who may see which items, drawn anew for every seed unless `task.resplit` is off."""
    task = experiment.task
    drawn = seed if task.resplit else task.split_seed
    sizes = {name: dump(one) for name, one in task.sizes_by_capability.items()} if task.capabilities else None
    params = {"sizes": sizes or dump(task.sizes), "seed": drawn}
    return Step("split", "outgrow.data.split:make_split", params, {"pool": pool}, version=2, label=f"seed {drawn}")


# ---- supervisors ----------------------------------------------------------------------------------------


def supervisor_steps(stage: SeedPlan) -> dict[str, Step]:
    """Every weak source trained on half A's gold; each answers half B and the test items."""
    return {name: supervisor_step(stage, name, section) for name, section in stage.experiment.supervisors.items()}


def supervisor_step(stage: SeedPlan, name: str, section: Supervisor) -> Step:
    label = f"{name}, seed {stage.seed}"
    if isinstance(section, EndpointSection):
        return _asked_supervisor(stage, name, section, label)
    if isinstance(section, RegexRule | FunctionRule):
        return _rule_supervisor(stage, name, section, label)
    if isinstance(section, VotesSection):
        return _voted_supervisor(stage, name, section, label)
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
    function = "outgrow.supervise.weak_model_step:train_supervisor"
    inputs = {**stage.data, **features_input(stage, section)}
    return Step("supervisor", function, params, inputs, hints=hints(stage.experiment, section), label=label)


def _asked_supervisor(stage: SeedPlan, name: str, section: EndpointSection, label: str) -> Step:
    """A model behind a server, which learns nothing: one step for all seeds that ask it the same."""
    params = {"model": dump(section, only=[*ASKING, "structured"]), "source": name}
    function, asking = "outgrow.supervise.endpoint_step:ask_supervisor", speaker_hints(stage.experiment, section)
    return Step("supervisor", function, params, stage.data, hints=asking, label=label, version=2)


def _rule_supervisor(stage: SeedPlan, name: str, section: RegexRule | FunctionRule, label: str) -> Step:
    """A rule, which learns nothing either; where the file of a function lies does not matter, what is in it does."""
    params, where = rule_params(section)
    function = "outgrow.supervise.rules_step:apply_rule"
    return Step("supervisor", function, {**params, "source": name}, stage.data, hints=where, label=label)


def _voted_supervisor(stage: SeedPlan, name: str, section: VotesSection, label: str) -> Step:
    """Votes that somebody gave already; where their file lies does not matter, what is in it does."""
    params, where = votes_params(section, name, stage.experiment.task)
    function = "outgrow.supervise.votes_step:take_votes"
    return Step("supervisor", function, {**params, "source": name}, stage.data, hints=where, label=label)


def labels_for(stage: SeedPlan, method: Method, supervisors: Mapping[str, Step]) -> Step:
    """The labels that a method looks at: its teachers' and nobody else's."""
    teachers = method.teachers(supervisors)
    return labels_step(stage, {name: noised(stage, method, "votes", supervisors[name]) for name in teachers})


def noised(stage: SeedPlan, method: Method, what: Literal["texts", "votes"], labels: Step) -> Step:
    """One teacher's labels, of which the method may want a share exchanged."""
    if not method.noise:
        return labels
    function = f"outgrow.supervise.noise_step:add_noise_to_{what}"
    params: dict[str, Json] = {"share": method.noise, "seed": stage.seed}
    inputs = {**stage.data, "labels": labels}
    return Step("noised", function, params, inputs, label=f"{method.noise:.0%} of {labels.label}")


def labels_step(stage: SeedPlan, sources: Mapping[str, Step]) -> Step:
    """The sources' answers to half B side by side, and their held-out answers to half A as anchors."""
    inputs = {f"source.{name}": step for name, step in sources.items()}
    params = {"sources": list(sources)}
    label = f"{', '.join(sources)}, seed {stage.seed}"
    return Step("labels", "outgrow.supervise.gather_step:gather_labels", params, inputs, label=label)


# ---- models ---------------------------------------------------------------------------------------------


def features_input(stage: SeedPlan, section: ModelSection) -> dict[str, Step]:
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
        version=feature_reuse.VERSION,
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


def untouched_step(experiment: Experiment, stages: Sequence[SeedPlan]) -> Step:
    """The student's zero-shot answers to the test items of every seed, in one pass."""
    section = student_here(experiment)
    params = {
        **dump(section, only=["model", "revision", "dtype", "max_length", "trust_remote_code"]),
        "identity": model_identity(section.model, section.revision),
    }
    inputs = {"pool": stages[0].pool, **{f"split.{number}": stage.split for number, stage in enumerate(stages)}}
    function = "outgrow.models.zero_shot:answer"
    return Step("untouched", function, params, inputs, hints=hints(experiment, section), label=section.model)


# ---- trainings ------------------------------------------------------------------------------------------


def training_inputs(method: Method, targets: Step, chosen: Step | None, before: Step | None) -> dict[str, Step]:
    """What one training of a method's student learns, and the weights from which it goes on.

    With `whole`, the targets before a selection, as many examples are seen as if there had been none.
    """
    start = {} if before is None else {"start": before}
    if chosen is None:
        return {"targets": targets, **start}
    whole = {"whole": targets} if method.budget == "examples" else {}
    return {"targets": chosen, **whole, **start}


def training_label(stage: SeedPlan, method: Method, trained: bool, number: int = 1, of: int = 1) -> str:
    """For people: whose training this is, and which of several; `trained`: with self-training."""
    which = f" ({number} of {of})" if of > 1 else ""
    return f"{method.name}{' + self-training' if trained else ''}, seed {stage.seed}{which}"


def selected_step(
    stage: SeedPlan, method: Method, what: Literal["texts", "votes"], select: Select, inputs: Mapping[str, Step]
) -> Step:
    """Some of a method's targets; `inputs`: all of them, and what the selection goes by."""
    params: dict[str, Json] = {"select": dump(select, without=SELECTIONS.of(select).asked_before), "seed": stage.seed}
    label = f"{select.type}, {method.name}, seed {stage.seed}"
    function = f"outgrow.select.select_step:select_{what}"
    version = 2 if what == "texts" else 1
    return Step("selected", function, params, {"pool": stage.pool, **inputs}, label=label, version=version)
