"""The steps that studies of every kind have. Nothing runs here: a step is data (`graph/step.py`).

    items ─► supervisors learn half A ─► they label half B ─► combine ─► the student learns ─► test
                                  gold of half B ─► the ceiling ─────────────────────────────┘

    pool, split, features, untouched                this file
    supervisor                                      the source's file in `supervise/`, by its record
    student                                         `student_step.py`
    labels, targets, gold, matched, views           `vote_students.py`
    texts, scores, refined, ratings, labels         `text_steps.py`
    targets, gold, pairs, preference of texts       `text_students.py`
    noised, selected, reward                        this file

Rows share every step up to the point where they differ. `build.py` says which steps make a row.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from outgrow.config.method import Method
from outgrow.config.model import ModelSection, local_model
from outgrow.config.task import TaskSection
from outgrow.data.data_identity import data_identity, paths_of, without_paths
from outgrow.graph.step import Json, Step
from outgrow.models import feature_reuse
from outgrow.models.model_identity import model_identity
from outgrow.select import SELECTIONS, Select
from outgrow.select.selector_record import RewardModel
from outgrow.study.seed_plan import Experiment, SeedPlan
from outgrow.study.step_params import dump, hints, layers_of, reading_params

STUDENT, UNTOUCHED = "student", "untouched"
"""The names of every student's predictions, so that renaming a method re-runs nothing, and of the model's before any
training."""


def student_here(experiment: Experiment) -> ModelSection:
    """The student of this machine; `check_methods.py` has refused the other one where it cannot be used."""
    section = local_model(experiment.student)
    assert section is not None, "students behind a server are refused before"
    return section


# ---- items ----------------------------------------------------------------------------------------------


def pool_step(task: TaskSection) -> Step:
    """All items that the study may use under any seed."""
    unset = ["resplit"] if task.capabilities else ["resplit", "capabilities"]
    params = without_paths({**dump(task, without=unset), "content": data_identity(task)})
    paths: dict[str, Json] = {"paths": paths_of(task)}
    return Step("pool", "outgrow.data.pool:make_pool", {"task": params}, version=2, hints=paths, label=task.name)


def split_step(task: TaskSection, pool: Step, seed: int) -> Step:
    """Half A, half B and the test items, drawn for every seed unless `task.resplit` is off."""
    drawn = seed if task.resplit else task.split_seed
    by_capability = {name: dump(sizes) for name, sizes in task.sizes_by_capability.items()}
    params = {"sizes": by_capability if task.capabilities else dump(task.sizes), "seed": drawn}
    return Step("split", "outgrow.data.split:make_split", params, {"pool": pool}, version=2, label=f"seed {drawn}")


# ---- models ---------------------------------------------------------------------------------------------


def features_input(plan: SeedPlan, section: ModelSection) -> dict[str, Step]:
    """The hidden states that a probe reads: one step per model, layers and pool."""
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
        {"pool": plan.pool},
        version=feature_reuse.VERSION,
        hints=hints(plan, section),
        label=section.model,
    )
    return {"features": step}


def untouched_step(plans: Sequence[SeedPlan]) -> Step:
    """The student's zero-shot answers to the test items of every seed, in one pass."""
    return _zero_shot_step(plans[0], {f"split.{index}": plan.split for index, plan in enumerate(plans)})


def zero_shot_source(plan: SeedPlan) -> Step:
    """The student's zero-shot answers as those of a supervisor; all seeds share one pass over the pool."""
    inputs = {"split": plan.split, "answers": _zero_shot_step(plan, {})}
    function = "outgrow.models.zero_shot:take_answers"
    return Step("supervisor", function, {}, inputs, label=f"{UNTOUCHED}, seed {plan.seed}")


def _zero_shot_step(plan: SeedPlan, splits: Mapping[str, Step]) -> Step:
    """The student's zero-shot answers to the test items of some splits; without one, to the whole pool."""
    section = student_here(plan.experiment)
    params = zero_shot_params(section)
    function = "outgrow.models.zero_shot:answer"
    inputs = {"pool": plan.pool, **splits}
    return Step(UNTOUCHED, function, params, inputs, hints=hints(plan, section), label=section.model)


def zero_shot_params(section: ModelSection) -> dict[str, Json]:
    """What of a model's section changes its zero-shot answers."""
    only = ["model", "revision", "dtype", "max_length", "trust_remote_code"]
    return {**dump(section, only=only), "identity": model_identity(section.model, section.revision)}


# ---- labels and targets ---------------------------------------------------------------------------------


def noised_step(plan: SeedPlan, method: Method, what: Literal["texts", "votes"], labels: Step) -> Step:
    """One source's labels, of which a share is exchanged if the method says so."""
    if not method.noise:
        return labels
    function = f"outgrow.supervise.label_steps:add_noise_to_{what}"
    params: dict[str, Json] = {"noise": method.noise, "seed": plan.seed}
    inputs = {**plan.data, "labels": labels}
    return Step("noised", function, params, inputs, label=f"{method.noise:.0%} of {labels.label}")


def selected_step(
    plan: SeedPlan, method: Method, what: Literal["texts", "votes"], select: Select, inputs: Mapping[str, Step]
) -> Step:
    """Some of a method's targets; `inputs`: all of them, and what the selection needs besides."""
    params: dict[str, Json] = {"select": dump(select, without=SELECTIONS.of(select).asked_before), "seed": plan.seed}
    label = f"{select.type}, {method.name}, seed {plan.seed}"
    function = f"outgrow.select.select_step:select_{what}"
    version = 2 if what == "texts" else 1
    return Step("selected", function, params, {"pool": plan.pool, **inputs}, label=label, version=version)


def reward_step(plan: SeedPlan, method: Method, reward: RewardModel, inputs: Mapping[str, Step]) -> Step:
    """A reward model of a method's labels, trained where the strong model agrees with them.

    `inputs`: the `targets`, and the answers of the `strong` model itself.
    """
    section = reward.model or student_here(plan.experiment)
    return Step(
        "reward",
        "outgrow.training.reward_step:train_reward",
        {"model": reading_params(section), "reward": dict(reward.params), "seed": plan.seed},
        {**plan.data, **inputs},
        hints=hints(plan, section),
        label=f"{reward.params['loss']}, {method.name}, seed {plan.seed}",
        version=2,
    )
