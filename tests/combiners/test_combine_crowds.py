"""Real crowds with gold: what the label models are for. Skipped where the development data are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import textbook_sources as textbook
from by_name import targets_by

from outgrow.combiners.bayesian_dawid_skene import fit_bayesian_dawid_skene
from outgrow.combiners.votes import Votes

CROWDS = Path(__file__).parents[3] / "shared" / "data" / "crowd"
TABLES = {"SP": 2, "CF_amt": 5}


def crowd(name):
    path = CROWDS / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"needs the development data {path}")
    table = pd.read_csv(path, header=None).iloc[:, :4].set_axis(["worker", "item", "label", "gold"], axis=1)
    item, source = pd.factorize(table["item"])[0], pd.factorize(table["worker"])[0]
    codes, gold = np.full((item.max() + 1, source.max() + 1), -1), np.zeros(item.max() + 1, dtype=int)
    codes[item, source], gold[item] = table["label"], table["gold"]
    return textbook.hard_labels(codes, TABLES[name]), gold


def told(labels, gold, name):
    """Accuracy, ties shared, and log-loss of a combiner's targets."""
    probs = targets_by(name, labels).probs
    first = probs == probs.max(axis=1, keepdims=True)
    rows = np.arange(len(gold))
    accuracy = (first / first.sum(axis=1, keepdims=True))[rows, gold].mean()
    return accuracy, -np.log(np.maximum(probs[rows, gold], 1e-6)).mean()


@pytest.mark.parametrize("name", TABLES)
def test_label_models_beat_the_majority_of_a_crowd(name):
    labels, gold = crowd(name)
    found = {one: told(labels, gold, one) for one in ("vote", "triplets", "one_coin", "glad", "bayesian_dawid_skene")}
    for one, (accuracy, loss) in found.items():
        assert accuracy > found["vote"][0] - 0.005, one
        assert loss <= found["vote"][1], one
    if name == "SP":
        assert found["bayesian_dawid_skene"][0] > found["vote"][0] + 0.025
    # Workers err on the same items, which only this one allows for.
    assert found["bayesian_dawid_skene"][1] < found["one_coin"][1] - 0.05


def test_workers_intervals_hold_what_gold_says_of_them():
    labels, gold = crowd("SP")
    found = fit_bayesian_dawid_skene(Votes.of(labels), draws=60)
    n_votes = labels.voted.sum(axis=0)
    accuracy = ((labels.hard == gold[:, None]) & labels.voted).sum(axis=0) / n_votes
    rare = (n_votes >= 20) & (n_votes < 200)
    held = (found.interval[:, 0] <= accuracy) & (accuracy <= found.interval[:, 1])
    assert held[rare].mean() > 0.6
    assert np.corrcoef(found.accuracy[n_votes >= 20], accuracy[n_votes >= 20])[0, 1] > 0.9
