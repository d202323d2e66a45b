"""The steps that read a study's folders and write targets."""

import numpy as np
import pytest
import textbook_sources as textbook

from outgrow.combiners.keep_all import keep_all
from outgrow.combiners.targets_step import make_gold, make_targets
from outgrow.data.task import Items, Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job
from outgrow.labels import Anchors, Targets, WeakLabels

GOLD = np.asarray([0, 1, 2, 0, 1, 2, 2, 1, 0, 0, 1, 2])


@pytest.fixture
def job(tmp_path):
    folders = {name: tmp_path / name for name in ("pool", "split", "labels", "out", "scratch")}
    for folder in folders.values():
        folder.mkdir()
    ids = [f"item{number}" for number in range(12)]
    Task("tiny", "classify", ("a", "b", "c"), Items(ids, ["text"] * 12, GOLD)).save(folders["pool"])
    Split(np.arange(4), np.arange(4, 10), np.arange(10, 12)).save(folders["split"])
    votes = np.stack([GOLD, (GOLD + (np.arange(12) % 3 == 0)) % 3], axis=1)
    everything = textbook.hard_labels(votes, 3)
    everything.take(np.arange(4)).save(folders["labels"] / "anchors.parquet")
    everything.take(np.arange(4, 10)).save(folders["labels"] / "half_b.parquet")
    inputs = {name: folders[name] for name in ("pool", "split", "labels")}
    return Job(folders["out"], inputs, folders["scratch"])


def test_targets_come_from_half_b_and_anchors_from_half_a(job):
    make_targets(job, combine={"type": "keep_all", "weights": "accuracy"})
    found = Targets.load(job.out / "targets.parquet")
    labels = WeakLabels.load(job.inputs["labels"] / "half_b.parquet")
    anchors = Anchors(WeakLabels.load(job.inputs["labels"] / "anchors.parquet"), GOLD[:4])
    wanted = keep_all(labels, anchors, "accuracy")
    assert found.items == wanted.items
    np.testing.assert_allclose(found.probs, wanted.probs)
    np.testing.assert_allclose(found.weight, wanted.weight)
    assert found.weight[0] > found.weight[1]


def test_the_same_inputs_give_the_same_bytes(job):
    written = []
    for _ in range(2):
        make_targets(job, combine={"type": "log_pool", "weights": "average", "calibrate_sources": True})
        written.append((job.out / "targets.parquet").read_bytes())
    assert written[0] == written[1]


def test_without_held_out_labels_the_message_says_what_to_change(job):
    (job.inputs["labels"] / "anchors.parquet").unlink()
    with pytest.raises(ConfigError, match="holdout"):
        make_targets(job, combine={"type": "weighted_vote"})
    make_targets(job, combine={"type": "vote"})


def test_a_source_that_never_voted_leaves_nothing_to_train_on(job):
    labels = WeakLabels.load(job.inputs["labels"] / "half_b.parquet")
    labels.probs[:, 1] = 0
    labels.save(job.inputs["labels"] / "half_b.parquet")
    with pytest.raises(DataError, match="nothing to train on"):
        make_targets(job, combine={"type": "single", "source": "s1"})


def test_gold_is_one_hot_on_half_b(job):
    make_gold(job)
    targets = Targets.load(job.out / "targets.parquet")
    labels = WeakLabels.load(job.out / "half_b.parquet")
    assert targets.items == labels.items == [f"item{number}" for number in range(4, 10)]
    np.testing.assert_array_equal(targets.probs, np.eye(3)[GOLD[4:10]])
    np.testing.assert_array_equal(labels.probs[:, 0], targets.probs)
    assert labels.sources == ("gold",)


def test_gold_that_is_missing_names_its_item(job):
    task = Task.load(job.inputs["pool"])
    task.items.gold[5] = -1
    task.save(job.inputs["pool"])
    with pytest.raises(DataError, match="item5"):
        make_gold(job)
