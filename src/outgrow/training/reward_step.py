"""The step `reward`: the strong model learns to separate labels it agrees with from answers that it alone gives.

Zhou, Shen and Cheng (ICLR 2025) select weak labels by such a reward model: it starts from the strong model, good
examples are the consistent labels, bad ones its own inconsistent answers (`select/comparisons.py`), and it then scores
every label. `reward_plan.py` plans the models; as in the paper, by default there is one model, and it scores
labels that it learned from. Gold plays no part.

A reward is the log-odds that a text is good. Bradley-Terry rewards are known up to a constant, which is chosen so that
the mean rewards of the good and of the bad examples lie symmetrically around 0.

Where one kind of example is missing, there is nothing to separate: that is an error or, with `otherwise`, the
writers' confidence takes the place of the rewards.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from outgrow.combiners.text_targets_step import load_texts
from outgrow.data.task import Split, Task
from outgrow.generation.chat import Prompt, single_turn
from outgrow.graph.step import Job, Json
from outgrow.labels import INSTEAD, Targets, WeakLabels
from outgrow.metrics.auroc import auroc
from outgrow.models.skipped_items import NAMED
from outgrow.select.comparisons import Sample, compare
from outgrow.select.rewards import Rewards
from outgrow.select.row_scores import text_confidence
from outgrow.select.votes_as_text import labels_as_texts, targets_as_texts, task_as_texts
from outgrow.texts import TextTargets, WeakTexts
from outgrow.training.principal_plane import save_plane
from outgrow.training.reward_plan import (
    WHOLE,
    ReadableSamples,
    RewardData,
    RewardFit,
    RewardLearner,
    RewardModelPlan,
    RewardSettings,
    gaps_of,
    plans_of,
    samples_of,
)
from outgrow.training.reward_probe import ProbeLearner, answer_vectors, penalties


def train_reward(job: Job, *, model: dict[str, Json], reward: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `split`, `targets` and `strong`, the strong model's own answers (or votes) as one source's.

    Writes `rewards.parquet` (`select.rewards.Rewards`), `reward.json`, `metrics.jsonl` and, of a probe, `vectors.npy`:
    where the answers lie on the plane of their two principal components, row by row of the targets.

    Args:
        model: the section of the model to start from, as far as reading depends on it.
        reward: the fields of `reward_plan.Settings`, from `config.select.RewardModel`.
        seed: of the head, the adapter, the order of the examples and the pairs.

    Raises:
        DataError: examples of one kind only and nothing to use instead, or inputs that do not fit each other.
        ConfigError: more folds than separate items.
        StepFailed: a loss that is not finite, or too little memory.
    """
    settings = RewardSettings(**reward)
    split = Split.load(job.inputs["split"])
    task, targets, strong = _inputs(job)
    comparisons = compare(task, targets, strong, settings.consistent)
    material = RewardData.of(task, targets, comparisons, settings)
    prompts = {
        task.items.ids[row]: single_turn(task.items.prompts[row], model["system"]) for row in split.half_b.tolist()
    }
    verdict = judge(job, settings, model, material, prompts, seed)
    rows = samples_of(task, targets)
    _rewards(targets, rows, material, verdict).save(job.out)
    if verdict.vectors:
        verdict.about.update(save_plane(job.out, [verdict.vectors.get(row) for row in rows]))
    (job.out / "reward.json").write_text(json.dumps(_record(material, verdict, settings), indent=1))
    lines = (json.dumps(line) + "\n" for line in verdict.metrics)
    (job.out / "metrics.jsonl").write_text("".join(lines))


def _inputs(job: Job) -> tuple[Task, TextTargets, WeakTexts]:
    """The task, the targets and the strong model's answers; votes as what they say (`select/votes_as_text.py`)."""
    task, path = Task.load(job.inputs["pool"]), job.inputs["targets"] / "targets.parquet"
    if task.kind == "generate":
        return task, TextTargets.load(path), load_texts(job.inputs["strong"])
    votes = WeakLabels.load(job.inputs["strong"] / "half_b.parquet")
    return task_as_texts(task), targets_as_texts(task, Targets.load(path)), labels_as_texts(task, votes)


@dataclass(frozen=True)
class RewardOutcome:
    """The results of all models."""

    reward: dict[Sample, float]
    """Of every sample that was read."""
    gaps: dict[str, str]
    """By block, why it has no model."""
    about: dict[str, Any] = field(default_factory=dict)
    """What holds for all models."""
    models: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Json]] = field(default_factory=list)
    vectors: dict[Sample, Float[np.ndarray, "dim"]] = field(default_factory=dict)
    """Of a probe: of every sample that was read."""


def judge(
    job: Job,
    settings: RewardSettings,
    model: Mapping[str, Any],
    material: RewardData,
    prompts: Mapping[str, Prompt],
    seed: int,
) -> RewardOutcome:
    """Train every model that can be trained, and score what can be read."""
    gaps = gaps_of(material, settings)
    open_to_all = np.flatnonzero([block not in gaps for block in material.block])
    if not len(open_to_all):
        return RewardOutcome({}, gaps)
    readable, learner, about = prepared(job, settings, model, material.take(open_to_all), prompts, seed)
    verdict = RewardOutcome({}, gaps | gaps_of(readable, settings), about)
    if isinstance(learner, ProbeLearner):
        verdict.vectors.update(zip(readable.samples, learner.vectors.cpu().numpy(), strict=True))
    hear(verdict, learner, readable, settings)
    return verdict


