"""Pieces of a text as byte spans: the student's tokens, and a supervisor's pieces with their log-probabilities.

UTF-8 bytes are a common coordinate of all tokenizers: a byte-level tokenizer cuts within a character, a SentencePiece
one encodes spaces, a WordPiece one drops them. Pieces *tile* their text: each begins where the previous one ends, and
the last one ends at the end of the text. So only ends are stored. A piece may be empty (a dummy prefix, the first part
of a character that only the last part completes).

The end of the sequence is a piece of one byte after the text: it spans `(n, n + 1)` for a text of n bytes. A table
without it does not state whether the text ends there.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import DataError


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


def text_bytes(text: str, item: str = "") -> bytes:
    """The text as UTF-8. Raises `DataError` for half a surrogate pair, which is not a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"item `{item}`: character {error.start} of its text is U+{ord(text[error.start]):04X}, half a surrogate"
            " pair; correct the text in its source"
        ) from error
