"""How many items with gold settle what: by trying, and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from drawn_seeds import SEEDS
from outgrow.metrics.estimate import Estimate
from outgrow.trust_report import trust
from outgrow.trust_report.gold_needed import EACH_SIDE, gold_needed, items_for_width, items_to_compare
from outgrow.vote_table import VoteTable


@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
@pytest.mark.parametrize(("half_width", "n_items"), [(0.05, 10_000), (0.1, 300), (0.02, 150)])
def test_the_least_number_with_that_half_width(share, half_width, n_items):
    def reach(n):
        return EACH_SIDE * np.sqrt(share * (1 - share) / n * (n_items - n) / (n_items - 1))

    wanted = next(n for n in range(1, n_items + 1) if reach(n) <= half_width + 1e-12)
    assert items_for_width(share, half_width, n_items) == wanted
    assert items_for_width(0.5, 0.05, 1) == 1


def test_that_many_items_narrow_the_interval():
    """Of 500 samples without replacement about 95 % are within the half-width of the truth."""
    rng = np.random.default_rng(SEEDS[0])
    right = np.arange(1200) < 800
    n = items_for_width(2 / 3, 0.05, 1200)
    near = [abs(rng.choice(right, n, replace=False).mean() - 2 / 3) <= 0.05 for _ in range(500)]
    assert 0.9 < np.mean(near) < 0.99


def test_that_many_differences_show_which_is_better():
    """The sign test finds a difference of five points in about 80 % of 400 samples."""
    rng = np.random.default_rng(SEEDS[0])
    n = items_to_compare(0.15, 0.05)
    better = rng.binomial(n, (1 + 0.05 / 0.15) / 2, 400)
    found = np.mean([binomtest(int(k), n).pvalue < 0.05 for k in better])
    assert 0.7 < found < 0.9
    assert items_to_compare(0.05, 0.05) is None
    assert items_to_compare(0.04, 0.05) is None
    assert items_to_compare(0.5, 0.05) > n
    assert items_to_compare(0.051, 0.05) == next(k for k in range(1, 20) if binomtest(0, k).pvalue < 0.05)


def table_of(codes, gold=None):
    item, source = np.nonzero(codes >= 0)
    names = tuple(f"s{n}" for n in range(codes.shape[1]))
    items = [f"i{n}" for n in range(len(codes))]
    return VoteTable(
        items, names, ("no", "yes"), item, source, codes[item, source], gold=np.empty(0, int) if gold is None else gold
    )


def test_the_report_asks_for_that_much_and_no_more_once_it_is_settled():
    rng = np.random.default_rng(SEEDS[0])
    truth = rng.integers(2, size=900)
    codes = np.where(rng.random((900, 6)) < 0.8, truth[:, None], 1 - truth[:, None])
    found = trust(table_of(codes), combiners=("one_coin", "vote"))
    accuracy = found.label_accuracy
    typical = min(max(0.5, accuracy.low), accuracy.high)
    asked = found.summary.sentences[-1]
    assert f"Gold of {items_for_width(typical, 0.05, 900)} items drawn at random" in asked
    best = max(found.sources, key=lambda one: one.by_agreement.value)
    n = items_to_compare(best.differs, 0.05)
    assert f"gold of {n} items on which {best.name} and the combined label differ" in asked
    settled = trust(table_of(codes, truth), combiners=("one_coin", "vote"))
    assert not any("would narrow" in sentence for sentence in settled.summary.sentences)
    assert gold_needed(Estimate(0.9, 0.6, 1.0, 10, 1), 0, found.sources) == ""
    assert gold_needed(Estimate(0.9, None, None, 10, 1), 10, found.sources) == ""
    narrow = gold_needed(Estimate(0.9, 0.87, 0.93, 10, 1), 100, [replace(best, differs=0.01)])
    assert narrow == ""
