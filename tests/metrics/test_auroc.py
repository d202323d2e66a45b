"""AUROC is the share of pairs that are in order, as in scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fresh import SEEDS
from outgrow.metrics.auroc import auroc


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
