"""`auto`: what gold speaks for, and what it takes without, in simulation and on real votes; hidden votes."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import drawn_crowds
import numpy as np
import pandas as pd
import pytest
import textbook_sources as textbook
from by_name import fit_named, targets_by, without_gold
from spelled_out import classes_of

from drawn_seeds import SEEDS
from outgrow.combiners import fit_by
from outgrow.combiners.combiner_choice import EQUAL_LOSS, choose
from outgrow.combiners.cross_fit import cross_fitted, enough_gold, gold_folds
from outgrow.combiners.held_out_votes import (
    copy_groups,
    hold_out,
    learn_matrices,
    log_probabilities,
    predict,
)
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError, OutgrowError
from outgrow.labels import Anchors

DATA = Path(__file__).parents[3] / "shared" / "data"


def names(n_sources):
    return tuple(f"s{number}" for number in range(n_sources))


def gathered(codes, classes, gold=None):
    return Votes.gather(names(codes.shape[1]), classes, codes, gold)


def accuracy(posterior, gold, counted):
    first = posterior >= posterior.max(axis=1, keepdims=True) - 1e-9
    return (first / first.sum(axis=1, keepdims=True))[np.arange(len(gold)), gold][counted].mean()


def accuracies(votes, gold):
    """Of all single combiners and of `auto`'s choice, on items with a vote."""
    counted, found = votes.has_vote[votes.row_of], {}
    for name in without_gold():
        try:
            found[name] = accuracy(fit_named(name, votes).posterior, gold, counted)
        except OutgrowError:
            continue
    choice = choose(votes)
    return found, found[choice.method], choice


def right(votes, gold, name):
    return fit_named(name, votes).posterior.argmax(axis=1) == gold


@pytest.mark.parametrize("kind", drawn_crowds.KINDS)
def test_auto_is_as_good_as_the_best_single_combiner(kind):
    """Over three draws two points, and three errors of the difference: the best of ten is so by luck too."""
    drawn = [drawn_crowds.crowd(kind, np.random.default_rng(seed), items=700) for seed in SEEDS]
    tables = [(gathered(codes, classes), gold) for codes, gold, _, classes in drawn]
    singles, mine, choices = zip(*(accuracies(votes, gold) for votes, gold in tables), strict=True)
    assert [choice.by for choice in choices] == ["votes"] * len(SEEDS)
    means = {name: np.mean([single[name] for single in singles]) for name in set.intersection(*map(set, singles))}
    best = max(means, key=means.__getitem__)
    differ = sum(
        np.logical_xor(right(votes, gold, best), right(votes, gold, choice.method)).sum()
        for (votes, gold), choice in zip(tables, choices, strict=True)
    )
    error = np.sqrt(differ) / sum(len(gold) for _, gold in tables)
    print(f"{kind}: {best} {means[best]:.4f}, {[choice.method for choice in choices]} {mine}, error {error:.4f}")
    assert means[best] - np.mean(mine) <= 0.02 + 3 * error
    assert means["vote"] - np.mean(mine) <= 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sentence_is_true(seed):
    """The first within `EQUAL_LOSS` of the best is taken, and the sentence has its numbers."""
    codes, gold, _, classes = drawn_crowds.crowd("independent", np.random.default_rng(seed), items=100)
    choice = choose(gathered(codes, classes, np.where(np.arange(100) < 70, gold, -1)))
    able = [one for one in choice.candidates if not np.isnan(one.score)]
    best, names = max(able, key=lambda one: one.score), [one.name for one in able]
    place = names.index(choice.method if choice.source is None else f"single: {choice.source}")
    assert able[place].behind <= EQUAL_LOSS
    assert all(one.behind > EQUAL_LOSS for one in able[:place])
    assert f"`{able[place].name}`" in choice.why
    assert f"`{best.name}`" in choice.why
    assert f"{-able[place].score:.4f}" in choice.why
    assert f"{able[place].accuracy:.3f}" in choice.why
    assert "\n" not in choice.why


def real_crowd(name):
    """A crowd's votes by item and source, and gold (-1 = unknown)."""
    folder = DATA / "crowd" / "truth_inference" / name
    if not folder.is_dir():
        pytest.skip(f"needs the development data {folder}")
    votes, truth = pd.read_csv(folder / "label.csv"), pd.read_csv(folder / "truth.csv")
    item, names = pd.factorize(votes["item"])
    source = pd.factorize(votes["worker"])[0]
    codes = np.full((len(names), source.max() + 1), -1)
    codes[item, source] = votes["label"]
    return codes, truth.set_index("item")["truth"].reindex(names, fill_value=-1).to_numpy()


