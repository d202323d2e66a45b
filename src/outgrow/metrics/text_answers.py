"""Scores of generated texts against gold texts, one number per item, all within 0 … 1.

| metric | right when |
|---|---|
| `exact_match` | the texts are equal up to case, Unicode form and spaces |
| `answer_match` | the final answers are the same: numbers by value, formulas by meaning (`final_answer`) |
| `math_match` | the same score under an earlier name |
| `contains` | the words of gold occur in the text, one directly after the other |
| `token_f1` | F1 of common words, without order: 2PR / (P + R) over multisets of SQuAD's words |
| `word_f1` | the same for words of any script, with articles, split at punctuation |
| `rouge_l` | the same for the longest common subsequence of words (Lin 2004, with equal weights of P and R) |
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
    """1 if the texts are equal after `normalise`, else 0. Punctuation counts: `-5` is not `5`."""
    return _each(lambda predicted_text, gold_text: normalise(predicted_text) == normalise(gold_text), predicted, gold)


def answer_match(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 if the final answers are equal, else 0, also for a prediction without one. See `metrics.final_answer`."""
    return _each(is_right, predicted, gold)


def contains(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 if the text contains the gold words in sequence, without regard to case and punctuation."""
    return _each(_contains, predicted, gold)


def token_f1(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """SQuAD's F1 (Rajpurkar et al. 2016): harmonic mean of precision and recall of words."""
    return _each(
        lambda predicted_text, gold_text: _overlap(squad_words(predicted_text), squad_words(gold_text), _common_words),
        predicted,
        gold,
    )


def word_f1(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """`token_f1` with words of any script; a Chinese text has one word per character."""
    return _each(
        lambda predicted_text, gold_text: _overlap(words(predicted_text), words(gold_text), _common_words),
        predicted,
        gold,
    )


def rouge_l(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """ROUGE-L's F-measure over the whole text, without stemming."""
    return _each(
        lambda predicted_text, gold_text: _overlap(words(predicted_text), words(gold_text), common_length),
        predicted,
        gold,
    )


def levenshtein_similarity(left: Sequence[str], right: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 for equal texts, 0 for texts without a common character; texts are not normalised."""
    return _each(lambda first, second: 1 - normalised_distance(first, second), left, right)


def _contains(predicted_text: str, gold_text: str) -> bool:
    text_words, phrase = words(predicted_text), words(gold_text)
    return any(text_words[start : start + len(phrase)] == phrase for start in range(len(text_words) - len(phrase) + 1))


def _overlap(predicted: list[str], gold: list[str], common: Callable[[list[str], list[str]], int]) -> float:
    """2PR / (P + R) = 2 · common / (number of words in both)."""
    return 2 * common(predicted, gold) / (len(predicted) + len(gold)) if predicted or gold else 1.0


def _common_words(predicted: list[str], gold: list[str]) -> int:
    return (Counter(predicted) & Counter(gold)).total()


def _each(
    compare: Callable[[str, str], float], predicted: Sequence[str], gold: Sequence[str]
) -> Float[np.ndarray, "item"]:
    return np.asarray(
        [compare(predicted_text, gold_text) for predicted_text, gold_text in zip(predicted, gold, strict=True)],
        dtype=np.float64,
    )
