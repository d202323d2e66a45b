"""Pieces of a text as byte spans: the student's tokens, and a supervisor's pieces with their log-probabilities.

UTF-8 bytes are a common coordinate of all tokenizers: a byte-level tokenizer cuts within a character, a SentencePiece
one encodes spaces, a WordPiece one drops them. Pieces *tile* their text: each begins where the previous one ends, and
the last one ends at the end of the text. So only ends are stored. A piece may be empty (a dummy prefix, the first part
of a character that only the last part completes).

The end of the sequence is a piece of one byte after the text: it spans `(n, n + 1)` for a text of n bytes. A table
without it does not state whether the text ends there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import DataError

ABOVE_ZERO = 1e-4
"""Log-probabilities up to this value above 0 are rounding errors and count as 0."""


@dataclass(frozen=True)
class Pieces:
    """The tokenization of a text: token ids, and the byte at which each piece ends."""

    ids: Int[np.ndarray, "piece"]
    end: Int[np.ndarray, "piece"]

    @property
    def start(self) -> Int[np.ndarray, "piece"]:
        """The byte at which each piece begins, which is the end of the previous one."""
        return starts(self.end)

    def close(self, eos_id: int, n_bytes: int) -> "Pieces":
        """The pieces followed by the end of the sequence after the text's `n_bytes`."""
        return Pieces(np.append(self.ids, eos_id), np.append(self.end, n_bytes + 1))

    def trim(self, first: int, last: int) -> "Pieces":
        """The pieces of the text's bytes `first` to `last`; pieces outside become empty. Call it before `close`."""
        return Pieces(self.ids, np.clip(self.end, first, last) - first)


@dataclass(frozen=True)
class PieceTable:
    """A supervisor's pieces of a text: the byte at which each ends, and its log-probability."""

    end: Int[np.ndarray, "piece"]
    logprob: Float[np.ndarray, "piece"]

    @property
    def start(self) -> Int[np.ndarray, "piece"]:
        """The byte at which each piece begins, which is the end of the previous one."""
        return starts(self.end)

    def close(self, logprob: float, n_bytes: int) -> "PieceTable":
        """The pieces followed by the end of the sequence with its log-probability (0 = certain)."""
        return PieceTable(np.append(self.end, n_bytes + 1), np.append(self.logprob, logprob))

    def trim(self, first: int, last: int) -> "PieceTable":
        """The table of the text's bytes `first` to `last`. Call it before `close`.

        Pieces outside (such as a stripped space) become empty and keep their log-probability.
        """
        return PieceTable(np.clip(self.end, first, last) - first, self.logprob)


def starts(end: Int[np.ndarray, "piece"]) -> Int[np.ndarray, "piece"]:
    """The starts of pieces that tile a text, from their ends."""
    return np.concatenate([np.zeros(min(len(end), 1), dtype=end.dtype), end[:-1]])


def piece_table(
    text: str, start: Sequence[int], end: Sequence[int], logprob: Sequence[float], *, item: str = ""
) -> PieceTable:
    """A supervisor's table from stored or given values, checked against `text`.

    Spans are in bytes, in order. Spaces between two pieces may be missing (words with a confidence each): they are
    added to the next piece, at the end of the text to the last one. Log-probabilities are natural logarithms, finite,
    at most 0. Raises `DataError` with the `item` for other values.
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
    """The text as UTF-8. Raises `DataError` for half a surrogate pair, which is not a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"item `{item}`: character {error.start} of its text is U+{ord(text[error.start]):04X}, half a surrogate"
            " pair; correct the text in its source"
        ) from error


def _require_log_probabilities(scores: Float[np.ndarray, "piece"], item: str) -> None:
    is_invalid = ~np.isfinite(scores) | (scores > ABOVE_ZERO)
    if is_invalid.any():
        index = int(is_invalid.argmax())
        raise DataError(
            f"item `{item}`: the log-probability of piece {index} is {scores[index]:g}; it must be finite and at"
            " most 0"
        )


def _tiled(
    data: bytes, start: Int[np.ndarray, "piece"], end: Int[np.ndarray, "piece"], item: str
) -> Int[np.ndarray, "piece"]:
    """The ends, after a check that the spans cover all text except spaces, in order."""
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
    # Trailing spaces without a piece belong to the last piece.
    return np.concatenate([end[: inside - 1], [len(data)], end[inside:]]) if inside else end
