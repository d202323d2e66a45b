"""Every combiner as a `Fit`: decisions of the published combiners, accuracies by counting, what must not matter."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import fit_named, targets_by, vote, without_gold
from spelled_out import classes_of, shares_of

from drawn_seeds import SEEDS
from outgrow.combiners import fit_names, section_named
from outgrow.combiners.fit import counts_by
from outgrow.combiners.keep_all import fit_single
from outgrow.combiners.rule_vote import fit_rule_vote
from outgrow.combiners.vote import common_skill, fit_vote
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError
from outgrow.labels import Anchors


def drawn(seed, items=400, classes=3, sources=5, coverage=0.8):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    return textbook.one_coin_votes(rng, gold, rng.uniform(0.6, 0.9, sources), classes, coverage), gold


def posteriors(labels, fit):
    return {name: fit.posterior[row] for row, name in enumerate(labels.items)}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", fit_names())
def test_any_votes_give_a_whole_fit(name, soft, seed):
    codes, gold = drawn(seed, items=120)
    labels = textbook.soft_labels(np.random.default_rng(seed), items=120) if soft else textbook.hard_labels(codes, 3)
    known = Anchors(labels.take(np.arange(40)), gold[:40]) if section_named(name).needs_gold else None
    votes = Votes.of(labels, known)
    try:
        fit = fit_named(name, votes)
    except DataError:
        assert name == "flying_squid", "only triplets may find that these agreements determine nothing"
        return
    assert fit.posterior.shape == (120, 3)
    np.testing.assert_allclose(fit.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(fit.balance.sum(), 1)
    np.testing.assert_allclose(fit.confusion.sum(axis=2), 1)
    assert fit.sources == labels.sources
    assert ((fit.interval[:, 0] < fit.accuracy) & (fit.accuracy < fit.interval[:, 1])).all()
    assert np.isfinite(fit.log_likelihood)
    if known is None and not section_named(name).reads_silence:
        silent = ~votes.has_vote[votes.row_of]
        # The Bayesian model's prior is exp E ln p, not E p: off by some 1 / (2 items of a class).
        far = 1e-2 if name == "bayesian_dawid_skene" else 5e-3
        np.testing.assert_allclose(fit.posterior[silent], np.broadcast_to(fit.balance, (silent.sum(), 3)), atol=far)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_majority_decides_as_the_published_vote_and_ties_where_it_does(seed):
    codes, _ = drawn(seed, sources=4)
    labels = textbook.hard_labels(codes, 3)
    published, found = textbook.by_item(vote(labels)), posteriors(labels, fit_vote(Votes.of(labels)))
    for item, probs in published.items():
        top = found[item] > found[item].max() - 1e-9
        np.testing.assert_allclose(top / top.sum(), probs)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_majority_is_as_sure_as_equal_sources_are_right(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=20_000)
    codes = textbook.one_coin_votes(rng, gold, np.full(5, 0.7), 3)
    votes = Votes.of(textbook.hard_labels(codes, 3))
    np.testing.assert_allclose(common_skill(votes), (3 * 0.7 - 1) / 2, atol=0.02)
    fit = fit_vote(votes)
    right = fit.posterior[np.arange(len(gold)), gold]
    assert abs(fit.posterior.max(axis=1).mean() - (fit.posterior.argmax(axis=1) == gold).mean()) < 0.015
    assert -np.log(right).mean() < 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_common_skill_is_the_share_of_pairs_of_votes_that_agree(seed):
    codes, _ = drawn(seed, items=60, coverage=0.6)
    agree = [
        float(row[one] == row[two])
        for row in codes
        for one in range(len(row))
        for two in range(one)
        if row[one] >= 0 and row[two] >= 0
    ]
    squared = (3 * np.mean(agree) - 1) / 2
    found = common_skill(Votes.of(textbook.hard_labels(codes, 3)))
    np.testing.assert_allclose(found, np.clip(np.sqrt(max(squared, 0)), 0.05, 0.98), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
def test_counts_by_explicit_loops(soft, seed):
    rng = np.random.default_rng(seed)
    labels = textbook.soft_labels(rng, items=20) if soft else textbook.hard_labels(drawn(seed, items=20)[0], 3)
    votes = Votes.of(labels)
    weighed = rng.random((votes.n_rows, 3))
    wanted = np.zeros((len(labels.sources), 3, 3))
    for row in range(votes.n_rows):
        item = int(np.flatnonzero(votes.row_of == row)[0])
        for source in range(len(labels.sources)):
            wanted[source] += np.outer(weighed[row], labels.probs[item, source])
    np.testing.assert_allclose(counts_by(votes, weighed), wanted)


def test_gold_takes_the_posteriors_place():
    codes, gold = drawn(SEEDS[0])
    labels = textbook.hard_labels(codes, 3)
    votes = Votes.of(labels, Anchors(labels, gold))
    fit = fit_vote(votes)
    assert (fit.posterior.argmax(axis=1) == gold).all()
    said = codes >= 0
    right = ((codes == gold[:, None]) & said).sum(axis=0) / said.sum(axis=0)
    np.testing.assert_allclose(fit.accuracy, right, atol=0.02)


def test_a_source_alone_is_taken_at_its_word():
    codes, _ = drawn(SEEDS[1])
    labels = textbook.hard_labels(codes, 3)
    fit = fit_single(Votes.of(labels), source="s2")
    spoke = codes[:, 2] >= 0
    np.testing.assert_array_equal(fit.posterior[spoke].argmax(axis=1), codes[spoke, 2])
    np.testing.assert_allclose(fit.posterior[~spoke], np.broadcast_to(fit.balance, ((~spoke).sum(), 3)))
    with pytest.raises(ConfigError, match="no source named `x`"):
        fit_single(Votes.of(labels), source="x")


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes, _ = drawn(seed)
    items, sources, names = rng.permutation(400), rng.permutation(5), rng.permutation(3)
    other_codes = np.where(codes < 0, -1, names[codes])[items][:, sources]
    one, other = Votes.of(textbook.hard_labels(codes, 3)), Votes.of(textbook.hard_labels(other_codes, 3))
    for name in without_gold():
        before, after = fit_named(name, one), fit_named(name, other)
        np.testing.assert_allclose(
            after.posterior, before.posterior[items][:, np.argsort(names)], atol=1e-6, err_msg=name
        )
        np.testing.assert_allclose(after.accuracy, before.accuracy[sources], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("soft", [False, True])
def test_silence_counts_and_is_left_again(soft):
    rng = np.random.default_rng(SEEDS[0])
    labels = textbook.soft_labels(rng) if soft else textbook.hard_labels(drawn(SEEDS[0])[0], 3)
    votes = Votes.of(labels)
    counted = votes.with_silence()
    np.testing.assert_allclose(counted.counts(counted.weight).sum(axis=1), len(labels.items))
    np.testing.assert_array_equal(shares_of(counted.without_silence()), shares_of(votes))
    np.testing.assert_array_equal(classes_of(counted.hardened()), labels.hard if soft else classes_of(votes))
    assert votes.without_silence() is votes
    assert counted.with_silence() is counted


@pytest.mark.parametrize("seed", SEEDS)
def test_rules_that_fire_on_one_class_are_read_by_their_silence(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(2, size=3000)
    fires = rng.random((3000, 10)) < np.where(gold[:, None] == np.arange(10) % 2, rng.uniform(0.2, 0.5, 10), 0.07)
    labels = textbook.hard_labels(np.where(fires, np.arange(10) % 2, -1), 2)
    somebody = labels.voted.any(axis=1)
    votes = Votes.of(labels)
    found = (fit_rule_vote(votes).posterior.argmax(axis=1) == gold)[somebody].mean()
    blind = fit_named("dawid_skene", votes).posterior
    assert found > (blind.argmax(axis=1) == gold)[somebody].mean() + 0.1
    assert found > (fit_vote(votes).posterior.argmax(axis=1) == gold)[somebody].mean() - 0.01
    textbook.assert_same_targets(targets_by("rule_vote", labels), targets_by("rule_vote", labels, None, hard=True))
    right = [(gold[fires[:, rule]] == rule % 2).mean() for rule in range(10)]
    np.testing.assert_allclose(fit_rule_vote(votes).accuracy, right, atol=0.08)
    twice = textbook.permuted(labels, sources=[*range(10), 3, 3])
    again = fit_rule_vote(Votes.of(twice))
    np.testing.assert_allclose(again.posterior, fit_rule_vote(votes).posterior, atol=1e-12)
    np.testing.assert_array_equal(again.accuracy[[10, 11]], again.accuracy[[3, 3]])


def test_what_cannot_be_fitted_says_why():
    two = Votes.of(textbook.hard_labels([[0, 1], [1, 1], [0, 0]], 2))
    for name in ("triplets", "flying_squid"):
        with pytest.raises(DataError, match="3 sources"):
            fit_named(name, two)
    with pytest.raises(ConfigError, match="needs the gold"):
        fit_named("weighted_vote", two)
