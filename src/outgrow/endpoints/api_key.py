"""The key of an account: checks that it can be sent, and hides it in everything that is written.

A server, a proxy or a library may repeat a key, whole or in part, as it is or in another writing: quoted, escaped,
percent-encoded, in hex, in base64 within a header. Every stretch of `SHORTEST` or more of its characters counts as
the key, in each of these writings.
"""

import base64
import json
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Characters of a key that give it away; a shorter key, such as `EMPTY`, is no secret."""
HIDDEN = "…"
"""Stands for what was left out."""
LEAST_WORD = 4
"""Characters of a short key that messages leave out all the same."""
IN_BASE64 = 10
"""Digits that eight characters determine, wherever they stand."""
LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
NAMES = {"\r": "a carriage return", "\n": "a line feed", "\t": "a tab", " ": "a space"}


def header_trouble(value: str) -> str | None:
    """Why a text cannot be sent as the value of a header, without the text; `None` if it can.

    >>> header_trouble("sk-1234\\r")
    'ends with a carriage return'
    """
    if not value.strip():
        return "is blank"
    for place, verb in ((0, "begins"), (-1, "ends")):
        if value[place].isspace():
            return f"{verb} with {NAMES.get(value[place], 'a blank')}"
    for number, letter in enumerate(value, 1):
        if not letter.isascii():
            return f"has a character that is not ASCII, number {number}"
        if not letter.isprintable():
            return f"has {NAMES.get(letter, 'a control character')} in it, character {number}"
    return None


class ApiKey:
    """A key that is never shown. Without one, nothing is hidden."""

    def __init__(self, key: str | None) -> None:
        self._key = (key or "").strip()

    def is_in(self, text: str) -> bool:
        """Whether a text gives the key away."""
        return len(self._key) >= SHORTEST and next(self._stretches(text), None) is not None

    def hidden(self, text: str) -> str:
        """The text with `…` for every part of the key."""
        kept: list[str] = []
        begin = 0
        for start, end in self._stretches(text):
            if start > begin or not kept:
                kept.append(text[begin:start])
            begin = max(begin, end)
        return HIDDEN.join([*kept, text[begin:]]) if kept else text

    def _stretches(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of every window of the text that is one of the key's, by start."""
        folded = text.translate(LOWER)
        for start in range(len(folded)):
            ends = [start + size for size, windows in self._windows.items() if folded[start : start + size] in windows]
            if ends:
                yield start, max(ends)

    @cached_property
    def _windows(self) -> dict[int, frozenset[str]]:
        """By their length, all stretches of the key in all its writings, in lower case."""
        if len(self._key) < SHORTEST:
            return {len(self._key): frozenset([self._key.translate(LOWER)])} if len(self._key) >= LEAST_WORD else {}
        found: dict[int, set[str]] = {}
        for written, size in self._writings():
            text = written.translate(LOWER)
            found.setdefault(size, set()).update(text[at : at + size] for at in range(len(text) - size + 1))
        return {size: frozenset(windows) for size, windows in found.items()}

    def _writings(self) -> Iterator[tuple[str, int]]:
        """The key in other words, and how long a stretch of `SHORTEST` characters is there."""
        key, data = self._key, self._key.encode(errors="surrogatepass")
        for plain in (key, repr(key)[1:-1], json.dumps(key)[1:-1], quote_plus(data), quote(data, safe="")):
            yield plain, SHORTEST
        yield data.hex(), 2 * SHORTEST
        yield "".join(f"%{byte:02x}" for byte in data), 3 * SHORTEST
        yield "".join(f"\\u{ord(letter):04x}" for letter in key), 6 * SHORTEST
        for before in range(3):
            shifted = bytes(before) + data
            # Only the digits that depend on nothing but the key.
            digits = slice((8 * before + 5) // 6, 8 * len(shifted) // 6)
            yield base64.b64encode(shifted).decode()[digits], IN_BASE64
            yield base64.urlsafe_b64encode(shifted).decode()[digits], IN_BASE64
