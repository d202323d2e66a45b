"""What a step will cost, before it is run: parameters, tokens, memory, seconds.

Arithmetic of the usual kind: a forward pass costs two floating-point operations per weight and token, training three
times as much; Adam keeps four numbers per trained weight. Speeds are rough constants of the machine class, so seconds
are right within a factor of about three; memory and tokens are better than that. Nothing is loaded.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from outgrow.config.experiment import Experiment
from outgrow.graph.step import Step
from outgrow.models.identity import ModelSize, model_size

CPU_FLOPS_PER_CORE = 4e10
GPU_FLOPS = 2e14
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
FULL_TRAINING_BYTES = 16
"""Per trained weight: weight, gradient and Adam's two moments in float32, whatever the precision of the arithmetic."""
TOKENS_PER_ITEM = 64.0
"""Assumed until the items have been read once."""
CHARACTERS_PER_TOKEN = 4.0
PROBE_STEPS, PROBE_GRID, PROBE_DIM = 100, 8, 512
SMALL_STEP_SECONDS = 0.1
NGRAM_SECONDS = 4.0


@dataclass(frozen=True)
class Cost:
    """Expected use of one step; `None` where nothing is known of the model."""

    params: float | None = 0
    """Weights of the model that is run."""
    tokens: float = 0
    """Tokens that go through it, training epochs counted."""
    memory: float | None = 0
    """Bytes of weights, gradients and optimizer state."""
    seconds: float | None = SMALL_STEP_SECONDS


@dataclass(frozen=True)
class Scale:
    """The sizes that all estimates of one study start from."""

    weak: int
    strong: int
    test: int
    tokens_per_item: float
    flops: float

    @property
    def pool(self) -> int:
        return self.weak + self.strong + self.test


def scale_of(experiment: Experiment, pool_folder: Path | None) -> Scale:
    """Sizes from the file; tokens per item from the finished pool where there is one."""
    sizes = experiment.task.sizes
    tokens = TOKENS_PER_ITEM if pool_folder is None else mean_tokens(pool_folder)
    flops = GPU_FLOPS if experiment.device == "cuda" else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
    return Scale(sizes.weak, sizes.strong, sizes.test, tokens, flops)


@cache
def mean_tokens(pool_folder: Path) -> float:
    """Average tokens of a prompt with its options, from its characters."""
    table = pq.read_table(pool_folder / "items.parquet")
    characters = sum(map(len, table["prompt"].to_pylist()))
    if "options" in table.column_names:
        characters += sum(len(text) for options in table["options"].to_pylist() for text in options)
    return characters / max(1, len(table)) / CHARACTERS_PER_TOKEN


def cost_of(step: Step, scale: Scale) -> Cost:
    """The estimate for one step of a study."""
    params = step.params
    if step.name == "features":
        layers = params["layers"]
        return inference(params, None if layers is None else max(layers), scale.pool, scale)
    if step.name == "untouched":
        return inference(params, None, scale.test, scale)
    if step.name in ("student", "supervisor"):
        if "model" not in params:
            return Cost(seconds=NGRAM_SECONDS)
        learns = scale.strong if step.name == "student" else scale.weak
        trained = probe_training if params["adapt"] == "probe" else transformer_training
        return trained(params, learns, scale)
    return Cost()


def inference(params: Mapping[str, Any], deepest: int | None, items: int, scale: Scale) -> Cost:
    """One forward pass over `items`, up to layer `deepest`."""
    tokens = items * scale.tokens_per_item
    size = model_size(params["model"])
    if size is None:
        return Cost(None, tokens, None, None)
    used = body(size, deepest)
    return Cost(used, tokens, used * BYTES[params["dtype"]], 2 * used * tokens / scale.flops)


def body(size: ModelSize, deepest: int | None) -> float:
    """Weights that take part up to a layer."""
    if deepest is None or deepest < 0 or not size.layers:
        return float(size.n_params)
    embedding = size.vocab * size.hidden
    return embedding + (size.n_params - embedding) * min(1.0, deepest / size.layers)


def probe_training(params: Mapping[str, Any], learns: int, scale: Scale) -> Cost:
    """A grid of linear heads on features that are already there, once per fold and once at the end."""
    tune = params["tune"]
    grid = (len(tune["l2"]) if tune["l2"] else PROBE_GRID) * len(tune["lr"] or [1])
    steps = sum(tune["epochs"] or [PROBE_STEPS])
    flops = 6.0 * learns * PROBE_DIM * 10 * grid * steps * tune["folds"]
    return Cost(PROBE_DIM * 10, 0, 4.0 * learns * PROBE_DIM, SMALL_STEP_SECONDS + flops / scale.flops)


def transformer_training(params: Mapping[str, Any], learns: int, scale: Scale) -> Cost:
    """Training on `learns` items, then answers to the items that the step must answer."""
    section, tune = params["model"], params["tune"]
    epochs = sum(tune["epochs"] or [section["training"]["epochs"]]) * len(tune["lr"] or [1])
    answered = (scale.strong + scale.test) * scale.tokens_per_item
    tokens = learns * scale.tokens_per_item * epochs
    size = model_size(section["model"])
    if size is None:
        return Cost(None, tokens + answered, None, None)
    lora = params["adapt"] == "lora"
    memory = size.n_params * (1.1 * BYTES[section["dtype"]] if lora else FULL_TRAINING_BYTES)
    flops = size.n_params * ((4 if lora else 6) * tokens + 2 * answered)
    return Cost(size.n_params, tokens + answered, memory, flops / scale.flops)
