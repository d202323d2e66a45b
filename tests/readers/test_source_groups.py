"""Sources that depend, such as the prompts or repeats of one judge, count together as one."""

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.errors import DataError
from outgrow.readers.read_votes import VoteColumns, read_votes


def five_times_and_three(seed, items=400):
    """A judge of .6 that gives five times nearly the same vote, and three independent ones of .8; and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=items)

    def votes(accuracy, n):
        return np.where(rng.random(n) < accuracy, 1, 0)

    once = votes(0.6, items)
    rows = []
    for k in range(5):
        right = np.where(rng.random(items) < 0.03, 1 - once, once)
        rows += [(i, f"big/p{k}", "big", r) for i, r in enumerate(right)]
    for name in ("ann", "ben", "cyd"):
        rows += [(i, name, name, r) for i, r in enumerate(votes(0.8, items))]
    table = pd.DataFrame(rows, columns=["item", "source", "source_group", "right"])
    table["label"] = np.where(table.pop("right") == 1, truth[table["item"]], 1 - truth[table["item"]])
    return table.replace({"label": {0: "no", 1: "yes"}}), np.where(truth == 1, "yes", "no")


def accuracy(combined, truth):
    frame = combined.to_pandas()
    return float((frame["label"].to_numpy() == truth[frame["item"].astype(int)]).mean())


@pytest.mark.parametrize("method", ["vote", "one_coin", "dawid_skene", "auto"])
def test_a_judge_asked_five_times_does_not_outvote_three_independent_ones(method):
    table, truth = five_times_and_three(SEEDS[0])
    three = accuracy(outgrow.combine(table[table["source_group"] != "big"], method), truth)
    grouped = outgrow.combine(table, method)
    assert grouped.votes.sources == ("big", "ann", "ben", "cyd")
    assert accuracy(grouped, truth) > three - 0.15
    assert accuracy(outgrow.combine(table, "vote", ignore="source_group"), truth) < three - 0.15, (
        "five count five times"
    )


def test_repeats_as_sources_are_a_group_too():
    table, _ = five_times_and_three(SEEDS[1])
    repeated = table.drop(columns="source").rename(columns={"source_group": "judge"})
    own = read_votes(repeated, columns=VoteColumns(repeats="all"))
    assert own.groups == ("big",) * 5 + ("ann", "ben", "cyd")
    np.testing.assert_allclose(
        outgrow.combine(own, "dawid_skene").posterior,
        outgrow.combine(repeated, "dawid_skene", repeats="average").posterior,
    )
    assert outgrow.trust(own, n_next=0).sources[0].name in ("big", "ann", "ben", "cyd")
    assert len(outgrow.trust(own, n_next=0).sources) == 4


def test_the_vote_of_a_group_is_the_average_of_its_sources():
    rows = [("1", "a", "g", "yes"), ("1", "b", "g", "no"), ("2", "a", "g", "yes"), ("2", "b", "g", "yes")]
    rows += [("1", "c", "", "no")]
    frame = pd.DataFrame(rows, columns=["item", "source", "source_group", "label"])
    table = read_votes(frame)
    assert table.groups == ("g", "g", "c")
    together = table.by_group()
    assert together.sources == ("g", "c")
    found = {
        (together.items[i], together.sources[s]): p.tolist()
        for i, s, p in zip(together.item, together.source, together.probs, strict=True)
    }
    assert found == {("1", "g"): [0.5, 0.5], ("2", "g"): [0.0, 1.0], ("1", "c"): [1.0, 0.0]}
    assert table.only(["c", "a"]).groups == ("c", "g")
    assert read_votes(frame.assign(source_group=["g1", "g2", "g1", "g2", ""])).groups == ()


def test_a_source_in_two_groups_is_named():
    rows = [("1", "a", "g", "yes"), ("2", "a", "h", "no"), ("1", "b", "g", "no")]
    with pytest.raises(DataError, match="`a` is in two groups"):
        read_votes(pd.DataFrame(rows, columns=["item", "source", "source_group", "label"]))
