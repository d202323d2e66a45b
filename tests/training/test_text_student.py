"""The step that trains a student on texts: it learns, survives a kill, keeps its best, and says what it left out."""

import json
import shutil

import numpy as np
import pytest
import torch
from tiny_texts import EVIDENTIAL, PLAIN, SOFT, TextStudy, guessed, text_section
from transformers import AutoModelForCausalLM, AutoTokenizer

from outgrow.data.task import Task
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.generation.causal_lm import load_trained
from outgrow.generation.prompting import prompter_of
from outgrow.texts import TextTargets, certain
from outgrow.training.text_training import holdout_of
from outgrow.training.text_training_steps import train_text_student

OWN = {"gamma_max": 0.5, "ramp": 1.0, "harden": "argmax"}


def run(
    study,
    folder,
    name="student",
    adapt="full",
    loss=PLAIN,
    own=None,
    report=lambda *_: None,
    hints=None,
    changes=None,
    **training,
):
    job = study.job(name, report, **(hints or {}))
    section = {**text_section(folder, adapt, **training), **(changes or {})}
    train_text_student(job, adapt=adapt, model=section, loss=loss, soft_labels=SOFT, self_training=own, seed=0)
    return job.out


def losses(out):
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


def record(out):
    return json.loads((out / "chosen.json").read_text())


def weights(out, folder=""):
    model = load_trained(text_section(folder), out / "model", "cpu")
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def text_loss(model, tokenizer, task, targets, items):
    """Weighted mean of plain cross-entropies per row, one row at a time."""
    total = 0.0
    prompts = dict(zip(task.items.ids, task.items.prompts, strict=True))
    for item, text, table in zip(targets.items, targets.texts, targets.pieces, strict=True):
        if item not in items:
            continue
        prompt = tokenizer(prompts[item] + "\n")["input_ids"]
        answer = tokenizer(text)["input_ids"]
        answer += [tokenizer.eos_token_id] if table.end[-1] > len(text.encode()) else []
        with torch.no_grad():
            logs = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        total += -logs[torch.arange(len(answer)), torch.tensor(answer)].mean().item()
    return total / sum(item in items for item in targets.items)


def written(model, tokenizer, prompt, limit=30):
    """Greedy, one token at a time."""
    ids = prompter_of(tokenizer).ids(prompt)
    start = len(ids)
    while len(ids) - start < limit and ids[-1] != tokenizer.eos_token_id:
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return tokenizer.decode(ids[start:]).removesuffix(tokenizer.eos_token)


def taught(study, folder, texts, **training):
    """What the student writes for the items of half B after it was taught these texts."""
    gold = study.gold()
    study.teach(TextTargets(gold.items, texts, [certain(text) for text in texts], gold.weight))
    out = run(study, folder, scheduler="constant", batch_size=4, **training)
    model = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    return out, [written(model, tokenizer, study.task.items.prompts[row]) for row in study.split.half_b.tolist()]


def test_a_student_learns_what_it_is_taught_in_a_plain_folder(tmp_path, writing):
    """Not gold, but another text for every second item."""
    study = TextStudy(tmp_path / "study", n=12)
    texts = [f"no {number}" if number % 2 else text for number, text in enumerate(study.gold().texts)]
    out, found = taught(study, writing("llama"), texts, lr=1e-2, epochs=40.0)
    assert found == texts
    assert losses(out)[-1] < 0.05 < losses(out)[0]
    assert record(out)["chosen"] == {"epochs": 40.0, "updates": 40}


def test_a_pretrained_student_is_asked_through_its_chat_template(tmp_path):
    """SmolLM2 cut after two layers."""
    study = TextStudy(tmp_path / "study", n=12)
    _, found = taught(study, "bundled:smollm2-135m@2", ["it is late"] * 4, lr=1e-3, epochs=8.0)
    assert found == ["it is late"] * 4


@pytest.mark.parametrize("loss", [PLAIN, EVIDENTIAL], ids=["soft", "evidential"])
def test_a_loss_of_soft_labels_falls(text_study, writing, loss):
    out = run(text_study, writing("llama"), loss=loss, own=OWN, lr=5e-3, epochs=10.0)
    assert np.mean(losses(out)[-3:]) < np.mean(losses(out)[:3])


