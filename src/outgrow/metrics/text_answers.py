"""Scores of generated texts against gold texts, one number per item, all within 0 … 1.

| metric | right when |
|---|---|
| `exact_match` | the texts are equal up to case, Unicode form and spaces |
| `answer_match` | the final answers are equal, as numbers where they are numbers (GSM8K, MATH) |
| `math_match` | the same, or the formulas mean the same (`1/2` and `\\frac{1}{2}`; the library Math-Verify) |
| `contains` | the words of gold stand in the text, next to each other |
| `token_f1` | share of common words, order ignored: 2PR / (P + R) over multisets (SQuAD, but articles count) |
| `rouge_l` | the same over the longest common subsequence of words (Lin 2004, with P and R weighed alike) |
| `levenshtein_similarity` | 1 − character edits / length of the longer text: agreement (paper 1, figure 3b) |

Words are runs of letters, marks and digits of any script; Chinese, Japanese, Thai, Lao, Khmer and Burmese, written
without spaces, count character by character. Two texts without words are equal.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from outgrow.metrics.edit_distance import common_length, normalised_distance
from outgrow.metrics.formula import same_formula

NUMBER = re.compile(
    r"(?<![A-Za-z0-9])(?<![0-9]\.)-?[$£€]?-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?"
    r"|(?<![A-Za-z0-9.])-?\.\d+"
)
"""`-1,234.5`, `$3`, `3/4`, `.5`; a sign counts only where no number or word stands right before it."""

SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai and Lao, Burmese, Khmer, kana, and the blocks of Chinese characters."""


def exact_match(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the texts are equal after `normalise`. Punctuation counts: `-5` is not `5`."""
    return _each(lambda said, wanted: normalise(said) == normalise(wanted), predicted, gold)


def answer_match(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the final answers are equal; 0 where the prediction has none."""
    return _each(_same_answer, predicted, gold)


def math_match(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the final answers are equal, or are formulas that mean the same."""
    return _each(lambda said, wanted: _same_answer(said, wanted) or same_formula(said, wanted), predicted, gold)


def contains(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 where the gold words stand in the text one after another; case and punctuation do not matter."""
    return _each(_contains, predicted, gold)


def token_f1(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """Harmonic mean of the shares of predicted and of gold words that are common to both."""
    return _each(lambda said, wanted: _overlap(said, wanted, _common_words), predicted, gold)


def rouge_l(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
    """ROUGE-L's F-measure over the whole text, without stemming."""
    return _each(lambda said, wanted: _overlap(said, wanted, common_length), predicted, gold)


def levenshtein_similarity(one: Sequence[str], other: Sequence[str]) -> Float[np.ndarray, "item"]:
    """1 for equal texts, 0 for texts without a common character; texts are taken as they are."""
    return _each(lambda left, right: 1 - normalised_distance(left, right), one, other)


TEXT_METRICS: dict[str, Callable[[Sequence[str], Sequence[str]], Float[np.ndarray, "item"]]] = {
    "exact_match": exact_match,
    "answer_match": answer_match,
    "math_match": math_match,
    "contains": contains,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
}


def normalise(text: str) -> str:
    """One Unicode form (NFKC), one case, one space between words and none around them."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """The words of a text, normalised; see the module."""
    return "".join(map(_spaced, normalise(text))).split()


def final_answer(text: str) -> str | None:
    """What a worked solution comes to: a number in its simplest form, or some text; `None` if there is nothing.

    After the last `####`: the first number there, or the text. Else the last `\\boxed{…}`. Else the last number.
    A currency or per cent sign and thousands' commas do not matter.

    >>> final_answer("So he pays 3 * $1,200.00 = $3,600.00.")
    '3600'
    """
    text = text.replace("\u2212", "-")
    _, marked, tail = text.rpartition("####")
    if marked:
        found = NUMBER.search(tail)
        return _number(found[0]) if found else normalise(tail) or None
    boxed = _last_boxed(text)
    if boxed is not None:
        found = NUMBER.fullmatch(re.sub(r"[\\%\s]", "", boxed))
        return _number(found[0]) if found else normalise(boxed) or None
    numbers = NUMBER.findall(text)
    return _number(numbers[-1]) if numbers else None


def _same_answer(said: str, wanted: str) -> bool:
    # A gold text may be the bare answer, and need not be a number.
    answer, gold = (final_answer(text) or normalise(text) for text in (said, wanted))
    return bool(answer) and answer == gold


def _contains(said: str, wanted: str) -> bool:
    text, part = words(said), words(wanted)
    return any(text[start : start + len(part)] == part for start in range(len(text) - len(part) + 1))


def _number(written: str) -> str:
    """A number in its simplest form: `1,200.50` is `2401/2`."""
    plain = re.sub(r"[\s,$£€]", "", written)
    try:
        return str(Fraction(plain))
    except (ValueError, ZeroDivisionError):
        # More digits than Python reads, or a denominator of 0.
        return plain


def _last_boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{…}`, braces within it balanced."""
    _, found, tail = text.rpartition(r"\boxed{")
    depth = 1 if found else 0
    for place, letter in enumerate(tail):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return tail[:place] if found else None
    return None


def _overlap(predicted: str, gold: str, common: Callable[[list[str], list[str]], int]) -> float:
    """2PR / (P + R) = 2 · common / (number of words in both)."""
    said, wanted = words(predicted), words(gold)
    return 2 * common(said, wanted) / (len(said) + len(wanted)) if said or wanted else 1.0


def _common_words(said: list[str], wanted: list[str]) -> int:
    return (Counter(said) & Counter(wanted)).total()


@lru_cache(maxsize=1 << 14)
def _spaced(letter: str) -> str:
    """The character as it counts for words: itself, itself alone, or a space."""
    if SPACELESS.match(letter):
        return f" {letter} "
    return letter if unicodedata.category(letter)[0] in "LMN" else " "


def _each(
    compare: Callable[[str, str], float], predicted: Sequence[str], gold: Sequence[str]
) -> Float[np.ndarray, "item"]:
    return np.asarray([compare(said, wanted) for said, wanted in zip(predicted, gold, strict=True)], dtype=np.float64)
