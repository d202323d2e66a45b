"""Groups of pieces that two tokenizers agree on, and what a supervisor says of each.

A group is a stretch of text that neither tokenizer cuts across, so its probability is the product of the
probabilities of its pieces, whichever tokenizer cut them (paper 1, equation 6):

    P(W) = prod_{t in pieces of the supervisor} P(w_t | …) = prod_{j in pieces of the student} P(s_j | …)

`span` takes the smallest groups: a group ends wherever both tokenizers end a piece, for every script. `word` takes the
paper's: words between spaces, each with the spaces before it, the last one up to the end of the text; words that a
piece of either side runs across become one group. The end of the sequence is a group of its own; the paper counts it
to the last word.

An empty piece belongs to the group that ends where it stands: to what is before it, or to the first group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from outgrow.align.pieces import Pieces, PieceTable, text_bytes
from outgrow.errors import DataError

Unit = Literal["span", "word"]


@dataclass(frozen=True)
class Alignment:
    """Which group each of the student's tokens is in, and how probable the supervisor found each group."""

    group: Int[np.ndarray, "token"]
    """From 0, never falling; every group has at least one token."""
    logprob: Float[np.ndarray, "group"]
    """They sum to the supervisor's log-probability of the whole text."""
    end: Int[np.ndarray, "group"]
    """The byte at which each group ends; one more than the text has for the end of the sequence."""


def align(text: str, table: PieceTable, pieces: Pieces, *, unit: Unit = "span", item: str = "") -> Alignment:
    """Group the student's `pieces` of `text` with the supervisor's `table`.

    Both must be of this text, and both with the end of the sequence or both without; else `DataError`.
    """
    data = text_bytes(text, item)
    _require_same_end(len(data), table.end, pieces.end, item)
    end = np.intersect1d(table.end, pieces.end)
    if unit == "word":
        end = np.intersect1d(end, word_ends(data))
    # A cut before the first byte would make a group of nothing, unless there is nothing else.
    end = end[end > 0] if end.any() else end
    logprob = np.zeros(len(end))
    np.add.at(logprob, np.searchsorted(end, table.end), table.logprob)
    return Alignment(np.searchsorted(end, pieces.end), logprob, end)


def word_ends(data: bytes) -> Int[np.ndarray, "word"]:
    """Where words end: before the spaces that lead to the next word, at the end of the text, and behind it.

    Only U+0020 separates words, as in the paper's code. Spaces at the end of the text belong to the last word.
    """
    space = np.frombuffer(data, dtype=np.uint8) == ord(" ")
    before = np.flatnonzero(space[1:] & ~space[:-1]) + 1
    written = len(data.rstrip(b" "))
    return np.concatenate([before[before < written], [len(data), len(data) + 1]])


def stack(alignments: Sequence[Alignment]) -> Alignment:
    """Several texts' alignments as one: tokens and groups behind one another, in order. `end` stays per text."""
    offsets = np.cumsum([0, *(len(one.logprob) for one in alignments)])
    return Alignment(
        group=np.concatenate([one.group + offset for one, offset in zip(alignments, offsets, strict=False)]),
        logprob=np.concatenate([one.logprob for one in alignments]),
        end=np.concatenate([one.end for one in alignments]),
    )


def _require_same_end(
    n_bytes: int, table: Int[np.ndarray, "supervisor"], pieces: Int[np.ndarray, "student"], item: str
) -> None:
    supervisor, student = (int(end[-1]) if len(end) else 0 for end in (table, pieces))
    if supervisor == student and student in (n_bytes, n_bytes + 1):
        return
    if {supervisor, student} == {n_bytes, n_bytes + 1}:
        which = "student's" if student > supervisor else "supervisor's"
        raise DataError(
            f"item `{item}`: only the {which} pieces hold the end of the sequence; add it to both (a supervisor's with"
            " log-probability 0 if the text is known to be complete) or to neither"
        )
    raise DataError(
        f"item `{item}`: the supervisor's pieces end at byte {supervisor}, the student's at byte {student}, the text"
        f" at byte {n_bytes}; they are not of the same text"
    )
