"""Tiny studies of texts: what a traveller says, and its slots."""

from pathlib import Path

import numpy as np
import torch
from tiny_study import TRAINING

from outgrow.align.pieces import PieceTable
from outgrow.data.task import Items, Split, Task
from outgrow.generation.prompting import prompter_of
from outgrow.graph.step import Job
from outgrow.texts import TextTargets, certain
from outgrow.training.text_training_steps import train_text_student
from tiny_writers import save_writer

LORA = {"r": 4, "alpha": 8, "dropout": 0.0, "modules": "all-linear"}
SOFT = {"unit": "span", "split": "confidence", "temperature": 1.0, "rest": "student"}
PLAIN = {"type": "cross_entropy"}
EVIDENTIAL = {"type": "evidential", "kl": "mixed", "kl_weight": 1e-4, "kl_clamp": 2e5, "kl_anneal": True}
PLACES = ["Ulm", "Köln", "Graz", "Bern", "東京"]
TIMES = ["today", "at noon", "tomorrow evening"]


def train_words(n: int = 30, seed: int = 0) -> list[tuple[str, str]]:
    """Prompts and answers: what a traveller says, and its slots."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        place, time = str(rng.choice(PLACES)), str(rng.choice(TIMES))
        found.append((f"book a train to {place} {time} please", f'{{"place": "{place}", "time": "{time}"}}'))
    return found


def save_trains(folder: Path, family: str) -> Path:
    """A tiny writer that knows the words of `train_words`."""
    return save_writer(folder, family, [text for pair in train_words(8) for text in pair])


def text_section(folder: str, adapt: str = "full", **training) -> dict:
    """The parameters a step is given for a model that learns texts."""
    section = {
        "model": folder,
        "revision": None,
        "identity": "none",
        "dtype": "float32",
        "max_length": 128,
        "chat": "auto",
        "training": {**TRAINING, "keep": "last", **training},
        "holdout": 0.2,
        "unfit": "skip",
        "system": None,
        "type": "model",
        "trust_remote_code": False,
    }
    return section | ({"lora": LORA} if adapt == "lora" else {})


def guessed(text: str, rng: np.random.Generator, closed: bool = True) -> PieceTable:
    """A supervisor's table: cuts at random bytes, log-probabilities at random."""
    n_bytes = len(text.encode())
    cuts = np.flatnonzero(rng.random(max(0, n_bytes - 1)) < 0.6) + 1
    end = np.append(cuts, n_bytes)
    table = PieceTable(end, -rng.exponential(0.3, len(end)))
    return table.close(-float(rng.exponential(0.1)), n_bytes) if closed else table


class TextStudy:
    """Folders of the steps that come before a training on texts; two sources label half B."""

    def __init__(self, folder: Path, n: int = 30, seed: int = 0) -> None:
        self.folder = folder
        rng = np.random.default_rng(seed)
        prompts, answers = zip(*train_words(n, seed), strict=True)
        items = Items([f"i{number}" for number in range(n)], list(prompts), np.zeros(n, dtype=np.int64))
        self.task = Task("trains", "generate", (), replace_answers(items, list(answers)), metric="slu_f1")
        third = n // 3
        self.split = Split(np.arange(third), np.arange(third, 2 * third), np.arange(2 * third, n))
        for name in ("pool", "split", "targets", "student", "pairs"):
            (folder / name).mkdir(parents=True)
        self.task.save(folder / "pool")
        self.split.save(folder / "split")
        half = self.split.half_b.tolist()
        ids = [items.ids[row] for row in half for _ in range(2)]
        texts = [answers[(row + source * int(rng.integers(2))) % n] for row in half for source in range(2)]
        self.targets = TextTargets(ids, texts, [guessed(text, rng) for text in texts], np.full(len(ids), 0.5))
        self.targets.save(folder / "targets" / "targets.parquet")

    def teach(self, targets: TextTargets) -> None:
        """Other targets for the student."""
        self.targets = targets
        targets.save(self.folder / "targets" / "targets.parquet")

    def gold(self) -> TextTargets:
        """Half B's gold."""
        rows, items = self.split.half_b.tolist(), self.task.items
        texts = [items.answers[row] for row in rows]
        return TextTargets(
            [items.ids[row] for row in rows], texts, [certain(text) for text in texts], np.ones(len(rows))
        )

    def job(self, name: str, report=lambda message, share: None, **hints) -> Job:
        """A job that may be run again under the same name: its scratch folder stays, its output starts empty."""
        out, scratch = self.folder / name / "out", self.folder / name / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        out.mkdir()
        inputs = {key: self.folder / key for key in ("pool", "split", "targets", "student", "pairs")}
        return Job(out, inputs, scratch, {"device": "cpu", **hints}, report)


def replace_answers(items: Items, answers: list[str]) -> Items:
    """The same items with gold texts."""
    return Items(items.ids, items.prompts, items.gold, answers=answers)


def logprob(model, tokenizer, prompt, text, mean=False):
    """Of a text and its end, by all logits of the model."""
    ids, answer = prompter_of(tokenizer).ids(prompt), [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    logs = model(input_ids=torch.tensor([ids + answer])).logits[0, len(ids) - 1 : -1].log_softmax(-1)
    each = logs[torch.arange(len(answer)), torch.tensor(answer)]
    return each.mean() if mean else each.sum()


def with_student(study, folder, adapt):
    """A trained student in the study's folder."""
    job = study.job("trained-student")
    section = text_section(folder, adapt, lr=1e-2)
    loss = {"type": "cross_entropy"}
    train_text_student(job, adapt=adapt, model=section, loss=loss, soft_labels=SOFT, self_training=None, seed=0)
    (study.folder / "student").rmdir()
    job.out.rename(study.folder / "student")
