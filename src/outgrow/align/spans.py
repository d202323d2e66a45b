"""A text and a tokenizer's pieces of it as byte spans: from the text (`encode`), or from token ids (`spell`).

Where the pieces' own bytes spell the text (byte-level, SentencePiece), spans are exact, also within a character.
Where the tokenizer normalises (lowercases, composes accents, drops spaces), spans come from its character offsets: a
dropped accent stays with the piece before it, a dropped space goes to the piece behind it, and of several pieces of
one character the first has all of it.

A generated text must be spelled from the very ids that were drawn: its canonical tokens are often others.
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
"""What Unicode calls white space, as tokenizers do. Python's `isspace` also has four control characters."""

REPLACEMENT_BYTES = len("\ufffd".encode())


def encode(spelling: Spelling, text: str, *, item: str = "") -> Pieces:
    """The tokens that the tokenizer gives `text`, without special tokens, and the bytes they stand for.

    Special tokens that the text happens to spell stay text. Raises `DataError`, with the `item`, where the tokens do
    not say the text (up to the tokenizer's own normalisation): unknown characters, nothing left of it.
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
    """The text that token ids stand for, and their spans in it; the inverse of `encode`.

    The space that the tokenizer would put before the text is taken away again. Bytes that are no UTF-8 (a model may
    stop within a character) become U+FFFD. Leave the end of the sequence out, and add it with `close`.
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
    """Where each piece ends, if the pieces spell the text to the byte, but for a space before it."""
    joined = b"".join(words)
    if joined == data:
        return _running_length(words)
    if joined == b" " + data:
        return np.asarray(np.maximum(_running_length(words) - 1, 0))
    return None


def _offset_ends(words: Sequence[bytes], offsets: Sequence[tuple[int, int]], text: str) -> Int[np.ndarray, "piece"]:
    """Where each piece ends, from character offsets that may overlap, or leave characters out."""
    ends = []
    for word, ((start, end), (following, _)) in zip(words, pairwise([*offsets, (len(text), 0)]), strict=True):
        if word == b" " and not text[start:end].isspace():
            # A space that the tokenizer put there claims the character behind it.
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
    """For every position in `data`, its position once each stretch that is no UTF-8 has become U+FFFD."""
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
    """Refuse a text of which the tokens say something else, or leave something out."""
    normalizer = spelling.tokenizer.normalizer
    wanted = text if normalizer is None else normalizer.normalize_str(text)
    said = b"".join(spelling.spell(ids.tolist())).decode(errors="replace")
    same = _letters(said, spelling.byte_level) == _letters(wanted, spelling.byte_level)
    if same and len(ids) and spelling.unknown not in ids:
        return
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    raise DataError(
        f"item `{item}`: the tokenizer cannot reproduce the text {shown!r}: its tokens say"
        f" {said.strip()[:60]!r}; leave the item out, or take a model whose tokenizer knows these characters"
    )


def _letters(text: str, keep_spaces: bool) -> str:
    """What must be the same. Pre-tokenizers of words drop spaces; added tokens escape a normaliser that lowercases."""
    return text.removeprefix(" ") if keep_spaces else SPACES.sub("", text).lower()
