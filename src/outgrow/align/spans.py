"""Byte spans of a tokenizer's pieces: from a text (`encode`), or from token ids (`spell`).

If the bytes of the pieces spell the text (byte-level, SentencePiece), spans are exact, also within a character. If the
tokenizer normalises (lowercases, composes accents, drops spaces), spans come from its character offsets: a dropped
accent belongs to the previous piece, a dropped space to the next piece, and of several pieces of one character the
first one has the whole character.

The spans of a generated text must come from the generated ids, because its canonical tokens are often different.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from outgrow.align.pieces import Pieces, text_bytes
from outgrow.align.spelling import META_SPACE, Spelling
from outgrow.errors import DataError

SPACES = re.compile(rf"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000{META_SPACE}]+")
"""Unicode white space, as in tokenizers. Python's `isspace` includes four control characters in addition."""

REPLACEMENT_BYTES = len("\ufffd".encode())


def encode(spelling: Spelling, text: str, *, item: str = "") -> Pieces:
    """The tokens of `text`, without special tokens, and their byte spans.

    Special tokens in the text are encoded as ordinary text. Raises `DataError` with the `item` if the tokens do not
    reproduce the text (up to the tokenizer's own normalisation), as with unknown characters.
    """
    data = text_bytes(text, item)
    encoding = spelling.tokenizer.encode(text, add_special_tokens=False)
    words = spelling.spell(encoding.ids)
    ids = np.asarray(encoding.ids, dtype=np.int64)
    end = _spelled_ends(words, data)
    if end is None or spelling.unknown in ids:
        _require_same_text(spelling, ids, text, item)
        end = _offset_ends(words, encoding.offsets, text)
    return Pieces(ids, end)


def spell(spelling: Spelling, ids: Sequence[int]) -> tuple[str, Pieces]:
    """The text of token ids, and their spans in it; the inverse of `encode`.

    The tokenizer's space before the text is removed. Bytes that are not UTF-8 (a model may stop within a character)
    become U+FFFD. `ids` must not include the end of the sequence; add it with `close`.
    """
    tokens = np.asarray(ids, dtype=np.int64)
    words = spelling.spell(tokens.tolist())
    joined = b"".join(words)
    end = _running_length(words)
    if spelling.prefixed and joined.startswith(b" "):
        joined, end = joined[1:], np.maximum(end - 1, 0)
    return joined.decode(errors="replace"), Pieces(tokens, _repaired_positions(joined)[end])


def _running_length(words: Sequence[bytes]) -> Int[np.ndarray, "piece"]:
    return np.cumsum([len(word) for word in words], dtype=np.int64)


def _spelled_ends(words: Sequence[bytes], data: bytes) -> Int[np.ndarray, "piece"] | None:
    """The end of each piece, if the bytes of the pieces equal the text, up to a space before it; else None."""
    joined = b"".join(words)
    if joined == data:
        return _running_length(words)
    if joined == b" " + data:
        return np.asarray(np.maximum(_running_length(words) - 1, 0))
    return None


def _offset_ends(words: Sequence[bytes], offsets: Sequence[tuple[int, int]], text: str) -> Int[np.ndarray, "piece"]:
    """The end of each piece, from character offsets that may overlap or omit characters."""
    ends = []
    for word, ((start, end), (following, _)) in zip(words, pairwise([*offsets, (len(text), 0)]), strict=True):
        if word == b" " and not text[start:end].isspace():
            # The offsets of a space that the tokenizer inserts include the next character.
            end = start
        while end < following and not text[end].isspace():
            end += 1
        ends.append(end)
    ends[-1] = len(text)
    return _byte_positions(text)[np.maximum.accumulate(np.asarray(ends, dtype=np.int64))]


def _byte_positions(text: str) -> Int[np.ndarray, "character"]:
    """The byte at which each character begins, and the text's length in bytes at the end."""
    code = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    width = 1 + (code >= 0x80).astype(np.int64) + (code >= 0x800) + (code >= 0x10000)
    return np.concatenate([[0], np.cumsum(width)])


def _repaired_positions(data: bytes) -> Int[np.ndarray, "position"]:
    """For each position in `data`, its position after each invalid UTF-8 sequence is replaced by U+FFFD."""
    width = np.ones(len(data), dtype=np.int64)
    start = 0
    while start < len(data):
        try:
            data[start:].decode()
            break
        except UnicodeDecodeError as error:
            width[start + error.start : start + error.end] = 0
            width[start + error.end - 1] = REPLACEMENT_BYTES
            start += error.end
    return np.concatenate([[0], np.cumsum(width)])


def _require_same_text(spelling: Spelling, ids: Int[np.ndarray, "piece"], text: str, item: str) -> None:
    """Raise `DataError` for a text that its tokens do not reproduce."""
    normalizer = spelling.tokenizer.normalizer
    normalised = text if normalizer is None else normalizer.normalize_str(text)
    decoded = b"".join(spelling.spell(ids.tolist())).decode(errors="replace")
    same = _letters(decoded, spelling.byte_level) == _letters(normalised, spelling.byte_level)
    if same and len(ids) and spelling.unknown not in ids:
        return
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    raise DataError(
        f"item `{item}`: the tokenizer cannot reproduce the text {shown!r}: its tokens spell"
        f" {decoded.strip()[:60]!r}; leave the item out, or use a model whose tokenizer has these characters"
    )


def _letters(text: str, keep_spaces: bool) -> str:
    """The compared part of a text: word pre-tokenizers drop spaces, and added tokens are not lowercased."""
    return text.removeprefix(" ") if keep_spaces else SPACES.sub("", text).lower()
