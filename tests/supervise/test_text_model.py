"""The step that trains a supervisor on half A's gold texts."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.generation.prompting import prompter_of
from outgrow.graph.step import Job
from outgrow.training.text_training_steps import half_a_targets, train_text_supervisor

SECTION = {
    "model": "bundled:smollm2-135m@2",
    "revision": None,
    "identity": "none",
    "dtype": "float32",
    "max_length": 128,
    "chat": False,
    "holdout": 0.25,
    "unfit": "skip",
    "system": None,
    "type": "model",
    "trust_remote_code": False,
}
TRAINING = {
    "lr": 1e-3,
    "epochs": 6.0,
    "batch_size": 3,
    "micro_batch_size": None,
    "scheduler": "constant",
    "warmup": 0.0,
    "optimizer": "adamw_torch",
    "weight_decay": 0.0,
    "max_grad_norm": 0.0,
    "keep": "best",
}


def made_task(answers):
    prompts = [f"what is {number} as a colour ?" for number in range(len(answers))]
    gold = np.asarray([0 if answer else -1 for answer in answers])
    return Task(
        "colours", "generate", (), Items([f"i{n}" for n in range(len(answers))], prompts, gold, answers=answers)
    )


@pytest.fixture
def supervised(tmp_path):
    """`supervised(answers)`: the output of a supervisor of whom the first eight items are half A."""

    def train(answers):
        for name in ("pool", "split", "out", "scratch"):
            (tmp_path / name).mkdir()
        made_task(answers).save(tmp_path / "pool")
        Split(np.arange(8), np.arange(8, 10), np.arange(10, 12)).save(tmp_path / "split")
        inputs = {key: tmp_path / key for key in ("pool", "split")}
        job = Job(tmp_path / "out", inputs, tmp_path / "scratch", {"device": "cpu"})
        train_text_supervisor(job, adapt="full", model={**SECTION, "training": TRAINING}, seed=0)
        return tmp_path / "out"

    return train


def test_it_learns_half_as_gold_and_keeps_its_best(supervised):
    """One item has no gold; of the other seven, a quarter judges. Half B's gold is nonsense that it never sees."""
    out = supervised(["bright red"] * 7 + [""] + ["qqqq"] * 4)
    about = json.loads((out / "chosen.json").read_text())
    assert (about["learned"], about["held_out"]) == (6, 1)
    losses = [one["loss"] for one in about["held_out_loss"]]
    assert about["chosen"]["updates"] == about["held_out_loss"][int(np.argmin(losses))]["updates"]
    assert losses[-1] < losses[0]
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(out / "model"),
        AutoTokenizer.from_pretrained(out / "model"),
    )
    ids = prompter_of(tokenizer, False).ids("what is 9 as a colour ?")
    with torch.no_grad():
        for _ in range(3):
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    assert tokenizer.decode(ids[-3:]).startswith("bright red")


def test_without_any_gold_there_is_nothing_to_learn():
    with pytest.raises(DataError, match="no item of half A has a gold text"):
        half_a_targets(made_task([""] * 4 + ["a"]), np.arange(4))


def test_gold_is_certain_and_ends():
    found = half_a_targets(made_task(["a b", "", "c"]), np.arange(3))
    assert found.items == ["i0", "i2"]
    assert found.texts == ["a b", "c"]
    assert [table.end.tolist() for table in found.pieces] == [[3, 4], [1, 2]]
    assert all((table.logprob == 0).all() for table in found.pieces)
