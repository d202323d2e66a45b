"""Krippendorff's α and Fleiss' κ against their definitions, pair by pair, and what must not change them."""

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.metrics.rater_agreement import fleiss_kappa, krippendorff_alpha, raw_agreement

LEVELS = ("nominal", "ordinal", "interval")


def drawn(seed, items=30, sources=6, classes=4, coverage=0.6, skill=0.5):
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=items)
    table = np.where(
        rng.random((items, sources)) < skill, truth[:, None], rng.integers(classes, size=(items, sources))
    )
    item, source = np.nonzero(rng.random((items, sources)) < coverage)
    return item, table[item, source]


def alpha_by_definition(item, said, distance):
    """Coincidences of all ordered pairs of votes on an item, each counting 1/(m − 1)."""
    n_classes = said.max() + 1
    coincidences = np.zeros((n_classes, n_classes))
    for one in np.unique(item):
        votes = said[item == one]
        for first in range(len(votes)):
            for second in range(len(votes)):
                if first != second:
                    coincidences[votes[first], votes[second]] += 1 / (len(votes) - 1)
    counts = coincidences.sum(axis=1)
    n = counts.sum()
    delta = distance(counts)
    chance = (np.outer(counts, counts) - np.diag(counts)) / (n - 1)
    return 1 - (coincidences * delta).sum() / (chance * delta).sum()


def distances(level, values):
    def ordinal(counts):
        size = len(counts)
        found = np.zeros((size, size))
        for low in range(size):
            for high in range(low + 1, size):
                between = counts[low : high + 1].sum() - (counts[low] + counts[high]) / 2
                found[low, high] = found[high, low] = between**2
        return found

    if level == "nominal":
        return lambda counts: 1 - np.eye(len(counts))
    if level == "ordinal":
        return ordinal
    return lambda counts: np.subtract.outer(values[: len(counts)], values[: len(counts)]) ** 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("level", LEVELS)
def test_alpha_is_its_definition(level, seed):
    item, said = drawn(seed)
    values = np.random.default_rng(seed).normal(10, 5, 4)
    wanted = alpha_by_definition(item, said, distances(level, values))
    found = krippendorff_alpha(item, said, level=level, values=values)
    assert found.value == pytest.approx(wanted, abs=2e-6)
    assert found.low < found.value < found.high
    assert found.n == (np.bincount(item) >= 2).sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_kappa_is_its_definition(seed):
    item, said = drawn(seed)
    agree, shares = [], []
    for one in np.unique(item):
        votes = said[item == one]
        if len(votes) < 2:
            continue
        pairs = [votes[i] == votes[j] for i in range(len(votes)) for j in range(len(votes)) if i != j]
        agree.append(np.mean(pairs))
        shares.append([np.mean(votes == c) for c in range(4)])
    chance = (np.mean(shares, axis=0) ** 2).sum()
    wanted = (np.mean(agree) - chance) / (1 - chance)
    assert fleiss_kappa(item, said).value == pytest.approx(wanted, abs=2e-6)
    raw = raw_agreement(item, said)
    assert raw.value == pytest.approx(np.mean(agree), abs=2e-6)
    assert raw.low < raw.value < raw.high


def test_the_published_examples():
    """Krippendorff (2011), four observers and twelve units: nominal .743, ordinal .815, interval .849."""
    rows = ("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .")
    table = np.asarray([[-1 if cell == "." else int(cell) for cell in row.split()] for row in rows]).T
    item, rater = np.nonzero(table >= 0)
    said = table[item, rater]
    found = [krippendorff_alpha(item, said, level=level, values=np.arange(6.0)).value for level in LEVELS]
    np.testing.assert_allclose(found, [0.743, 0.815, 0.849], atol=6e-4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("level", LEVELS)
def test_order_and_single_votes_change_nothing(level, seed):
    item, said = drawn(seed)
    values = np.asarray([0.0, 1.0, 5.0, 6.0])
    order = np.random.default_rng(seed).permutation(len(item))
    lonely = np.concatenate([item[order], [100, 101]]), np.concatenate([said[order], [0, 0]])
    one = krippendorff_alpha(item, said, level=level, values=values)
    assert krippendorff_alpha(*lonely, level=level, values=values) == one
    assert fleiss_kappa(*lonely) == fleiss_kappa(item, said)
    assert raw_agreement(*lonely) == raw_agreement(item, said)


@pytest.mark.parametrize("seed", SEEDS)
def test_names_of_nominal_classes_do_not_matter_and_a_scale_has_no_unit(seed):
    item, said = drawn(seed)
    names = np.random.default_rng(seed).permutation(4)
    one, other = krippendorff_alpha(item, said), krippendorff_alpha(item, names[said])
    assert one.value == pytest.approx(other.value, abs=2e-6)
    assert fleiss_kappa(item, said).value == pytest.approx(fleiss_kappa(item, names[said]).value, abs=2e-6)
    values = np.asarray([0.0, 1.0, 5.0, 6.0])
    near, far = (krippendorff_alpha(item, said, level="interval", values=v) for v in (values, 1e6 + 20 * values))
    assert near.value == pytest.approx(far.value, abs=2e-6)


def test_what_is_undefined_says_why():
    nobody = np.asarray([0, 1, 2])
    assert raw_agreement(nobody, np.asarray([0, 1, 0])).note == "no item has two votes"
    assert raw_agreement(np.asarray([0, 0]), np.asarray([1, 1])).value == 1
    for measure in (krippendorff_alpha, fleiss_kappa):
        assert measure(nobody, np.asarray([0, 1, 0])).note == "no item has two votes"
        assert measure(np.zeros(0, np.int64), np.zeros(0, np.int64)).value is None
        assert measure(np.asarray([0, 0]), np.asarray([1, 1])).note == "all votes name one class"
        assert measure(np.asarray([0, 0, 1, 1]), np.asarray([1, 1, 0, 0])).value == 1
        plain = measure(np.asarray([0, 0, 1, 1]), np.asarray([0, 1, 0, 1]), resamples=0)
        assert plain.value < 0
        assert plain.low is None


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_of_many_items_resample_as_items_would(seed):
    """Above `BLOCKS` items the interval is as wide as the spread of α over fresh draws."""
    fresh = [krippendorff_alpha(*drawn([seed, k], items=3000), resamples=0).value for k in range(60)]
    found = krippendorff_alpha(*drawn(seed, items=3000))
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.std(fresh), rel=0.35)
    kappa = fleiss_kappa(*drawn(seed, items=3000))
    assert kappa.high - kappa.low == pytest.approx(found.high - found.low, rel=0.3)
