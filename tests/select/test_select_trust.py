"""Trust functions: the logistic regression against a general optimiser, and trust against known reliability."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Task
from outgrow.errors import DataError
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.select.logistic import fit_by_folds, fit_logistic
from outgrow.select.trust_scores import last_layer, trust_of


def some_examples(seed: int, n: int = 60, dim: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, dim)) * rng.uniform(0.1, 10, dim) + rng.normal(size=dim)
    z = (inputs - inputs.mean(0)) / inputs.std(0) @ rng.normal(size=dim)
    label = (rng.random(n) < expit(z)).astype(float)
    label[:2] = [0, 1]
    return inputs, label


# ---- logistic regression --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("l2", [1.0, 0.01])
@pytest.mark.parametrize("dim", [1, 5, 90])
def test_the_fit_is_the_minimum(dim: int, l2: float, seed: int) -> None:
    inputs, label = some_examples(seed, dim=dim)
    standard = (inputs - inputs.mean(0)) / inputs.std(0)

    def objective(free: np.ndarray) -> tuple[float, np.ndarray]:
        z = standard @ free[:-1] + free[-1]
        value = np.mean(np.logaddexp(0, z) - label * z) + l2 / 2 * free[:-1] @ free[:-1]
        slope = (expit(z) - label) / len(label)
        return value, np.append(standard.T @ slope + l2 * free[:-1], slope.sum())

    best = minimize(objective, np.zeros(dim + 1), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).x
    wanted = expit(standard @ best[:-1] + best[-1])
    np.testing.assert_allclose(fit_logistic(inputs, label, l2).probability(inputs), wanted, atol=1e-5)


def test_labels_that_are_all_alike_give_their_share_for_all() -> None:
    inputs, label = some_examples(SEEDS[0], n=8)
    np.testing.assert_allclose(fit_logistic(inputs, 0 * label + 1, 0.1).probability(inputs), 0.9)
    np.testing.assert_allclose(fit_logistic(inputs, 0 * label, 0.1).probability(inputs), 0.1)
    one = fit_by_folds(inputs[:1], np.ones(1), ["a"])
    np.testing.assert_allclose(one.probability(inputs), 2 / 3)


def test_scale_shift_constant_columns_and_order_do_not_matter() -> None:
    inputs, label = some_examples(SEEDS[1])
    names = [f"g{row // 2}" for row in range(len(label))]
    found = fit_by_folds(inputs, label, names).probability(inputs)
    moved = np.column_stack([inputs * [1e3, 1, 1e-3, 2, 5] + 7, np.full(len(label), 4.0)])
    np.testing.assert_allclose(fit_by_folds(moved, label, names).probability(moved), found, atol=1e-6)
    order = np.random.default_rng(SEEDS[0]).permutation(len(label))
    turned = fit_by_folds(inputs[order], label[order], [names[row] for row in order])
    np.testing.assert_allclose(turned.probability(inputs), found, atol=1e-7)


def test_labels_that_a_plane_parts_stay_finite() -> None:
    inputs = np.linspace(-1, 1, 20)[:, None]
    model = fit_by_folds(inputs, (inputs[:, 0] > 0).astype(float), [str(row) for row in range(20)])
    found = model.probability(inputs)
    assert np.isfinite(model.weight).all()
    assert (found[10:] > 0.5).all()
    assert (found[:10] < 0.5).all()


# ---- trust ----------------------------------------------------------------------------------------------


def made(
    seed: int, n: int = 400, kind: str = "classify"
) -> tuple[Task, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Two sources whose answers are right where a direction of their own hidden states says so."""
    rng = np.random.default_rng(seed)
    gold, dim = rng.integers(0, 3, n), 6
    options = None if kind == "classify" else [["x", "y", "z"]] * n
    items = Items([f"i{row}" for row in range(n)], [f"text {row}" for row in range(n)], gold, options=options)
    task = Task("made", kind, ("x", "y", "z") if kind == "classify" else (), items)
    states, reliable, votes = {}, np.zeros((n, 2)), np.zeros((n, 2), dtype=int)
    for source, name in enumerate("ab"):
        base = rng.normal(size=(n, dim))
        reliable[:, source] = expit(4 * base[:, source])
        right = rng.random(n) < reliable[:, source]
        votes[:, source] = np.where(right, gold, (gold + 1) % 3)
        states[name] = base if kind == "classify" else np.repeat(base[:, None], 3, axis=1)
    return task, states, reliable, votes


def split_of(task: Task, votes: np.ndarray) -> tuple[WeakLabels, Anchors]:
    """The second half of the items as half B, the first as anchors."""
    probs, half = np.eye(3)[votes], len(votes) // 2
    anchors = WeakLabels(task.items.ids[:half], ("a", "b"), probs[:half])
    labels = WeakLabels(task.items.ids[half:], ("a", "b"), probs[half:])
    return labels, Anchors(anchors, task.items.gold[:half])


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_trust_finds_which_labels_are_right(kind: str) -> None:
    task, states, reliable, votes = made(SEEDS[0], kind=kind)
    labels, known = split_of(task, votes)
    for source in range(2):
        targets = Targets(labels.items, labels.probs[:, source], np.ones(len(labels.items)))
        trust = trust_of(task, targets, labels.only(["ab"[source]]), known, states)
        assert np.corrcoef(trust, reliable[200:, source])[0, 1] > 0.8
        right = votes[200:, source] == task.items.gold[200:]
        best = trust >= np.median(trust)
        assert right[best].mean() > right[~best].mean() + 0.2


def test_the_trust_in_a_label_is_the_mean_over_those_who_gave_it() -> None:
    task, states, _, votes = made(SEEDS[1])
    labels, known = split_of(task, votes)
    alone = np.stack(
        [
            trust_of(task, Targets(labels.items, labels.probs[:, s], np.ones(200)), labels.only([name]), known, states)
            for s, name in enumerate("ab")
        ],
        axis=1,
    )
    for value in range(3):
        targets = Targets(labels.items, np.tile(np.eye(3)[value], (200, 1)), np.ones(200))
        found = trust_of(task, targets, labels, known, states)
        gave = votes[200:] == value
        wanted = [
            np.mean([t for t, one in zip(row, mask, strict=True) if one]) if mask.any() else np.nan
            for row, mask in zip(alone.tolist(), gave, strict=True)
        ]
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_the_students_states_stand_in_and_a_source_without_states_has_no_trust() -> None:
    task, states, _, votes = made(SEEDS[2])
    labels, known = split_of(task, votes)
    targets = Targets(labels.items, labels.probs[:, 0], np.ones(200))
    by_student = trust_of(task, targets, labels.only(["a"]), known, {"student": states["a"]})
    np.testing.assert_array_equal(by_student, trust_of(task, targets, labels.only(["a"]), known, states))
    assert np.isnan(trust_of(task, targets, labels.only(["a"]), known, {"b": states["b"]})).all()


def test_a_source_that_was_always_right_has_one_trust() -> None:
    task, states, _, votes = made(SEEDS[0])
    votes[:200, 0] = task.items.gold[:200]
    labels, known = split_of(task, votes)
    targets = Targets(labels.items, labels.probs[:, 0], np.ones(200))
    np.testing.assert_allclose(trust_of(task, targets, labels.only(["a"]), known, states), 201 / 202)


def test_the_highest_layer_is_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    np.save(tmp_path / "features.npy", values)
    (tmp_path / "features.json").write_text(json.dumps({"layers": [4, 9, 2]}))
    np.testing.assert_array_equal(last_layer(tmp_path, 4), values[:, 1])
    with pytest.raises(DataError, match="do not fit"):
        last_layer(tmp_path, 5)
