"""A study of texts that takes seconds: tiny models with tokenizers of their own, and all that a row can have."""

from pathlib import Path
from typing import Any

from outgrow.data.tasks.errands import make_errands
from small_study import write
from tiny_writers import save_writer

MODEL: dict[str, Any] = {
    "adapt": "full",
    "max_length": 128,
    "training": {"lr": 1e-2, "epochs": 2, "batch_size": 4, "scheduler": "linear", "keep": "best"},
}
TEXTS: dict[str, Any] = {
    "name": "small",
    "task": {"name": "errands", "template": "{text}", "sizes": {"half_a": 24, "half_b": 12, "test": 16}},
    "supervisors": {
        "a": {**MODEL, "model": "./a"},
        "b": {**MODEL, "model": "./b", "adapt": "lora"},
    },
    "student": {**MODEL, "model": "./student", "training": {**MODEL["training"], "keep": "last"}},
    "labelling": {"beams": 2, "candidates": 2, "max_new_tokens": 16},
    "answering": {"beams": 1, "candidates": 1, "max_new_tokens": 16},
    "methods": [
        {"preset": "naive", "variants": ["plain"]},
        {"preset": "joint_decoding", "variants": ["plain"]},
        "bayesian",
        {
            "preset": "bayesian_cdpo",
            "variants": ["plain"],
            "preference": {
                "epsilon": "per_pair",
                "candidates": {"sample": True, "candidates": 3, "max_new_tokens": 16},
                "training": {"lr": 1e-4, "epochs": 1, "batch_size": 4},
            },
        },
    ],
    "variants": ["plain", "self_training"],
    "untouched": False,
    "gold_controls": False,
    "seeds": [0],
    "bootstrap": 100,
    "threads": 1,
}
VOCABULARY = {"a": 280, "b": 310, "student": 300}
"""Tokens of each: no two cut a text alike."""


def write_texts_study(folder: Path) -> Path:
    """The models and the experiment's file, in `folder`."""
    _, table = next(make_errands())
    texts = [row[column] for row in table.rows[:40] for column in ("text", "slots")]
    for name, vocab in VOCABULARY.items():
        save_writer(folder / name, "llama", texts, vocab)
    return write(folder, TEXTS)
