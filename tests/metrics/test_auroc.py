"""AUROC is the share of pairs that are in order, as in scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from drawn_seeds import SEEDS
from outgrow.metrics.auroc import CHUNK, auroc, resampled_auroc


@pytest.mark.parametrize("seed", SEEDS)
def test_auroc_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        good, bad = (rng.integers(0, 6, rng.integers(1, 30)) / 2 for _ in range(2))
        pairs = [(one > other) + (one == other) / 2 for one, other in itertools.product(good, bad)]
        found = auroc(good, bad)
        assert found == pytest.approx(np.mean(pairs), abs=1e-12)
        kind = [1] * len(good) + [0] * len(bad)
        assert found == pytest.approx(roc_auc_score(kind, np.concatenate([good, bad])), abs=1e-12)
        assert auroc(bad, good) == pytest.approx(1 - found, abs=1e-12)


def test_one_kind_alone_cannot_be_told_apart():
    assert auroc(np.ones(3), np.zeros(0)) is None
    assert auroc(np.zeros(0), np.ones(3)) is None
    assert auroc(np.ones(3), np.zeros(2)) == 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_are_repetitions(seed):
    """Every draw by itself: each example as often as it was drawn."""
    rng = np.random.default_rng(seed)
    for n in (1, 2, 40):
        score, positive = rng.integers(0, 6, n) / 2, rng.random(n) < 0.6
        weight = rng.poisson(1, (30, n)).astype(np.uint8)
        weight[0] = 1
        found = resampled_auroc(weight, score, positive)
        assert found.shape == (30,)
        for draw in range(30):
            repeated = [np.repeat(score[kind], weight[draw][kind]) for kind in (positive, ~positive)]
            expected = auroc(*repeated)
            assert np.isnan(found[draw]) if expected is None else found[draw] == pytest.approx(expected, abs=1e-12)


def test_many_draws_are_cut_into_pieces():
    """More weights than are held at once; the pieces must not matter."""
    rng = np.random.default_rng(0)
    n = 3000
    score, positive = rng.normal(size=n), rng.random(n) < 0.5
    weight = rng.poisson(1, (2 * (CHUNK // n) + 3, n)).astype(np.uint8)
    found = resampled_auroc(weight, score, positive)
    for draw in (0, CHUNK // n - 1, CHUNK // n, len(weight) - 1):
        assert found[draw] == resampled_auroc(weight[draw : draw + 1], score, positive)[0]


def test_no_example_has_no_auroc():
    assert np.isnan(resampled_auroc(np.ones((3, 0), dtype=np.uint8), np.zeros(0), np.zeros(0, dtype=bool))).all()
