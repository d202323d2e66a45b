"""Means over labels under every draw, by weighing each label by hand."""

import math

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.metrics.bootstrap import Resamples
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.results import WHOLE
from outgrow.reporting.tally import LabelContext, SeedCounts, macro
from resamples import draw_resamples

NAMES = ("a", "b", "empty")


def part_of(names: list[str], n_seeds: int) -> EvaluatedItems:
    n = len(names)
    return EvaluatedItems(
        name="half_b",
        ids=[f"i{item}" for item in range(n)],
        gold=np.zeros(n, dtype=np.int64),
        prompts=[""] * n,
        answers=[""] * n,
        keys=[""] * n,
        allowed=[[]] * n,
        capabilities=names,
        group=np.arange(n),
        of_seed=np.ones((n_seeds, n), dtype=np.bool_),
    )


def labels(rng: np.random.Generator, n_items: int) -> SeedCounts:
    """Several labels for some items, none for others; two measures."""
    item = rng.integers(0, n_items, 3 * n_items)
    return SeedCounts(item, rng.random((2, len(item))), rng.random((2, len(item))) < 0.6)


def by_hand(one: SeedCounts, measure: int, weight: np.ndarray, mine: list[int]) -> float:
    total = count = 0.0
    for label, item in enumerate(one.item.tolist()):
        if item in mine and one.among[measure, label]:
            total += float(weight[item]) * one.number[measure, label]
            count += float(weight[item])
    return total / count if count else math.nan


@pytest.mark.parametrize("seed", SEEDS)
def test_every_draw_weighs_all_labels_of_an_item_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = rng.choice(["a", "b"], 12).tolist()
    resamples = draw_resamples(3, 12, 20, rng)
    ground = LabelContext(part_of(names, 3), resamples, NAMES)
    seeds = [labels(rng, 12), None, labels(rng, 12)]
    counts = ground.counts(seeds)
    draws = ground.means_by_capability(counts)
    for name in NAMES:
        mine = [item for item, one in enumerate(names) if one == name]
        for draw in (0, 1, 20):
            for measure in range(2):
                expected = [
                    math.nan if one is None else by_hand(one, measure, resamples.items[draw], mine) for one in seeds
                ]
                assert draws[name][draw, measure].tolist() == pytest.approx(expected, abs=1e-12, nan_ok=True)
    found = ground.estimates({name: one[:, 0] for name, one in draws.items()}, counts[0, ..., 1] > 0, "nobody knows")
    assert list(found) == [WHOLE, *NAMES]
    assert (found["empty"].value, found["empty"].note) == (None, "nobody knows")
    assert found[WHOLE].note == "without empty (undefined)"
    per_seed = [np.nanmean([draws[name][0, 0, number] for name in ("a", "b")]) for number in (0, 2)]
    assert found[WHOLE].value == pytest.approx(np.mean(per_seed), abs=1e-6)
    assert found[WHOLE].seeds == 2
    used = {item for one in seeds if one is not None for item in one.item[one.among[0]].tolist()}
    assert found[WHOLE].n == len(used)
    assert found["a"].n == len({item for item in used if names[item] == "a"})


def test_a_task_that_is_no_mixture_has_no_macro_average() -> None:
    rng = np.random.default_rng(SEEDS[0])
    ground = LabelContext(part_of([""] * 6, 1), draw_resamples(1, 6, 50, rng), (WHOLE,))
    counts = ground.counts([labels(rng, 6)])
    found = ground.estimates(
        {name: one[:, 0] for name, one in ground.means_by_capability(counts).items()}, counts[0, ..., 1] > 0
    )
    assert list(found) == [WHOLE]
    assert found[WHOLE].note == ""
    assert found[WHOLE].low is not None


def test_numbers_without_resamples_have_no_interval() -> None:
    rng = np.random.default_rng(SEEDS[1])
    ground = LabelContext(part_of(["a", "b", "b"], 2), draw_resamples(2, 3, 10, rng), ("a", "b"))
    seeds = [(np.asarray([0, 1, 2, 2]), 10.0), None]
    found = ground.each(seeds, lambda thing, mine: thing * float(mine.sum()))
    assert found["a"].tolist() == pytest.approx([10, math.nan], nan_ok=True)
    assert found["b"].tolist() == pytest.approx([30, math.nan], nan_ok=True)
    plain = ground.plain(found, np.ones((2, 3), dtype=np.bool_))
    assert {name: (one.value, one.low, one.seeds) for name, one in plain.items()} == {
        WHOLE: (20, None, 1), "a": (10, None, 1), "b": (30, None, 1)
    }  # fmt: skip


def test_a_capability_without_anything_is_left_out_of_the_mean() -> None:
    one, other = np.asarray([[0.2, math.nan]]), np.asarray([[0.4, math.nan]])
    nothing = np.full((1, 2), math.nan)
    found = macro([one, other, nothing])
    assert found[0, 0] == pytest.approx(0.3)
    assert math.isnan(found[0, 1])


def test_resamples_of_the_ground_are_those_given() -> None:
    """Nothing draws anew: two measures of one study are paired."""
    resamples = Resamples(np.ones((2, 1), dtype=np.int64), np.asarray([[1, 1], [2, 0]], dtype=np.uint8))
    ground = LabelContext(part_of(["", ""], 1), resamples, (WHOLE,))
    one = SeedCounts(np.asarray([0, 1]), np.asarray([[1.0, 0.0]]), np.ones((1, 2), dtype=np.bool_))
    assert ground.means_by_capability(ground.counts([one]))[WHOLE][:, 0, 0].tolist() == [0.5, 1.0]
