"""The trust report: every number by its definition, and what must not change it."""

import json
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
import pytest
from scipy.special import entr
from scipy.stats import beta

from drawn_seeds import SEEDS
from outgrow.combiners import COMBINERS, fit_by, section_named
from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection, TableLimits, TrustReportOrder
from outgrow.combiners.vote import fit_vote
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError
from outgrow.trust_report import trust
from outgrow.trust_report.combiner_answers import ask, asked_of_rules, usually_asked
from outgrow.trust_report.label_quality import counted
from outgrow.trust_report.measure_trust import next_table, why_base
from outgrow.trust_report.next_items import next_items, place_in_pattern, score_of, vote_patterns
from outgrow.trust_report.source_pairs import pair_errors
from outgrow.trust_report.source_quality import ADVERSARIAL, CHANCE, FEW, ONE_CLASS, ONLY, SILENT
from outgrow.vote_table import VoteTable
from stated_votes import stated

QUICK = ("one_coin", "dawid_skene", "vote")


def table_of(codes, classes, gold=None, **columns):
    """Votes [item, source] as class numbers, -1 = abstention."""
    item, source = np.nonzero(codes >= 0)
    names = tuple(f"c{number}" for number in range(classes))
    items = [f"i{number}" for number in range(len(codes))]
    sources = tuple(f"s{number}" for number in range(codes.shape[1]))
    gold = np.full(len(codes), -1) if gold is None else gold
    return VoteTable(items, sources, names, item, source, codes[item, source], gold=gold, **columns)


def drawn(seed, items=300, classes=3, accuracy=(0.9, 0.8, 0.7, 0.6), coverage=0.9):
    """Sources that err independently, and the truth."""
    rng = np.random.default_rng(seed)
    truth, accuracy = rng.integers(classes, size=items), np.asarray(accuracy)
    shape = (items, len(accuracy))
    wrong = (truth[:, None] + rng.integers(1, classes, shape)) % classes
    codes = np.where(rng.random(shape) < accuracy, truth[:, None], wrong)
    return np.where(rng.random(shape) < coverage, codes, -1), truth, rng


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_probabilities_that_sources_state_are_not_taken_for_accuracies(temperature):
    """Seventeen classes and sources that state too much, or too little: labels are as good as the majority's."""
    rng = np.random.default_rng(SEEDS[0])
    probs, _, gold = stated(rng, 600, 17, (2.0, 1.8, 1.6, 1.4), [temperature] * 4)
    table = table_of(probs.argmax(axis=2), 17)
    soft = replace(table, probs=probs[table.item, table.source])
    found = ask(soft, None)
    majority = fit_vote(Votes.of_table(table)).posterior.argmax(axis=1)
    right = {one.name: (one.label == gold).mean() for one in found.each}
    assert right[found.base] > (majority == gold).mean() - 0.03
    assert min(right.values()) > (majority == gold).mean() - 0.15


def by_name(found):
    return {one.name: one for one in found.sources}


class First(CombinerSection):
    """The majority, before all others."""

    type: Literal["first"]


