"""What a step will cost, before it is run: parameters, tokens, memory, seconds.

Arithmetic of the usual kind: a forward pass costs two floating-point operations per weight and token, training three
times as much; Adam keeps four numbers per trained weight. Speeds are rough constants of the machine class, so seconds
are right within a factor of about three; memory and tokens are better than that. Nothing is loaded.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from outgrow.config.experiment import Experiment
from outgrow.config.task import PARTS
from outgrow.data.load_task import load_task
from outgrow.data.pool import counts_in, with_gold
from outgrow.data.task import Task
from outgrow.endpoints.response_cache import Usage
from outgrow.endpoints.token_budget import MILLION, money
from outgrow.graph.step import Step
from outgrow.models.model_identity import ModelSize, model_size
from outgrow.select import SELECTIONS
from outgrow.study.text_cost import ANSWER_TOKENS, TextSizes, TokenTraffic, traffic

CPU_FLOPS_PER_CORE = 6e10
GPU_FLOPS = 2e14
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
FULL_TRAINING_BYTES = 16
"""Per trained weight: weight, gradient and Adam's two moments in float32, whatever the precision of the arithmetic."""
TOKENS_PER_ITEM = 64.0
"""Assumed until the items have been read once."""
CHARACTERS_PER_TOKEN = 4.0
PROBE_STEPS, PROBE_GRID, PROBE_DIM = 100, 8, 512
SMALL_STEP_SECONDS = 0.1
PROVIDERS_PASSES = 3
WRITING_SLOWDOWN = 2.0
NGRAM_SECONDS = 9.0
"""Of half A with a thousand items; it grows with their square."""
NGRAM_ANSWERS = 1000.0
"""Items that an n-gram supervisor answers in a second."""


@dataclass(frozen=True)
class Cost:
    """Expected use of one step; `None` where nothing is known of the model."""

    params: float | int | None = 0
    """Weights of the model that is run."""
    tokens: float | int = 0
    """Tokens that go through it, training epochs counted."""
    memory: float | int | None = 0
    """Bytes of weights, gradients and optimizer state."""
    seconds: float | None = SMALL_STEP_SECONDS
    money: float | int = 0
    """At most so much is paid to a server's owner."""


def scale_of(experiment: Experiment, pool_folder: Path | None) -> TextSizes:
    """Sizes from the file; tokens per item, and items in all, from the finished pool where there is one."""
    sizes = sizes_of(experiment, pool_folder)
    tokens = TOKENS_PER_ITEM if pool_folder is None else mean_tokens(pool_folder)
    flops = GPU_FLOPS if experiment.device == "cuda" else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
    pooled = None if pool_folder is None else pq.read_metadata(pool_folder / "items.parquet").num_rows
    return TextSizes(**sizes, tokens_per_item=tokens, flops=flops, pooled=pooled)


def sizes_of(experiment: Experiment, pool_folder: Path | None) -> dict[str, int]:
    """Items of every part, over all capabilities; the task is read if nothing else tells how many `all` are."""
    wanted = experiment.task.sizes_by_capability
    sizes = [one.counts for one in wanted.values()]
    if any(size is None for one in sizes for size in one.values()):
        task = with_gold(load_task(experiment.task)) if pool_folder is None else Task.load(pool_folder)
        sizes = [{**counts_in(task, one, name)} for name, one in wanted.items()]
    return {part: sum(one[part] or 0 for one in sizes) for part in PARTS}


@cache
def mean_tokens(pool_folder: Path) -> float:
    """Average tokens of a prompt with its options, from its characters."""
    table = pq.read_table(pool_folder / "items.parquet")
    characters = sum(map(len, table["prompt"].to_pylist()))
    if "options" in table.column_names:
        characters += sum(len(text) for options in table["options"].to_pylist() for text in options)
    return characters / max(1, len(table)) / CHARACTERS_PER_TOKEN


def cost_of(step: Step, scale: TextSizes) -> Cost:
    """The estimate for one step of a study."""
    cost = _work_of(step, scale)
    return cost if cost.seconds is None else replace(cost, seconds=max(SMALL_STEP_SECONDS, cost.seconds))


def _work_of(step: Step, scale: TextSizes) -> Cost:
    params = step.settings
    if "content" in params:  # a rule, or a file of votes
        return Cost()
    if step.name == "features":
        layers = params["layers"]
        return inference(
            params,
            None if layers is None else max(layers),
            scale.pool if scale.pooled is None else scale.pooled,
            scale,
        )
    if step.name == "untouched":
        return inference(params, None, scale.test, scale)
    if step.name in ("texts", "scores", "refined", "ratings"):
        return writing(step, traffic(step, scale), scale)
    if step.name == "preference":
        return text_training(params, params["preference"]["training"], 2 * scale.half_b, scale)
    if step.name == "reward":
        return reward_training(params, 2 * _rows(step.inputs["targets"], scale), scale)
    if step.name in ("student", "supervisor"):
        if "model" not in params:
            return Cost(seconds=ngram_seconds(scale))
        if "fine_tuning" in params:
            return provider_training(step, _learned(step, scale), scale)
        if "endpoint" in step.hints:
            return writing(step, traffic(step, scale), scale)
        if "tune" not in params:
            return text_training(params, params["model"]["training"], _learned(step, scale), scale)
        learns = scale.half_b if step.name == "student" else scale.half_a
        trained = probe_training if params["adapt"] == "probe" else transformer_training
        return trained(params, learns, scale)
    return Cost()


def ngram_seconds(scale: TextSizes) -> float:
    """Fits of every C in every fold, in the space of the training rows, then answers to everything else."""
    return NGRAM_SECONDS * (scale.half_a / 1000) ** 2 + (scale.half_b + scale.test) / NGRAM_ANSWERS


