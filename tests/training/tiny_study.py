"""Tiny real models (built from a configuration, random weights) and tiny studies for training tests."""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from outgrow.config.tune import PROBE_L2
from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels

WORDS = ["[PAD]", "[UNK]", "red", "green", "blue", "and", "the", "what", "colour", "is", "it", "?", ":", "."]
SIZE = {"vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}


def save_tiny(folder: Path, family: str) -> Path:
    """A two-layer model of the family with a word tokenizer, as `save_pretrained` writes them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if family == "llama":
            config = LlamaConfig(
                **SIZE,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
            )
            model = LlamaForCausalLM(config)
        elif family == "gpt2":
            model = GPT2LMHeadModel(GPT2Config(**SIZE, n_embd=32, n_layer=2, n_head=4, n_positions=64))
        else:
            config = BertConfig(
                **SIZE,
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=48,
                max_position_embeddings=64,
            )
            model = BertModel(config)
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


TRAINING = {
    "lr": 1e-3,
    "epochs": 2.0,
    "batch_size": 8,
    "micro_batch_size": None,
    "scheduler": "cosine",
    "warmup": 0.0,
    "optimizer": "adamw_torch",
    "weight_decay": 0.0,
    "max_grad_norm": 0.0,
}
TUNE = {"l2": list(PROBE_L2), "lr": None, "epochs": None, "folds": 3, "select_by": "weak_accuracy"}
LORA = {"r": 4, "alpha": 8, "dropout": 0.0, "modules": "all-linear"}


def model_section(folder: str, adapt: str = "full", **training) -> dict:
    """The parameters a step is given for a model."""
    section = {
        "model": folder,
        "revision": None,
        "layer": None,
        "dtype": "float32",
        "max_length": 48,
        "training": {**TRAINING, **training},
        "holdout": 0.2,
        "trust_remote_code": False,
    }
    return section | ({"lora": LORA} if adapt == "lora" else {})


def colour_task(kind: str = "classify", n: int = 90, seed: int = 0) -> Task:
    """Which colour is named most often? Texts of very different lengths."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    prompts = []
    for answer in gold:
        words = rng.choice(["and", "the", "is", "."], size=rng.integers(1, 20)).tolist()
        words += [["red", "green", "blue"][answer]] * 3 + [str(rng.choice(["red", "green", "blue"]))]
        prompts.append(" ".join(rng.permutation(words)) + " what colour is it ?")
    options = [["red", "green", "the blue"]] * n if kind == "choose" else None
    return Task("colours", kind, ("r", "g", "b"), Items([f"i{i}" for i in range(n)], prompts, gold, options))


class Study:
    """Folders of the steps that come before a training."""

    def __init__(self, folder: Path, task: Task, seed: int = 0, flip: float = 0.3) -> None:
        self.folder, self.task = folder, task
        rng = np.random.default_rng(seed)
        weak, strong, test = np.split(rng.permutation(len(task.items)), [30, 66])
        self.split = Split(np.sort(weak), np.sort(strong), np.sort(test))
        for name in ("pool", "split", "labels", "targets", "features"):
            (folder / name).mkdir(parents=True)
        task.save(folder / "pool")
        self.split.save(folder / "split")
        gold = task.items.gold[self.split.half_b]
        noisy = np.where(rng.random((3, len(gold))) < flip, rng.integers(0, 3, (3, len(gold))), gold)
        probs = 0.7 * np.eye(3)[noisy] + 0.1
        self.labels = WeakLabels([task.items.ids[i] for i in self.split.half_b], ("a", "b", "c"), probs.swapaxes(0, 1))
        self.save_labels(self.labels)
        self.save_features(rng)

    def save_labels(self, labels: WeakLabels) -> None:
        """Labels, and targets that keep every source's row."""
        labels.save(self.folder / "labels" / "half_b.parquet")
        item, source = np.nonzero(labels.voted)
        names = [labels.items[i] for i in item]
        weight = np.full(len(item), 1 / len(labels.sources))
        Targets(names, labels.probs[item, source], weight).save(self.folder / "targets" / "targets.parquet")

    def save_features(
        self, rng: np.random.Generator, layers: tuple[int, ...] = (3,), strength: tuple[float, ...] = (2.0,)
    ) -> None:
        """Noisy hidden states, each layer with its own strength of the signal."""
        signal = np.eye(3)[self.task.items.gold]
        shape = (len(signal), len(layers), 8)
        if self.task.kind == "choose":
            signal, shape = signal[..., None], (len(signal), 3, len(layers), 8)
        states = rng.normal(size=shape)
        for number, factor in enumerate(strength):
            states[..., number, : signal.shape[-1]] += factor * signal
        np.save(self.folder / "features" / "features.npy", states.astype(np.float32))
        (self.folder / "features" / "features.json").write_text(json.dumps({"layers": list(layers)}))

    def job(self, name: str, report=lambda message, share: None, **hints) -> Job:
        """A job that may be run again under the same name: its scratch folder stays, its output starts empty."""
        out, scratch = self.folder / name / "out", self.folder / name / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        out.mkdir()
        inputs = {key: self.folder / key for key in ("pool", "split", "labels", "targets", "features")}
        return Job(out, inputs, scratch, {"device": "cpu", **hints}, report)
