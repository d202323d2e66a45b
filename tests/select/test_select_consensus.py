"""How much an item's sources agree, against the definition, for votes and texts."""

import math

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.labels import Targets
from outgrow.select.consensus_scores import answers_of, consensus
from simulated_labels import mixture


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_e_to_the_minus_entropy_of_an_items_answers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [f"i{row}" for row in rng.integers(0, 12, 60)]
    answers = [None if rng.random() < 0.1 else str(rng.integers(0, 4)) for _ in items]
    found = consensus(items, answers)
    for item, answer, score in zip(items, answers, found.tolist(), strict=True):
        others = [one for name, one in zip(items, answers, strict=True) if name == item and one is not None]
        if answer is None:
            assert math.isnan(score)
            continue
        shares = [others.count(one) / len(others) for one in set(others)]
        assert score == pytest.approx(math.exp(sum(share * math.log(share) for share in shares)), rel=1e-12)


def test_the_ends() -> None:
    found = consensus(["a"] * 4 + ["b"] * 4 + ["c"], [1, 1, 1, 1, 1, 2, 3, 4, 1])
    assert found.tolist() == pytest.approx([1.0] * 4 + [0.25] * 4 + [1.0])


def test_equal_shares_are_equal_to_the_last_digit_in_any_order() -> None:
    one, other = consensus(["a"] * 6, list("xxxyyz")), consensus(["a"] * 6, list("zyyxxx"))
    assert set(one.tolist()) == set(other.tolist())
    assert len(set(one.tolist())) == 1


def test_texts_are_compared_as_their_task_compares_them() -> None:
    task = mixture(3, ("sums", "tales", "words"))
    items = ["i0", "i0", "i1", "i1", "i2"]
    texts = ["the answer is 7", "so it is 7.0", "The  grey house", "the grey house", ""]
    answers = answers_of(task, items, texts)
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]
    assert answers[4] is None


def test_votes_count_by_their_most_probable_class() -> None:
    targets = Targets(["a", "a", "b"], np.asarray([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]]), np.ones(3))
    assert consensus(targets.items, targets.probs.argmax(axis=1).tolist()).tolist() == [1.0, 1.0, 1.0]