@pytest.mark.parametrize("loss", [PLAIN, EVIDENTIAL], ids=["soft", "evidential"])
def test_however_an_update_is_split_it_is_the_same(text_study, writing, loss):
    """16 rows of 8 items in parts of 8, 1 and 3, with a last batch of 4 rows; SGD shows gradients as they are."""
    folder = writing("llama")
    outs = [
        run(text_study, folder, f"of-{size}", loss=loss, own=OWN, optimizer="sgd", lr=0.05, micro_batch_size=size)
        for size in (8, 1, 3)
    ]
    for other in outs[1:]:
        assert losses(other) == pytest.approx(losses(outs[0]), rel=1e-5)
        assert torch.allclose(weights(outs[0]), weights(other), atol=1e-5)


def test_the_first_update_of_a_certain_text_is_plain_cross_entropy(text_study, writing):
    folder = writing("llama")
    text_study.teach(text_study.gold())
    out = run(text_study, folder, batch_size=10, epochs=1.0)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    targets = text_study.targets
    assert losses(out) == pytest.approx([text_loss(model.eval(), tokenizer, text_study.task, targets, targets.items)])


def stop_at(update):
    def report(message, share):
        if message.startswith(f"update {update} "):
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize(("family", "adapt"), [("gpt2", "full"), ("llama", "lora")])
@pytest.mark.parametrize(("keep", "update"), [("last", 3), ("best", 2), ("best", 3)])
def test_an_interrupted_training_goes_on_and_gives_the_same_bytes(text_study, writing, family, adapt, keep, update):
    """GPT-2 has dropout. Two updates are a pass: interrupted at its end, and inside of the next."""
    settings = {"adapt": adapt, "keep": keep, "epochs": 2.5, "lr": 3e-3, "own": OWN, "loss": EVIDENTIAL}
    settings |= {"batch_size": 4}
    whole = run(text_study, writing(family), "whole", **settings)
    hints = {"checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        run(text_study, writing(family), "cut", report=stop_at(update), hints=hints, **settings)
    (text_study.folder / "cut" / "out").rmdir()
    torch.rand(7)  # another process would be elsewhere in its random numbers
    seen = []
    cut = run(text_study, writing(family), "cut", report=lambda text, _: seen.append(text), hints=hints, **settings)
    assert seen[0].startswith(f"update {update} ")
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert {"chosen.json", "metrics.jsonl"} < {str(file) for file in files}
    for file in files:
        assert (whole / file).read_bytes() == (cut / file).read_bytes(), file


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("adapt", ["full", "lora"])
def test_keep_best_keeps_the_pass_with_the_lowest_held_out_loss(text_study, writing, adapt):
    """A student who knows gold is taught nonsense, but for the items that judge it: every pass does harm."""
    gold = text_study.gold()
    text_study.teach(gold)
    knowing = str(run(text_study, writing("llama"), "knowing", lr=1e-2, epochs=20.0) / "model")
    judges = holdout_of(text_study.task, gold.items, {"keep": "best"}, 0.2, 0)
    texts = [text if judge else "xyz" * 5 for judge, text in zip(judges, gold.texts, strict=True)]
    text_study.teach(TextTargets(gold.items, texts, [certain(text) for text in texts], gold.weight))
    out = run(text_study, knowing, adapt=adapt, keep="best", epochs=3.5, lr=3e-2, scheduler="constant", batch_size=4)
    about = record(out)
    assert (about["held_out"], about["learned"]) == (2, 8)
    assert [one["updates"] for one in about["held_out_loss"]] == [2, 4, 6, 7]
    least = min(about["held_out_loss"], key=lambda one: one["loss"])
    assert about["chosen"] == {"epochs": least["epochs"], "updates": least["updates"]}
    assert about["chosen"]["updates"] < 7, "this test must be able to see a difference"
    model = load_trained(text_section(knowing), out / "model", "cpu")
    held = {item for item, judge in zip(gold.items, judges, strict=True) if judge}
    found = text_loss(model, AutoTokenizer.from_pretrained(knowing), text_study.task, text_study.targets, held)
    assert found == pytest.approx(least["loss"], rel=1e-4)


def test_keep_last_learns_from_all_items(text_study, writing):
    about = record(run(text_study, writing("llama"), changes={"holdout": 0.5}))
    assert about["learned"] == 20
    assert about["held_out"] == 0
    assert about["held_out_loss"] == []


def test_items_of_a_group_are_kept_aside_together(tmp_path, writing):
    study = TextStudy(tmp_path / "study")
    items = study.task.items
    items.groups[:] = [f"g{number // 5}" for number in range(30)]
    Task("trains", "generate", (), items, metric="slu_f1").save(study.folder / "pool")
    about = record(run(study, writing("llama"), keep="best", changes={"holdout": 0.2}))
    assert about["held_out"] == 10


def test_keep_best_needs_something_to_keep_aside(text_study, writing):
    with pytest.raises(ConfigError, match="`holdout` above 0"):
        run(text_study, writing("llama"), keep="best", changes={"holdout": 0.0})
    one = TextTargets([text_study.targets.items[0]], ["x"], [certain("x")], np.ones(1))
    text_study.teach(one)
    with pytest.raises(DataError, match="at least two separate items"):
        run(text_study, writing("llama"), "again", keep="best")


def test_a_lora_student_is_a_peft_folder_and_on_a_cut_model_a_plain_one(text_study, writing):
    folder = writing("llama")
    whole = run(text_study, folder, "whole", adapt="lora", lr=1e-2)
    assert (whole / "model" / "adapter_model.safetensors").is_file()
    assert json.loads((whole / "model" / "adapter_config.json").read_text())["base_model_name_or_path"] == folder
    assert np.mean(losses(whole)[-2:]) < np.mean(losses(whole)[:2])
    cut = run(text_study, f"{folder}@1", "cut", adapt="lora", lr=1e-2)
    assert not (cut / "model" / "adapter_config.json").exists()
    assert load_trained(text_section("gone"), cut / "model", "cpu").config.num_hidden_layers == 1


def test_bfloat16_is_close_to_float32_and_keeps_whole_weights(text_study, writing):
    folder = writing("llama")
    outs = [run(text_study, folder, dtype, changes={"dtype": dtype}) for dtype in ("float32", "bfloat16")]
    assert losses(outs[1]) == pytest.approx(losses(outs[0]), rel=0.03)
    assert losses(outs[1]) != losses(outs[0])
    saved = AutoModelForCausalLM.from_pretrained(outs[1] / "model")
    assert {weight.dtype for weight in saved.parameters()} == {torch.float32}


def test_texts_that_are_too_long_are_counted_and_named(text_study, writing):
    gold = text_study.gold()
    texts = ["word " * 200 if number in (1, 4) else text for number, text in enumerate(gold.texts)]
    text_study.teach(TextTargets(gold.items, texts, [certain(text) for text in texts], gold.weight))
    about = record(run(text_study, writing("llama")))
    assert about["too_long"] == 2
    assert about["left_out"] == {"too_long": [gold.items[1], gold.items[4]]}
    assert about["learned"] == 8


def test_who_wants_to_stop_at_a_text_that_is_too_long_does(text_study, writing):
    gold = text_study.gold()
    texts = ["word " * 200, *gold.texts[1:]]
    text_study.teach(TextTargets(gold.items, texts, [certain(text) for text in texts], gold.weight))
    with pytest.raises(DataError, match=rf"1 texts are longer than 128 tokens .*\(items {gold.items[0]}\)"):
        run(text_study, writing("llama"), changes={"unfit": "stop"})


def test_only_items_of_half_b_may_be_learned(text_study, writing):
    outsider = text_study.task.items.ids[text_study.split.test[0]]
    text_study.teach(TextTargets([outsider], ["x"], [certain("x")], np.ones(1)))
    with pytest.raises(DataError, match=f"item `{outsider}` is not among the items to learn from"):
        run(text_study, writing("llama"))


def test_a_loss_that_is_not_finite_stops_the_training(text_study, writing, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(writing("llama"), broken)
    model = AutoModelForCausalLM.from_pretrained(broken)
    with torch.no_grad():
        model.lm_head.weight[5] = float("inf")
    model.save_pretrained(broken)
    with pytest.raises((StepFailed, DataError)):
        run(text_study, str(broken))


def test_sources_differ_by_weight(text_study, writing):
    """All of the weight on one source is the same as its rows alone, when both make one update."""
    rng = np.random.default_rng(3)
    gold = text_study.gold()
    other = [guessed(text, rng) for text in gold.texts]
    both = TextTargets(gold.items * 2, gold.texts * 2, gold.pieces + other, np.repeat([1.0, 0.0], 10))
    folder, settings = writing("llama"), {"batch_size": 20, "optimizer": "sgd"}
    text_study.teach(gold)
    alone = run(text_study, folder, "alone", **settings)
    text_study.teach(both)
    assert losses(run(text_study, folder, "both", **settings)) == losses(alone)
