"""What a step will cost, before it is run; the arithmetic is in `model_cost.py`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from outgrow.combiners import COMBINERS
from outgrow.config.experiment import Experiment
from outgrow.config.task import PARTS
from outgrow.data.load_task import load_task
from outgrow.data.pool import counts_in, with_gold
from outgrow.data.task import Task
from outgrow.data.task_kind import kind_of
from outgrow.graph.step import Step
from outgrow.models.model_size import model_size
from outgrow.select import SELECTIONS
from outgrow.study.model_cost import (
    ANSWER_TOKENS,
    SMALL_STEP_SECONDS,
    Cost,
    StudySizes,
    TokenTraffic,
    candidates_of,
    classifier_training,
    inference,
    provider_training,
    rating_traffic,
    refine_traffic,
    score_traffic,
    text_traffic,
    text_training,
    writing,
)
from outgrow.supervise.sources import SOURCES

CPU_FLOPS_PER_CORE = 6e10
GPU_FLOPS = 2e14
TOKENS_PER_ITEM = 64.0
"""Assumed until the items have been read once."""
CHARACTERS_PER_TOKEN = 4.0
OPTIONS = 4
"""Of an item of a task of options, as assumed."""


def scale_of(experiment: Experiment, pool_folder: Path | None, *, on_gpu: bool | None = None) -> StudySizes:
    """Sizes from the file; tokens per item, and items in all, from the finished pool where there is one.

    Speeds are those of a GPU with `on_gpu`, by default if the file asks for one.
    """
    sizes = sizes_of(experiment, pool_folder)
    tokens = TOKENS_PER_ITEM if pool_folder is None else mean_tokens(pool_folder)
    on_gpu = experiment.device == "cuda" if on_gpu is None else on_gpu
    flops = GPU_FLOPS if on_gpu else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
    pooled = None if pool_folder is None else pq.read_metadata(pool_folder / "items.parquet").num_rows
    texts = OPTIONS if kind_of(experiment.task) == "choose" else 1
    return StudySizes(**sizes, tokens_per_item=tokens, flops=flops, pooled=pooled, texts_per_item=texts)


def sizes_of(experiment: Experiment, pool_folder: Path | None) -> dict[str, int]:
    """Items of every part, over all capabilities; for a size of `all` the task is read, unless the pool is there."""
    by_capability = experiment.task.sizes_by_capability
    counts = [sizes.counts for sizes in by_capability.values()]
    if any(count is None for part_counts in counts for count in part_counts.values()):
        task = with_gold(load_task(experiment.task)) if pool_folder is None else Task.load(pool_folder)
        counts = [{**counts_in(task, sizes, name)} for name, sizes in by_capability.items()]
    return {part: sum(part_counts[part] or 0 for part_counts in counts) for part in PARTS}


@cache
def mean_tokens(pool_folder: Path) -> float:
    """Average tokens of a prompt with its options, from its characters."""
    table = pq.read_table(pool_folder / "items.parquet")
    characters = sum(map(len, table["prompt"].to_pylist()))
    if "options" in table.column_names:
        characters += sum(len(text) for options in table["options"].to_pylist() for text in options)
    return characters / max(1, len(table)) / CHARACTERS_PER_TOKEN


def cost_of(step: Step, sizes: StudySizes) -> Cost:
    """The estimate for one step of a study."""
    estimate = ESTIMATES.get(step.function) or _of_source(step.function)
    cost = Cost() if estimate is None else estimate(step, sizes)
    return cost if cost.seconds is None else replace(cost, seconds=max(SMALL_STEP_SECONDS, cost.seconds))


def _of_source(function: str) -> Callable[[Step, StudySizes], Cost] | None:
    """The estimate of a source's step, from the source's record."""
    return next((record.costs[function] for record in SOURCES.values() if function in record.costs), None)


def _features(step: Step, sizes: StudySizes) -> Cost:
    layers = step.settings["layers"]
    cost = inference(step.settings, None if layers is None else max(layers), _pool_items(sizes), sizes)
    size = model_size(step.settings["model"])
    if size is None:
        return replace(cost, disk=None)
    numbers = _pool_items(sizes) * sizes.texts_per_item * (len(layers) if layers else size.layers + 1)
    return replace(cost, disk=4 * numbers * min(step.settings["dims"] or size.hidden, size.hidden))


def _zero_shot(step: Step, sizes: StudySizes) -> Cost:
    whole = list(step.inputs) == ["pool"]
    return inference(step.settings, None, _pool_items(sizes) if whole else sizes.test, sizes)


def _pool_items(sizes: StudySizes) -> int:
    return sizes.pool if sizes.pooled is None else sizes.pooled


def _written(traffic: Callable[[Step, StudySizes], TokenTraffic]) -> Callable[[Step, StudySizes], Cost]:
    return lambda step, sizes: writing(step, traffic(step, sizes), sizes)


def _preference(step: Step, sizes: StudySizes) -> Cost:
    return text_training(step.settings, step.settings["preference"]["training"], 2 * sizes.half_b, sizes)


def _ratios(step: Step, sizes: StudySizes) -> Cost:
    candidates = step.inputs["ratios"].inputs["candidates"].params["decoding"]["candidates"]
    return text_training(step.settings, step.settings["preference"]["training"], candidates * sizes.half_b, sizes)


def _reward(step: Step, sizes: StudySizes) -> Cost:
    """Labels and the strong model's own answers, read once for a probe, else learned."""
    params, texts = step.settings, 2 * _rows(step.inputs["targets"], sizes)
    reward = params["reward"]
    if reward["adapt"] == "probe":
        return inference(params["model"], reward["layer"], texts, sizes)
    return text_training({**params, "adapt": reward["adapt"]}, reward["training"], texts, sizes)


