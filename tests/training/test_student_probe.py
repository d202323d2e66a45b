"""The student step with a probe: what it writes, what it may look at, what must not matter."""

import json
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from safetensors.numpy import load_file

from outgrow.config.tune import PROBE_L2
from outgrow.data.task import Items, Task
from outgrow.errors import ConfigError, DataError
from outgrow.labels import Targets, WeakLabels
from outgrow.losses import LOSSES, LossRecord, LossSection
from outgrow.training.classifier_steps import train_student

TUNE = {"l2": list(PROBE_L2), "lr": None, "epochs": [60], "folds": 3, "select_by": "weak_accuracy"}
MODEL = {"model": "bundled:none", "revision": None, "layer": None}


def run(study, name="student", tune=TUNE, loss="cross_entropy", self_training=None):
    job = study.job(name)
    train_student(
        job,
        adapt="probe",
        model=MODEL,
        loss={"type": loss} if isinstance(loss, str) else loss,
        self_training=self_training,
        tune=tune,
        seed=0,
        name="student",
    )
    return job.out


def answers(out, part="test"):
    return WeakLabels.load(out / f"{part}.parquet")


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_it_answers_half_b_and_test_and_is_better_than_chance(study, kind):
    here = study(kind)
    out = run(here)
    for part, rows in (("half_b", here.split.half_b), ("test", here.split.test)):
        table = answers(out, part)
        assert table.sources == ("student",)
        assert table.items == [here.task.items.ids[row] for row in rows]
        assert (table.hard[:, 0] == here.task.items.gold[rows]).mean() > 0.5
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(60))
    assert lines[-1]["loss"] < lines[0]["loss"]
    record = json.loads((out / "chosen.json").read_text())
    assert len(record["grid"]) == len(PROBE_L2)
    assert record["oracle"] is False
    assert record["chosen"]["layer"] == 3


EVIDENTIAL = {
    "type": "evidential",
    "evidence": "exp_plus_one",
    "kl": "per_class",
    "kl_weight": 0.01,
    "kl_anneal": True,
}
PRODUCT = {"type": "product", "alpha": 1.0, "beta": 1.0}


@pytest.mark.parametrize("loss", [EVIDENTIAL, {**EVIDENTIAL, "kl": "mixed"}, PRODUCT], ids=["sum", "mixed", "product"])
@pytest.mark.parametrize("harden", [None, "argmax", "balanced"])
def test_every_loss_learns_with_and_without_self_training(study, loss, harden):
    here = study()
    self_training = harden and {"gamma_max": 0.5, "ramp": 1.0, "harden": harden}
    table = answers(run(here, loss=loss, self_training=self_training))
    assert (table.hard[:, 0] == here.task.items.gold[here.split.test]).mean() > 0.5


def misfit(logits, target):
    """KL(student || target), which no weighted mean of targets can stand for."""
    return (logits.softmax(-1) * (logits.log_softmax(-1) - target.clamp_min(1e-6).log())).sum(-1)


class Misfit(LossSection):
    type: Literal["misfit"]


@pytest.fixture
def listed():
    yield LOSSES.add
    LOSSES.remove("misfit")


def test_a_loss_that_declares_nothing_is_trained_on_separate_rows(study, listed):
    record = LossRecord(Misfit, function=misfit)
    listed(record)
    here = study()
    path = here.folder / "targets" / "targets.parquet"
    rows = Targets.load(path)
    assert len(rows.items) > len(set(rows.items)), "several rows per item"
    apart = answers(run(here, "apart", loss="misfit")).probs
    rows.collapse().save(path)
    together = answers(run(here, "together", loss="misfit")).probs
    assert np.abs(apart - together).max() > 0.01
    rows.save(path)
    LOSSES.remove("misfit")
    listed(replace(record, linear_in_target=True))
    np.testing.assert_array_equal(answers(run(here, "declared", loss="misfit")).probs, together)


def test_the_saved_head_gives_the_predictions(study):
    here = study()
    out = run(here)
    head = load_file(out / "model" / "head.safetensors")
    features = np.load(here.folder / "features" / "features.npy")[here.split.test, 0]
    logits = ((features - head["mean"]) / head["deviation"]) @ head["weight"] + head["bias"]
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(answers(out).probs[:, 0], probs, atol=1e-5)
    assert json.loads((out / "model" / "head.json").read_text())["layer"] == 3


