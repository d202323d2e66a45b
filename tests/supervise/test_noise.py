"""Labels made worse: who gets whose answer."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.supervise.label_steps import exchange_answers


def drawn(seed: int) -> tuple[list[int], list[str], np.ndarray]:
    """Some answered items, a capability for each item, and an order."""
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(2, 60))
    answered = [item for item in range(n_items) if rng.random() < 0.8]
    capability = [f"c{number}" for number in rng.integers(0, 3, n_items)]
    return answered, capability, rng.permutation(n_items)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_as_many_items_as_asked_exchange_answers_within_their_capability(seed: int, share: float) -> None:
    answered, capability, order = drawn(seed)
    giver = exchange_answers(answered, capability, share, order)
    assert sorted(giver.tolist()) == list(range(len(order)))  # nobody's answer is lost or used twice
    moved = [item for item, other in enumerate(giver.tolist()) if item != other]
    assert set(moved) <= set(answered)
    assert all(capability[item] == capability[giver[item]] for item in moved)
    there = Counter(capability[item] for item in answered)
    wanted = {name: round(share * count) for name, count in there.items()}
    found = Counter(capability[item] for item in moved)
    assert {name: found[name] for name in wanted} == {n: count if count > 1 else 0 for n, count in wanted.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_more_noise_spoils_the_same_items_and_others(seed: int) -> None:
    answered, capability, order = drawn(seed)
    spoiled = []
    for share in (0.25, 0.5, 0.75, 1.0):
        giver = exchange_answers(answered, capability, share, order)
        spoiled.append(set(np.flatnonzero(giver != np.arange(len(order))).tolist()))
    assert all(less <= more for less, more in pairwise(spoiled))


def test_different_orders_spoil_different_items() -> None:
    answered, rng = list(range(40)), np.random.default_rng(0)
    first, second = (exchange_answers(answered, [""] * 40, 0.5, rng.permutation(40)) for _ in range(2))
    assert set(np.flatnonzero(first != np.arange(40))) != set(np.flatnonzero(second != np.arange(40)))
