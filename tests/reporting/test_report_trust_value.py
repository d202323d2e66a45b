"""What a source adds, and how far each class can be trusted: definitions, and cases with a known answer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from drawn_seeds import SEEDS
from outgrow.combiners import fit_by, section_named
from outgrow.combiners.simulated_accuracy import simulated_quality
from outgrow.combiners.votes import Votes
from outgrow.metrics.estimate import Estimate
from outgrow.trust_report import trust
from outgrow.trust_report.combiner_answers import ask
from outgrow.trust_report.source_quality import ADVERSARIAL, ALWAYS_ONE, CHANCE, HARMS, ONE_CLASS
from outgrow.trust_report.source_value import added_recall, balanced_accuracy, chance_of, right_votes
from outgrow.trust_report.summary import percent, percent_range
from outgrow.trust_report.trust_tables import trust_tables
from outgrow.trust_report.trust_text import trust_text
from outgrow.vote_table import VoteTable

BAD = {ADVERSARIAL, CHANCE, HARMS, ONE_CLASS}


def table_of(codes, classes, gold=None):
    """Votes [item, source] as class numbers, -1 = abstention."""
    item, source = np.nonzero(codes >= 0)
    names = tuple(f"c{number}" for number in range(classes))
    items, sources = [f"i{number}" for number in range(len(codes))], tuple(f"s{n}" for n in range(codes.shape[1]))
    gold = np.full(len(codes), -1) if gold is None else gold
    return VoteTable(items, sources, names, item, source, codes[item, source], gold=gold)


def drawn(seed, items=250, classes=3, accuracy=(0.9, 0.75, 0.6), coverage=0.8, balance=None):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, size=items, p=balance)
    shape = (items, len(accuracy))
    wrong = (truth[:, None] + rng.integers(1, classes, shape)) % classes
    codes = np.where(rng.random(shape) < np.asarray(accuracy), truth[:, None], wrong)
    return np.where(rng.random(shape) < coverage, codes, -1), truth, rng


def rare_table(seed, items=3000, gold=False):
    """One item of a hundred is of class 1; six equal sources with specificity .95 and sensitivity .7."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(items) < 0.01).astype(int)
    says_one = rng.random((items, 6)) < np.where(truth == 1, 0.7, 0.05)[:, None]
    codes = np.where(rng.random((items, 6)) < 0.5, says_one.astype(int), -1)
    return table_of(codes, 2, truth if gold else None), truth


