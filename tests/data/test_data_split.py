"""Drawing: exact sizes, disjoint, groups whole, the same for the same seed."""

import numpy as np
import pytest

from outgrow.config.task import Sizes
from outgrow.data.draw import draw, spare
from outgrow.data.pool import cut
from outgrow.data.split import draw_split, make_split
from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job


def items_in_groups(seed, n=600, n_groups=200, tested=0.0):
    generator = np.random.default_rng(seed)
    group = generator.integers(0, n_groups, n)
    in_test = generator.random(n_groups) < tested
    return Items(
        ids=[f"i{i}" for i in range(n)],
        prompts=[f"text {i}" for i in range(n)],
        gold=generator.integers(0, 3, n),
        parts=["test" if in_test[g] else "train" for g in group],
        groups=[f"g{g}" for g in group],
    )


@pytest.mark.parametrize("seed", range(30))
def test_draw_fills_every_set_exactly_and_tears_no_group(seed):
    generator = np.random.default_rng(seed)
    groups = [f"g{g}" for g in generator.integers(0, generator.integers(1, 150), 400)]
    room = 400 - spare(groups, 3)
    sizes = generator.multinomial(max(room, 0), [0.2, 0.5, 0.3]).tolist()
    sets = draw(groups, sizes, seed)
    assert [len(rows) for rows in sets] == sizes
    used = [{groups[i] for i in rows} for rows in sets]
    assert sum(map(len, used)) == len(set().union(*used))
    assert all(rows.tolist() == sorted(set(rows.tolist())) for rows in sets)


def test_draw_without_groups_uses_every_row():
    sets = draw([str(i) for i in range(100)], [10, 60, 30], 0)
    assert sorted(np.concatenate(sets).tolist()) == list(range(100))


def test_draw_is_uniform_over_items():
    counts = sum(np.bincount(draw([str(i) for i in range(20)], [5], seed)[0], minlength=20) for seed in range(2000))
    assert abs(counts / 2000 - 0.25).max() < 0.05  # five standard errors


@pytest.mark.parametrize("tested", [0.0, 0.3])
def test_splits_of_a_pool_are_exact_disjoint_and_differ_by_seed(tested):
    sizes = Sizes(weak=101, strong=150, test=57)
    task = Task("t", "classify", ("a", "b", "c"), items_in_groups(1, tested=tested))
    pool = cut(task, sizes, 0)
    splits = [draw_split(pool.items, **sizes.model_dump(), seed=seed) for seed in (-1, 0, 1, 2)]
    for split in splits:
        assert [len(split.weak), len(split.strong), len(split.test)] == [101, 150, 57]
        groups = [{pool.items.groups[i] for i in rows} for rows in (split.weak, split.strong, split.test)]
        assert sum(map(len, groups)) == len(set().union(*groups))
        assert tested == 0 or {pool.items.parts[i] for i in split.test} == {"test"}
    assert splits[1].weak.tolist() != splits[2].weak.tolist()
    same_test = splits[1].test.tolist() == splits[2].test.tolist()
    assert same_test == (tested > 0)


def test_the_pool_holds_what_the_study_can_use():
    task = Task("t", "classify", ("a", "b", "c"), items_in_groups(2, n_groups=10_000_000))
    pool = cut(task, Sizes(weak=50, strong=60, test=70), 0)
    assert len(pool.items) == 180
    assert pool.items.ids == sorted(pool.items.ids, key=lambda name: int(name[1:]))
    other = cut(task, Sizes(weak=50, strong=60, test=70), 1)
    assert other.items.ids != pool.items.ids
    assert cut(task, Sizes(weak=50, strong=60, test=70), 0).items.ids == pool.items.ids


def test_make_split_writes_the_same_bytes_for_any_order_of_keys(tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    Task("t", "classify", ("a", "b", "c"), items_in_groups(3)).save(pool)
    written = []
    for name, keys in {"one": ("weak", "strong", "test"), "two": ("test", "weak", "strong")}.items():
        out = tmp_path / name
        out.mkdir()
        sizes = {"weak": 30, "strong": 40, "test": 50}
        make_split(Job(out, {"pool": pool}, tmp_path), sizes={key: sizes[key] for key in keys}, seed=5)
        written.append((out / "split.json").read_bytes())
    assert written[0] == written[1]
    assert len(Split.load(tmp_path / "one").test) == 50


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"weak": 100, "strong": 600, "test": 50}, "only 600 usable items.*lower task.sizes.strong to at most 450"),
        ({"weak": 700, "strong": 600, "test": 10}, "lower task.sizes to 600 in all"),
    ],
)
def test_too_few_items(sizes, message):
    task = Task("t", "classify", ("a", "b", "c"), items_in_groups(4))
    with pytest.raises(DataError, match=message):
        cut(task, Sizes(**sizes), 0)


def test_too_few_published_test_items():
    task = Task("t", "classify", ("a", "b", "c"), items_in_groups(4, tested=0.3))
    with pytest.raises(DataError, match=r"usable test items, but task.sizes asks for test 500: lower task.sizes.test"):
        cut(task, Sizes(weak=10, strong=10, test=500), 0)


def test_one_class_and_unlabelled_items():
    items = items_in_groups(5)
    constant = Task("t", "classify", ("a", "b"), Items(items.ids, items.prompts, np.full(600, 1)))
    with pytest.raises(DataError, match="would use are `b`"):
        cut(constant, Sizes(weak=5, strong=5, test=5), 0)
    gold = np.where(np.arange(600) < 100, -1, items.gold)
    labelled = cut(
        Task("t", "classify", ("a", "b", "c"), Items(items.ids, items.prompts, gold)),
        Sizes(weak=100, strong=200, test=200),
        0,
    )
    assert (labelled.items.gold >= 0).all()
    assert any(note.endswith("gold: 100.") for note in labelled.notes)


def test_a_split_that_cannot_be_filled_says_so():
    items = Items([str(i) for i in range(10)], ["x"] * 10, np.arange(10) % 2, groups=["all"] * 10)
    with pytest.raises(DataError, match="the weak split gets only 0 of 3"):
        draw_split(items, weak=3, strong=3, test=4, seed=0)
