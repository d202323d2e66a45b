"""How deeply JSON is nested, told before anybody parses it: parsers that recurse end the process at some depth.

Brackets within strings do not count. Nothing else of the text is looked at, so that it need not be valid JSON.
"""

import numpy as np

from outgrow.errors import DataError

DEEPEST = 100
"""Lists and objects within one another that are read."""
BLOCK = 1 << 24
"""Bytes looked at together."""
STEP = np.zeros(256, np.int8)
STEP[list(b"[{")], STEP[list(b"]}")] = 1, -1
QUOTE = ord('"')


def depth_of(text: bytes) -> int:
    """The largest number of lists and objects that are open at once.

    >>> depth_of(b'{"a": [1, [2]], "b": "[[[["}')
    3
    """
    if b"\\" in text:  # pairs first: what then stands before a quote escapes it
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    deepest = depth = 0
    within = False
    for start in range(0, len(text), BLOCK):
        letters = np.frombuffer(text, np.uint8, min(BLOCK, len(text) - start), start)
        quoted = np.logical_xor.accumulate(np.append(within, letters == QUOTE))
        steps = np.where(quoted[1:], 0, STEP[letters])
        open_then = depth + np.cumsum(steps, dtype=np.int64)
        deepest, depth, within = max(deepest, int(open_then.max())), int(open_then[-1]), bool(quoted[-1])
    return deepest


def too_deep(text: str) -> bool:
    """Whether JSON is nested deeper than `DEEPEST`."""
    return text.count("[") + text.count("{") > DEEPEST and depth_of(text.encode("utf-8", "replace")) > DEEPEST


def refuse_deep(text: str, where: str) -> None:
    """Raises `DataError` for JSON that is nested deeper than `DEEPEST`."""
    if too_deep(text):
        raise DataError(
            f"{where}: cannot be read: lists and objects stand within one another more than {DEEPEST} deep"
        )