SLOW = pytest.mark.slow
CROWDS = ["bluebird", "zc_us", *(pytest.param(name, marks=SLOW) for name in ("dog", "product", "web"))]


@pytest.mark.parametrize("name", CROWDS)
def test_auto_does_not_fall_behind_the_majority_on_real_crowds(name):
    codes, gold = real_crowd(name)
    votes = gathered(codes, int(max(codes.max(), gold.max())) + 1)
    counted = votes.has_vote[votes.row_of] & (gold >= 0)
    section = choose(votes).section
    mine, majority = (
        accuracy(fit(votes).posterior, gold, counted)
        for fit in (fit_by(section, intervals=False), partial(fit_named, "vote"))
    )
    assert mine > majority - 0.01


@pytest.mark.slow
def test_with_gold_auto_does_not_fall_behind_the_best_source_on_a_real_crowd():
    codes, gold = real_crowd("zc_us")
    known = np.random.default_rng(0).choice(len(gold), 100, replace=False)
    shown = np.full(len(gold), -1)
    shown[known] = gold[known]
    votes = gathered(codes, 2, shown)
    right, n = ((codes[known] == gold[known, None]).sum(axis=0), (codes[known] >= 0).sum(axis=0))
    best = int(np.where(n >= 50, right / np.maximum(n, 1), 0).argmax())
    rest = shown < 0
    silent = codes[rest, best] < 0
    single = np.where(silent, 0.5, codes[rest, best] == gold[rest]).mean()
    mine = accuracy(fit_by(choose(votes).section, intervals=False)(votes).posterior, gold, rest)
    assert mine > max(single, accuracy(fit_named("vote", gathered(codes, 2)).posterior, gold, rest)) - 0.01


@pytest.mark.slow
def test_auto_on_real_rules():
    folder = DATA / "youtube"
    if not folder.is_dir():
        pytest.skip(f"needs the development data {folder}")
    rows = [
        row
        for part in ("train", "valid", "test")
        for row in json.loads((folder / f"{part}.json").read_text()).values()
    ]
    codes, gold = np.asarray([row["weak_labels"] for row in rows]), np.asarray([row["label"] for row in rows])
    single, mine, choice = accuracies(gathered(codes, 2), gold)
    assert choice.method == "averaged"
    assert "rule_vote and vote" in choice.why
    assert mine > max(single.values()) - 0.005