def test_a_combiner_s_record_says_when_it_is_asked():
    compared, limits = TrustReportOrder(place=0, why="which is ours"), TableLimits(sources=3, sampled=100)
    learned = []

    def fit_sample(votes, rows):
        learned.append((votes.n_rows, len(rows)))
        return fit_vote(votes)

    COMBINERS.add(CombinerRecord(First, fit=fit_vote, compared=compared, limits=limits, fit_sample=fit_sample))
    try:
        few = table_of(drawn(0, accuracy=(0.9, 0.8, 0.7))[0], 3)
        assert usually_asked()[:2] == ["first", "bayesian_dawid_skene"]
        assert "first" not in asked_of_rules()
        found = ask(few, None)
        assert found.base == "first"
        assert "which is ours" in why_base(found.base)
        (n_rows, n_sampled), *_ = learned
        assert n_sampled < n_rows
        assert any(f"to {n_sampled} different rows" in note for note in found.notes)
        many = ask(table_of(drawn(0, items=60)[0], 3), None)
        assert many.base == "bayesian_dawid_skene"
        assert any("`first`" in note and "4 sources" in note for note in many.notes)
    finally:
        COMBINERS.remove("first")


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_are_those_of_the_table(seed):
    codes, truth, rng = drawn(seed)
    gold = np.where(rng.random(300) < 0.5, truth, -1)
    codes[:3] = -1
    codes[3, 1:] = -1
    codes[3, 0] = 1
    seconds = rng.exponential(5, (codes >= 0).sum())
    seconds[0] = np.nan
    table = table_of(codes, 3, gold, seconds=seconds, price=np.full(len(seconds), 0.5))
    found = trust(table, combiners=QUICK)
    counts, per_item = found.counts, (codes >= 0).sum(axis=1)
    assert (counts.items, counts.sources, counts.votes) == (300, 4, per_item.sum())
    assert counts.items_without_votes == (per_item == 0).sum() >= 3
    assert counts.items_with_one_vote == (per_item == 1).sum() >= 1
    assert counts.gold_items == (gold >= 0).sum()
    assert counts.median_per_item == np.median(per_item)
    for number, name in enumerate(table.sources):
        one, voted = by_name(found)[name], codes[:, number] >= 0
        judged = voted & (gold >= 0)
        right = (codes[judged, number] == gold[judged]).sum()
        assert one.votes == voted.sum()
        assert one.coverage == pytest.approx(voted.mean())
        assert one.by_gold.value == pytest.approx(right / judged.sum())
        bounds = beta(right + 0.5, judged.sum() - right + 0.5).ppf([0.025, 0.975])
        np.testing.assert_allclose((one.by_gold.low, one.by_gold.high), bounds)
        assert one.basis == "gold"
        assert one.seconds == pytest.approx(np.nanmean(seconds[table.source == number]))
        assert one.price_per_correct == pytest.approx(0.5 / one.by_gold.value)
        rows = [codes[judged & (gold == c), number] for c in range(3)]
        wanted = [[np.mean(row == k) for k in range(3)] for row in rows]
        np.testing.assert_allclose(one.confusion.rows, wanted)


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_are_their_definitions(seed):
    codes, truth, _ = drawn(seed, items=200, coverage=0.7)
    table = table_of(codes, 3, truth)
    found = {(one.first, one.second): one for one in trust(table, combiners=QUICK).pairs}
    assert len(found) == 6
    for first in range(4):
        for second in range(first + 1, 4):
            one, met = found[f"s{first}", f"s{second}"], (codes[:, first] >= 0) & (codes[:, second] >= 0)
            a, b, y = codes[met, first], codes[met, second], truth[met]
            agree = np.mean(a == b)
            chance = sum(np.mean(a == c) * np.mean(b == c) for c in range(3))
            assert one.n == met.sum()
            assert one.agreement == pytest.approx(agree, abs=1e-6)
            assert one.kappa == pytest.approx((agree - chance) / (1 - chance), abs=1e-5)
            both = (a != y) & (b != y)
            assert one.both_wrong == pytest.approx(both.sum(), abs=1e-3)
            assert one.same_error == (pytest.approx((a == b)[both].mean(), abs=1e-4) if both.any() else None)
            skill = [
                [np.mean((codes[:, s] == c)[(truth == c) & (codes[:, s] >= 0)]) for c in range(3)]
                for s in (first, second)
            ]
            e, f = (a == y) - np.asarray(skill[0])[y], (b == y) - np.asarray(skill[1])[y]
            assert one.error_correlation == pytest.approx((e @ f) / np.sqrt((e @ e) * (f @ f)), abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_by_a_posterior_are_expected_errors(seed):
    """The mean over truths drawn from a posterior, of moments around the expected skill."""
    codes, _, rng = drawn(seed, items=30, accuracy=(0.8, 0.6))
    votes = Votes.of_table(table_of(codes, 3))
    posterior = rng.dirichlet(np.ones(3), votes.n_rows)
    found = pair_errors(votes, posterior)
    weight, dense = votes.weight, np.full((votes.n_rows, 2), -1)
    dense[votes.entries.row, votes.entries.source] = votes.entries.outcome
    wanted = np.zeros((2, 2))
    likely = posterior * weight[:, None]
    skill = np.asarray(
        [[likely[dense[:, s] == c, c].sum() / likely[dense[:, s] >= 0, c].sum() for c in range(3)] for s in range(2)]
    )
    for row in range(len(dense)):
        for c in range(3):
            e = [(dense[row, s] == c) - skill[s, c] if dense[row, s] >= 0 else 0.0 for s in range(2)]
            wanted += likely[row, c] * np.outer(e, e)
    np.testing.assert_allclose(found.covariance, wanted, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_information_is_the_entropy_of_the_mean_posterior(seed):
    codes, _, _ = drawn(seed)
    table = table_of(codes, 3)
    answers = ask(table, QUICK, lambda name, fit: 1.0)
    posteriors = np.stack([fit_by(section_named(name))(Votes.of_table(table)).posterior for name in QUICK])
    doubt = entr(posteriors).sum(axis=2).mean(axis=0)
    total = entr(posteriors.mean(axis=0)).sum(axis=1)
    np.testing.assert_allclose(answers.doubt, doubt, atol=1e-12)
    np.testing.assert_allclose(answers.doubt + answers.dispute, total, atol=1e-12)
    assert answers.dispute.min() >= 0
    for one, posterior in zip(answers.each, posteriors, strict=True):
        assert one.own == pytest.approx(posterior[table.n_per_item > 0].max(axis=1).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_disputed_items_are_those_with_different_labels(seed):
    codes, _, _ = drawn(seed)
    table = table_of(codes, 3)
    found = trust(table, combiners=QUICK)
    labels = {}
    for name in QUICK:
        posterior = fit_by(section_named(name))(Votes.of_table(table)).posterior
        top = posterior.max(axis=1, keepdims=True)
        tie = (posterior > top - 1e-9).sum(axis=1) > 1
        labels[name] = np.where(tie, -1, posterior.argmax(axis=1))
    wanted = {
        item
        for number, item in enumerate(table.items)
        if len({labels[name][number] for name in QUICK} - {-1}) > 1 and table.n_per_item[number]
    }
    assert set(found.disputed.items) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_patterns_are_equal_votes_and_equals_count_for_less(seed):
    codes, _, rng = drawn(seed, items=200)
    table = table_of(codes, 3)
    pattern = vote_patterns(table)
    same = (codes[:, None] == codes[None]).all(axis=2)
    np.testing.assert_array_equal(pattern[:, None] == pattern[None], same)
    information = rng.random(200).round(1)
    place = place_in_pattern(pattern, information)
    for item in range(200):
        before = same[item] & (
            (information > information[item]) | ((information == information[item]) & (np.arange(200) < item))
        )
        assert place[item] == before.sum() + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fifth_of_one_pattern_counts_for_less(seed):
    codes, _, rng = drawn(seed, items=200, classes=2, accuracy=(0.8, 0.7))
    table, information, candidates = table_of(codes, 2), rng.random(200), rng.random(200) < 0.8
    found = score_of(table, information, candidates, 20)
    for pattern in np.unique(vote_patterns(table)):
        rows = np.flatnonzero((vote_patterns(table) == pattern) & candidates)
        rows = rows[np.argsort(-information[rows])]
        np.testing.assert_allclose(found[rows], information[rows] / (1 + np.arange(len(rows)) // 4))
    np.testing.assert_array_equal(found[~candidates], 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_next_items_have_votes_no_gold_and_not_one_pattern(seed):
    codes, truth, rng = drawn(seed, items=600, classes=2, accuracy=(0.8, 0.7, 0.6), coverage=0.9)
    gold = np.where(rng.random(600) < 0.1, truth, -1)
    table = table_of(codes, 2, gold)
    found = trust(table, combiners=QUICK, n_next=50)
    items = [one.item for one in found.next_items]
    numbers = np.asarray([table.items.index(item) for item in items])
    assert len(set(items)) == 50
    assert (gold[numbers] < 0).all()
    assert (table.n_per_item[numbers] > 0).all()
    scores = [one.score for one in found.next_items]
    assert scores == sorted(scores, reverse=True)
    share = np.unique(vote_patterns(table)[numbers], return_counts=True)[1]
    assert len(share) >= 5
    assert share.max() <= 25
    sent = next_table(found)
    assert sent.column_names == ["item", "label"]
    assert sent["item"].to_pylist() == items
    assert set(sent["label"].to_pylist()) == {""}
    assert trust(table, combiners=QUICK, n_next=0).next_items == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_sources_are_flagged_and_good_ones_are_not(seed):
    codes, truth, rng = drawn(seed, items=500, classes=2, accuracy=(0.9, 0.85, 0.8, 0.8, 0.15, 0.5))
    votes = np.flatnonzero(codes[:, 5] >= 0)  # right on exactly half: a draw would look worse than chance now and then
    codes[votes, 5] = (truth[votes] + rng.permutation(len(votes))) % 2
    always, seldom, nobody = np.zeros(500, np.int64), np.full(500, -1), np.full(500, -1)
    seldom[:5] = truth[:5]
    alike = np.where(rng.random(500) < 0.03, 1 - codes[:, 0], codes[:, 0])
    alike[codes[:, 0] < 0] = -1
    table = table_of(np.column_stack([codes, always, seldom, nobody, alike]), 2)
    found = trust(table, combiners=("bayesian_dawid_skene",))
    flags = {one.name: one.flags for one in found.sources}
    assert all(flags[f"s{number}"] == () for number in range(4))
    assert flags["s4"] == (ADVERSARIAL,)
    assert flags["s5"] == (CHANCE,)
    assert ONE_CLASS in flags["s6"]
    assert flags["s7"] == (FEW,)
    assert flags["s8"] == (SILENT,)
    assert [(one.first, one.second) for one in found.pairs if one.flag == "copies"] == [("s0", "s9")]
    drop = found.summary.sentences[1]
    assert "s4 (worse than chance)" in drop
    assert "s6 (always the same)" in drop
    assert "s0 and s9" in drop
    assert "s1" not in drop


@pytest.mark.parametrize("seed", SEEDS)
def test_a_source_given_twice_is_told(seed):
    codes, _, _ = drawn(seed)
    table = table_of(codes[:, [0, 1, 2, 3, 1]], 3)
    found = trust(table, combiners=("bayesian_dawid_skene",))
    assert found.pairs[0].flag == "same votes"
    assert (found.pairs[0].first, found.pairs[0].second) == ("s1", "s4")
    assert sum(bool(one.flag) for one in found.pairs) == 1
    weight = {one.name: one.weight for one in found.sources}
    assert weight["s1"] == weight["s4"] < 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_items_and_sources_changes_nothing(seed):
    codes, truth, rng = drawn(seed)
    gold = np.where(rng.random(300) < 0.3, truth, -1)
    items, sources = rng.permutation(300), rng.permutation(4)
    one = table_of(codes, 3, gold)
    names = tuple(one.sources[number] for number in sources)
    other = replace(
        table_of(codes[items][:, sources], 3, gold[items]), items=[one.items[i] for i in items], sources=names
    )
    first, second = trust(one, combiners=QUICK), trust(other, combiners=QUICK)
    assert second.label_accuracy == first.label_accuracy
    assert set(second.disputed.items) == set(first.disputed.items)
    for name, source in by_name(first).items():
        assert by_name(second)[name].by_gold == source.by_gold
        assert by_name(second)[name].by_agreement.value == pytest.approx(source.by_agreement.value, abs=1e-6)
    assert second.agreement[0].value.value == pytest.approx(first.agreement[0].value.value, abs=2e-6)
    assert trust(one, combiners=QUICK) == first


@pytest.mark.parametrize("seed", SEEDS)
def test_one_source_tells_nothing_and_two_tell_little(seed):
    codes, truth, _ = drawn(seed)
    alone = trust(table_of(codes[:, :1], 3), combiners=("one_coin", "vote"))
    assert alone.summary.headline == "One source: its votes cannot be checked."
    assert alone.label_basis == alone.sources[0].basis == "none"
    assert not alone.label_accuracy.defined
    assert alone.pairs == ()
    two = trust(table_of(codes[:, :2], 3))
    assert two.base == "bayesian_dawid_skene"
    assert "not who is right" in two.summary.headline
    assert len(two.pairs) == 1
    known = trust(table_of(codes[:, :1], 3, truth), combiners=("vote",))
    assert known.label_basis == "gold"
    assert known.label_accuracy.value == pytest.approx(np.mean((codes[:, 0] == truth)[codes[:, 0] >= 0]))


def test_soft_votes_are_told_and_counted_as_their_most_probable_class():
    rng = np.random.default_rng(SEEDS[0])
    codes, truth, _ = drawn(SEEDS[0])
    hard = table_of(codes, 3, truth)
    noise = rng.dirichlet(np.ones(3), hard.n_votes)
    probs = 0.7 * np.eye(3)[hard.label] + 0.3 * noise
    soft = replace(hard, probs=probs, label=probs.argmax(axis=1))
    one, other = trust(hard, combiners=("dawid_skene", "vote")), trust(soft, combiners=("dawid_skene", "vote"))
    assert other.counts.soft_share == 1
    assert any("soft" in note for note in other.notes)
    assert by_name(other)["s0"].by_gold == by_name(one)["s0"].by_gold
    agree = {(p.first, p.second): p.agreement for p in one.pairs}
    assert {(p.first, p.second): p.agreement for p in other.pairs} == pytest.approx(agree)


def test_rules_are_read_with_their_silence():
    rng = np.random.default_rng(SEEDS[0])
    truth = rng.integers(2, size=1500)
    says = np.asarray([0, 0, 0, 1, 1, 1])
    fires = rng.random((1500, 6)) < np.where(truth[:, None] == says, 0.35, 0.06)
    found = trust(table_of(np.where(fires, says, -1), 2))
    assert found.base == "rule_vote"
    assert all(one.flags == (ONLY,) for one in found.sources)
    assert any("as rules do" in note for note in found.notes)
    assert any(note.startswith("The evaluated labels are those of `rule_vote`") for note in found.notes)


def test_many_classes_and_numbers_for_classes():
    codes, truth, _ = drawn(SEEDS[0], items=400, classes=40, accuracy=(0.9, 0.8, 0.7))
    table = replace(table_of(codes, 40, truth), classes=tuple(str(number) for number in range(40)))
    found = trust(table, combiners=QUICK)
    assert len(found.sources[0].confusion.classes) == 10
    assert found.sources[0].confusion.classes[-1] == "(others)"
    np.testing.assert_allclose(np.sum(found.sources[0].confusion.rows, axis=1), 1)
    assert [one.name.rsplit(" ", 1)[-1] for one in found.agreement] == [
        "agreement",
        "α",
        "κ",
        "ordinal",
        "interval",
    ]
    assert all(0.3 < one.value.value < 0.9 for one in found.agreement[:3])


def test_everything_is_json_and_wrong_requests_are_sentences():
    codes, _, _ = drawn(SEEDS[0])
    table = table_of(codes, 3)
    found = trust(table, combiners=QUICK)
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["base"] == "one_coin"
    with pytest.raises(ConfigError, match="did you mean `vote`"):
        trust(table, combiners=["votee"])
    with pytest.raises(ConfigError, match="n_next"):
        trust(table, n_next=-1)
    with pytest.raises(DataError, match="two classes"):
        trust(replace(table, classes=("c0",), label=np.zeros_like(table.label)))
    with pytest.raises(DataError, match="learns from gold"):
        trust(table, combiners=["weighted_vote"])
    nobody = trust(table_of(np.full((5, 2), -1), 2), combiners=["vote"])
    assert nobody.summary.headline == "There are no votes."


def test_a_share_has_jeffreys_interval():
    assert counted(0.0, 0).note == "no vote on an item with gold"
    assert counted(0.0, 8).low == 0
    assert counted(8.0, 8).high == 1
    np.testing.assert_allclose((counted(3.0, 8).low, counted(3.0, 8).high), beta(3.5, 5.5).ppf([0.025, 0.975]))


@pytest.mark.slow
def test_gold_on_these_items_teaches_more_than_on_random_ones():
    """Paired, over ten tables: accuracy of the refit after gold on the 50 proposed items and on 50 random ones."""
    gain, elsewhere = [], []
    for draw in range(10):
        codes, truth, rng = drawn([SEEDS[0], draw], 600, 3, np.random.default_rng(draw).uniform(0.4, 0.85, 4), 0.8)
        table = table_of(codes, 3)
        answers = ask(table, ("one_coin", "dawid_skene", "mace", "vote"), lambda name, fit: 1.0)
        chosen = np.asarray([table.items.index(one.item) for one in next_items(table, answers, 50)])
        random = rng.choice(np.flatnonzero(table.n_per_item), 50, replace=False)
        right = []
        for picked in (chosen, random):
            gold = np.full(600, -1)
            gold[picked] = truth[picked]
            posterior = fit_by(section_named("one_coin"))(Votes.of_table(replace(table, gold=gold))).posterior
            right.append(posterior.argmax(axis=1) == truth)
        others = np.setdiff1d(np.arange(600), np.concatenate([chosen, random]))
        gain.append(right[0].mean() - right[1].mean())
        elsewhere.append(right[0][others].mean() - right[1][others].mean())
    error = np.std(gain, ddof=1) / np.sqrt(10)
    print(f"gain {np.mean(gain):.4f} ± {error:.4f}; on items that neither labelled {np.mean(elsewhere):.4f}")
    assert np.mean(gain) > 2 * error
    assert np.mean(gain) > 0.01
