"""Which rows are kept: exactly those that the definition names, whatever order they come in."""

import math
from fractions import Fraction

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.errors import DataError
from outgrow.select.keep_rules import keep_rows, lots, sizes

NAMES = ("sums", "tales", "")


def some_rows(seed):
    """Scores with ties and gaps, lots, and capabilities of unequal sizes."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    score = rng.integers(0, 5, n) / 4
    score[rng.random(n) < 0.15] = np.nan
    return score, lots(seed, [(str(row),) for row in range(n)]), rng.choice(NAMES, n, p=[0.6, 0.3, 0.1]).tolist()


def by_definition(score, lot, group, wanted):
    """Row by row: kept if fewer than `wanted(group)` rows of its group come before it."""
    kept = []
    for row, name in enumerate(group):
        if math.isnan(score[row]):
            kept.append(False)
            continue
        before = sum(
            other == name and (score[number] > score[row] or (score[number] == score[row] and lot[number] > lot[row]))
            for number, other in enumerate(group)
        )
        kept.append(before < wanted(name))
    return kept


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.3, 0.5, 0.7, 2 / 3, 1.0])
@pytest.mark.parametrize("within", ["capability", "all"])
def test_a_fraction_is_its_definition(seed, fraction, within):
    exact = Fraction(str(fraction))
    for number in range(20):
        score, lot, capability = some_rows(seed + number)
        group = capability if within == "capability" else [""] * len(capability)
        expected = by_definition(score, lot, group, lambda name, g=group: math.ceil(exact * g.count(name)))
        assert keep_rows(score, lot, capability, fraction=fraction, within=within).tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_quotas_and_thresholds_are_their_definitions(seed):
    rng = np.random.default_rng(seed)
    for number in range(20):
        score, lot, capability = some_rows(seed + number)
        quota, threshold = int(rng.integers(1, 6)), float(rng.choice([0.25, 0.4, 1.0]))
        by_name = {name: int(rng.integers(0, 6)) for name in set(capability) if rng.random() < 0.7}
        found = [
            keep_rows(score, lot, capability, quota=quota),
            keep_rows(score, lot, capability, quota=by_name, within="all"),
            keep_rows(score, lot, capability, threshold=threshold),
        ]
        assert found[0].tolist() == by_definition(score, lot, capability, lambda name, q=quota: q)
        assert found[1].tolist() == by_definition(score, lot, capability, lambda name, q=by_name: q.get(name, 0))
        assert found[2].tolist() == [one >= threshold for one in score.tolist()]


@pytest.mark.parametrize("rule", [{"fraction": 0.37}, {"fraction": 0.37, "within": "all"}, {"quota": 3}])
@pytest.mark.parametrize("seed", SEEDS)
def test_neither_the_order_of_the_rows_nor_the_names_of_capabilities_matter(seed, rule):
    rng = np.random.default_rng(seed)
    for number in range(10):
        score, lot, capability = some_rows(seed + number)
        kept = keep_rows(score, lot, capability, **rule)
        order = rng.permutation(len(score))
        renamed = [{"sums": "z", "tales": "", "": "a"}[capability[row]] for row in order]
        assert keep_rows(score[order], lot[order], renamed, **rule).tolist() == kept[order].tolist()


def test_seven_per_cent_of_a_hundred_are_seven():
    for n, fraction, wanted in [(100, 0.07, 7), (50, 0.14, 7), (3, 1 / 3, 1), (1000, 0.007, 7), (7, 0.5, 4)]:
        assert keep_rows(np.ones(n), np.arange(n) / n, [""] * n, fraction=fraction).sum() == wanted


def test_lots_depend_on_the_seed_and_the_rows_own_words_alone():
    rows = [(f"i{number}", "text") for number in range(500)]
    found = lots(SEEDS[0], rows)
    assert lots(SEEDS[0], rows[::-1]).tolist() == found[::-1].tolist()
    assert lots(SEEDS[0], rows[7:8]).tolist() == found[7:8].tolist()
    assert len(set(found.tolist())) == 500
    assert not set(found.tolist()) & set(lots(SEEDS[0] + 1, rows).tolist())
    assert lots(1, [("a", "b")]) != lots(1, [("ab", "")])
    assert abs(found.mean() - 0.5) < 5 / math.sqrt(12 * 500)
    assert 0 <= found.min() < found.max() < 1


def test_equal_scores_are_kept_by_chance():
    """Every one of ten equal rows is kept in half of the draws."""
    draws = 400
    kept = sum(
        keep_rows(np.zeros(10), lots(SEEDS[0] + seed, [(str(row),) for row in range(10)]), [""] * 10, fraction=0.5)
        for seed in range(draws)
    )
    assert abs(kept / draws - 0.5).max() < 5 * 0.5 / math.sqrt(draws)


def test_a_quota_of_nobody_is_refused():
    score, lot = np.ones(2), np.asarray([0.1, 0.2])
    with pytest.raises(DataError, match="no label is of a capability `tails`; did you mean `tales`"):
        keep_rows(score, lot, ["sums", "tales"], quota={"tails": 3})
    with pytest.raises(DataError, match="`sums`; the task is not made of several: give one number"):
        keep_rows(score, lot, ["", ""], quota={"sums": 3})


def test_sizes_count_the_rows_of_each_capability():
    assert sizes(["b", "a", "b"]) == {"b": 2, "a": 1}
    assert list(sizes(["b", "a", "b"])) == ["b", "a"]