@pytest.mark.parametrize(("seed", "with_gold"), [(SEEDS[0], False), (SEEDS[1], False), (SEEDS[2], True)])
def test_a_source_given_twice_moves_no_posterior(seed, with_gold):
    rng = np.random.default_rng(seed)
    codes, gold, _, classes = drawn_crowds.crowd("independent", rng, items=80)
    shown = np.where(np.arange(80) < 50, gold, -1) if with_gold else None
    twice = np.concatenate([codes, codes[:, [int(rng.integers(codes.shape[1]))]]], axis=1)
    posteriors = []
    for votes in (gathered(codes, classes, shown), gathered(twice, classes, shown)):
        posteriors.append(fit_by(choose(votes).section, intervals=False)(votes).posterior)
    np.testing.assert_allclose(posteriors[1], posteriors[0], atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_sided_sources_do_not_swing_the_labels(seed):
    """Six sources that give the common class to everything beside five honest ones: the majority follows them."""
    rng = np.random.default_rng(seed)
    gold = (rng.random(1200) < 0.4).astype(int)
    honest = textbook.one_coin_votes(rng, gold, np.full(5, 0.8), 2)
    biased = np.where(rng.random((1200, 6)) < 0.97, 0, 1)
    alone, together = gathered(honest, 2), gathered(np.concatenate([honest, biased], axis=1), 2)
    everything = np.ones(1200, dtype=bool)
    found = [accuracy(fit_named("averaged", votes).posterior, gold, everything) for votes in (alone, together)]
    assert accuracy(fit_named("vote", together).posterior, gold, everything) < found[0] - 0.1
    assert found[1] > found[0] - 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_do_not_vote_for_those_who_follow_them(seed):
    codes, _, _, classes = drawn_crowds.crowd("copied", np.random.default_rng(seed))
    votes = gathered(codes, classes)
    groups = copy_groups(votes)
    assert (groups[-2:] == groups[-1]).all()
    assert len(set(groups.tolist())) == codes.shape[1] - 2
    held = hold_out(votes)
    entries, last = held.votes.entries, codes.shape[1] - 1
    folds = [held.fold[entries.source == source] for source in (last - 1, last)]
    np.testing.assert_array_equal(*folds)
    np.testing.assert_allclose(held.total, len(codes) * (codes.shape[1] - 2))
    scores = {
        name: held.share @ log_probabilities(held, predict(held, partial(fit_named, name)))
        for name in ("one_coin", "bayesian_dawid_skene")
    }
    assert scores["bayesian_dawid_skene"] > scores["one_coin"]


@pytest.mark.parametrize("seed", SEEDS)
def test_hidden_votes_are_hidden(seed):
    """A guess must not change when the vote that it foretells does."""
    rng = np.random.default_rng(seed)
    codes, _, _, classes = drawn_crowds.crowd("independent", rng, items=200)
    held = hold_out(gathered(codes, classes))
    before = predict(held, partial(fit_named, "one_coin"))
    first = held.fold == 0
    entries = held.votes.entries
    column = np.where(first, entries.source * classes + (entries.outcome + 1) % classes, entries.column)
    others = replace(held.votes, entries=replace(entries, column=column))
    after = predict(replace(held, votes=others), partial(fit_named, "one_coin"))
    of_vote = held.fold_of_vote == 0
    np.testing.assert_allclose(after[of_vote], before[of_vote], atol=1e-12)
    assert np.abs(after[~of_vote] - before[~of_vote]).max() > 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_matrices_are_found_and_better_guesses_foretell_better(seed):
    rng = np.random.default_rng(seed)
    codes, gold, right, classes = drawn_crowds.crowd("independent", rng, items=6000)
    held = hold_out(gathered(codes, classes))
    truth = np.eye(classes)[gold][held.item]
    matrices = learn_matrices(held, truth, np.ones(len(held.item), dtype=bool))
    np.testing.assert_allclose(np.einsum("mcc->m", matrices[1:]) / classes, right, atol=0.05)
    noisy = 0.6 * truth + 0.4 / classes
    nothing = np.full_like(truth, 1 / classes)
    mixed = np.where(rng.random((len(gold), 1)) < 0.3, np.eye(classes)[rng.permutation(gold)], np.eye(classes)[gold])
    scores = [held.share @ log_probabilities(held, guess) for guess in (truth, mixed[held.item], nothing)]
    assert scores[0] > scores[1] > scores[2]
    # A class by another name costs nothing.
    turned = held.share @ log_probabilities(held, np.roll(noisy, 1, axis=1))
    np.testing.assert_allclose(turned, held.share @ log_probabilities(held, noisy), rtol=0.02)


def folds_of(held):
    """[item, source], −1 where a source abstains."""
    fold = np.full((held.votes.n_rows, len(held.votes.sources)), -1)
    fold[held.votes.entries.row, held.votes.entries.source] = held.fold
    return fold


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_sources_and_names_of_classes_change_no_fold(seed):
    rng = np.random.default_rng(seed)
    codes, gold, _, classes = drawn_crowds.crowd("copied", rng, items=200)
    labels, order, turn = (
        textbook.hard_labels(codes, classes),
        rng.permutation(codes.shape[1]),
        rng.permutation(classes),
    )
    one, other = hold_out(Votes.of(labels)), hold_out(Votes.of(textbook.permuted(labels, order, turn)))
    np.testing.assert_array_equal(folds_of(other), folds_of(one)[:, order])
    folds = gold_folds(gathered(codes, classes, gold)), gold_folds(gathered(turn[codes], classes, turn[gold]))
    for part in ("known", "fold"):
        np.testing.assert_array_equal(getattr(folds[1], part), getattr(folds[0], part))
    np.testing.assert_array_equal(turn[classes_of(folds[0].votes)], classes_of(folds[1].votes))


def test_rules_share_one_matrix_and_others_have_their_own():
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(2, size=500)
    rules = np.where(rng.random((500, 3)) < 0.4, [0, 1, 0], -1)
    held = hold_out(
        gathered(np.concatenate([rules, textbook.one_coin_votes(rng, gold, np.full(2, 0.8), 2)], axis=1), 2)
    )
    assert held.matrix.tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_shows_what_votes_cannot(seed):
    """All but one source share their errors: by the votes alone they are right, by gold the one is."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=1000)
    rumour = np.where(rng.random(1000) < 0.4, rng.integers(3, size=1000), gold)
    codes = textbook.one_coin_votes(rng, rumour, np.full(5, 0.9), 3)
    codes[:, 3] = textbook.one_coin_votes(rng, gold, np.asarray([0.95]), 3)[:, 0]
    known = np.where(np.arange(1000) < 150, gold, -1)
    by_votes, by_gold = choose(gathered(codes, 3)), choose(gathered(codes, 3, known))
    assert (by_votes.by, by_gold.by) == ("votes", "gold")
    fitted = [fit_by(choice.section)(gathered(codes, 3, known)).posterior for choice in (by_votes, by_gold)]
    rest = known < 0
    assert accuracy(fitted[1], gold, rest) > accuracy(fitted[0], gold, rest) + 0.05
    assert "single: s3" in by_gold.table()
    if by_gold.method == "single":
        assert by_gold.source == "s3"
        assert "Use source s3 alone" in by_gold.why


@pytest.mark.parametrize("outside", [False, True])
def test_no_item_is_judged_by_its_own_gold(outside):
    """With the gold of one fold replaced by nonsense its own posteriors stay, and the others' move."""
    codes, gold, _, classes = drawn_crowds.crowd("independent", np.random.default_rng(SEEDS[0]), items=300)
    labels = textbook.hard_labels(codes, classes)

    def folds(truth):
        if not outside:
            return gold_folds(gathered(codes, classes, np.where(np.arange(300) < 100, truth, -1)))
        anchors = Anchors(textbook.elsewhere(labels.take(np.arange(100))), truth[:100])
        return gold_folds(Votes.of(labels.take(np.arange(100, 300)), anchors))

    honest = folds(gold)
    first = cross_fitted(honest, partial(fit_named, "one_coin"))
    assert np.bincount(honest.fold).min() == 20
    spoilt = honest.votes.gold.copy()
    mine = honest.known[honest.fold == 2]
    spoilt[mine] = (spoilt[mine] + 1) % classes
    votes = replace(honest.votes, gold=spoilt)
    second = cross_fitted(honest._replace(votes=votes), partial(fit_named, "one_coin"))
    np.testing.assert_array_equal(first.posterior[honest.fold == 2], second.posterior[honest.fold == 2])
    assert np.abs(first.posterior - second.posterior).max() > 1e-3


def test_how_much_gold_is_enough():
    codes, gold, _, classes = drawn_crowds.crowd("independent", np.random.default_rng(SEEDS[1]), items=300)
    first = np.concatenate([np.flatnonzero(gold == number)[:1] for number in range(classes)])
    for n_more, enough in ((0, False), (40, True)):
        shown = np.full(300, -1)
        shown[first] = gold[first]
        shown[:n_more] = gold[:n_more]
        assert enough_gold(gathered(codes, classes, shown)) == enough
    one_class = np.where(gold == 0, gold, -1)
    assert not enough_gold(gathered(codes, classes, one_class))


def test_one_source_two_sources_and_nobody():
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(2, size=200)
    codes = textbook.one_coin_votes(rng, gold, np.asarray([0.9, 0.8]), 2)
    one = choose(gathered(codes[:, :1], 2))
    assert (one.method, one.source, one.by) == ("single", "s0", "nothing")
    two = choose(gathered(codes, 2))
    assert (two.method, two.by) == ("vote", "nothing")
    assert "who is right" in two.why
    with pytest.raises(DataError, match="no vote"):
        choose(gathered(np.full((5, 3), -1), 2))


def test_targets_tell_what_was_chosen_and_the_same_call_gives_the_same():
    codes, _, _, classes = drawn_crowds.crowd("adversarial", np.random.default_rng(SEEDS[0]), items=150)
    labels = textbook.hard_labels(codes, classes)
    targets, choice = targets_by("auto", labels), choose(Votes.of(labels))
    assert targets.origin[0] == choice.why
    assert f"`{choice.method}`" in choice.why
    textbook.assert_same_targets(targets, targets_by(choice.method, labels))


def test_soft_votes_are_foretold_too():
    """By expected log-probability: of a vote v, sum of v[k] ln P(k)."""
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(3, size=400)
    sure = rng.uniform(1.5, 3, 5)[:, None] * np.eye(3)[gold][:, None, :] + rng.normal(0, 1, (400, 5, 3))
    probs = np.exp(sure) / np.exp(sure).sum(axis=2, keepdims=True)
    held = hold_out(Votes.of(textbook.labels_of(probs)))
    np.testing.assert_allclose(held.total, 400 * 5)
    truth, nothing = np.eye(3)[gold][held.item], np.full((len(held.item), 3), 1 / 3)
    scores = [
        held.share @ log_probabilities(held, one)
        for one in (truth, predict(held, partial(fit_named, "one_coin")), nothing)
    ]
    assert scores[0] > scores[1] > scores[2] + 10
