"""Student and supervisor steps with a whole model: folders that load anywhere, search, resume."""

import json

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForSequenceClassification
from tiny_study import TUNE, model_section
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from outgrow.labels import WeakLabels
from outgrow.training.classifier_steps import train_student, train_supervisor


def run(
    study,
    folder,
    name="student",
    adapt="full",
    tune=TUNE,
    dtype="float32",
    report=lambda *_: None,
    hints=None,
    **training,
):
    job = study.job(name, report, **(hints or {}))
    train_student(
        job,
        adapt=adapt,
        model={**model_section(folder, adapt, **training), "dtype": dtype},
        loss={"type": "cross_entropy"},
        self_training=None,
        tune=tune,
        seed=0,
        name="student",
    )
    return job.out


def test_words(study, out):
    """Prompts and predicted probabilities of the study's test items."""
    prompts = [study.task.items.prompts[row] for row in study.split.test]
    return prompts, torch.tensor(WeakLabels.load(out / "test.parquet").probs[:, 0], dtype=torch.float32)


test_words.__test__ = False


def one_by_one(model, tokenizer, prompts):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in prompts]).softmax(-1)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_a_fully_trained_student_is_a_plain_folder(tiny, study, family):
    here = study()
    out = run(here, tiny(family), lr=5e-3, epochs=20.0)
    prompts, probs = test_words(here, out)
    model = AutoModelForSequenceClassification.from_pretrained(out / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert torch.allclose(one_by_one(model, tokenizer, prompts), probs, atol=1e-4)
    assert model.config.id2label == {0: "r", 1: "g", 2: "b"}
    assert learned_something(out)


def learned_something(out):
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    return np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_lora_student_is_a_plain_peft_folder(tiny, study):
    here = study()
    out = run(here, tiny("llama"), adapt="lora", lr=2e-2, epochs=10.0)
    prompts, probs = test_words(here, out)
    files = {path.name for path in (out / "model").iterdir()}
    assert "adapter_model.safetensors" in files
    assert "model.safetensors" not in files
    model = AutoPeftModelForSequenceClassification.from_pretrained(out / "model", num_labels=3, dtype=torch.float32)
    model.config.pad_token_id = 0
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert torch.allclose(one_by_one(model, tokenizer, prompts), probs, atol=1e-4)
    assert learned_something(out)
    assert_the_readme_loads_it(out, prompts, probs)


def assert_the_readme_loads_it(out, prompts, probs):
    """The code that stands there gives the same probabilities, and the names of the classes."""
    code = (out / "model" / "README.md").read_text().split("```")[1].removeprefix("python\n")
    here: dict = {}
    exec(code.replace("'model'", repr(str(out / "model"))), here)
    assert here["model"].config.id2label == {0: "r", 1: "g", 2: "b"}
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert torch.allclose(one_by_one(here["model"].float(), tokenizer, prompts), probs, atol=1e-4)


def test_lora_on_a_cut_model_is_merged_into_a_plain_folder(tiny, study):
    here = study()
    out = run(here, tiny("llama") + "@1", adapt="lora", lr=2e-2, epochs=2.0)
    prompts, probs = test_words(here, out)
    model = AutoModelForSequenceClassification.from_pretrained(out / "model", dtype=torch.float32)
    assert model.config.num_hidden_layers == 1
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert torch.allclose(one_by_one(model, tokenizer, prompts), probs, atol=1e-4)


def test_a_pretrained_model_learns_with_a_bfloat16_adapter(study):
    """SmolLM2 cut after one layer; the folder that is saved answers alike in float32."""
    here = study()
    out = run(here, "bundled:smollm2-135m@1", adapt="lora", dtype="bfloat16", lr=1e-2, epochs=3.0)
    prompts, probs = test_words(here, out)
    model = AutoModelForSequenceClassification.from_pretrained(out / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert (one_by_one(model, tokenizer, prompts) - probs).abs().max() < 0.05
    assert learned_something(out)


@pytest.mark.parametrize("adapt", ["full", "lora"])
def test_a_choosing_student_keeps_its_language_head(tiny, study, adapt):
    here = study("choose")
    out = run(here, tiny("llama"), adapt=adapt, lr=5e-3, epochs=10.0)
    table = WeakLabels.load(out / "test.parquet")
    assert (table.hard[:, 0] == here.task.items.gold[here.split.test]).mean() > 0.4
    if adapt == "full":
        model = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(out / "model")
        scores = [option_scores(model, tokenizer, here.task.items, row) for row in here.split.test[:5]]
        assert torch.allclose(torch.stack(scores).softmax(-1).double(), torch.tensor(table.probs[:5, 0]), atol=1e-4)


def option_scores(model, tokenizer, items, row):
    """Log-likelihood of each option of one item, by definition."""
    prompt = tokenizer(items.prompts[row])["input_ids"]
    scores = []
    for option in items.options[row]:
        ids = tokenizer(" " + option)["input_ids"]
        with torch.no_grad():
            logs = model(input_ids=torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
        scores.append(sum(logs[len(prompt) - 1 + place, token] for place, token in enumerate(ids)))
    return torch.stack(scores)


def test_a_grid_of_rates_is_searched_on_weak_labels(tiny, study):
    here = study()
    tune = {**TUNE, "lr": [1e-9, 5e-3], "folds": 2}
    record = json.loads((run(here, tiny("llama"), tune=tune, epochs=8.0) / "chosen.json").read_text())
    assert [point["lr"] for point in record["grid"]] == [1e-9, 5e-3]
    assert record["chosen"]["lr"] == 5e-3
    assert record["grid"][1]["weak_accuracy"] > record["grid"][0]["weak_accuracy"]


@pytest.mark.parametrize(("adapt", "at"), [("full", "fold"), ("lora", "end")])
def test_an_interrupted_step_goes_on_and_gives_the_same_bytes(tiny, study, adapt, at):
    """Interrupted while it searches (in the second fold), and in the last training; dropout in the adapter's base."""
    here = study()
    options = {"adapt": adapt, "tune": {**TUNE, "lr": [1e-3, 5e-3], "folds": 2}, "epochs": 1.0}
    whole = run(here, tiny("gpt2"), "whole", **options)
    updates = []

    def stop(message, share):
        updates.append(message)
        if len(updates) == {"fold": 8, "end": 15}[at]:
            raise KeyboardInterrupt

    hints = {"checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        run(here, tiny("gpt2"), "cut", report=stop, hints=hints, **options)
    (here.folder / "cut" / "out").rmdir()
    again = []
    cut = run(here, tiny("gpt2"), "cut", report=lambda message, _: again.append(message), hints=hints, **options)
    assert len(again) < len(updates) + 10, "finished trainings are not repeated"
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    assert {"half_b.parquet", "test.parquet", "chosen.json", "metrics.jsonl"} <= {str(file) for file in files}
    for file in files:
        assert (whole / file).read_bytes() == (cut / file).read_bytes(), file


def test_a_supervisor_answers_the_items_it_kept_aside(tiny, study):
    here = study()
    job = here.job("supervisor")
    section = model_section(tiny("llama"))
    train_supervisor(job, adapt="full", model=section, tune=TUNE, seed=0, source="small")
    unseen = WeakLabels.load(job.out / "anchors.parquet")
    half_a = {here.task.items.ids[row] for row in here.split.half_a}
    assert set(unseen.items) < half_a
    assert len(unseen.items) == 6
    assert unseen.sources == ("small",)
    assert WeakLabels.load(job.out / "half_b.parquet").items == here.labels.items


def test_without_a_share_kept_aside_there_is_no_table(tiny, study):
    job = study().job("supervisor")
    section = {**model_section(tiny("llama")), "holdout": 0.0}
    train_supervisor(job, adapt="full", model=section, tune=TUNE, seed=0, source="small")
    assert not (job.out / "anchors.parquet").exists()
    assert (job.out / "test.parquet").exists()
