"""Pieces of a text as byte spans: the student's tokens, and a supervisor's pieces with their log-probabilities.

Bytes of UTF-8 are the one ruler that every tokenizer can be laid against: a byte-level tokenizer cuts inside a
character, a sentence-piece one hides the spaces, a WordPiece one drops them. Pieces *tile* their text: each begins
where the one before it ends, the last one ends where the text ends. So ends alone are kept. A piece may be empty
(a dummy prefix, the first part of a character that only the last part completes).

The end of the sequence is a piece too, one byte long, behind the text: it spans `(n, n + 1)` where n is the text's
length in bytes. A table without it says nothing about whether the text ends there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import DataError

ABOVE_ZERO = 1e-4
"""Rounding may lift a log-probability so far above 0; it is then taken to be 0."""


@dataclass(frozen=True)
class Pieces:
    """A text as a tokenizer cuts it: token ids, and the byte at which each piece ends."""

    ids: Int[np.ndarray, "piece"]
    end: Int[np.ndarray, "piece"]

    @property
    def start(self) -> Int[np.ndarray, "piece"]:
        """The byte at which each piece begins: where the one before it ended."""
        return starts(self.end)

    def close(self, eos_id: int, n_bytes: int) -> "Pieces":
        """The same pieces and the end of the sequence behind the text's `n_bytes`."""
        return Pieces(np.append(self.ids, eos_id), np.append(self.end, n_bytes + 1))

    def trim(self, first: int, last: int) -> "Pieces":
        """The pieces of the text's bytes `first` to `last`; what lies outside becomes empty. Before `close`."""
        return Pieces(self.ids, np.clip(self.end, first, last) - first)


@dataclass(frozen=True)
class PieceTable:
    """What a supervisor said about a text: where each of its pieces ends, and the log-probability it gave it."""

    end: Int[np.ndarray, "piece"]
    logprob: Float[np.ndarray, "piece"]

    @property
    def start(self) -> Int[np.ndarray, "piece"]:
        """The byte at which each piece begins: where the one before it ended."""
        return starts(self.end)

    def close(self, logprob: float, n_bytes: int) -> "PieceTable":
        """The same pieces and the end of the sequence, with its log-probability (0 = it is certain to end here)."""
        return PieceTable(np.append(self.end, n_bytes + 1), np.append(self.logprob, logprob))

    def trim(self, first: int, last: int) -> "PieceTable":
        """The table of the text's bytes `first` to `last`. No log-probability is lost: what lies outside (a space
        that was stripped) becomes an empty piece. Before `close`."""
        return PieceTable(np.clip(self.end, first, last) - first, self.logprob)


def starts(end: Int[np.ndarray, "piece"]) -> Int[np.ndarray, "piece"]:
    """Where pieces that tile a text begin, from where they end."""
    return np.concatenate([np.zeros(min(len(end), 1), dtype=end.dtype), end[:-1]])


def piece_table(
    text: str, start: Sequence[int], end: Sequence[int], logprob: Sequence[float], *, item: str = ""
) -> PieceTable:
    """A supervisor's table as it was stored or handed in, checked to spell `text`.

    Spans are in bytes, in order. Spaces between two pieces may be left out (words with a confidence each): they go to
    the piece behind them, at the end of the text to the last one. Log-probabilities are natural logarithms, finite, at
    most 0. Raises `DataError`, with the `item`, for anything else.
    """
    data = text_bytes(text, item)
    first, last = np.asarray(start, dtype=np.int64), np.asarray(end, dtype=np.int64)
    scores = np.asarray(logprob, dtype=np.float64)
    if not len(first) == len(last) == len(scores):
        raise DataError(
            f"item `{item}`: {len(first)} starts, {len(last)} ends and {len(scores)} log-probabilities of pieces;"
            " a piece needs one of each"
        )
    _require_log_probabilities(scores, item)
    return PieceTable(_tiled(data, first, last, item), np.minimum(scores, 0.0))


def text_bytes(text: str, item: str = "") -> bytes:
    """UTF-8, or a `DataError` for half a surrogate pair, which is no character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"item `{item}`: character {error.start} of its text is U+{ord(text[error.start]):04X}, half a surrogate"
            " pair; mend the text where it was read"
        ) from error


def _require_log_probabilities(scores: Float[np.ndarray, "piece"], item: str) -> None:
    bad = ~np.isfinite(scores) | (scores > ABOVE_ZERO)
    if bad.any():
        where = int(bad.argmax())
        raise DataError(
            f"item `{item}`: the log-probability of piece {where} is {scores[where]:g}; it must be finite and at"
            " most 0"
        )


def _tiled(
    data: bytes, start: Int[np.ndarray, "piece"], end: Int[np.ndarray, "piece"], item: str
) -> Int[np.ndarray, "piece"]:
    """The ends, once the spans are known to cover everything but spaces in order."""
    closed = len(end) > 0 and (start[-1], end[-1]) == (len(data), len(data) + 1)
    inside = len(end) - closed
    position = 0
    for row in range(inside):
        gap = data[position : start[row]]
        if not position <= start[row] <= end[row] <= len(data) or gap.strip():
            raise DataError(
                f"item `{item}`: piece {row} spans bytes {start[row]} to {end[row]}, which does not follow byte"
                f" {position} of a text of {len(data)} bytes; the pieces must spell the text from its first byte on"
            )
        position = int(end[row])
    if data[position:].strip() or (data and not inside):
        raise DataError(
            f"item `{item}`: the pieces spell {position} of the text's {len(data)} bytes; they must spell all of it"
        )
    # Trailing spaces that nobody claimed belong to the last piece.
    return np.concatenate([end[: inside - 1], [len(data)], end[inside:]]) if inside else end
