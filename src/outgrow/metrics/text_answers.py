"""Scores of generated texts against gold texts, one number per item, all within 0 … 1.

| metric | right when |
|---|---|
| `exact_match` | the texts are equal up to case, Unicode form and spaces |
| `answer_match` | the final answers are the same: numbers by value, formulas by meaning (`final_answer`) |
| `math_match` | the same score, under the name that it had when only it compared formulas |
| `contains` | the words of gold stand in the text, next to each other |
| `token_f1` | share of common words, order ignored: 2PR / (P + R) over multisets, of SQuAD's words |
| `word_f1` | the same of the words of any script, articles included, punctuation a border |
| `rouge_l` | the same over the longest common subsequence of words (Lin 2004, with P and R weighed alike) |
| `levenshtein_similarity` | 1 − character edits / length of the longer text: agreement (paper 1, figure 3b) |

Words are those of `metrics.words`. Two texts without words are equal.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from outgrow.metrics.edit_distance import common_length, normalised_distance
from outgrow.metrics.final_answer import is_right
from outgrow.metrics.words import normalise, squad_words, words


def exact_match(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the texts are equal after `normalise`. Punctuation counts: `-5` is not `5`."""
    return _each(lambda said, wanted: normalise(said) == normalise(wanted), predicted, gold)


def answer_match(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the final answers are the same; 0 where the prediction has none. See `metrics.final_answer`."""
    return _each(is_right, predicted, gold)


def contains(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the gold words stand in the text one after another; case and punctuation do not matter."""
    return _each(_contains, predicted, gold)


def token_f1(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """SQuAD's F1 (Rajpurkar et al. 2016): harmonic mean of the shares of predicted and of gold words in common."""
    return _each(lambda said, wanted: _overlap(squad_words(said), squad_words(wanted), _common_words), predicted, gold)


def word_f1(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """`token_f1` of the words of any script, so that Chinese texts are more than one word."""
    return _each(lambda said, wanted: _overlap(words(said), words(wanted), _common_words), predicted, gold)


def rouge_l(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """ROUGE-L's F-measure over the whole text, without stemming."""
    return _each(lambda said, wanted: _overlap(words(said), words(wanted), common_length), predicted, gold)


def levenshtein_similarity(left: Sequence[str], right: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 for equal texts, 0 for texts without a common character; texts are taken as they are."""
    return _each(lambda first, second: 1 - normalised_distance(first, second), left, right)


def _contains(said: str, wanted: str) -> bool:
    text, part = words(said), words(wanted)
    return any(text[start : start + len(part)] == part for start in range(len(text) - len(part) + 1))


def _overlap(said: list[str], wanted: list[str], common: Callable[[list[str], list[str]], int]) -> float:
    """2PR / (P + R) = 2 · common / (number of words in both)."""
    return 2 * common(said, wanted) / (len(said) + len(wanted)) if said or wanted else 1.0


def _common_words(said: list[str], wanted: list[str]) -> int:
    return (Counter(said) & Counter(wanted)).total()


def _each(
    compare: Callable[[str, str], float], predicted: Sequence[str], gold: Sequence[str]
) -> Float[np.ndarray, "item"]:
    return np.asarray([compare(said, wanted) for said, wanted in zip(predicted, gold, strict=True)], dtype=np.float64)
