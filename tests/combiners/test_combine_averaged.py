"""The mean of several combiners, and what a panel is worth."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import fit_named

from drawn_seeds import SEEDS
from outgrow.combiners import COMBINERS, fit_by, section_named
from outgrow.combiners.average_fit import Halves, halves
from outgrow.combiners.panel_worth import panel_worth
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError
from stated_votes import stated


def gathered(codes, classes, gold=None):
    return Votes.gather(tuple(f"s{number}" for number in range(codes.shape[1])), classes, codes, gold)


def drawn(seed, sources=5, items=150, classes=3):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    return textbook.one_coin_votes(rng, gold, rng.uniform(0.5, 0.9, sources), classes, 0.8), gold


@pytest.mark.parametrize(("seed", "sources"), [*zip(SEEDS, (3, 5, 7), strict=True)])
def test_it_is_the_mean_of_two_halves(seed, sources):
    codes, _ = drawn(seed, sources)
    votes = gathered(codes, 3)
    models, steady, share = halves(votes)
    assert steady == (["bwa"] if sources > 5 else ["vote"])
    assert share == (0.55 if sources > 5 else 0.5)
    means = [
        sum(fit_by(section_named(name), intervals=False)(votes).posterior for name in half) / len(half)
        for half in (models, steady)
    ]
    voted = (codes >= 0).any(axis=1)
    found = fit_named("averaged", votes).posterior
    np.testing.assert_allclose(found[voted], ((1 - share) * means[0] + share * means[1])[voted], atol=1e-9)
    assert {*models, *steady} <= set(COMBINERS)
    assert not {*models} & {*steady}


@pytest.mark.parametrize("seed", SEEDS)
def test_members_have_their_weights(seed):
    codes, gold = drawn(seed)
    votes = gathered(codes, 3, np.where(np.arange(len(gold)) < 20, gold, -1))
    members = {"vote": 1.0, "one_coin": 2.0, "single: s1": 1.0}
    found = fit_by(section_named("averaged", members=members))(votes).posterior
    vote, coin, single = (fit_by(section_named(name))(votes).posterior for name in members)
    voted = (codes[:, 1] >= 0) | (votes.gold[votes.row_of] >= 0)
    np.testing.assert_allclose(found[voted], ((vote + 2 * coin + single) / 4)[voted], atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sources", [4, 7])
def test_of_soft_votes_it_is_the_mean_of_the_hard_votes_and_the_calibrated_pool(sources, seed):
    rng = np.random.default_rng(seed)
    probs, _, _ = stated(rng, 150, 4, rng.uniform(1, 2, sources), rng.uniform(0.3, 5, sources), coverage=0.8)
    votes = gathered(probs, 4)
    hard, pool = (fit_named(*one).posterior for one in (("averaged", votes.hardened()), ("calibrated_pool", votes)))
    voted = probs.any(axis=(1, 2))
    np.testing.assert_allclose(fit_named("averaged", votes).posterior[voted], ((hard + pool) / 2)[voted], atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [3, 17])
@pytest.mark.parametrize("temperature", [1.0, 5.0, 0.3])
def test_stated_probabilities_are_no_accuracies(temperature, classes, seed):
    """However sure independent sources say they are, soft votes give better labels than hard ones."""
    strength = [2.0, 2.2, 1.7, 1.4]
    probs, _, gold = stated(np.random.default_rng(seed), 400, classes, strength, np.full(4, temperature))
    votes = gathered(probs, classes)
    found = fit_named("averaged", votes)
    soft, hard, majority = (
        (posterior.argmax(axis=1) == gold).mean()
        for posterior in (
            found.posterior,
            fit_named("averaged", votes.hardened()).posterior,
            fit_named("vote", votes).posterior,
        )
    )
    assert soft > max(hard, majority) - 0.01
    true = (probs.argmax(axis=2) == gold[:, None]).mean(axis=0)
    np.testing.assert_allclose(found.accuracy, true, atol=0.12)


def test_a_half_without_a_fit_leaves_all_weight_to_the_other():
    parts = Halves(["a", "b"], ["c"], 0.6)
    assert parts.weights({"a", "b", "c"}) == {"a": 0.2, "b": 0.2, "c": 0.6}
    assert parts.weights({"b", "c"}) == {"b": 0.4, "c": 0.6}
    assert parts.weights({"a", "b"}) == {"a": 0.2, "b": 0.2}


def test_what_cannot_be_fitted_is_named():
    codes, _ = drawn(SEEDS[0], sources=2)
    votes = gathered(codes, 3)
    fit = fit_by(section_named("averaged", members={"triplets": 1.0, "vote": 1.0}))(votes)
    assert "triplets" in fit.notes[0]
    np.testing.assert_allclose(fit.posterior, fit_named("vote", votes).posterior, atol=1e-9)
    with pytest.raises(DataError, match="no combiner can be fitted"):
        fit_by(section_named("averaged", members={"triplets": 1.0}))(votes)
    with pytest.raises(ConfigError, match="no combiner is called"):
        fit_by(section_named("averaged", members={"tripletts": 1.0}))(votes)


def test_rules_have_halves_of_their_own():
    rng = np.random.default_rng(SEEDS[0])
    rules = gathered(np.where(rng.random((300, 4)) < 0.4, [0, 1, 0, 1], -1), 2)
    assert halves(rules) == (["rule_vote"], ["vote"], 0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_panel_is_worth_by_gold_and_without(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=900)
    codes = textbook.one_coin_votes(rng, gold, np.asarray([0.6, 1.0, 0.6, 0.6, 0.55]), 3)
    codes[:, 4] = 1
    known = np.where(np.arange(900) < 300, gold, -1)
    worth = panel_worth(gathered(codes, 3, known), np.eye(3)[gold])
    assert (worth.gold, worth.one_sided) == (300, {"s4": 1})
    assert (worth.best.name, worth.best.share, worth.best.votes) == ("s1", 1.0, 300)
    sentences = " ".join(worth.sentences(("a", "b", "c"), 0.9))
    assert "s4 (b)" in sentences
    assert "the combined labels 90.0%" in sentences
    without = panel_worth(gathered(codes, 3), np.eye(3)[gold])
    assert (without.gold, without.best.name, without.best.share) == (0, "s1", 1.0)
    assert "use it alone" in " ".join(without.sentences(("a", "b", "c"), None))
    data = without.as_data(("a", "b", "c"))
    assert data["one_sided"] == [{"name": "s4", "class": "b"}]
    assert 1 <= data["n_effective"] <= 5


def test_a_crowd_in_which_nobody_votes_on_half_of_the_items_has_no_best_source():
    codes, gold = drawn(SEEDS[1], sources=6, items=300)
    codes[np.arange(300)[:, None] % 6 != np.arange(6)] = -1
    worth = panel_worth(gathered(codes, 3), np.eye(3)[gold])
    assert worth.best is None
    assert worth.sentences(("a", "b", "c"), None) == ()
    assert worth.as_data(("a", "b", "c"))["error_correlation"] is None