@pytest.mark.parametrize("seed", SEEDS)
def test_balanced_accuracy_is_the_mean_recall(seed):
    codes, _, rng = drawn(seed)
    table = table_of(codes, 3)
    likely = rng.dirichlet(np.ones(3), 250) * (rng.random(250) < 0.7)[:, None]
    counts = right_votes(table, likely)
    for s in range(3):
        voted = codes[:, s] >= 0
        items = [likely[voted, c].sum() for c in range(3)]
        right = [likely[codes[:, s] == c, c].sum() for c in range(3)]
        np.testing.assert_allclose(counts.items[s], items)
        np.testing.assert_allclose(counts.right[s], right)
        found = balanced_accuracy(counts.right[s], counts.items[s])
        assert found.value == pytest.approx(np.mean(np.divide(right, items)))
        spread = np.sqrt(sum(beta(r + 0.5, n - r + 0.5).var() for r, n in zip(right, items, strict=True))) / 3
        assert found.high - found.value == pytest.approx(1.959964 * spread, rel=1e-5)
    assert chance_of(np.asarray([3.0, 0.0, 7.0])) == 0.5
    only = balanced_accuracy(np.asarray([2.0, 0.0, 5.0]), np.asarray([4.0, 0.0, 5.0]))
    assert only.value == 0.75
    assert not balanced_accuracy(np.zeros(3), np.zeros(3)).defined


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_source_adds_is_the_recall_with_it_minus_that_without(seed):
    codes, truth, rng = drawn(seed, accuracy=(0.8, 0.7, 0.6, 0.4))
    table = table_of(codes, 3)
    answers = ask(table, ["dawid_skene"], lambda name, fit: 1.0)
    known = rng.random(250) < 0.6
    gold = np.where(known[:, None], np.eye(3)[truth], 0.0)
    found, fit = added_recall(table, answers, gold), answers.fit
    for s in range(4):
        gains = []
        for c in range(3):
            here = np.flatnonzero(known & (truth == c) & (codes[:, s] >= 0))
            right = {True: [], False: []}
            for i in here:
                for with_it in (True, False):
                    scores = np.log(fit.balance)
                    for t in range(4):
                        if codes[i, t] >= 0 and (t != s or with_it):
                            scores = scores + np.log(fit.confusion[t, :, codes[i, t]])
                    right[with_it].append(scores.argmax() == c)
            gains.append(np.mean(right[True]) - np.mean(right[False]))
        assert found[s].value == pytest.approx(np.mean(gains), abs=1e-9)
        assert found[s].low <= found[s].value <= found[s].high
        assert found[s].n == (known & (codes[:, s] >= 0)).sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_order_and_names_do_not_change_what_a_source_adds(seed):
    codes, truth, rng = drawn(seed)
    sources, items, classes = rng.permutation(3), rng.permutation(250), rng.permutation(3)
    moved = codes[items][:, sources]
    renamed = np.where(moved >= 0, classes[moved], -1)
    gold = np.eye(3)[truth]
    one = added_recall(table_of(codes, 3), ask(table_of(codes, 3), ["one_coin"], lambda n, f: 1.0), gold)
    table = table_of(renamed, 3)
    other = added_recall(table, ask(table, ["one_coin"], lambda n, f: 1.0), np.eye(3)[classes[truth[items]]])
    for place, s in enumerate(sources.tolist()):
        assert other[place].value == pytest.approx(one[s].value, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("with_gold", [False, True])
def test_of_a_rare_class_nothing_is_promised_and_no_source_is_dropped(seed, with_gold):
    """The true recall of the rare class is far below the accuracy of all labels, which the report must say."""
    table, truth = rare_table(seed, gold=with_gold)
    found = trust(table, combiners=("bayesian_dawid_skene",))
    assert not any(BAD & set(source.flags) for source in found.sources)
    assert "rop" not in found.summary.sentences[1].replace("one to drop", "")
    assert "look good" not in found.summary.headline
    assert "rare class c1" in found.summary.headline
    voted = table.n_per_item > 0
    label = fit_by(section_named("bayesian_dawid_skene"))(
        Votes.of_table(replace(table, gold=np.full(3000, -1)))
    ).posterior.argmax(axis=1)
    rare = voted & (truth == 1)
    recall, one = np.mean(label[rare] == 1), found.classes[1]
    assert one.name == "c1"
    if with_gold:
        assert one.recall.value == pytest.approx(recall)
        assert one.precision.value == pytest.approx(np.mean(truth[voted & (label == 1)] == 1))
        right = int((label[rare] == 1).sum())
        bounds = beta(right + 0.5, rare.sum() - right + 0.5).ppf([0.025, 0.975])
        np.testing.assert_allclose((one.recall.low, one.recall.high), bounds)
    assert "recall" in trust_text(found)
    assert "label_classes" in {table.name for table in trust_tables(found)}


@pytest.mark.parametrize("seed", SEEDS)
def test_without_gold_each_class_is_as_in_simulated_tables(seed):
    codes, _, _ = drawn(seed, accuracy=(0.9, 0.75, 0.6, 0.7))
    codes[:5] = -1
    table = table_of(codes, 3)
    found = trust(table, combiners=("one_coin", "vote"))
    posterior, voted = fit_by(section_named("one_coin"))(Votes.of_table(table)).posterior, (codes >= 0).any(axis=1)
    quality, label = simulated_quality(table, posterior), posterior.argmax(axis=1)
    assert found.label_accuracy.value == quality.accuracy.mean
    for c, one in enumerate(found.classes):
        assert (one.recall.value, one.recall.low, one.recall.high) == quality.recall[c]
        assert (one.precision.value, one.precision.low, one.precision.high) == quality.precision[c]
        assert one.labels == (voted & (label == c)).sum()
        assert one.share == pytest.approx(posterior[voted, c].mean())
    assert found.combiners[0].expected == found.label_accuracy
    assert found.combiners[0].own == pytest.approx(posterior[voted].max(axis=1).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_one_sided_sources_are_named(seed):
    """Two of six sources say class 0 on nearly all items. Where class 0 is that frequent, nobody is one-sided."""
    codes, _, rng = drawn(seed, 600, 2, (0.85, 0.8, 0.85, 0.8), 1.0)
    one_sided = np.where(rng.random((600, 2)) < 0.02, 1, 0)
    found = trust(table_of(np.column_stack([codes, one_sided]), 2), combiners=("one_coin", "vote"))
    flags = {source.name: source.flags for source in found.sources}
    assert {name for name, flag in flags.items() if ALWAYS_ONE in flag} == {"s4", "s5"}
    assert "One-sided" in found.summary.sentences[1]
    assert "2 of 6 sources are one-sided" in found.summary.headline
    assert "look good" not in found.summary.headline
    skewed, _, _ = drawn(seed, 600, 2, (0.97,) * 5, 1.0, (0.98, 0.02))
    usual = trust(table_of(skewed, 2), combiners=("one_coin", "vote"))
    assert not any(ALWAYS_ONE in source.flags for source in usual.sources)


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_shows_a_source_that_makes_labels_worse(seed):
    """Three sources share their errors; by agreement they look best, and two honest ones lose against them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=800)
    shared = np.where(rng.random(800) < 0.62, truth, 1 - truth)
    shared = np.where(rng.random((800, 3)) < 0.95, shared[:, None], 1 - shared[:, None])
    honest = np.where(rng.random((800, 2)) < 0.85, truth[:, None], 1 - truth[:, None])
    table = table_of(np.column_stack([shared, honest]), 2, truth)
    found = trust(table, combiners=("one_coin", "vote"))
    sources = {source.name: source for source in found.sources}
    shared_adds = np.mean([sources[f"s{number}"].adds.value for number in range(3)])
    assert shared_adds < sources["s3"].adds.value, "one of them alone may be worth nothing by chance"


def test_the_headline_begins_with_the_lower_end():
    assert percent_range(Estimate(0.889, 0.63, 0.998, 100, 1)) == "63 to 99.8 %"
    assert percent_range(Estimate(0.962, 0.951, 0.972, 100, 1)) == "95.1 to 97.2 %"
    assert percent_range(Estimate(0.8, None, None, 100, 1)) == "80 %"
    assert percent_range(Estimate(0.8, 0.801, 0.803, 100, 1)) == "80 %"
    assert percent(0.004) == "0.4 %"


@pytest.mark.parametrize("seed", SEEDS)
def test_few_sources_are_never_called_good_without_gold(seed):
    codes, truth, _ = drawn(seed, 400, 2, (0.99, 0.99, 0.99), 1.0)
    agreed = trust(table_of(codes, 2), combiners=("one_coin", "vote"))
    assert "only 3 sources" in agreed.summary.headline
    assert "look good" not in agreed.summary.headline
    known = trust(table_of(codes, 2, truth), combiners=("one_coin", "vote"))
    assert "look good" in known.summary.headline
