"""How alike two sources' texts are, against the definition by recursion."""

from functools import cache

import numpy as np
import pytest

from fresh import SEEDS
from outgrow.metrics.agreement import text_agreement

LETTERS = list("ab é😀")


@cache
def edits(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    changed = edits(one[1:], other[1:]) + (one[0] != other[0])
    return min(changed, edits(one[1:], other) + 1, edits(one, other[1:]) + 1)


def some_texts(rng: np.random.Generator, n: int = 30) -> list[str | None]:
    def one() -> str | None:
        return None if rng.random() < 0.2 else "".join(rng.choice(LETTERS, size=rng.integers(0, 7)).tolist())

    return [one() for _ in range(n)]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_one_minus_edits_over_the_longer_text(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = some_texts(rng), some_texts(rng)
    found = text_agreement(first, second)
    assert found.shape == (30,)
    for alike, one, other in zip(found.tolist(), first, second, strict=True):
        if one is None or other is None:
            assert np.isnan(alike)
        else:
            assert alike == pytest.approx(1 - edits(one, other) / max(1, len(one), len(other)))


def test_who_comes_first_and_in_which_order_items_come_does_not_matter() -> None:
    rng = np.random.default_rng(SEEDS[0])
    first, second = some_texts(rng), some_texts(rng)
    there = text_agreement(first, second)
    np.testing.assert_array_equal(there, text_agreement(second, first))
    np.testing.assert_array_equal(there[::-1], text_agreement(first[::-1], second[::-1]))


def test_the_edges() -> None:
    found = text_agreement(["", "noon", "", None, "ab"], ["", "noon", "x", None, "cd"])
    np.testing.assert_array_equal(found, [1, 1, 0, np.nan, 0])
    assert text_agreement([None, None], ["a", None]).tolist() == pytest.approx([np.nan] * 2, nan_ok=True)
    assert text_agreement([], []).shape == (0,)
    with pytest.raises(ValueError, match="zip"):
        text_agreement(["a"], [])