def _student(step: Step, sizes: StudySizes) -> Cost:
    params = step.settings
    training = classifier_training(params, sizes.half_b, sizes)
    if params["adapt"] == "probe":
        return training  # its evaluations read finished features
    return _with_evaluations(training, params, (sizes.half_b + sizes.test) * sizes.tokens_per_item, sizes)


def _text_student(step: Step, sizes: StudySizes) -> Cost:
    params, examples = step.settings, _examples(step, sizes)
    training = text_training(params, params["model"]["training"], examples * params["passes"], sizes)
    texts = examples + sizes.half_b + sizes.test  # the weak texts, and gold of both parts
    return _with_evaluations(training, params, texts * (sizes.tokens_per_item + ANSWER_TOKENS), sizes)


def _with_evaluations(training: Cost, params: Mapping[str, Any], tokens: float | int, sizes: StudySizes) -> Cost:
    """A training whose evaluations read so many tokens each."""
    evaluations = params.get("evaluations")
    if evaluations is None or training.params is None or training.seconds is None:
        return training
    read = evaluations["number"] * tokens
    seconds = training.seconds + 2 * training.params * read / sizes.flops
    return replace(training, tokens=training.tokens + read, seconds=seconds)


def _remote_student(step: Step, sizes: StudySizes) -> Cost:
    return provider_training(step, _examples(step, sizes), sizes)


def _examples(step: Step, sizes: StudySizes) -> int:
    """Texts of one pass of a student's training; as many as `whole` where that counts."""
    return _rows(step.inputs.get("whole", step.inputs["targets"]), sizes)


def _rows(targets: Step, sizes: StudySizes) -> int:
    """Every source's label of half B, every candidate, or one of each item, or a part of them."""
    if targets.name == "selected":
        return round(_rows(targets.inputs["targets"], sizes) * _kept(targets))
    labels = targets.inputs.get("labels")
    combine = targets.params.get("combine")
    if labels is None or combine is None:
        return sizes.half_b
    record = COMBINERS[combine["type"]]
    if record.keeps_pool:
        return sizes.half_b * candidates_of(labels.inputs.values())
    return sizes.half_b * (len(labels.params["sources"]) if record.keeps_votes else 1)


def _kept(selected: Step) -> float:
    """The share of the labels that a selection keeps; all of them where it depends on their scores."""
    select = selected.params["select"]
    if not SELECTIONS[select["type"]].by_content:
        return len(select["only"]) / len(selected.inputs["pool"].params["task"]["capabilities"])
    return float(select["keep"]["fraction"] or 1.0)


ESTIMATES: Mapping[str, Callable[[Step, StudySizes], Cost]] = {
    "outgrow.models.features:make_features": _features,
    "outgrow.models.zero_shot:answer": _zero_shot,
    "outgrow.supervise.writer_steps:write_texts": _written(text_traffic),
    "outgrow.supervise.writer_steps:score_texts": _written(score_traffic),
    "outgrow.refine.refine_step:refine_texts": _written(refine_traffic),
    "outgrow.judge.rating_step:rate_texts": _written(rating_traffic),
    "outgrow.training.reward_step:train_reward": _reward,
    "outgrow.training.preference_step:train_preference": _preference,
    "outgrow.training.ratio_step:train_ratios": _ratios,
    "outgrow.training.classifier_steps:train_student": _student,
    "outgrow.training.text_training_steps:train_text_student": _text_student,
    "outgrow.training.remote_student_step:train_remote_student": _remote_student,
}