def test_tuning_never_sees_gold(study):
    """With other gold, everything is the same to the byte."""
    here = study()
    first = run(here, "first")
    items = here.task.items
    other = Items(items.ids, items.prompts, (items.gold + 1) % 3, items.options, items.parts, items.groups)
    Task(here.task.name, here.task.kind, here.task.classes, other).save(here.folder / "pool")
    second = run(here, "second")
    for file in ("half_b.parquet", "test.parquet", "chosen.json", "metrics.jsonl", "model/head.safetensors"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_oracle_selection_does_see_gold_and_says_so(study):
    here = study()
    tune = {**TUNE, "select_by": "gold_accuracy"}
    first = json.loads((run(here, "first", tune) / "chosen.json").read_text())
    assert first["oracle"] is True
    items = here.task.items
    other = Items(items.ids, items.prompts, (items.gold + 1) % 3, items.options, items.parts, items.groups)
    Task(here.task.name, here.task.kind, here.task.classes, other).save(here.folder / "pool")
    second = json.loads((run(here, "second", tune) / "chosen.json").read_text())
    scores = [[point["gold_accuracy"] for point in record["grid"]] for record in (first, second)]
    assert scores[0] != scores[1]


def test_the_yardstick_is_all_supervisors_whatever_the_targets(study):
    """Scores of a method that learns from one source are agreement with the mean of all."""
    here = study()
    probs = here.labels.probs[:, 0]
    folder = here.folder / "targets" / "targets.parquet"
    Targets(here.labels.items, probs, np.ones(len(probs))).save(folder)
    record = json.loads((run(here) / "chosen.json").read_text())
    mean = here.labels.probs.mean(axis=1)
    possible = mean.max(axis=1).mean()
    assert all(point["weak_accuracy"] <= possible + 1e-9 for point in record["grid"])


def test_layers_are_chosen_on_held_out_items(study):
    here = study()
    here.save_features(np.random.default_rng(0), layers=(1, 9, 2), strength=(0.0, 4.0, 0.5))
    record = json.loads((run(here) / "chosen.json").read_text())
    assert {point["layer"] for point in record["grid"]} == {1, 2, 9}
    assert record["chosen"]["layer"] == 9


def test_a_grid_of_one_is_not_searched(study):
    record = json.loads((run(study(), tune={**TUNE, "l2": [0.1]}) / "chosen.json").read_text())
    assert record["grid"] == [record["chosen"]]


@pytest.mark.parametrize("loss", ["cross_entropy", {"type": "generalized_cross_entropy", "q": 0.7}])
def test_source_order_and_names_do_not_matter(study, loss):
    here = study()
    first = answers(run(here, "first", loss=loss)).probs
    here.save_labels(WeakLabels(here.labels.items, ("z", "y", "x"), here.labels.probs[:, ::-1]))
    assert np.allclose(answers(run(here, "second", loss=loss)).probs, first, atol=1e-5)


def test_class_names_and_order_do_not_matter(study):
    here = study()
    first = answers(run(here, "first")).probs
    order = np.asarray([2, 0, 1])
    here.save_labels(WeakLabels(here.labels.items, here.labels.sources, here.labels.probs[..., order]))
    assert np.allclose(answers(run(here, "second")).probs, first[..., order], atol=1e-5)


def test_keeping_every_row_or_their_mean_is_one_for_a_linear_loss(study):
    here = study()
    rows = answers(run(here, "rows")).probs
    path = here.folder / "targets" / "targets.parquet"
    Targets.load(path).collapse().save(path)
    assert np.array_equal(answers(run(here, "mean")).probs, rows)


def test_items_without_a_target_are_answered_all_the_same(study):
    here = study()
    probs = here.labels.probs.copy()
    probs[:5] = 0
    here.save_labels(WeakLabels(here.labels.items, here.labels.sources, probs))
    assert len(answers(run(here), "half_b").items) == len(here.split.half_b)


def test_nothing_to_learn_is_a_clear_error(study):
    here = study()
    Targets(["i0"], np.full((1, 3), 1 / 3), np.ones(1)).save(here.folder / "targets" / "targets.parquet")
    unknown = here.task.items.ids[int(here.split.test[0])]
    Targets([unknown], np.full((1, 3), 1 / 3), np.ones(1)).save(here.folder / "targets" / "targets.parquet")
    with pytest.raises(DataError, match=f"`{unknown}` is not among the items to learn from"):
        run(here)


def test_more_folds_than_items_is_a_clear_error(study):
    with pytest.raises(ConfigError, match=r"tune\.folds"):
        run(study(), tune={**TUNE, "folds": 1000})


def test_damaged_features_are_a_clear_error(study):
    here = study()
    (here.folder / "features" / "features.npy").write_bytes(b"not an array")
    with pytest.raises(DataError, match="not a readable features folder"):
        run(here)