def inference(params: Mapping[str, Any], deepest: int | None, items: int, scale: TextSizes) -> Cost:
    """One forward pass over `items`, up to layer `deepest`."""
    tokens = items * scale.tokens_per_item
    size = model_size(params["model"])
    if size is None:
        return Cost(None, tokens, None, None)
    used = body(size, deepest)
    return Cost(used, tokens, used * BYTES[params["dtype"]], 2 * used * tokens / scale.flops)


def _learned(step: Step, scale: TextSizes) -> int:
    """Texts of one pass of a training: gold of a half, or labels of half B; as many as `whole` where that counts."""
    if step.name == "supervisor":
        return scale.half_a
    return _rows(step.inputs.get("whole", step.inputs["targets"]), scale)


def _rows(targets: Step, scale: TextSizes) -> int:
    """Every source's label of half B, or one of each item, or a part of them."""
    if targets.name == "selected":
        return round(_rows(targets.inputs["targets"], scale) * _kept(targets))
    labels = targets.inputs.get("labels")
    pooled = targets.params.get("combine", {}).get("type") in ("joint_decoding", "answer_vote", "slot_vote")
    return scale.half_b * (1 if labels is None or pooled else len(labels.params["sources"]))


def _kept(selected: Step) -> float:
    """The share of the labels that a selection keeps; all of them where only their scores will tell."""
    select = selected.params["select"]
    if not SELECTIONS[select["type"]].by_content:
        return len(select["only"]) / len(selected.inputs["pool"].params["task"]["capabilities"])
    return float(select["keep"]["fraction"] or 1.0)


def reward_training(params: Mapping[str, Any], texts: int, scale: TextSizes) -> Cost:
    """Labels and the strong model's own answers, read once for a probe, else learned."""
    reward = params["reward"]
    if reward["adapt"] == "probe":
        return inference(params["model"], reward["layer"], texts, scale)
    return text_training({**params, "adapt": reward["adapt"]}, reward["training"], texts, scale)


def text_training(params: Mapping[str, Any], training: Mapping[str, Any], learns: int, scale: TextSizes) -> Cost:
    """Training on `learns` prompts with their texts."""
    section = params["model"]
    tokens = learns * (scale.tokens_per_item + ANSWER_TOKENS) * training["epochs"]
    size = model_size(section["model"])
    if size is None:
        return Cost(None, tokens, None, None)
    lora = params["adapt"] == "lora"
    memory = size.n_params * (1.1 * BYTES[section["dtype"]] if lora else FULL_TRAINING_BYTES)
    return Cost(size.n_params, tokens, memory, size.n_params * (4 if lora else 6) * tokens / scale.flops)


def writing(step: Step, through: TokenTraffic, scale: TextSizes) -> Cost:
    """Texts written or scored, by a model of this machine or for money."""
    section = step.settings["model"]
    if section["type"] == "endpoint":
        usage = Usage(round(through.read), round(through.written))
        return Cost(None, through.total, None, None, money(usage, step.hints["endpoint"]["prices"]))
    size = model_size(section["model"])
    if size is None:
        return Cost(None, through.total, None, None)
    # A token of its own reads all weights once: the machine waits for memory, not for arithmetic.
    slower = WRITING_SLOWDOWN if through.written else 1.0
    seconds = slower * 2 * size.n_params * through.total / scale.flops
    return Cost(size.n_params, through.total, size.n_params * BYTES[section["dtype"]], seconds)


def provider_training(step: Step, learns: int, scale: TextSizes) -> Cost:
    """The tokens that a provider trains on, and their price; three passes where it decides how many."""
    epochs = step.params["fine_tuning"]["epochs"]
    tokens = learns * (scale.tokens_per_item + ANSWER_TOKENS) * (PROVIDERS_PASSES if epochs == "auto" else epochs)
    price = step.hints["endpoint"]["prices"]["training"]
    return Cost(None, tokens, None, None, tokens * price / MILLION)


def body(size: ModelSize, deepest: int | None) -> float:
    """Weights that take part up to a layer."""
    if deepest is None or deepest < 0 or not size.layers:
        return float(size.n_params)
    embedding = size.vocab * size.hidden
    return embedding + (size.n_params - embedding) * min(1.0, deepest / size.layers)


def probe_training(params: Mapping[str, Any], learns: int, scale: TextSizes) -> Cost:
    """A grid of linear heads on features that are already there, once per fold and once at the end."""
    tune = params["tune"]
    grid = (len(tune["l2"]) if tune["l2"] else PROBE_GRID) * len(tune["lr"] or [1])
    steps = sum(tune["epochs"] or [PROBE_STEPS])
    flops = 6.0 * learns * PROBE_DIM * 10 * grid * steps * tune["folds"]
    return Cost(PROBE_DIM * 10, 0, 4.0 * learns * PROBE_DIM, SMALL_STEP_SECONDS + flops / scale.flops)


def transformer_training(params: Mapping[str, Any], learns: int, scale: TextSizes) -> Cost:
    """Training on `learns` items, then answers to the items that the step must answer."""
    section, tune = params["model"], params["tune"]
    epochs = sum(tune["epochs"] or [section["training"]["epochs"]]) * len(tune["lr"] or [1])
    answered = (scale.half_b + scale.test) * scale.tokens_per_item
    tokens = learns * scale.tokens_per_item * epochs
    size = model_size(section["model"])
    if size is None:
        return Cost(None, tokens + answered, None, None)
    lora = params["adapt"] == "lora"
    memory = size.n_params * (1.1 * BYTES[section["dtype"]] if lora else FULL_TRAINING_BYTES)
    flops = size.n_params * ((4 if lora else 6) * tokens + 2 * answered)
    return Cost(size.n_params, tokens + answered, memory, flops / scale.flops)
