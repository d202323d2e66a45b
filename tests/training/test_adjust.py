"""Marginal matching reaches the shares it is given; views are averaged."""

import numpy as np
import pytest
from scipy.special import softmax

from drawn_seeds import SEEDS
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels
from outgrow.training.post_processing import SHARPNESS, apply_bias, average_views, marginal_bias, match_marginals


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 20.0])
def test_mean_predictions_equal_the_wanted_shares(seed, sharpness):
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(2, 20))
    probs = softmax(sharpness * rng.normal(size=(200, n_classes)), axis=1)
    shares = rng.dirichlet(np.full(n_classes, 2.0))
    bias = marginal_bias(probs, shares)
    assert np.allclose(apply_bias(probs, bias).mean(axis=0), shares, atol=1e-10, rtol=0)
    assert abs(bias.mean()) < 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_without_any_doubt_can_still_be_matched(seed):
    rng = np.random.default_rng(seed)
    probs = np.eye(4)[np.concatenate([np.arange(4), rng.integers(0, 4, 100)])]
    shares = rng.dirichlet(np.full(4, 5.0))
    assert np.allclose(apply_bias(probs, marginal_bias(probs, shares)).mean(axis=0), shares, atol=1e-10, rtol=0)


def test_one_item_gets_exactly_the_shares():
    """Closed form: with one item, bias = log(share / probability) up to a constant."""
    probs, shares = np.asarray([[0.7, 0.2, 0.1]]), np.asarray([0.2, 0.3, 0.5])
    expected = np.log(shares / probs[0])
    assert np.allclose(marginal_bias(probs, shares), expected - expected.mean(), atol=1e-9)


def test_predictions_that_match_already_are_left_alone():
    probs = np.random.default_rng(1).dirichlet(np.ones(4), 50)
    assert np.allclose(marginal_bias(probs, probs.mean(axis=0)), 0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_matching_is_equivariant_and_idempotent(seed):
    rng = np.random.default_rng(seed)
    probs, shares, order = rng.dirichlet(np.ones(5), 60), rng.dirichlet(np.ones(5)), rng.permutation(5)
    bias = marginal_bias(probs, shares)
    assert np.allclose(marginal_bias(probs[:, order], shares[order]), bias[order], atol=1e-8)
    assert np.allclose(marginal_bias(apply_bias(probs, bias), shares), 0, atol=1e-8)


def test_a_class_without_a_share_is_not_predicted():
    probs = np.random.default_rng(2).dirichlet(np.ones(3), 40)
    matched = apply_bias(probs, marginal_bias(probs, np.asarray([0.25, 0.75, 0.0])))
    assert np.allclose(matched.mean(axis=0), [0.25, 0.75, 0.0], atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_get_the_wanted_shares(seed):
    rng = np.random.default_rng(seed)
    probs = softmax(2 * rng.normal(size=(2000, 6)), axis=1)
    shares = rng.dirichlet(np.full(6, 5.0))
    answers = apply_bias(probs, marginal_bias(probs, shares, SHARPNESS["answers"])).argmax(axis=1)
    assert np.allclose(np.bincount(answers, minlength=6) / 2000, shares, atol=0.01, rtol=0)


def labels(items, probs, name="student"):
    return WeakLabels(items, (name,), np.asarray(probs)[:, None])


def job(tmp_path, **inputs):
    out = tmp_path / "out"
    out.mkdir()
    return Job(out, inputs, tmp_path / "scratch")


def student_folder(folder, strong, test):
    folder.mkdir()
    strong.save(folder / "half_b.parquet")
    test.save(folder / "test.parquet")
    return folder


def test_the_bias_is_fitted_on_weak_labelled_items_only(tmp_path):
    rng = np.random.default_rng(3)
    strong, test = rng.dirichlet(np.ones(3), 30), rng.dirichlet(np.ones(3), 20)
    names = [f"b{i}" for i in range(30)]
    student = student_folder(tmp_path / "student", labels(names, strong), labels([f"t{i}" for i in range(20)], test))
    labelled = rng.permutation(30)[:25]
    targets = Targets([names[i] for i in labelled], rng.dirichlet(np.ones(3), 25), np.ones(25))
    folder = tmp_path / "targets"
    folder.mkdir()
    targets.save(folder / "targets.parquet")
    work = job(tmp_path, student=student, targets=folder)
    match_marginals(work, name="matched", of="probabilities")
    done = {part: WeakLabels.load(work.out / f"{part}.parquet") for part in ("half_b", "test")}
    assert done["half_b"].sources == done["test"].sources == ("matched",)
    assert np.allclose(done["half_b"].probs[labelled, 0].mean(axis=0), targets.probs.mean(axis=0), atol=1e-10)
    bias = marginal_bias(strong[labelled], targets.probs.mean(axis=0))
    assert np.allclose(done["test"].probs[:, 0], apply_bias(test, bias))


def test_two_views_are_averaged(tmp_path):
    rng = np.random.default_rng(4)
    first, second = rng.dirichlet(np.ones(2), (2, 6)), rng.dirichlet(np.ones(2), (2, 6))
    names = list("abcdef")
    folders = [
        student_folder(tmp_path / str(number), labels(names, view[0]), labels(names, view[1]))
        for number, view in enumerate((first, second))
    ]
    work = job(tmp_path, first=folders[0], second=folders[1])
    average_views(work, name="both")
    assert np.allclose(WeakLabels.load(work.out / "test.parquet").probs[:, 0], (first[1] + second[1]) / 2)


def test_views_of_different_items_are_refused(tmp_path):
    table = labels(["a"], [[0.5, 0.5]])
    one = student_folder(tmp_path / "1", table, table)
    two = student_folder(tmp_path / "2", labels(["b"], [[0.5, 0.5]]), table)
    with pytest.raises(DataError, match="different items"):
        average_views(job(tmp_path, first=one, second=two), name="both")
