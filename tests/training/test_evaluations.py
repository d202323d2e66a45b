"""Evaluations during training: their numbers by hand, what is held out, what chooses the weights, and resumption."""

import json

import numpy as np
import pytest
import torch
from tiny_study import TUNE, model_section
from tiny_texts import PLAIN, SOFT, logprob, text_section
from transformers import AutoModelForCausalLM, AutoTokenizer

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Task
from outgrow.errors import DataError
from outgrow.evaluations import MEANS, Evaluation, Evaluations, best_evaluation, is_due
from outgrow.labels import Targets, WeakLabels
from outgrow.texts import TextTargets, certain
from outgrow.training.classifier_steps import train_student
from outgrow.training.text_training_steps import train_text_student

PROBE = {"model": "bundled:none", "revision": None, "layer": None}


def wanted(keep="weak", number=5, holdout=0.3):
    return {"keep": keep, "number": number, "holdout": holdout}


def run(study, folder, adapt, name="student", report=lambda *_: None, evaluations=None, hints=None):
    probe = adapt == "probe"
    job = study.job(name, report, **(hints or {}))
    section = PROBE if probe else model_section(folder, adapt, lr=5e-3, epochs=4.0)
    tune = {**TUNE, "l2": [0.0], "epochs": [60] if probe else None}
    train_student(
        job,
        adapt=adapt,
        model=section,
        loss={"type": "cross_entropy"},
        self_training=None,
        tune=tune,
        seed=0,
        name="student",
        evaluations=evaluations or wanted(),
    )
    return job.out


def loaded(out):
    return Evaluations.load(out / "evaluations.parquet")


def kept_update(out):
    return json.loads((out / "chosen.json").read_text())["chosen"]["updates"]


