"""Drawing: exact sizes, disjoint, groups whole, the smaller in the larger, whatever the order of the rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.config.task import Sizes
from outgrow.data.pool import counts_in, cut
from outgrow.data.split import SHARES, deal, draw, draw_split, in_order, make_split, needed
from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job

PARTS = ("half_a", "half_b", "test")


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


def three_classes(items):
    return Task("t", "classify", ("a", "b", "c"), items)


def texts(items):
    """The same items for a task that has no classes, of which there must be two."""
    return Task("t", "generate", (), items)


def ids_of(task, sizes, seed, split_seed=0):
    """The items of every part of a study, by their ids."""
    pool = cut(task, sizes, split_seed).items
    split = draw_split(pool, sizes, seed)
    return {part: {pool.ids[row] for row in getattr(split, part).tolist()} for part in PARTS}, pool


drawings = st.tuples(
    st.integers(0, 10**6),
    st.integers(20, 120),
    st.integers(8, 150),
    st.sampled_from([0.0, 0.0, 0.4]),
    st.tuples(*[st.integers(0, 10**6)] * 3),
    st.integers(-5, 5),
    st.integers(-5, 5),
)
"""Items in groups, what sizes are made of, and two seeds."""


def drawing_of(seed, n, n_groups, tested, cuts, *seeds):
    """A task, and sizes up to the most that is sure to fit it; None where nothing is."""
    task = texts(items_in_groups(seed, n, n_groups, tested))
    published = task.items.parts.count("test")
    parts = 2 if published else 3
    largest = np.unique(task.items.groups, return_counts=True)[1].max()
    room = n - published - (parts - 1) * (largest - 1) - parts
    if room < 0:
        return task, None, *seeds
    ends = sorted(number % (room + 1) for number in cuts[:parts])
    sizes = [1 + b - a for a, b in itertools.pairwise([0, *ends])]
    test = [1 + cuts[2] % published] if published else []
    return task, Sizes(**dict(zip(PARTS, [*sizes, *test], strict=True))), *seeds


@settings(max_examples=300, deadline=None)
@given(drawings, st.sampled_from(PARTS), st.integers(1, 40))
def test_parts_are_exact_disjoint_whole_and_hold_smaller_ones(drawing, grown, less):
    task, sizes, seed, split_seed = drawing_of(*drawing)
    if sizes is None:
        return
    large, pool = ids_of(task, sizes, seed, split_seed)
    assert {part: len(ids) for part, ids in large.items()} == sizes.model_dump()
    group = dict(zip(task.items.ids, task.items.groups, strict=True))
    used = [{group[name] for name in ids} for ids in large.values()]
    assert sum(map(len, used)) == len(set().union(*used))
    tests = {name for name, part in zip(task.items.ids, task.items.parts, strict=True) if part == "test"}
    assert large["test"] <= tests or not tests
    # A smaller study: what it uses is used by the larger one too, and its pool is in the larger pool.
    smaller = sizes.model_copy(update={grown: max(1, getattr(sizes, grown) - less)})
    small, small_pool = ids_of(task, smaller, seed, split_seed)
    assert small[grown] <= large[grown]
    assert set(small_pool.ids) <= set(pool.ids)
    of_part = [pool.ids[row] for row, part in enumerate(pool.parts) if part == "train"]
    small_part = [small_pool.ids[row] for row, part in enumerate(small_pool.parts) if part == "train"]
    assert of_part[: len(small_part)] == small_part


@settings(max_examples=100, deadline=None)
@given(drawings, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(drawing, random):
    task, sizes, seed, split_seed = drawing_of(*drawing)
    if sizes is None:
        return
    order = list(range(len(task.items)))
    random.shuffle(order)
    drawn = ids_of(task, sizes, seed, split_seed)[0]
    assert ids_of(task.take(np.asarray(order)), sizes, seed, split_seed)[0] == drawn


def test_other_parts_stay_where_there_are_items_enough():
    task = three_classes(items_in_groups(1, n=3000, n_groups=2500))
    small = ids_of(task, Sizes(half_a=50, half_b=100, test=60), 3)[0]
    for part in PARTS:
        larger = ids_of(task, Sizes(**{"half_a": 50, "half_b": 100, "test": 60, part: 250}), 3)[0]
        assert small[part] < larger[part]
        assert all(small[other] == larger[other] for other in set(PARTS) - {part})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=120), st.integers(0, 10**6), st.booleans())
def test_dealing_keeps_to_its_shares_and_what_is_needed_is_enough(lengths, seed, three):
    blocks = in_order([f"g{i}" for i, n in enumerate(lengths) for _ in range(n)], list(map(str, range(10**4))), seed)
    shares = {part: SHARES[part] for part in (PARTS if three else PARTS[:2])}
    whole = sum(shares.values())
    lots = deal(blocks, shares, seed + 1)
    dealt, total, largest = dict.fromkeys(shares, 0), 0, 0
    for block, part in zip(blocks, lots, strict=True):
        dealt[part] += len(block.rows)
        total, largest = total + len(block.rows), max(largest, len(block.rows))
        for one, share in shares.items():
            low, high = (len(shares) - 1) * largest, largest
            assert -low <= dealt[one] - total * share / whole <= high
    sizes = {part: 1 + (seed >> shift) % 20 for shift, part in enumerate(shares)}
    count = needed(blocks, sizes)
    if count < len(blocks):  # then nobody is short of what was dealt
        own = {
            part: sum(len(b.rows) for b, p in zip(blocks[:count], lots, strict=False) if p == part) for part in sizes
        }
        assert all(own[part] >= size for part, size in sizes.items())


def test_draw_without_groups_uses_every_row():
    blocks = in_order([str(i) for i in range(100)], [str(i) for i in range(100)], 0)
    sets = draw(blocks, {"half_a": 10, "half_b": 60, "test": 30}, 0)
    assert sorted(np.concatenate(list(sets.values())).tolist()) == list(range(100))


def test_every_item_is_as_likely_in_every_part():
    names = [str(i) for i in range(20)]
    counts = {part: np.zeros(20) for part in PARTS}
    for seed in range(2000):
        for part, rows in draw(in_order(names, names, seed), {"half_a": 5, "half_b": 8, "test": 4}, seed).items():
            counts[part][rows] += 1
    for part, size in {"half_a": 5, "half_b": 8, "test": 4}.items():
        assert abs(counts[part] / 2000 - size / 20).max() < 0.055  # five standard errors


@pytest.mark.parametrize("tested", [0.0, 0.3])
def test_splits_of_a_pool_differ_by_seed(tested):
    sizes = Sizes(half_a=101, half_b=150, test=57)
    pool = cut(three_classes(items_in_groups(1, tested=tested)), sizes, 0)
    splits = [draw_split(pool.items, sizes, seed) for seed in (0, 1)]
    assert splits[0].half_a.tolist() != splits[1].half_a.tolist()
    assert (splits[0].test.tolist() == splits[1].test.tolist()) == (tested > 0)
    assert all(rows.tolist() == sorted(set(rows.tolist())) for rows in (splits[0].half_a, splits[0].half_b))


def test_the_pool_holds_what_the_study_can_use():
    task = three_classes(items_in_groups(2, n=2000, n_groups=10_000_000))
    sizes = Sizes(half_a=50, half_b=100, test=150)
    pool = cut(task, sizes, 0)
    assert 300 <= len(pool.items) <= 315
    other = cut(task, sizes, 1)
    assert other.items.ids != pool.items.ids
    assert cut(task, sizes, 0).items.ids == pool.items.ids


def test_all_is_what_the_others_leave():
    task = three_classes(items_in_groups(3, n=300, n_groups=10_000_000))
    parts, pool = ids_of(task, Sizes(half_a="all", half_b="all", test=100), 0)
    assert {part: len(ids) for part, ids in parts.items()} == {"half_a": 100, "half_b": 100, "test": 100}
    assert len(set().union(*parts.values())) == 300
    assert counts_in(Task("t", "classify", ("a",), pool), Sizes(half_a="all", half_b="all", test=100)) == {
        "half_a": 100,
        "half_b": 100,
        "test": 100,
    }
    parts = ids_of(task, Sizes(half_a=20, half_b=30, test="all"), 0)[0]
    assert {part: len(ids) for part, ids in parts.items()} == {"half_a": 20, "half_b": 30, "test": 250}
    some = ids_of(task, Sizes(half_a="all", half_b=30, test=20), 0)[0]
    more = ids_of(task, Sizes(half_a="all", half_b=90, test=20), 0)[0]
    assert len(some["half_a"]) == 250
    assert some["half_b"] < more["half_b"]
    with pytest.raises(DataError, match=r"asks for `all` three times; give task\.sizes\.test a number"):
        cut(task, Sizes.model_validate("all"), 0)


def test_all_of_a_set_with_published_test_items_is_halves_and_that_part():
    task = three_classes(items_in_groups(5, n_groups=10_000_000, tested=0.3))
    tests = task.items.parts.count("test")
    parts = ids_of(task, Sizes.model_validate("all"), 0)[0]
    assert len(parts["test"]) == tests
    assert abs(len(parts["half_a"]) - len(parts["half_b"])) <= 1
    assert sum(map(len, parts.values())) == 600


def test_make_split_writes_the_same_bytes_for_any_order_of_keys(tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    three_classes(items_in_groups(3)).save(pool)
    written = []
    for name, keys in {"one": ("half_a", "half_b", "test"), "two": ("test", "half_a", "half_b")}.items():
        out = tmp_path / name
        out.mkdir()
        sizes = {"half_a": 30, "half_b": 40, "test": 50}
        make_split(Job(out, {"pool": pool}, tmp_path), sizes={key: sizes[key] for key in keys}, seed=5)
        written.append((out / "split.json").read_bytes())
    assert written[0] == written[1]
    assert len(Split.load(tmp_path / "one").test) == 50


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"half_a": 100, "half_b": 600, "test": 50}, "only 600 usable items.*lower task.sizes.half_b to at most 450"),
        ({"half_a": 700, "half_b": 600, "test": 10}, "lower task.sizes to 600 in all"),
        (
            {"half_a": 700, "half_b": "all", "test": 10},
            "asks for half_a 700 .* all .*lower task.sizes.half_a to at most 589",
        ),
    ],
)
def test_too_few_items(sizes, message):
    with pytest.raises(DataError, match=message):
        cut(three_classes(items_in_groups(4)), Sizes(**sizes), 0)


def test_too_few_published_test_items():
    with pytest.raises(DataError, match=r"usable test items, but task.sizes asks for test 500: lower task.sizes.test"):
        cut(three_classes(items_in_groups(4, tested=0.3)), Sizes(half_a=10, half_b=10, test=500), 0)


def test_one_class_and_unlabelled_items():
    items = items_in_groups(5)
    constant = Task("t", "classify", ("a", "b"), Items(items.ids, items.prompts, np.full(600, 1)))
    with pytest.raises(DataError, match="would use are `b`"):
        cut(constant, Sizes(half_a=5, half_b=5, test=5), 0)
    gold = np.where(np.arange(600) < 100, -1, items.gold)
    labelled = cut(
        Task("t", "classify", ("a", "b", "c"), Items(items.ids, items.prompts, gold)),
        Sizes(half_a=100, half_b=200, test=200),
        0,
    )
    assert (labelled.items.gold >= 0).all()
    assert any(note.endswith("gold: 100.") for note in labelled.notes)


def test_a_split_that_cannot_be_filled_says_so():
    items = Items([str(i) for i in range(10)], ["x"] * 10, np.arange(10) % 2, groups=["all"] * 10)
    with pytest.raises(DataError, match="the half_a split gets only 0 of 3"):
        draw_split(items, Sizes(half_a=3, half_b=3, test=4), 0)
