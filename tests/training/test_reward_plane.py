"""The plane of two principal components: against scikit-learn, and what it must not depend on."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from drawn_seeds import SEEDS
from outgrow.training.principal_plane import principal_plane, save_plane


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(40, 6), (5, 30), (3, 2)])
def test_places_are_principal_components(seed, shape):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=shape) * np.linspace(3, 1, shape[1]) + 100
    found, explained = principal_plane(vectors)
    oracle = PCA(2, svd_solver="full").fit(vectors)
    expected = oracle.transform(vectors)
    for axis in range(2):
        sign = np.sign(oracle.components_[axis][np.abs(oracle.components_[axis]).argmax()])
        assert found[:, axis] == pytest.approx(sign * expected[:, axis], abs=1e-7)
    assert explained == pytest.approx(oracle.explained_variance_ratio_, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_and_the_origin_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    vectors, order = rng.normal(size=(20, 7)), rng.permutation(20)
    found, explained = principal_plane(vectors)
    moved, same = principal_plane((vectors + rng.normal(size=7))[order])
    assert moved == pytest.approx(found[order], abs=1e-9)
    assert same == pytest.approx(explained, abs=1e-12)
    assert 1 >= explained[0] >= explained[1] >= 0


def test_answers_that_are_all_one_have_no_spread():
    places, explained = principal_plane(np.ones((4, 5), dtype=np.float32))
    assert not places.any()
    assert explained == [0.0, 0.0]


def test_a_label_that_was_not_read_has_no_place(tmp_path):
    rng = np.random.default_rng(SEEDS[0])
    vectors = [rng.normal(size=5).astype(np.float32) for _ in range(6)]
    about = save_plane(tmp_path, [*vectors[:2], None, *vectors[2:]])
    found = np.load(tmp_path / "vectors.npy")
    assert (found.shape, found.dtype) == ((7, 2), np.float32)
    assert np.isnan(found).any(axis=1).tolist() == [False, False, True, False, False, False, False]
    places, explained = principal_plane(np.stack(vectors))
    assert np.delete(found, 2, axis=0) == pytest.approx(places, abs=1e-5)
    assert about == {"explained": explained}
    assert save_plane(tmp_path, [None, None]) == {"explained": [0.0, 0.0]}
