"""Thousands of sources with a few votes each: no table of items × sources, in any label model."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.combiners import bayesian_dawid_skene, fit_by, fit_names, section_named
from outgrow.combiners.bayesian_dawid_skene import fit_bayesian_dawid_skene
from outgrow.combiners.dependence import compared, copied_votes
from outgrow.combiners.pairwise_agreement import agreement
from outgrow.combiners.temperature_scaling import temperature_scaled
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError
from outgrow.vote_table import VoteTable

CASE = Path(__file__).parents[3] / "shared/cases/many_workers/make.py"
ITEMS, SOURCES, CLASSES = 10_000, 5_000, 3


def drawn(seed, items=ITEMS, sources=SOURCES, classes=CLASSES, per_item=5, gold_share=0.0):
    """Votes of sources that are right with a probability of .6 to .9, in any order, and the truth."""
    rng = np.random.default_rng(seed)
    truth, accuracy = rng.integers(classes, size=items), rng.uniform(0.6, 0.9, sources)
    item, source = np.divmod(np.unique(rng.integers(items * sources, size=items * per_item)), sources)
    order = rng.permutation(len(item))
    item, source = item[order], source[order]
    wrong = (truth[item] + rng.integers(1, classes, len(item))) % classes
    label = np.where(rng.random(len(item)) < accuracy[source], truth[item], wrong)
    names = [f"i{number}" for number in range(items)], tuple(f"s{number}" for number in range(sources))
    gold = np.where(rng.random(items) < gold_share, truth, -1)
    return VoteTable(*names, tuple("abcdef"[:classes]), item, source, label, gold=gold), truth


def without_gold():
    return [name for name in fit_names() if not section_named(name).needs_gold]


def peak_of(work):
    """The result, and the most bytes that were held on the way."""
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, peak


IN_PAIRS = ("flying_squid", "triplets")
"""Closed forms, which need pairs of sources that meet."""


@pytest.mark.parametrize("name", [name for name in without_gold() if name not in IN_PAIRS])
def test_every_model_takes_thousands_of_sources(name):
    """The Bayesian model, which takes longest, gets fewer of both."""
    items, sources = (2000, 1000) if name == "bayesian_dawid_skene" else (ITEMS, SOURCES)
    table, truth = drawn(SEEDS[0], items=items, sources=sources)
    votes = Votes.of_table(table)
    assert votes.n_rows == items
    fit, peak = peak_of(lambda: fit_by(section_named(name), intervals=False)(votes))
    assert peak < 1.5 * max(items * sources, 40_000_000), "less than a table of two bytes per item and source"
    right = (fit.posterior.argmax(axis=1) == truth)[table.n_per_item > 0].mean()
    assert right > 0.7, "sources of .75 that vote five at a time"


@pytest.mark.parametrize("sources", [6, 20, 60, 200, 600])
@pytest.mark.parametrize("name", IN_PAIRS)
def test_closed_forms_are_as_good_as_the_vote_or_refuse(name, sources):
    table, truth = drawn(SEEDS[0], items=2000, sources=sources, classes=5)
    votes = Votes.of_table(table)
    if sources > 100:
        with pytest.raises(DataError, match=f"`{name}`.*`vote`"):
            fit_by(section_named(name))(votes)
        return
    right, majority = (
        (fit_by(section_named(one))(votes).posterior.argmax(axis=1) == truth).mean() for one in (name, "vote")
    )
    assert right > majority - 0.05


def test_the_bayesian_model_of_many_sources_converges_and_further_rounds_change_nothing(monkeypatch):
    table, _ = drawn(SEEDS[0], items=800, sources=400)
    votes = Votes.of_table(table)
    fit = fit_bayesian_dawid_skene(votes, draws=0)
    assert fit.converged
    monkeypatch.setattr(bayesian_dawid_skene, "TOLERANCE_OF_MANY", bayesian_dawid_skene.TOLERANCE)
    longer = fit_bayesian_dawid_skene(votes, draws=0)
    assert len(longer.objective) > len(fit.objective)
    assert np.abs(longer.posterior - fit.posterior).max() < 0.05
    assert np.abs(longer.accuracy - fit.accuracy).max() < 0.02


def test_auto_and_the_trust_report_leave_out_what_refuses():
    table, _ = drawn(SEEDS[0], items=400, sources=120, per_item=4, gold_share=0.5)
    chosen = outgrow.combine(table)
    assert chosen.method not in IN_PAIRS
    report = outgrow.trust(replace(table, gold=np.full(len(table.items), -1)), n_next=0)
    assert not set(IN_PAIRS) & {answer.name for answer in report.combiners}
    assert any("`triplets` could not be fitted" in note for note in report.notes)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_votes_and_the_form_of_the_table_do_not_matter(seed):
    table, _ = drawn(seed, items=300, sources=40, gold_share=0.2)
    item, source = table.item, table.source
    codes = np.full((300, 40), -1)
    codes[item, source] = table.label
    dense = Votes.gather(table.sources, CLASSES, codes, table.gold)
    votes = Votes.of_table(table)
    for one, other in ((votes.entries.start, dense.entries.start), (votes.entries.column, dense.entries.column)):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(votes.gold, dense.gold)


def test_calibration_holds_votes_out_without_a_table_of_items_and_sources():
    table, _ = drawn(SEEDS[0])
    votes, section = Votes.of_table(table), section_named("one_coin")
    fit = fit_by(section)(votes)
    scaled, peak = peak_of(lambda: temperature_scaled(votes, section, fit))
    assert scaled.by == "votes"
    assert peak < 1.5 * ITEMS * SOURCES
    some = Votes.of_table(drawn(SEEDS[0], gold_share=0.02)[0])
    with_gold, peak = peak_of(lambda: temperature_scaled(some, section, fit_by(section)(some)))
    assert with_gold.by == "gold"
    assert peak < 1.5 * ITEMS * SOURCES


def test_a_copy_among_many_sources_is_found_where_it_has_many_votes():
    table, _ = drawn(SEEDS[0], items=3000, sources=1000, per_item=8)
    rng = np.random.default_rng(SEEDS[0])
    item = np.sort(rng.choice(3000, 1500, replace=False))
    label = rng.integers(CLASSES, size=1500)
    twice = VoteTable(
        table.items,
        (*table.sources, "one", "copy"),
        table.classes,
        np.concatenate([table.item, item, item]),
        np.concatenate([table.source, np.full(1500, 1000), np.full(1500, 1001)]),
        np.concatenate([table.label, label, np.where(rng.random(1500) < 0.9, label, (label + 1) % CLASSES)]),
    )
    votes = Votes.of_table(twice)
    assert len(compared(votes)) < len(votes.sources)
    found = copied_votes(votes)
    assert found[1000, 1001] > 0.4
    assert found.tocsr()[:1000, :1000].nnz == 0 or found[:1000, :1000].max() < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_sparse_and_dense_moments_of_pairs_are_the_same(seed, monkeypatch):
    votes = Votes.of_table(drawn(seed, items=200, sources=30, per_item=3)[0])
    monkeypatch.setattr("outgrow.combiners.pairwise_agreement.SPARSE_COST", 0)
    sparse = agreement(votes)
    monkeypatch.setattr("outgrow.combiners.pairwise_agreement.SPARSE_COST", 1e9)
    for one, other in zip(sparse, agreement(votes), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.skipif(not CASE.exists(), reason="the case many_workers is not here")
def test_a_file_of_twenty_thousand_workers(tmp_path):
    subprocess.run([sys.executable, str(CASE)], cwd=tmp_path, check=True)
    combined = outgrow.combine(tmp_path / "votes.csv", "one_coin", calibrate=False)
    assert len(combined.votes.sources) == 20_000
    assert combined.fit.converged
    assert combined.posterior.max(axis=1).mean() > 0.8