def log_of(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def with_gold(study, change):
    """The study with other gold of some items: `change` by pool row."""
    items, gold = study.task.items, study.task.items.gold.copy()
    gold[change] = (gold[change] + 1) % 3
    other = Items(items.ids, items.prompts, gold, items.options, items.parts, items.groups)
    Task(study.task.name, study.task.kind, study.task.classes, other).save(study.folder / "pool")


# ---- the table ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_evaluations_are_at_equal_distances_and_the_last_update_is_one(seed):
    rng = np.random.default_rng(seed)
    updates, number = int(rng.integers(1, 300)), int(rng.integers(1, 40))
    due = [update for update in range(1, updates + 1) if is_due(update, updates, number)]
    assert len(due) == min(updates, number)
    assert due[-1] == updates
    distances = np.diff([0, *due])
    assert distances.max() - distances.min() <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_means_and_the_best_are_those_of_a_loop_and_survive_the_file(tmp_path, seed):
    rng = np.random.default_rng(seed)
    part = ["learned", "held_out", "test", "held_out", "learned", "test"]
    each = [Evaluation(update, rng.random(6), rng.random(6)) for update in (3, 7, 9)]
    each[1].gold[1] = np.nan
    Evaluations([f"i{number}" for number in range(6)], part, each).save(tmp_path / "evaluations.parquet")
    found = loaded(tmp_path)
    assert (found.items, found.part) == ([f"i{number}" for number in range(6)], part)
    for one, read in zip(each, found.each, strict=True):
        assert read.update == one.update
        np.testing.assert_array_equal(read.gold, one.gold)
        for name, (number, parts) in MEANS.items():
            numbers = [
                value
                for value, where in zip(getattr(one, number), part, strict=True)
                if where in parts and not np.isnan(value)
            ]
            assert found.means(read)[name] == pytest.approx(sum(numbers) / len(numbers))
    assert found.score(found.each[1], "gold") == pytest.approx(each[1].gold[3])
    assert best_evaluation({3: 0.5, 7: 0.75, 9: 0.75}) == 7


def test_without_a_number_of_a_held_out_item_nothing_can_be_chosen():
    nothing = Evaluation(1, np.asarray([np.nan]), np.asarray([np.nan]))
    evaluations = Evaluations(["i0"], ["held_out"], [nothing])
    assert evaluations.means(nothing)["gold_held_out"] is None
    assert evaluations.score(nothing, "last") == 1
    with pytest.raises(DataError, match="evaluations: no held-out item has a weak label"):
        evaluations.score(nothing, "weak")


# ---- classes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classify", "choose"])
@pytest.mark.parametrize("keep", ["last", "weak", "gold"])
@pytest.mark.parametrize("adapt", ["probe", "full", "lora"])
def test_the_kept_evaluation_is_that_of_the_answers_that_are_written(tiny, study, kind, adapt, keep):
    """Agreement is computed here item by item from `half_b.parquet` and `test.parquet`."""
    here = study(kind)
    out = run(here, tiny("llama"), adapt, evaluations=wanted(keep))
    found, update = loaded(out), kept_update(out)
    assert len(found.each) == 5
    scores = {one.update: found.score(one, keep) for one in found.each}
    assert update == (found.each[-1].update if keep == "last" else best_evaluation(scores))
    one = next(one for one in found.each if one.update == update)
    votes = {item: here.labels.probs[index].mean(axis=0) for index, item in enumerate(here.labels.items)}
    gold = dict(zip(here.task.items.ids, here.task.items.gold.tolist(), strict=True))
    tables = [WeakLabels.load(out / f"{part}.parquet") for part in ("half_b", "test")]
    answer = {item: int(cls) for table in tables for item, cls in zip(table.items, table.hard[:, 0], strict=True)}
    for place, item in enumerate(found.items):
        assert one.gold[place] == (answer[item] == gold[item])
        if found.part[place] == "test":
            assert np.isnan(one.weak[place])
        else:
            assert one.weak[place] == pytest.approx(votes[item][answer[item]])
    logged = {line["step"]: line for line in log_of(out)}
    assert logged[update]["gold_test"] == pytest.approx(found.means(one)["gold_test"])
    assert sum("weak_held_out" in line for line in logged.values()) == 5


@pytest.mark.parametrize("adapt", ["probe", "full"])
def test_held_out_items_are_not_learned(tiny, study, adapt):
    here = study()
    first = run(here, tiny("llama"), adapt, "first", evaluations=wanted("last"))
    found = loaded(first)
    held = {item for item, part in zip(found.items, found.part, strict=True) if part == "held_out"}
    assert 0 < len(held) <= 0.3 * len(here.split.half_b)
    path = here.folder / "targets" / "targets.parquet"
    targets = Targets.load(path)
    aside = np.asarray([item in held for item in targets.items])
    probs = np.where(aside[:, None], np.roll(targets.probs, 1, axis=1), targets.probs)
    Targets(targets.items, probs, targets.weight).save(path)
    second = run(here, tiny("llama"), adapt, "second", evaluations=wanted("last"))
    for file in ("test.parquet", "metrics.jsonl", "chosen.json"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


@pytest.mark.parametrize("adapt", ["probe", "full"])
def test_weak_labels_choose_without_any_gold_and_gold_chooses_by_held_out_items_alone(tiny, study, adapt):
    here = study()
    files = ("half_b.parquet", "test.parquet", "chosen.json")
    outs = {keep: run(here, tiny("llama"), adapt, keep, evaluations=wanted(keep)) for keep in ("weak", "gold")}
    found = loaded(outs["gold"])
    rows = {item: row for row, item in enumerate(here.task.items.ids)}
    others = [rows[item] for item, part in zip(found.items, found.part, strict=True) if part != "held_out"]
    with_gold(here, [*others, *here.split.half_a.tolist()])
    again = run(here, tiny("llama"), adapt, "gold-again", evaluations=wanted("gold"))
    with_gold(here, np.arange(len(here.task.items)))
    blind = run(here, tiny("llama"), adapt, "weak-again", evaluations=wanted("weak"))
    for file in files:
        assert (outs["gold"] / file).read_bytes() == (again / file).read_bytes()
        assert (outs["weak"] / file).read_bytes() == (blind / file).read_bytes()
    assert loaded(again).means(loaded(again).each[-1])["gold_test"] != found.means(found.each[-1])["gold_test"]


@pytest.mark.parametrize(("adapt", "update"), [("full", 7), ("full", 8), ("lora", 9)])
def test_an_interrupted_evaluated_training_gives_the_same_bytes(tiny, study, adapt, update):
    here = study()
    whole = run(here, tiny("gpt2"), adapt, "whole")

    def stop(message, share):
        if message.startswith(f"update {update} "):
            raise KeyboardInterrupt

    hints = {"checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        run(here, tiny("gpt2"), adapt, "cut", report=stop, hints=hints)
    (here.folder / "cut" / "out").rmdir()
    torch.rand(7)
    seen = []
    cut = run(here, tiny("gpt2"), adapt, "cut", report=lambda text, _: seen.append(text), hints=hints)
    assert seen[0].startswith(f"update {update} ")
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert "evaluations.parquet" in {str(file) for file in files}
    for file in files:
        assert (whole / file).read_bytes() == (cut / file).read_bytes(), file


def test_overfitting_to_weak_errors_is_seen_and_stopped(study):
    """Targets are wrong for a third of the items, and the head has a dimension for every item."""
    here = study(flip=0.5)
    rng = np.random.default_rng(0)
    states = np.load(here.folder / "features" / "features.npy")
    noise = rng.normal(size=(*states.shape[:-1], 200)).astype(np.float32)
    np.save(here.folder / "features" / "features.npy", np.concatenate([states, noise], axis=-1))
    found = loaded(run(here, "", "probe", evaluations=wanted("gold", number=60)))
    means = [found.means(one) for one in found.each]
    assert means[-1]["weak_learned"] == max(mean["weak_learned"] for mean in means), "it learns the errors"
    assert max(mean["gold_held_out"] for mean in means) > means[-1]["gold_held_out"]


# ---- texts ----------------------------------------------------------------------------------------------


def run_texts(study, folder, name="student", adapt="full", report=lambda *_: None, evaluations=None, hints=None):
    job = study.job(name, report, **(hints or {}))
    section = text_section(folder, adapt, lr=1e-2, epochs=3.0, batch_size=4)
    train_text_student(
        job,
        adapt=adapt,
        model=section,
        loss=PLAIN,
        soft_labels=SOFT,
        self_training=None,
        seed=0,
        evaluations=evaluations or wanted(number=3, holdout=0.2),
    )
    return job.out


@pytest.mark.parametrize("keep", ["last", "weak", "gold"])
def test_texts_are_scored_by_their_mean_log_probability(text_study, writing, keep):
    out = run_texts(text_study, writing("llama"), evaluations=wanted(keep, 3, 0.2))
    found, update = loaded(out), kept_update(out)
    one = next(one for one in found.each if one.update == update)
    model = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    items = text_study.task.items
    prompt, gold = dict(zip(items.ids, items.prompts, strict=True)), dict(zip(items.ids, items.answers, strict=True))
    for place, item in enumerate(found.items):
        with torch.no_grad():
            expected = logprob(model, tokenizer, prompt[item], gold[item], mean=True).item()
            weak = [
                logprob(model, tokenizer, prompt[item], text, mean=True).item()
                for name, text in zip(text_study.targets.items, text_study.targets.texts, strict=True)
                if name == item
            ]
        assert one.gold[place] == pytest.approx(expected, abs=1e-4)
        if found.part[place] == "test":
            assert np.isnan(one.weak[place])
        if weak:
            assert one.weak[place] == pytest.approx(np.mean(weak), abs=1e-4)
    about = json.loads((out / "chosen.json").read_text())
    assert (about["held_out"], about["learned"]) == (4, 16)
    assert about["held_out_loss"] == []


def test_texts_that_do_harm_are_stopped_by_the_held_out_ones(text_study, writing):
    """Held-out texts are right and the learned ones nonsense: the first evaluation is the best."""
    gold = text_study.gold()
    text_study.teach(gold)
    knowing = str(run_texts(text_study, writing("llama"), "knowing", evaluations=wanted("last", 1, 0.2)) / "model")
    found = loaded(text_study.folder / "knowing" / "out")
    held = {item for item, part in zip(found.items, found.part, strict=True) if part == "held_out"}
    texts = [text if item in held else "xyz" * 5 for item, text in zip(gold.items, gold.texts, strict=True)]
    text_study.teach(TextTargets(gold.items, texts, [certain(text) for text in texts], gold.weight))
    for keep in ("weak", "gold"):
        out = run_texts(text_study, knowing, keep, evaluations=wanted(keep, 6, 0.2))
        assert kept_update(out) == loaded(out).each[0].update


def test_an_interrupted_evaluated_training_on_texts_gives_the_same_bytes(text_study, writing):
    whole = run_texts(text_study, writing("gpt2"), "whole")

    def stop(message, share):
        if message.startswith("update 3 "):
            raise KeyboardInterrupt

    hints = {"checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        run_texts(text_study, writing("gpt2"), "cut", report=stop, hints=hints)
    (text_study.folder / "cut" / "out").rmdir()
    cut = run_texts(text_study, writing("gpt2"), "cut", hints=hints)
    for file in [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]:
        assert (whole / file).read_bytes() == (cut / file).read_bytes(), file
