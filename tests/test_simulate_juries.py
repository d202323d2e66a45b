"""Simulated votes with known truth: who votes, how sources err, how they depend, and that real crowds look alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.simulate.juries import Pattern, crowd_pattern, draw_pattern, draw_table, draw_votes, pattern_of
from outgrow.simulate.jury_world import CROWD, JURY, NEVER, RANGES, RULES, World, draw_balance, draw_world
from outgrow.vote_table import VoteTable

CROWDS = Path(__file__).parents[2] / "shared" / "data" / "crowd" / "truth_inference"


def world_of(n_sources: int = 4, n_classes: int = 3, **changes: object) -> World:
    """Independent sources with the skill 2 and no preference, on items that all look alike."""
    plain: dict[str, object] = {
        "balance": np.full(n_classes, 1 / n_classes),
        "hardness": 1e-3,
        "misleading": 0.0,
        "mistakes": (1 - np.eye(n_classes)) / (n_classes - 1),
        "shared": 0.0,
        "family_error": 0.0,
        "family": np.zeros(n_sources, int),
        "skill": np.full(n_sources, 2.0),
        "preference": np.zeros((n_sources, n_classes, n_classes)),
        "one_side": np.full(n_sources, -1),
        "one_sided_share": np.ones(n_sources),
        "copied": np.full(n_sources, -1),
        "copied_share": np.ones(n_sources),
        "silence": np.zeros(n_sources),
    }
    return World(**{**plain, **changes})


def everyone(n_items: int, n_sources: int) -> Pattern:
    item, source = np.divmod(np.arange(n_items * n_sources), n_sources)
    return Pattern(n_items, n_sources, item, source)


def confusion(table: VoteTable, source: int) -> np.ndarray:
    """P(vote | truth) of one source, counted."""
    votes = table.source == source
    counts = np.zeros((table.n_classes, table.n_classes))
    np.add.at(counts, (table.gold[table.item[votes]], table.label[votes]), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def error_correlation(table: VoteTable, first: int, second: int) -> float:
    wrong = table.dense() != table.gold[:, None]
    return float(np.corrcoef(wrong[:, first], wrong[:, second])[0, 1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("kind", ["crowd", "jury", "rules"])
def test_a_table_has_each_vote_once_and_all_its_gold(kind, soft, seed):
    rng = np.random.default_rng(seed)
    n_items, n_sources, n_classes = (int(rng.integers(*ends)) for ends in ((1, 200), (1, 20), (2, 7)))
    table = draw_votes(rng, kind, n_items=n_items, n_sources=n_sources, n_classes=n_classes, soft=soft)
    assert (len(table.items), len(table.sources), table.n_classes) == (n_items, n_sources, n_classes)
    assert len(np.unique(table.item * n_sources + table.source)) == table.n_votes
    assert ((table.gold >= 0) & (table.gold < n_classes)).all()
    assert ((table.label >= 0) & (table.label < n_classes)).all()
    if soft and table.n_votes:
        np.testing.assert_allclose(table.probs.sum(axis=1), 1)
        np.testing.assert_allclose(table.probs[np.arange(table.n_votes), table.label], table.probs.max(axis=1))
    if kind == "rules":
        assert all(len(set(table.label[table.source == source])) <= 1 for source in range(n_sources))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_generator_gives_the_same_votes(seed):
    first, again = (
        draw_votes(np.random.default_rng(seed), "jury", n_items=50, n_sources=8, n_classes=3) for _ in "12"
    )
    np.testing.assert_array_equal(first.label, again.label)
    np.testing.assert_array_equal(first.gold, again.gold)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_independent_source_votes_by_the_logit_rule(seed):
    rng = np.random.default_rng(seed)
    skill, preference = np.asarray([0.0, 1.5, -1.0]), rng.normal(size=(3, 3, 3))
    world = world_of(3, skill=skill, preference=preference, balance=np.asarray([0.2, 0.3, 0.5]))
    table = draw_table(rng, world, everyone(20_000, 3))
    for source in range(3):
        utility = np.exp(skill[source] * np.eye(3) + preference[source])
        wanted = utility / utility.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(confusion(table, source), wanted, atol=0.035)
    np.testing.assert_allclose(np.bincount(table.gold) / 20_000, world.balance, atol=0.02)
    of_one_class = table.take(np.flatnonzero(table.gold == 2))
    assert abs(error_correlation(of_one_class, 0, 1)) < 0.06


@pytest.mark.parametrize("seed", SEEDS)
def test_sources_share_errors_by_item_by_family_and_by_common_mistakes(seed):
    rng, pattern = np.random.default_rng(seed), everyone(4000, 4)
    mistakes = np.asarray([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    misled = draw_table(rng, world_of(skill=np.full(4, 6.0), misleading=0.3, mistakes=mistakes), pattern)
    assert error_correlation(misled, 0, 1) > 0.8
    wrong = misled.label != misled.gold[misled.item]
    assert (misled.label[wrong] == (misled.gold[misled.item][wrong] + 1) % 3).mean() > 0.95
    for changes in ({"shared": 1.0}, {"hardness": 1.2}):
        assert error_correlation(draw_table(rng, world_of(**changes), pattern), 0, 1) > 0.1
    related = draw_table(rng, world_of(family=np.asarray([0, 0, 1, 1]), family_error=1.0), pattern)
    assert error_correlation(related, 0, 1) > 0.15 > abs(error_correlation(related, 0, 2)) + 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_one_sided_copying_and_silent_sources(seed):
    rng, pattern = np.random.default_rng(seed), everyone(2000, 4)
    sides, shares = np.asarray([2, -1, 0, -1]), np.asarray([0.97, 1, 1, 1.0])
    table = draw_table(rng, world_of(one_side=sides, one_sided_share=shares), pattern)
    given = np.stack([np.bincount(table.label[table.source == source], minlength=3) / 2000 for source in range(4)])
    assert given[0, 2] == pytest.approx(0.97, abs=0.002)
    assert given[2, 0] == 1
    assert given[1].max() < 0.5
    copied = draw_table(
        rng, world_of(copied=np.asarray([-1, 0, -1, -1]), copied_share=np.full(4, 0.8)), everyone(2000, 4)
    )
    codes = copied.dense()
    apart = (codes[:, 0] == codes[:, 2]).mean()
    assert (codes[:, 0] == codes[:, 1]).mean() == pytest.approx(0.8 + 0.2 * apart, abs=0.04)
    partly = world_of(silence=np.asarray([0.0, 0.25, 0.5, 1.0]))
    silent = draw_table(rng, partly, pattern)
    assert silent.n_per_source.tolist() == [2000, 1500, 1000, 0]
    right = silent.label == silent.gold[silent.item]
    assert right[silent.source == 2].mean() > right[silent.source == 0].mean() + 0.03  # the least certain are left out


@pytest.mark.parametrize("seed", SEEDS)
def test_patterns(seed):
    rng = np.random.default_rng(seed)
    crowd = crowd_pattern(rng, 500, 60, votes_per_item=5.0, tail=1.0)
    per_item = np.bincount(crowd.item, minlength=500)
    assert per_item.min() >= 1
    assert per_item.mean() == pytest.approx(5, abs=0.7)
    assert len(np.unique(crowd.item * 60 + crowd.source)) == len(crowd.item)
    per_source = np.bincount(crowd.source, minlength=60)
    assert per_source[:6].sum() > 2 * per_source[-30:].sum()
    jury = draw_pattern(rng, "jury", 40, 5)
    assert 0.85 * 200 < len(jury.item) <= 200
    table = draw_table(rng, draw_world(rng, CROWD, 60, 4), crowd)
    of_table = pattern_of(table)
    assert set(zip(of_table.item, of_table.source, strict=True)) <= set(zip(crowd.item, crowd.source, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_worlds_have_what_their_ranges_say(seed):
    rng = np.random.default_rng(seed)
    worlds = [draw_world(rng, JURY, 12, 3) for _ in range(200)]
    one_sided = np.asarray([(world.one_side >= 0).mean() for world in worlds])
    assert one_sided.max() > 0.5
    assert (one_sided < 0.1).mean() > 0.2
    assert np.asarray([world.copied[world.copied >= 0].size for world in worlds]).max() > 0
    assert all((world.copied != np.arange(12)).all() for world in worlds)
    balances = np.stack([draw_balance(rng, 4) for _ in range(300)])
    np.testing.assert_allclose(balances.sum(axis=1), 1)
    assert balances.min() < 0.02
    assert (balances.min(axis=1) > 0.15).any()
    rules = draw_world(rng, RULES, 10, 3, rules=True)
    assert ((rules.preference == NEVER).sum(axis=(1, 2)) == 6).all()
    assert set(RANGES) == {"crowd", "jury", "rules"}


def statistics(table: VoteTable) -> dict[str, float]:
    """Agreement of two votes on an item, κ, the share of one-sided sources, accuracies of a vote and the majority."""
    counts = np.zeros((len(table.items), table.n_classes))
    np.add.at(counts, (table.item, table.label), 1)
    n_votes = counts.sum(axis=1)
    pairs = (n_votes * (n_votes - 1)).sum()
    agreement = ((counts**2).sum() - n_votes.sum()) / pairs
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    by_source = np.zeros((len(table.sources), table.n_classes))
    np.add.at(by_source, (table.source, table.label), 1)
    enough = by_source[by_source.sum(axis=1) >= 10]
    known = table.gold[table.item] >= 0
    judged = (table.gold >= 0) & (n_votes > 0)
    top = counts == counts.max(axis=1, keepdims=True)
    majority = (top[np.arange(len(top)), table.gold] / top.sum(axis=1))[judged].mean()
    return {
        "agreement": agreement,
        "kappa": (agreement - chance) / (1 - chance),
        "one-sided": float((enough.max(axis=1) > 0.95 * enough.sum(axis=1)).mean()),
        "accuracy": float((table.label == table.gold[table.item])[known].mean()),
        "majority": float(majority),
    }


@pytest.mark.skipif(not CROWDS.is_dir(), reason="the crowds of ../shared/data are not here")
@pytest.mark.parametrize("name", ["bluebird", "dog", "web"])
def test_real_crowds_lie_within_the_simulated_range(name):
    votes, truth = (pd.read_csv(CROWDS / name / f"{part}.csv") for part in ("label", "truth"))
    item, items = pd.factorize(votes["item"])
    source, sources = pd.factorize(votes["worker"])
    gold = truth.set_index("item")["truth"].reindex(items).fillna(-1).astype(int).to_numpy()
    classes = tuple(f"c{index}" for index in range(votes["label"].max() + 1))
    names = [str(one) for one in items], tuple(str(one) for one in sources)
    table = VoteTable(*names, classes, item, source, votes["label"].to_numpy(), gold=gold)
    real, rng = statistics(table), np.random.default_rng(SEEDS[0])
    pattern = pattern_of(table)
    worlds = [draw_world(rng, CROWD, pattern.n_sources, len(classes)) for _ in range(60)]
    drawn = pd.DataFrame([statistics(draw_table(rng, world, pattern)) for world in worlds])
    for key, value in real.items():
        assert drawn[key].min() <= value <= drawn[key].max(), (key, value)
