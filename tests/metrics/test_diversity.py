"""Diversity by counting, its ends, and what it must not depend on."""

import itertools
import math

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.metrics.diversity import distinct_ngrams, distinct_share, entropy_in_bits


def some_texts(rng):
    return [[str(word) for word in rng.integers(0, 5, rng.integers(0, 6))] for _ in range(int(rng.integers(1, 30)))]


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_are_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    for n in (1, 2, 3):
        texts = some_texts(rng)
        runs = []
        for words in texts:
            for start in range(len(words)):
                if start + n <= len(words):
                    runs.append(" ".join(words[start : start + n]))
        expected = len(set(runs)) / len(runs) if runs else None
        assert distinct_ngrams(texts, n) == expected
        assert distinct_ngrams(texts[::-1], n) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_entropy_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, 6, rng.integers(1, 60)).tolist()
    shares = [answers.count(one) / len(answers) for one in set(answers)]
    expected = -math.fsum(share * math.log2(share) for share in shares)
    assert entropy_in_bits(answers) == pytest.approx(expected, abs=1e-12)
    # Other names for the answers, another order, all of it twice: the same.
    renamed = [(None, "a", "b", "c", 7, 8)[one] for one in rng.permutation(answers)]
    assert entropy_in_bits(renamed * 2) == pytest.approx(expected, abs=1e-12)


def test_the_ends():
    assert distinct_share(["a", "a", "b", "a"]) == 0.5
    assert entropy_in_bits([1] * 9) == 0.0
    assert entropy_in_bits(list(itertools.product("ab", repeat=3))) == pytest.approx(3)
    assert distinct_ngrams([["a", "b"], ["a", "b"]], 2) == 0.5


def test_nothing_has_no_diversity():
    assert distinct_share([]) is None
    assert entropy_in_bits([]) is None
    assert distinct_ngrams([["a"], []], 2) is None