def hear(verdict: RewardOutcome, learner: RewardLearner, material: RewardData, settings: RewardSettings) -> None:
    """Train the models of all blocks without a gap, one after the other, and record their rewards."""
    plans = [plan for plan in plans_of(material, settings.folds) if plan.block not in verdict.gaps]
    for index, plan in enumerate(plans):
        learned = rated(learner, index, plan, settings.pairwise)
        scored = zip(plan.asked.tolist(), learned.reward.tolist(), strict=True)
        verdict.reward.update({material.samples[sample]: reward for sample, reward in scored})
        which = {"capability": plan.block, "fold": plan.fold}
        verdict.models.append({**which, "good": len(plan.good), "bad": len(plan.bad), **learned.about})
        verdict.metrics.extend({**which, **line} for line in learned.metrics)


def prepared(
    job: Job,
    settings: RewardSettings,
    model: Mapping[str, Any],
    material: RewardData,
    prompts: Mapping[str, Prompt],
    seed: int,
) -> tuple[RewardData, RewardLearner, dict[str, Any]]:
    """The samples that the model can read, the learner, and entries for the record."""
    if settings.adapt == "probe":
        read, vectors, layer = answer_vectors(job, model, settings.layer, material.samples, prompts)
        some = material.take(read.kept)
        learner = ProbeLearner(vectors, some.samples, some.group, settings.pairwise, penalties(settings.l2), seed)
        return some, learner, {"layer": layer, **_left_out(read)}
    # The Trainer and PEFT take seconds to import, which a probe should not pay.
    from outgrow.training.reward_model import ModelLearner, tokens_of

    assert settings.training is not None, "gradient training has settings"
    section = {**model, "lora": settings.lora} if settings.adapt == "lora" else model
    read = tokens_of(section, material.samples, prompts)
    some = material.take(read.kept)
    trained = ModelLearner(job, section, settings.training, some.samples, read.rows, settings.pairwise, seed)
    return some, trained, _left_out(read)


def rated(learner: RewardLearner, number: int, plan: RewardModelPlan, pairwise: bool) -> RewardFit:
    """A model's rewards of the samples `plan.asked`; the constant of pairwise rewards is set as in the module."""
    if not pairwise:
        return learner.learn(number, plan.good, plan.bad, plan.asked)
    learned = learner.learn(number, plan.good, plan.bad, np.concatenate([plan.good, plan.bad, plan.asked]))
    good, bad, reward = np.split(learned.reward, np.cumsum([len(plan.good), len(plan.bad)]))
    return learned._replace(reward=reward - (good.mean() + bad.mean()) / 2)


# ---- what is written ------------------------------------------------------------------------------------


def _rewards(targets: TextTargets, rows: list[Sample], material: RewardData, verdict: RewardOutcome) -> Rewards:
    """Of every row: the model's, the writers' confidence where there is no model, NaN where it cannot read."""
    place = {sample: index for index, sample in enumerate(material.samples)}
    numbers = [place[row] for row in rows]
    reward = np.asarray([verdict.reward.get(row, np.nan) for row in rows], dtype=np.float64)
    probability = expit(reward)
    instead = np.asarray([material.block[index] in verdict.gaps for index in numbers], dtype=bool)
    reward[instead], probability[instead] = text_confidence(targets)[instead], np.nan
    origin = tuple(f"{why[0].upper()}{why[1:]}; the writers' confidence{INSTEAD}" for why in verdict.gaps.values())
    return Rewards(targets.items, targets.texts, reward, probability, material.fold[numbers], origin)


def _record(material: RewardData, verdict: RewardOutcome, settings: RewardSettings) -> dict[str, Json]:
    """`reward.json`: the examples, how well they are separated, and what became of the rest."""
    names = list(dict.fromkeys(sample.capability for sample in material.samples))
    mixed = settings.separate and len(names) > 1
    return {
        **_separation(material, verdict, names),
        # Separate models have scales of their own.
        **({"auroc": None} if mixed else {}),
        "held_out": settings.folds > 1,
        "capabilities": {name: _separation(material, verdict, [name]) for name in names if name != WHOLE},
        **verdict.about,
        "models": verdict.models,
        "instead": list(verdict.gaps.values()),
    }


def _separation(material: RewardData, verdict: RewardOutcome, names: list[str]) -> dict[str, Json]:
    """Of some capabilities: the numbers of examples, and the AUROC of their rewards."""
    columns = list(zip(material.samples, material.sign.tolist(), strict=True))
    good, bad = ([s for s, sign in columns if sign == kind and s.capability in names] for kind in (1, -1))
    scores = (_known_rewards(samples, verdict.reward) for samples in (good, bad))
    return {"positives": len(good), "negatives": len(bad), "auroc": auroc(*scores)}


def _known_rewards(samples: list[Sample], reward: Mapping[Sample, float]) -> Float[np.ndarray, "known"]:
    return np.asarray([reward[sample] for sample in samples if sample in reward], dtype=np.float64)


def _left_out(read: ReadableSamples) -> dict[str, Json]:
    """How many texts could not be read, and the first items that they are of."""
    return {
        **{reason: len(items) for reason, items in read.left_out.items()},
        "left_out": {reason: list(items[:NAMED]) for reason, items in read.left_out.items() if items},
    }
