"""The key of an account: checks that it can be sent, and hides it in all output.

A server, a proxy or a library may repeat a key, in full or in part, unchanged or encoded: quoted, escaped,
percent-encoded, in hex, in base64 within a header. Every substring of at least `SHORTEST` characters counts as the
key, in each of these encodings.
"""

import base64
import json
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Substrings of this length reveal a key; a shorter key, such as `EMPTY`, is not secret."""
HIDDEN = "…"
"""Replaces a hidden part."""
LEAST_WORD = 4
"""Length from which a key that is not secret is hidden in messages, too."""
IN_BASE64 = 10
"""Base64 digits that eight characters determine at any offset."""
LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
NAMES = {"\r": "a carriage return", "\n": "a line feed", "\t": "a tab", " ": "a space"}


def header_trouble(value: str) -> str | None:
    """Why a text cannot be a header value, without the text itself; `None` if it can.

    >>> header_trouble("sk-1234\\r")
    'ends with a carriage return'
    """
    if not value.strip():
        return "is blank"
    for index, verb in ((0, "begins"), (-1, "ends")):
        if value[index].isspace():
            return f"{verb} with {NAMES.get(value[index], 'a blank')}"
    for position, character in enumerate(value, 1):
        if not character.isascii():
            return f"has a character that is not ASCII, number {position}"
        if not character.isprintable():
            return f"has {NAMES.get(character, 'a control character')} in it, character {position}"
    return None


class ApiKey:
    """A key that is hidden in output. Without a key nothing is hidden."""

    def __init__(self, key: str | None) -> None:
        self._key = (key or "").strip()

    def is_in(self, text: str) -> bool:
        """Whether a text reveals the key."""
        return len(self._key) >= SHORTEST and next(self._matches(text), None) is not None

    def hidden(self, text: str) -> str:
        """The text with every part of the key replaced by `…`."""
        kept: list[str] = []
        begin = 0
        for start, end in self._matches(text):
            if start > begin or not kept:
                kept.append(text[begin:start])
            begin = max(begin, end)
        return HIDDEN.join([*kept, text[begin:]]) if kept else text

    def _matches(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each part of the text that matches a window of the key, by start."""
        folded = text.translate(LOWER)
        for start in range(len(folded)):
            ends = [start + size for size, windows in self._windows.items() if folded[start : start + size] in windows]
            if ends:
                yield start, max(ends)

    @cached_property
    def _windows(self) -> dict[int, frozenset[str]]:
        """All lowercase substrings of the key in all encodings, by length."""
        if len(self._key) < SHORTEST:
            return {len(self._key): frozenset([self._key.translate(LOWER)])} if len(self._key) >= LEAST_WORD else {}
        windows_of: dict[int, set[str]] = {}
        for encoded, size in self._encodings():
            text = encoded.translate(LOWER)
            windows_of.setdefault(size, set()).update(
                text[start : start + size] for start in range(len(text) - size + 1)
            )
        return {size: frozenset(windows) for size, windows in windows_of.items()}

    def _encodings(self) -> Iterator[tuple[str, int]]:
        """The key in each encoding, with the encoded length of `SHORTEST` characters."""
        key, data = self._key, self._key.encode(errors="surrogatepass")
        for plain in (key, repr(key)[1:-1], json.dumps(key)[1:-1], quote_plus(data), quote(data, safe="")):
            yield plain, SHORTEST
        yield data.hex(), 2 * SHORTEST
        yield "".join(f"%{byte:02x}" for byte in data), 3 * SHORTEST
        yield "".join(f"\\u{ord(letter):04x}" for letter in key), 6 * SHORTEST
        for before in range(3):
            shifted = bytes(before) + data
            # Only the digits that depend on the key alone.
            digits = slice((8 * before + 5) // 6, 8 * len(shifted) // 6)
            yield base64.b64encode(shifted).decode()[digits], IN_BASE64
            yield base64.urlsafe_b64encode(shifted).decode()[digits], IN_BASE64
