"""Good and bad examples by their definition; pairs that use everybody and know no order."""

from collections import Counter

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.metrics.text_score import TEXT_METRICS
from outgrow.select.comparisons import Sample, compare, make_pairs
from simulated_labels import METRICS, answers_of, mixture, targets_of, wrong_or_right


def labels(seed, n=40):
    rng = np.random.default_rng(seed)
    task = mixture(n)
    rows = [
        (item, text)
        for right in (0.5, 0.8)
        for item, text in zip(task.items.ids, wrong_or_right(task, right, rng), strict=True)
        if rng.random() < 0.9
    ]
    weak = targets_of([rows[row] for row in rng.permutation(len(rows)).tolist()], rng)
    said = [text if rng.random() < 0.9 else None for text in wrong_or_right(task, 0.6, rng)]
    return task, weak, answers_of(dict(zip(task.items.ids, said, strict=True)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("consistent", [1.0, 0.5])
def test_examples_are_their_definition(seed, consistent):
    task, weak, strong = labels(seed)
    capability = dict(zip(task.items.ids, task.items.capabilities, strict=True))
    own = {item: row[0] for item, row in zip(strong.items, strong.texts, strict=True)}

    def agree(item, text):
        metric = TEXT_METRICS[METRICS[capability[item]]].each
        pair = ([text], [own[item]])
        return own[item] is not None and (metric(*pair)[0] + metric(*pair[::-1])[0]) / 2 >= consistent

    rows = list(zip(weak.items, weak.texts, strict=True))
    good = {Sample(item, text, capability[item]) for item, text in rows if agree(item, text)}
    alone = {item for item, _ in rows if own[item] is not None} - {one.item for one in good}
    bad = {Sample(item, own[item], capability[item]) for item in alone}
    found = compare(task, weak, strong, consistent)
    assert (set(found.positives), set(found.negatives)) == (good, bad)
    assert len(found.positives) == len(good) > 0, "each once"
    assert len(found.negatives) == len(bad) > 0


def samples(kind, **sizes):
    return [Sample(f"{name}-{number}", kind, name) for name, n in sizes.items() for number in range(n)]


def named(pairs, good, bad):
    return [(good[one], bad[other]) for one, other in pairs.tolist()]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pass_uses_everybody_within_a_capability(seed):
    good, bad = samples("good", sums=5, tales=2, words=4), samples("bad", sums=3, tales=7, words=4)
    found = named(make_pairs(good, bad, seed), good, bad)
    assert len(found) == 5 + 7 + 4
    assert {one for one, _ in found} == set(good)
    assert {other for _, other in found} == set(bad)
    assert all(one.capability == other.capability for one, other in found)
    assert max(Counter(one for one, _ in found).values()) == 4, "seven are shared out among two"
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_capability_of_one_kind_borrows_the_other(seed):
    good, bad = samples("good", sums=5, words=3), samples("bad", sums=4, tales=2)
    found = named(make_pairs(good, bad, seed), good, bad)
    assert len(found) == 5 + 2 + 3
    assert ({one for one, _ in found}, {other for _, other in found}) == (set(good), set(bad))
    for one, other in found:
        assert one.capability == other.capability or one.capability == "words" or other.capability == "tales"


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_are_drawn_by_the_seed_and_know_no_order(seed):
    rng = np.random.default_rng(seed)
    good, bad = samples("good", sums=30, tales=9), samples("bad", sums=20, tales=20)
    found = named(make_pairs(good, bad, seed, 3), good, bad)
    assert named(make_pairs(good, bad, seed, 3), good, bad) == found
    shuffled = [[rows[row] for row in rng.permutation(len(rows)).tolist()] for rows in (good, bad)]
    assert Counter(named(make_pairs(*shuffled, seed, 3), *shuffled)) == Counter(found)
    assert Counter(named(make_pairs(good, bad, seed + 1, 3), good, bad)) != Counter(found)
    passes = [set(found[start : start + 50]) for start in (0, 50, 100)]
    assert len(found) == 150
    assert passes[0] != passes[1] != passes[2], "every pass is drawn anew"


def test_pairs_need_both_kinds():
    with pytest.raises(ValueError, match="an example of each kind"):
        make_pairs(samples("good", sums=2), [], 0)
