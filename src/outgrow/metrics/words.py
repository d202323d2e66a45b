"""The words of a text: of any script (`words`), or as in SQuAD (`squad_words`).

Words of any script are runs of letters, marks and digits. In Chinese, Japanese, Thai, Lao, Khmer and Burmese, which
are written without spaces, each character is a word.
"""

import re
import string
import unicodedata
from functools import lru_cache

SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai and Lao, Burmese, Khmer, kana, and the blocks of Chinese characters."""


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """NFKC form, case-folded, with single spaces between words and none around the text."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """The words of a text of any script, normalised; see the module."""
    return "".join(map(_spaced, normalise(text))).split()


def squad_words(text: str) -> list[str]:
    """The words of SQuAD's evaluation script: lowercase, without articles and ASCII punctuation.

    Punctuation is deleted and does not separate words.

    >>> squad_words("The U.S. isn't a 12,000-mile road")
    ['us', 'isnt', '12000mile', 'road']
    """
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


@lru_cache(maxsize=1 << 14)
def _spaced(character: str) -> str:
    """The character, the character with spaces around it, or a space."""
    if SPACELESS.match(character):
        return f" {character} "
    return character if unicodedata.category(character)[0] in "LMN" else " "
