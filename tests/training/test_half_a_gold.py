"""Half A's gold in a student's training: it chooses settings, or it is learned, and never both."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_student_probe import MODEL, TUNE, answers, run
from tiny_study import Study, model_section

from drawn_seeds import SEEDS
from outgrow.combiners.targets_step import add_half_a_gold
from outgrow.data.task import Task
from outgrow.errors import ConfigError
from outgrow.labels import Targets
from outgrow.training.classifier_steps import train_student
from outgrow.training.grid_search import GridPoint, SearchResult, calibrated_log_losses, search_on_gold

BY_HALF_A = {**TUNE, "select_by": "half_a_log_loss"}


def chosen(out):
    return json.loads((out / "chosen.json").read_text())


def with_gold(study: Study, part: str, change) -> None:
    """The pool with other gold on one part."""
    gold = study.task.items.gold.copy()
    rows = getattr(study.split, part)
    gold[rows] = change(gold[rows])
    changed = Task(study.task.name, study.task.kind, study.task.classes, replace(study.task.items, gold=gold))
    changed.save(study.folder / "pool")


def gold_targets(study: Study, *, beside: bool) -> None:
    """`targets` with half A's gold, alone or beside the labels' rows."""
    job = study.job("gold")
    inputs = {key: job.inputs[key] for key in ("pool", "split", *(["targets"] if beside else []))}
    add_half_a_gold(replace(job, inputs=inputs))
    (job.out / "targets.parquet").rename(study.folder / "targets" / "targets.parquet")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_point_is_compared_at_its_best_temperature(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(4, size=200)
    # Noisy enough that no temperature makes all of them right: the best one would be the least allowed.
    logits = rng.normal(size=(3, 200, 4)) + np.eye(4)[gold] * np.array([0.6, 1.0, 1.5])[:, None, None]
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    found = calibrated_log_losses(probs, gold)
    for point, value in zip(probs, found, strict=True):
        by_hand = []
        for temperature in np.exp(np.linspace(-2.5, 4, 4000)):
            scaled = point ** (1 / temperature)
            by_hand.append(-np.log(scaled[np.arange(200), gold] / scaled.sum(axis=1)).mean())
        assert value == pytest.approx(min(by_hand), abs=1e-5)
    sharper = probs**1.5 / (probs**1.5).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(calibrated_log_losses(sharper, gold), found, rtol=0, atol=1e-6)


def test_the_least_loss_is_chosen_and_one_point_trains_nothing():
    gold = np.array([0, 1, 0, 1])
    right = np.eye(2)[gold] * 0.8 + 0.1
    grid = [GridPoint(0.1, 1, l2) for l2 in (3.0, 2.0, 1.0)]
    choice = search_on_gold(grid, gold, lambda: np.stack([right[::-1] * 0 + 0.5, right, right]))
    assert choice.point == grid[1], "ties go to the earlier point"

    def never():
        raise AssertionError("nothing should be trained")

    assert search_on_gold(grid[:1], gold, never) == SearchResult(grid[0], None, None)


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_half_as_gold_chooses_and_half_bs_gold_does_not(study, kind):
    here = study(kind)
    first = chosen(run(here, "first", BY_HALF_A))
    scores = [point["half_a_log_loss"] for point in first["grid"]]
    assert first["oracle"] is False
    assert first["chosen"]["l2"] == first["grid"][int(np.argmin(np.round(scores, 9)))]["l2"]
    with_gold(here, "half_b", lambda gold: (gold + 1) % 3)
    assert chosen(run(here, "other-b", BY_HALF_A)) == first
    with_gold(here, "half_a", lambda gold: (gold + 1) % 3)
    other = [point["half_a_log_loss"] for point in chosen(run(here, "other-a", BY_HALF_A))["grid"]]
    assert not np.allclose(other, scores)


def test_a_whole_model_is_chosen_by_half_as_gold_too(tiny, study):
    here = study()
    job = here.job("student")
    train_student(
        job,
        adapt="full",
        model=model_section(tiny("bert"), "full", epochs=4.0),
        loss={"type": "cross_entropy"},
        self_training=None,
        tune={**BY_HALF_A, "lr": [1e-5, 5e-3], "epochs": None},
        seed=0,
        name="student",
    )
    scores = {point["lr"]: point["half_a_log_loss"] for point in chosen(job.out)["grid"]}
    assert chosen(job.out)["chosen"]["lr"] == min(scores, key=lambda rate: scores[rate])


def test_half_as_gold_alone_needs_no_labels(study):
    here = study(flip=1.0)  # labels that know nothing
    gold_targets(here, beside=False)
    targets = Targets.load(here.folder / "targets" / "targets.parquet")
    assert targets.items == [here.task.items.ids[row] for row in here.split.half_a]
    np.testing.assert_array_equal(targets.probs, np.eye(3)[here.task.items.gold[here.split.half_a]])
    job = here.job("student")
    inputs = {key: folder for key, folder in job.inputs.items() if key != "labels"}
    train_student(
        replace(job, inputs=inputs),
        adapt="probe",
        model=MODEL,
        loss={"type": "cross_entropy"},
        self_training=None,
        tune=TUNE,
        seed=0,
        name="student",
    )
    assert (answers(job.out).hard[:, 0] == here.task.items.gold[here.split.test]).mean() > 0.5


def test_half_as_gold_beside_labels(study):
    here = study(flip=1.0)
    labels = Targets.load(here.folder / "targets" / "targets.parquet")
    gold_targets(here, beside=True)
    both = Targets.load(here.folder / "targets" / "targets.parquet")
    assert both.items == [*(here.task.items.ids[row] for row in here.split.half_a), *labels.items]
    np.testing.assert_array_equal(both.weight, [*np.ones(len(here.split.half_a)), *labels.weight])
    right = (answers(run(here)).hard[:, 0] == here.task.items.gold[here.split.test]).mean()
    here.save_labels(here.labels)
    assert right > (answers(run(here, "labels")).hard[:, 0] == here.task.items.gold[here.split.test]).mean()


def test_gold_that_is_learned_cannot_choose(study):
    here = study()
    gold_targets(here, beside=True)
    with pytest.raises(ConfigError, match="select_by"):
        run(here, tune=BY_HALF_A)
