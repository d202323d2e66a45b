"""The fair search: same folds and grid for all, chosen on weak labels, ties to the stronger regularisation."""

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.tune import PROBE_L2
from outgrow.errors import ConfigError, DataError
from outgrow.training.grid_search import (
    GridPoint,
    SearchResult,
    describe,
    fold_of,
    probe_grid,
    score,
    search,
    training_grid,
)

TUNE = {"l2": list(PROBE_L2), "lr": None, "epochs": None, "folds": 3, "select_by": "weak_accuracy"}


def one_hot(classes, n_classes):
    return np.eye(n_classes)[np.asarray(classes)]


def test_default_grid_is_wide_and_starts_with_the_strongest_penalty():
    grid = probe_grid(TUNE, [3])
    penalties = [point.l2 for point in grid]
    assert len(grid) == 8
    assert penalties == sorted(penalties, reverse=True)
    assert penalties[0] == pytest.approx(3)
    assert penalties[-1] == pytest.approx(1e-4)
    assert {(point.lr, point.epochs, point.layer) for point in grid} == {(0.05, 100, 3)}


def test_layers_and_rates_multiply_the_grid():
    grid = probe_grid({**TUNE, "l2": [0.1, 1.0], "lr": [0.1, 0.05], "epochs": [50, 100]}, [2, 7])
    assert len(grid) == len(set(grid)) == 16
    assert [point.layer for point in grid] == [2] * 8 + [7] * 8


def test_training_grid_defaults_to_the_training_section():
    assert training_grid(TUNE, {"lr": 1e-5, "epochs": 2}) == [GridPoint(1e-5, 2)]
    assert len(training_grid({**TUNE, "lr": [1e-4, 1e-5]}, {"lr": 1.0, "epochs": 2})) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_keep_groups_together_and_do_not_depend_on_order(seed):
    rng = np.random.default_rng(seed)
    groups = [f"g{number}" for number in rng.integers(0, 40, 100)]
    fold = fold_of(groups, 4)
    for name in set(groups):
        assert len({f for f, group in zip(fold, groups, strict=True) if group == name}) == 1
    order = rng.permutation(100)
    assert (fold_of([groups[i] for i in order], 4) == fold[order]).all()
    sizes = np.bincount([fold[groups.index(name)] for name in set(groups)])
    assert sizes.max() - sizes.min() <= 1


def test_too_few_groups_for_the_folds_is_a_clear_error():
    with pytest.raises(ConfigError, match="3 folds cannot be made of 2"):
        fold_of(["a", "b", "a"], 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_their_definitions(seed):
    rng = np.random.default_rng(seed)
    probs, votes = rng.dirichlet(np.ones(4), 30), rng.dirichlet(np.ones(4), 30)
    votes[5] = 0
    kept = [i for i in range(30) if i != 5]
    agreement = np.mean([votes[i][max(range(4), key=lambda k: probs[i][k])] for i in kept])
    loss = np.mean([-sum(votes[i][k] * np.log(probs[i][k]) for k in range(4)) for i in kept])
    assert score(probs, votes, "weak_accuracy") == pytest.approx(agreement, abs=1e-12)
    assert score(probs, votes, "weak_log_loss") == pytest.approx(loss, abs=1e-12)


def test_nothing_to_choose_by_is_an_error():
    with pytest.raises(DataError, match="no supervisor answered"):
        score(np.full((3, 2), 0.5), np.zeros((3, 2)), "weak_accuracy")


def planted(accuracies, yardstick, rng):
    """Answers of one grid point per accuracy: right on that share of the items."""
    n, classes = yardstick.shape
    truth = yardstick.argmax(axis=1)
    wrong = (truth + 1) % classes
    tables = []
    for accuracy in accuracies:
        hit = np.arange(n) < accuracy * n
        tables.append(one_hot(np.where(hit, truth, wrong), classes) * 0.8 + 0.2 / classes)
    return np.stack(tables)


@pytest.mark.parametrize("select_by", ["weak_accuracy", "weak_log_loss", "gold_accuracy"])
def test_search_finds_the_planted_point_and_its_held_out_answers(select_by):
    rng = np.random.default_rng(0)
    yardstick = one_hot(rng.integers(0, 3, 90), 3)
    answers = planted([0.5, 0.9, 0.7], yardstick, rng)
    grid = [GridPoint(0.1, 1, l2) for l2 in (3.0, 2.0, 1.0)]
    seen = []

    def answer(held, fold):
        seen.append(held)
        return answers[:, held]

    choice = search(grid, fold_of([str(i) for i in range(90)], 3), yardstick, select_by, answer)
    assert choice.point == grid[1]
    assert np.array_equal(choice.held_out, answers[1])
    assert (np.sum(seen, axis=0) == 1).all(), "every item is held out exactly once"


def test_ties_go_to_the_first_point():
    yardstick = one_hot([0, 1, 0, 1, 0, 1], 2)
    same = np.stack([yardstick, yardstick, yardstick])
    grid = [GridPoint(0.1, 1, l2) for l2 in (3.0, 2.0, 1.0)]
    choice = search(grid, fold_of(list("abcdef"), 2), yardstick, "weak_accuracy", lambda held, fold: same[:, held])
    assert choice.point == grid[0]


def test_one_point_is_not_searched_unless_its_held_out_answers_are_wanted():
    def never(held, fold):
        raise AssertionError("nothing should be trained")

    fold, yardstick = fold_of(list("abcd"), 2), one_hot([0, 1, 0, 1], 2)
    assert search([GridPoint(0.1, 1)], fold, yardstick, "weak_accuracy", never) == SearchResult(
        GridPoint(0.1, 1), None, None
    )
    asked = search([GridPoint(0.1, 1)], fold, yardstick, "weak_accuracy", lambda h, f: yardstick[None, h], always=True)
    assert np.array_equal(asked.held_out, yardstick)


def test_the_record_marks_oracle_selection():
    grid = [GridPoint(0.1, 1, 2.0), GridPoint(0.1, 1, 1.0)]
    record = describe(SearchResult(grid[1], [0.5, 0.75], None), grid, "gold_accuracy", oracle=True)
    assert record["oracle"] is True
    assert record["chosen"]["l2"] == 1.0
    assert [point["gold_accuracy"] for point in record["grid"]] == [0.5, 0.75]
