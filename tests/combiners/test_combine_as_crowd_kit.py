"""The same posteriors as crowd-kit's Dawid–Skene and GLAD where the models are the same; skipped without crowd-kit."""

import warnings

import numpy as np
import pandas as pd
import pytest
import textbook_sources as textbook

from drawn_seeds import SEEDS
from outgrow.combiners.dawid_skene import fit_dawid_skene
from outgrow.combiners.glad import fit_glad
from outgrow.combiners.votes import Votes

crowdkit = pytest.importorskip(
    "crowdkit.aggregation", reason="crowd-kit is not installed: pip install crowd-kit==1.4.2", exc_type=ImportError
)

WHATEVER_COMES = -np.inf
"""The tolerance that lets crowd-kit go on: what it watches may fall on the way up."""


def drawn(seed, items=60, classes=3, sources=6):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    codes = textbook.one_coin_votes(rng, gold, rng.uniform(0.7, 0.9, sources), classes, 0.9)
    return codes[(codes >= 0).any(axis=1)]


def asked(model, codes, classes=3):
    """crowd-kit's posterior."""
    item, source = np.nonzero(codes >= 0)
    table = pd.DataFrame({"task": item, "worker": source, "label": codes[item, source].astype(int)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(table).probas_
    return found.reindex(index=range(len(codes)), columns=range(classes)).to_numpy()


@pytest.mark.parametrize("seed", SEEDS)
def test_dawid_skene_without_pseudo_votes(seed):
    codes = drawn(seed, items=500)
    ours = fit_dawid_skene(Votes.of(textbook.hard_labels(codes, 3)), smoothing=1e-12, tolerance=1e-14, rounds=20_000)
    theirs = asked(crowdkit.DawidSkene(n_iter=400, tol=WHATEVER_COMES), codes)
    np.testing.assert_allclose(ours.posterior, theirs, atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_glad_of_equally_frequent_classes(seed):
    codes = drawn(seed, items=30, sources=5)
    ours = fit_glad(Votes.of(textbook.hard_labels(codes, 3)), balanced=True, tolerance=1e-14, rounds=20_000)
    theirs = asked(crowdkit.GLAD(n_iter=50, tol=WHATEVER_COMES, m_step_tol=1e-6), codes)
    np.testing.assert_allclose(ours.posterior, theirs, atol=1e-3)
