"""The settings of a training in the words of transformers' Trainer."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from outgrow.errors import ConfigError


def arguments(
    training: Mapping[str, Any], updates: int, dtype: str, seed: int, scratch: Path, hints: Mapping[str, Any]
) -> TrainingArguments:
    """Our settings in the Trainer's words."""
    cpu = hints.get("device", "auto") == "cpu" or not torch.cuda.is_available()
    if cpu and dtype == "float16":
        raise ConfigError("dtype: float16 cannot be trained without a GPU; use bfloat16 or float32")
    schedule = training["scheduler"]
    if schedule == "constant" and training["warmup"]:
        schedule = "constant_with_warmup"
    args = TrainingArguments(
        output_dir=str(scratch),
        max_steps=updates,
        per_device_train_batch_size=1,  # one entry of our data is a whole batch
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        learning_rate=training["lr"],
        lr_scheduler_type=schedule,
        warmup_steps=training["warmup"],
        optim=training["optimizer"],
        weight_decay=training["weight_decay"],
        max_grad_norm=training["max_grad_norm"],
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        use_cpu=cpu,
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        save_total_limit=1,
        disable_tqdm=True,
        report_to=trackers(hints.get("report_to", [])),
        run_name=hints.get("run_name"),
    )
    # More than one visible GPU would make the Trainer copy the model to each for every forward pass.
    args._n_gpu = min(args.n_gpu, 1)
    return args


def trackers(names: Sequence[str]) -> list[str]:
    """The trackers to report to, sure to be installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"report_to: `{missing[0]}` is not installed; `pip install {missing[0]}` or leave it out")
    return list(names)
