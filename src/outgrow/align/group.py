"""Groups of pieces with common borders in two tokenizations, and the supervisor's probability of each.

A group is a span of text whose borders are borders of pieces in both tokenizations. So its probability is the product
of the probabilities of its pieces, for either tokenizer (paper 1, equation 6):

    P(W) = prod_{t in pieces of the supervisor} P(w_t | …) = prod_{j in pieces of the student} P(s_j | …)

`span` gives the smallest groups: a group ends wherever pieces of both tokenizers end, for every script. `word` gives
those of the paper: words between spaces, each with the spaces before it, the last one up to the end of the text. Words
that share a piece of either tokenizer are one group. The end of the sequence is a group of its own; the paper includes
it in the last word.

An empty piece belongs to the group that ends at its position, or to the first group.
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
    """The group of each of the student's tokens, and the supervisor's log-probability of each group."""

    group: Int[np.ndarray, "token"]
    """Group index from 0, non-decreasing; every group has at least one token."""
    logprob: Float[np.ndarray, "group"]
    """Their sum is the supervisor's log-probability of the text."""
    end: Int[np.ndarray, "group"]
    """The byte at which each group ends; for the end of the sequence the text's length + 1."""


def align(text: str, table: PieceTable, pieces: Pieces, *, unit: Unit = "span", item: str = "") -> Alignment:
    """Group the student's `pieces` of `text` with the supervisor's `table`.

    Raises `DataError` unless both are of this text, and both with or both without the end of the sequence.
    """
    data = text_bytes(text, item)
    _require_same_end(len(data), table.end, pieces.end, item)
    end = np.intersect1d(table.end, pieces.end)
    if unit == "word":
        end = np.intersect1d(end, word_ends(data))
    # A cut before the first byte would make an empty group; it stays if it is the only one.
    end = end[end > 0] if end.any() else end
    logprob = np.zeros(len(end))
    np.add.at(logprob, np.searchsorted(end, table.end), table.logprob)
    return Alignment(np.searchsorted(end, pieces.end), logprob, end)


def word_ends(data: bytes) -> Int[np.ndarray, "word"]:
    """The bytes at which words end: before the spaces of the next word, at the end of the text, and one byte after it.

    Only U+0020 separates words, as in the paper's code. Spaces at the end of the text belong to the last word.
    """
    space = np.frombuffer(data, dtype=np.uint8) == ord(" ")
    space_starts = np.flatnonzero(space[1:] & ~space[:-1]) + 1
    stripped_length = len(data.rstrip(b" "))
    return np.concatenate([space_starts[space_starts < stripped_length], [len(data), len(data) + 1]])


def stack(alignments: Sequence[Alignment]) -> Alignment:
    """The alignments of several texts as one: tokens and groups are concatenated, `end` stays relative to a text."""
    offsets = np.cumsum([0, *(len(alignment.logprob) for alignment in alignments)])
    return Alignment(
        group=np.concatenate(
            [alignment.group + offset for alignment, offset in zip(alignments, offsets, strict=False)]
        ),
        logprob=np.concatenate([alignment.logprob for alignment in alignments]),
        end=np.concatenate([alignment.end for alignment in alignments]),
    )


def _require_same_end(
    n_bytes: int, table: Int[np.ndarray, "supervisor"], pieces: Int[np.ndarray, "student"], item: str
) -> None:
    supervisor, student = (int(end[-1]) if len(end) else 0 for end in (table, pieces))
    if supervisor == student and student in (n_bytes, n_bytes + 1):
        return
    if {supervisor, student} == {n_bytes, n_bytes + 1}:
        owner = "student's" if student > supervisor else "supervisor's"
        raise DataError(
            f"item `{item}`: only the {owner} pieces have the end of the sequence; add it to both (a supervisor's with"
            " log-probability 0 if the text is known to be complete) or to neither"
        )
    raise DataError(
        f"item `{item}`: the supervisor's pieces end at byte {supervisor}, the student's at byte {student}, the text"
        f" at byte {n_bytes}; they are of different texts"
    )
