"""A second round's targets: the first student's opinion times what it was taught."""

import numpy as np
import pytest
import textbook_sources as textbook

from drawn_seeds import SEEDS
from outgrow.combiners.keep_all import keep_all
from outgrow.combiners.second_round import multiply, multiply_in
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Targets


def opinions(rng, items=40, classes=3):
    """A student's answers to every item."""
    return textbook.labels_of(rng.dirichlet(np.ones(classes), (items, 1)), ("student",))


@pytest.mark.parametrize("seed", SEEDS)
def test_items_are_matched_by_name_and_distributions_multiplied(seed):
    rng = np.random.default_rng(seed)
    targets, student = keep_all(textbook.soft_labels(rng)), opinions(rng)
    found = multiply(targets, student.take(rng.permutation(40)))
    said = dict(zip(student.items, student.probs[:, 0], strict=True))
    before = textbook.by_item(targets)
    assert found.items == list(before)
    for item, probs in zip(found.items, found.probs, strict=True):
        wanted = np.maximum(before[item], 1e-12) * said[item]
        np.testing.assert_allclose(probs, wanted / wanted.sum())
    np.testing.assert_allclose(found.weight, targets.collapse().weight)
    assert found.origin == targets.origin


def test_a_student_that_knows_nothing_changes_nothing():
    targets = keep_all(textbook.labels_of([[[0.7, 0.3], [0.5, 0.5]]]))
    student = textbook.labels_of([[[0.5, 0.5]]])
    textbook.assert_same_targets(multiply(targets, student), targets)


def test_a_contradiction_still_leaves_a_distribution():
    targets = keep_all(textbook.hard_labels([[0]], 3))
    found = multiply(targets, textbook.hard_labels([[1]], 3)).probs
    np.testing.assert_allclose(found, [[0.5, 0.5, 0]], atol=1e-9)


def test_only_one_student_can_join():
    with pytest.raises(DataError, match="s1"):
        multiply(keep_all(textbook.hard_labels([[0, 1]], 2)), textbook.hard_labels([[0, 1]], 2))


def test_the_step_reads_both_folders_and_writes_targets(tmp_path):
    rng = np.random.default_rng(SEEDS[0])
    folders = {name: tmp_path / name for name in ("targets", "student", "out", "scratch")}
    for folder in folders.values():
        folder.mkdir()
    targets, student = keep_all(textbook.soft_labels(rng)), opinions(rng)
    targets.save(folders["targets"] / "targets.parquet")
    student.save(folders["student"] / "half_b.parquet")
    inputs = {name: folders[name] for name in ("targets", "student")}
    multiply_in(Job(folders["out"], inputs, folders["scratch"]))
    textbook.assert_same_targets(Targets.load(folders["out"] / "targets.parquet"), multiply(targets, student))
