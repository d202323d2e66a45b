"""The leak check: no training item may say what a test item says.

Texts are compared after normalisation (Unicode NFKC, case folded, runs of white space and punctuation made one
space), so that a copy with other quotation marks is still a copy. Two items are the same if their prompts and the sets
of their options are. Exact copies only: paraphrases are not found.
"""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Items

# Symbols that carry meaning in formulas (+ * / < = > ^ | ~ $) are kept.
_GAPS = re.compile(r"[\s_!\"#%&'(),\-.:;?@\[\\\]`{}¡-¿‐-⁞、-〿]+")


def normalise(text: str) -> str:
    """What is left of a text for comparison; a text of nothing but punctuation stays as it is.

    >>> normalise("  What’s THE  boiling-point? ")
    'what s the boiling point'
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    return _GAPS.sub(" ", text).strip() or text.strip()


def fingerprint(text: str, options: Sequence[str] = ()) -> str:
    """16 hex digits of the normalised text and the normalised options in any order."""
    parts = [normalise(text), *sorted(normalise(option) for option in options)]
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class ItemFingerprint(NamedTuple):
    """What an item is compared by."""

    text: str
    """Its fingerprint."""
    group: str
    is_test: bool
    answer: str


class LeakReport(NamedTuple):
    """What the check lets through."""

    keep: Int[np.ndarray, "row"]
    notes: tuple[str, ...]


def screen(items: Items) -> LeakReport:
    """Drop duplicates within a part, and training items whose text or group is also in the test part.

    The first copy stays. Whole groups are compared so that a passage of a test question is not trained on.
    """
    return sift(witnesses(items))


def witnesses(items: Items) -> list[ItemFingerprint]:
    """What `sift` compares, item by item."""
    options = items.options or [[]] * len(items)
    return [
        ItemFingerprint(
            fingerprint(prompt, choice), items.groups[row], items.parts[row] == "test", _right_answer(items, row)
        )
        for row, (prompt, choice) in enumerate(zip(items.prompts, options, strict=True))
    ]


def sift(found: Sequence[ItemFingerprint]) -> LeakReport:
    """`screen` for items of any origin."""
    seen = {one.text for one in found if one.is_test}
    groups = {one.group for one in found if one.is_test}
    first: dict[tuple[str, bool], int] = {}
    keep, leaks, copies, conflicts = [], 0, 0, 0
    for row, one in enumerate(found):
        original = first.setdefault((one.text, one.is_test), row)
        if original != row:
            copies += 1
            conflicts += found[original].answer != one.answer
        elif not one.is_test and (one.text in seen or one.group in groups):
            leaks += 1
        else:
            keep.append(row)
    return LeakReport(np.asarray(keep, dtype=np.int64), _notes(copies, conflicts, leaks))


def _right_answer(items: Items, row: int) -> str:
    """Comparable between copies whose options stand in another order."""
    gold = int(items.gold[row])
    if items.answers is not None:
        return items.answers[row]
    return str(gold) if items.options is None or gold < 0 else normalise(items.options[row][gold])


def _notes(copies: int, conflicts: int, leaks: int) -> tuple[str, ...]:
    notes = []
    if copies:
        other = f" ({conflicts} of them with another label than the first copy)" if conflicts else ""
        notes.append(f"Duplicates left out: {copies}{other}.")
    if leaks:
        notes.append(f"Training items left out because they share their text or group with a test item: {leaks}.")
    return tuple(notes)
