"""Labels weighed by how many sources give the same answer, against the definition written out item by item."""

import math

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import text_targets_by
from hand_made_texts import rows_of, said, some_labels, table

from drawn_seeds import SEEDS
from outgrow.combiners.reliability import reliability, reliability_of_texts, reliability_weights
from outgrow.errors import ConfigError
from outgrow.labels import WeakLabels


def by_hand(answers: list[object], temperature: float) -> list[float]:
    """The weights of one item's labels; `None` = no label."""
    given = [answer for answer in answers if answer is not None]
    share = {answer: given.count(answer) / len(given) for answer in given}
    total = math.fsum(math.exp(value / temperature) for value in share.values())
    return [
        0.0 if answer is None else math.exp(share[answer] / temperature) / total / len(given) for answer in answers
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.05, 0.2, 3.0])
def test_votes_are_weighed_by_definition(temperature: float, seed: int) -> None:
    labels = textbook.soft_labels(np.random.default_rng(seed), items=60, sources=5, classes=3)
    targets = reliability(labels, temperature=temperature)
    wanted, probs = [], []
    for item, row in zip(labels.items, labels.hard.tolist(), strict=True):
        weights = by_hand([None if vote < 0 else vote for vote in row], temperature)
        wanted += [(item, weight) for weight in weights if weight]
        probs += [labels.probs[labels.items.index(item), source] for source, weight in enumerate(weights) if weight]
    assert targets.items == [item for item, _ in wanted]
    assert targets.weight.tolist() == pytest.approx([weight for _, weight in wanted], rel=1e-12)
    np.testing.assert_array_equal(targets.probs, probs)


def test_agreement_has_weight_one_and_dispute_less() -> None:
    hard = np.asarray([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 2, -1, -1], [-1, -1, -1, -1, -1], [2, -1, -1, -1, -1]])
    weight = reliability_weights(hard, 0.2)
    assert weight.sum(axis=1).tolist() == pytest.approx([1.0, 0.5462117, 1 / 3, 0.0, 1.0], abs=1e-6)
    assert weight[1, :3].sum() == pytest.approx(0.4386351, abs=1e-6)
    assert (weight[hard < 0] == 0).all()


def test_the_ends_of_the_temperature() -> None:
    hard = np.asarray([[0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]])
    cold, warm = reliability_weights(hard, 1e-4), reliability_weights(hard, 1e9)
    np.testing.assert_allclose(cold * 6, [[1, 1, 1, 0, 0, 0], [1 / 3] * 6], atol=1e-12)
    np.testing.assert_allclose(warm * 6, np.full((2, 6), 1 / 3), atol=1e-6)


def test_items_without_a_vote_are_counted() -> None:
    probs = np.zeros((3, 2, 2))
    probs[0, 0], probs[2] = [0.9, 0.1], [[0.6, 0.4], [0.2, 0.8]]
    targets = reliability(WeakLabels(["a", "b", "c"], ("s", "t"), probs))
    assert targets.items == ["a", "c", "c"]
    assert targets.origin == ("Items without a vote that counts, left out: 1.",)
    assert targets.weight.tolist() == pytest.approx([1.0, 0.25, 0.25])


# ---- texts ----------------------------------------------------------------------------------------------

THREE = table(
    a=[[said("noon", -0.1, -0.1)], [said("one", -2.0, -0.1)], [], [said("", -0.5)]],
    b=[[said("Noon", -1.0, -0.2), said("one", -1.0, -2.0)], [said("ten past", -1.0, -1.0, -0.1)], [], []],
    c=[[said("ten", -1.0, -0.2)], [said("one", -1.0, -0.2)], [said("two", -1.0, -0.2)], []],
)


def test_texts_with_equal_answers_count_together() -> None:
    targets = reliability_of_texts(THREE)
    often, rare = by_hand(["noon", "noon", "ten"], 0.2)[1:]
    assert [row[:2] for row in rows_of(targets)] == [
        *(("0", text) for text in ("noon", "Noon", "ten")),
        *(("1", text) for text in ("one", "ten past", "one")),
        ("2", "two"),
    ]
    assert targets.weight.tolist() == pytest.approx([often, often, rare, often, rare, often, 1.0])
    assert "Texts without an answer that can be read, left out: 1." in targets.origin
    assert "Items without an answer that can be read, left out: 1." in targets.origin


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_items_and_sources_does_not_matter(seed: int) -> None:
    labels = some_labels(seed)
    turned = labels.only(labels.sources[::-1]).take(labels.items[::-1])
    found, other = (sorted(rows_of(reliability_of_texts(one))) for one in (labels, turned))
    assert [row[:2] for row in found] == [row[:2] for row in other]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in other])


def test_the_task_says_which_answers_are_the_same() -> None:
    with pytest.raises(ConfigError, match="metric"):
        reliability_of_texts(THREE, metric=None)
    targets = text_targets_by("reliability", THREE, metric="exact_match")
    assert targets.weight.tolist() == reliability_of_texts(THREE).weight.tolist()
