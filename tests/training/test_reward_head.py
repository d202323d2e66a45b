"""A student of options with a scalar head: a reward model that loads anywhere, learned by Bradley-Terry."""

import json

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForSequenceClassification
from tiny_study import TUNE, Study, colour_task, model_section
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from outgrow.data.task import Items, Task
from outgrow.labels import WeakLabels
from outgrow.losses.objective import make_objective
from outgrow.models.load_model import load_classifier, load_tokenizer
from outgrow.training.classifier_steps import train_student
from outgrow.training.training_examples import read_items


def run(study, folder, adapt="full", **training):
    job = study.job("student")
    train_student(
        job,
        adapt=adapt,
        model={**model_section(folder, adapt, **training), "reward_head": True},
        loss={"type": "cross_entropy"},
        self_training=None,
        tune=TUNE,
        seed=0,
        name="student",
    )
    return job.out


def rewards_one_by_one(model, tokenizer, study):
    """[item, option]: each prompt with one option by itself."""
    model.eval()
    rows = study.split.test.tolist()
    with torch.no_grad():
        return torch.tensor(
            [
                [
                    model(**tokenizer(f"{study.task.items.prompts[row]} {option}", return_tensors="pt")).logits.item()
                    for option in study.task.items.options[row]
                ]
                for row in rows
            ]
        )


def predicted(out):
    return torch.tensor(WeakLabels.load(out / "test.parquet").probs[:, 0], dtype=torch.float32)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_a_fully_trained_student_is_a_plain_reward_model(tiny, study, family):
    here = study("choose")
    out = run(here, tiny(family), lr=5e-3, epochs=15.0)
    model = AutoModelForSequenceClassification.from_pretrained(out / "model", dtype=torch.float32)
    assert (model.config.num_labels, model.config.id2label) == (1, {0: "reward"})
    rewards = rewards_one_by_one(model, AutoTokenizer.from_pretrained(out / "model"), here)
    assert torch.allclose(rewards.softmax(-1), predicted(out), atol=1e-4)
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_lora_student_is_a_peft_folder_with_one_output(tiny, study):
    here = study("choose")
    out = run(here, tiny("llama"), adapt="lora", lr=2e-2, epochs=5.0)
    model = AutoPeftModelForSequenceClassification.from_pretrained(out / "model", num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = 0
    rewards = rewards_one_by_one(model, AutoTokenizer.from_pretrained(out / "model"), here)
    assert torch.allclose(rewards.softmax(-1), predicted(out), atol=1e-4)
    assert "num_labels=len(classes)" in (out / "model" / "README.md").read_text()


def test_with_two_options_the_loss_is_that_of_bradley_terry(tiny):
    """−log σ(r_chosen − r_rejected), also for a soft preference, whatever the batch and the padding."""
    task = colour_task("choose", n=9)
    options = [["red", "green and blue and red"]] * 9
    two = Task("two", "choose", ("A", "B"), Items(task.items.ids, task.items.prompts, np.zeros(9, int), options))
    folder = tiny("llama")
    model, tokenizer = load_classifier(folder, n_classes=1, seed=3), load_tokenizer(folder)
    reading = read_items(two.items, model, tokenizer, 48, torch.float32, rewards=True)
    first = torch.linspace(0, 1, 9)
    with torch.no_grad():
        alone = torch.cat([reading.logits(model, [row], torch.device("cpu")) for row in range(9)])
        together = reading.logits(model, list(range(9)), torch.device("cpu"))
        texts = [[f"{prompt} {option}" for option in options[0]] for prompt in two.items.prompts]
        reward = torch.tensor(
            [[model(**tokenizer(t, return_tensors="pt")).logits.item() for t in pair] for pair in texts]
        )
    assert torch.allclose(alone, together, atol=1e-5)
    loss = make_objective({"type": "cross_entropy"}, None)(together, torch.stack([first, 1 - first], 1), 0.0, None)
    gap = reward[:, 0] - reward[:, 1]
    log_sigmoid = torch.nn.functional.logsigmoid
    assert torch.allclose(loss, -first * log_sigmoid(gap) - (1 - first) * log_sigmoid(-gap), atol=1e-5)
    assert together.sum(dim=1).abs().max() < 1e-6


def test_the_right_option_gets_more_when_the_task_is_learned_from_two_options(tiny, tmp_path):
    here = Study(tmp_path / "study", colour_task("choose", n=120), flip=0.0)
    out = run(here, tiny("llama"), lr=1e-2, epochs=25.0)
    assert (predicted(out).argmax(-1).numpy() == here.task.items.gold[here.split.test]).mean() > 0.7
