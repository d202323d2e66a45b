"""Triplets recover what is known: the published estimator by its equations, accuracies from moments and from draws."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import fit_named, flying_squid, vote, weighted_vote
from scipy.sparse import csr_array
from scipy.special import expit

from drawn_seeds import SEEDS
from outgrow.combiners.flying_squid import conditional_strength, game_log_odds, unconditional_strength
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError
from outgrow.labels import Anchors

DATA = Path(__file__).parents[3] / "shared" / "data"
OURS = {"moments": "conditional", "balance": "votes"}
SIGNS = (1, 0, -1)


def published(signs, balance=0.5):
    """P(Y = +1 | votes) of every row of `signs` by the equations of the paper, one number at a time."""
    items, sources = signs.shape
    moment = [[sum(row[i] * row[j] for row in signs.tolist()) / items for j in range(sources)] for i in range(sources)]
    prior = {1: balance, -1: 1 - balance}
    tables = []
    for i in range(sources):
        pairs = itertools.combinations([j for j in range(sources) if j != i], 2)
        accuracy = np.mean(
            [abs(moment[i][j] * moment[i][k] / moment[j][k]) ** 0.5 if moment[j][k] else 0.0 for j, k in pairs]
        )
        silent, plus = np.mean(signs[:, i] == 0), np.mean(signs[:, i] == 1)
        # Six unknowns P(l, Y), one row per equation; a column per (l, Y).
        cells = list(itertools.product(SIGNS, (1, -1)))
        told = [
            (lambda said, truth: True, 1.0),
            (lambda said, truth: said == 1, plus),
            (lambda said, truth: said == 0, silent),
            (lambda said, truth: truth == 1, balance),
            (lambda said, truth: said * truth == 1, (1 + accuracy - silent) / 2),
            (lambda said, truth: said == 0 and truth == 1, silent * balance),
        ]
        matrix = [[float(holds(*cell)) for cell in cells] for holds, _ in told]
        solved = np.abs(np.linalg.solve(matrix, [value for _, value in told]))
        tables.append(dict(zip(cells, solved / solved.sum(), strict=True)))
    joint = [
        {y: prior[y] * np.prod([tables[i][said, y] / prior[y] for i, said in enumerate(row)]) for y in prior}
        for row in signs.tolist()
    ]
    return np.asarray([each[1] / (each[1] + each[-1]) for each in joint])


def signs_of(votes, chosen=0):
    return np.where(votes < 0, 0, np.where(votes == chosen, 1, -1))


@pytest.mark.parametrize("balance", [0.5, 0.3])
@pytest.mark.parametrize("coverage", [1.0, 0.7, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_published_estimator_by_its_equations(seed, coverage, balance):
    rng = np.random.default_rng(seed)
    gold = (rng.random(400) > balance).astype(int)
    votes = textbook.one_coin_votes(rng, gold, np.asarray([0.9, 0.6, 0.75, 0.7, 0.8]), 2, coverage)
    wanted = published(signs_of(votes), balance)[(votes >= 0).any(axis=1)]
    options = {} if balance == 0.5 else {"balance": [balance, 1 - balance]}
    found = flying_squid(textbook.hard_labels(votes, 2), **options).probs
    np.testing.assert_allclose(found, np.stack([wanted, 1 - wanted], axis=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [3, 5])
def test_above_two_classes_each_plays_against_the_rest(classes, seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=300)
    votes = textbook.one_coin_votes(rng, gold, np.asarray([0.8, 0.7, 0.6, 0.75]), classes, 0.7)
    games = [published(signs_of(votes, chosen), 1 / classes) for chosen in range(classes)]
    wanted = np.stack(games, axis=1)[(votes >= 0).any(axis=1)]
    found = flying_squid(textbook.hard_labels(votes, classes)).probs
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), rtol=0, atol=1e-12)


def youtube():
    """Votes of ten rules that are mostly silent [item, source], and gold."""
    path = DATA / "youtube" / "train.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    rows = list(json.loads(path.read_text()).values())
    return np.asarray([row["weak_labels"] for row in rows]), np.asarray([row["label"] for row in rows])


def test_real_rules_that_abstain_get_the_published_labels():
    votes, _ = youtube()
    somebody = (votes >= 0).any(axis=1)
    wanted = published(signs_of(votes))[somebody]
    found = flying_squid(textbook.hard_labels(votes, 2)).probs
    np.testing.assert_allclose(found[:, 0], wanted, rtol=0, atol=1e-12)
    assert ((wanted > 0.5) != (flying_squid(textbook.hard_labels(votes, 2), **OURS).probs[:, 0] > 0.5)).sum() > 0


@pytest.mark.parametrize("options", [{}, OURS, {"balance": [0.2, 0.5, 0.3]}, {"moments": "conditional"}])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_study_and_votes_of_files_get_the_same_labels(seed, options):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=300)
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, np.full(4, 0.7), 3, 0.6), 3)
    fit = fit_named("flying_squid", Votes.of(labels), **options)
    row = {name: number for number, name in enumerate(labels.items)}
    for item, probs in textbook.by_item(flying_squid(labels, **options)).items():
        np.testing.assert_allclose(fit.posterior[row[item]], probs, rtol=0, atol=1e-12)


def test_a_balance_for_other_classes_is_refused():
    labels = textbook.hard_labels([[0, 1, 2], [1, 1, 0]] * 5, 3)
    with pytest.raises(ConfigError, match="2 numbers and there are 3 classes"):
        flying_squid(labels, balance=[0.5, 0.5])


def test_unconditional_strength_counts_silence_against_a_source():
    rng = np.random.default_rng(SEEDS[0])
    # Standard error of the least certain one: 0.002.
    gold = rng.integers(2, size=1_000_000)
    accuracy = np.asarray([0.95, 0.85, 0.9, 0.8])
    votes = textbook.one_coin_votes(rng, gold, accuracy, 2, 0.6)
    found = unconditional_strength(csr_array(signs_of(votes).astype(float)), np.ones(len(votes)))
    np.testing.assert_allclose(found, 0.6 * (2 * accuracy - 1), atol=0.01)


def strengths(signs):
    return conditional_strength(csr_array(signs.astype(float)), np.ones(len(signs)))


def exact_table(strength):
    """Every pattern of signs, as often as conditionally independent sources with E[l Y] = `strength` show it.

    Strengths are multiples of 1/5, so 10^m patterns of ten equally likely outcomes per source hold it exactly.
    """
    right = [[1] * round(5 * (1 + a)) + [-1] * round(5 * (1 - a)) for a in strength]
    given_plus = np.asarray(list(itertools.product(*right)))
    return np.concatenate([given_plus, -given_plus])


def test_closed_form_is_exact_when_the_moments_are():
    strength = [0.8, 0.2, 0.6, 0.4]
    np.testing.assert_allclose(strengths(exact_table(strength)), strength, rtol=1e-12)


def test_with_three_sources_the_formula_by_hand():
    signs = exact_table([0.8, 0.4, 0.6])
    moment = signs.T @ signs / len(signs)
    by_hand = np.sqrt(abs(moment[0, 1] * moment[0, 2] / moment[1, 2]))
    np.testing.assert_allclose(strengths(signs)[0], by_hand)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_sources_give_the_mean_over_all_triplets(seed):
    rng = np.random.default_rng(seed)
    signs = 2 * textbook.one_coin_votes(rng, rng.integers(2, size=1000), np.full(5, 0.75), 2) - 1
    moment = signs.T @ signs / len(signs)
    for i, found in enumerate(strengths(signs)):
        pairs = itertools.combinations(sorted(set(range(5)) - {i}), 2)
        np.testing.assert_allclose(
            found, np.mean([abs(moment[i, j] * moment[i, k] / moment[j, k]) ** 0.5 for j, k in pairs])
        )


@pytest.mark.parametrize("coverage", [1.0, 0.6])
@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_sources_are_recovered_through_abstentions(seed, coverage):
    rng = np.random.default_rng(seed)
    accuracy = np.asarray([0.9, 0.75, 0.8, 0.65, 0.7])
    gold = rng.integers(2, size=40_000)
    votes = textbook.one_coin_votes(rng, gold, accuracy, 2, coverage)
    found = strengths(np.where(votes < 0, 0, 2 * votes - 1))
    np.testing.assert_allclose((1 + found) / 2, accuracy, atol=0.03)


@pytest.mark.parametrize("balance", [0.5, 0.2])
def test_posterior_is_naive_bayes(balance):
    strength = np.asarray([0.8, 0.3, 0.5])
    signs = np.asarray(list(itertools.product([-1, 0, 1], repeat=3)))
    found = expit(game_log_odds(csr_array(signs), strength, balance))
    for row, posterior in zip(signs, found, strict=True):
        plus, minus = balance, 1 - balance
        for sign, a in zip(row, strength, strict=True):
            if sign:
                plus, minus = plus * (1 + sign * a) / 2, minus * (1 - sign * a) / 2
        np.testing.assert_allclose(posterior, plus / (plus + minus))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 4, 5, 6])
def test_labels_are_no_worse_than_the_majoritys(classes, seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=4000)
    accuracy = np.asarray([0.95, 0.6, 0.6, 0.6, 0.6])
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, accuracy, classes, 0.8), classes)
    expected = {}
    for name, targets in (("majority", vote(labels)), ("triplets", flying_squid(labels, **OURS))):
        truth = np.asarray([gold[int(item.removeprefix("item"))] for item in targets.items])
        best = targets.probs == targets.probs.max(axis=1, keepdims=True)
        expected[name] = (best / best.sum(axis=1, keepdims=True))[np.arange(len(truth)), truth].mean()
    assert expected["triplets"] > expected["majority"] - 0.005
    if classes == 2:
        assert expected["triplets"] > expected["majority"] + 0.03


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_with_conditional_moments_every_class_plays_against_the_rest(classes, seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=500)
    votes = textbook.one_coin_votes(rng, gold, np.asarray([0.8, 0.7, 0.6, 0.75]), classes, 0.7)
    games = []
    for chosen in range(classes):
        signs = np.where(votes < 0, 0, np.where(votes == chosen, 1, -1))
        share = (votes[votes >= 0] == chosen).mean()
        games.append(expit(game_log_odds(csr_array(signs), strengths(signs), share)))
    wanted = np.stack(games, axis=1)[(votes >= 0).any(axis=1)]
    if classes == 2:  # one game only: the other one is its mirror image
        np.testing.assert_allclose(wanted.sum(axis=1), 1)
    found = flying_squid(textbook.hard_labels(votes, classes), **OURS).probs
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("options", [{}, OURS])
def test_a_crowd_that_disagrees_about_everything_stays_finite(options):
    rng = np.random.default_rng(SEEDS[2])
    gold = rng.integers(4, size=30)
    votes = textbook.one_coin_votes(rng, gold, np.full(300, 0.97), 4)
    votes[0] = np.arange(300) % 4
    found = flying_squid(textbook.hard_labels(votes, 4), **options).probs
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[1:].argmax(axis=1) == gold[1:]).all()


def test_a_source_given_twice_is_believed_too_much_but_breaks_nothing():
    rng = np.random.default_rng(SEEDS[1])
    gold = rng.integers(2, size=2000)
    votes = textbook.one_coin_votes(rng, gold, np.asarray([0.7, 0.7, 0.7]), 2)
    twice = strengths(2 * votes[:, [0, 0, 1, 2]] - 1)
    assert np.isfinite(twice).all()
    np.testing.assert_allclose(twice[0], twice[1])
    assert twice[0] > strengths(2 * votes - 1)[0]


@pytest.mark.parametrize("sources", [1, 2])
def test_below_three_sources_it_says_so_and_votes(sources):
    rng = np.random.default_rng(0)
    gold = rng.integers(3, size=50)
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, np.full(sources, 0.7), 3), 3)
    anchors = Anchors(labels, gold)
    targets = flying_squid(labels, anchors)
    textbook.assert_same_targets(targets, vote(labels))
    assert targets.origin == (f"`flying_squid` needs 3 sources and has {sources}; majority vote instead.",)
    with_gold = flying_squid(labels, anchors, calibrate=True)
    textbook.assert_same_targets(with_gold, weighted_vote(labels, anchors))
    assert "weighted vote instead" in with_gold.origin[-1]


NOBODY_MEETS = [[0, -1, -1], [-1, 1, -1], [-1, -1, 0]] * 4
ONE_MEETS_NOBODY = [[0, 0, 1, -1], [1, 1, 1, -1], [0, 0, 0, -1], [-1, -1, -1, 1]]


@pytest.mark.parametrize(
    ("votes", "options"),
    [(NOBODY_MEETS, {}), (NOBODY_MEETS, OURS), (ONE_MEETS_NOBODY, OURS)],
    ids=["nobody meets", "nobody meets, ours", "one meets nobody, ours"],
)
def test_sources_that_never_meet_determine_nothing_and_it_says_so(votes, options):
    labels = textbook.hard_labels(votes, 2)
    targets = flying_squid(labels, **options)
    assert "determines no accuracies" in targets.origin[-1]
    textbook.assert_same_targets(targets, vote(labels))


def test_as_published_a_source_that_meets_nobody_counts_for_nothing_and_it_says_so():
    targets = flying_squid(textbook.hard_labels(ONE_MEETS_NOBODY, 2))
    np.testing.assert_allclose(targets.probs[3], [0.5, 0.5])
    assert "`s3`" in targets.origin[-1]


@pytest.mark.parametrize("options", [{}, OURS])
def test_unanimity_stays_finite(options):
    targets = flying_squid(textbook.hard_labels([[0, 0, 0]] * 10 + [[1, 1, 1]] * 10, 2), **options)
    assert np.isfinite(targets.probs).all()
    assert (targets.probs[:10, 0] > 0.99).all()
