"""A text cut into stretches that can be printed, each with its probability: a `PieceTable` as characters.

Pieces end at bytes, and a byte-level tokenizer may end one within a character. Such pieces are joined until a
character is whole, empty pieces go to the stretch behind them (at the end: before them), and probabilities are
multiplied, so that the product over the stretches and the end is still the probability of the whole text.
"""

from typing import NamedTuple

import numpy as np

from outgrow.align.pieces import PieceTable

CONTINUES = 0b1000_0000
"""The two upper bits of a byte of UTF-8 that does not begin a character."""


class TextSpan(NamedTuple):
    """Some characters of a text, and the probability that its writer gave them after what stands before."""

    text: str
    probability: float


class ShadedText(NamedTuple):
    """A whole text in stretches."""

    stretches: tuple[TextSpan, ...]
    end: float | None
    """The probability that the text ends here; None: the table has no end, the text was cut off."""


def shades(text: str, pieces: PieceTable) -> ShadedText:
    """The stretches of `text`; their texts joined are the text."""
    data = text.encode()
    closed = len(pieces.end) > 0 and int(pieces.end[-1]) > len(data)
    inside = len(pieces.end) - closed
    found: list[TextSpan] = []
    start, logprob = 0, 0.0
    for end, one in zip(pieces.end[:inside].tolist(), pieces.logprob[:inside].tolist(), strict=True):
        logprob += one
        if end > start and _is_boundary(data, end):
            found.append(TextSpan(data[start:end].decode(), float(np.exp(logprob))))
            start, logprob = end, 0.0
    if logprob:
        last = found.pop() if found else TextSpan("", 1.0)
        found.append(TextSpan(last.text, last.probability * float(np.exp(logprob))))
    return ShadedText(tuple(found), float(np.exp(pieces.logprob[-1])) if closed else None)


def _is_boundary(data: bytes, position: int) -> bool:
    return position >= len(data) or data[position] & 0b1100_0000 != CONTINUES
