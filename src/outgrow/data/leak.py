"""The leak check: removes duplicates, and training items that equal a test item; and joins items that share a passage.

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
from jaxtyping import Int, UInt64

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
    return sift(fingerprints(items))


def fingerprints(items: Items) -> list[ItemFingerprint]:
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
    seen = {item.text for item in found if item.is_test}
    groups = {item.group for item in found if item.is_test}
    first: dict[tuple[str, bool], int] = {}
    keep, leaks, copies, conflicts = [], 0, 0, 0
    for row, item in enumerate(found):
        original = first.setdefault((item.text, item.is_test), row)
        if original != row:
            copies += 1
            conflicts += found[original].answer != item.answer
        elif not item.is_test and (item.text in seen or item.group in groups):
            leaks += 1
        else:
            keep.append(row)
    return LeakReport(np.asarray(keep, dtype=np.int64), _notes(copies, conflicts, leaks))


def apart(items: Items) -> LeakReport:
    """Drop items for half B whose group is in half A, and items for either half whose group is in one of them."""
    groups = {part: _groups_of(items, part) for part in ("half_a", "half_b")}
    others = {"half_b": groups["half_a"], "train": groups["half_a"] | groups["half_b"]}
    keep = [
        row
        for row, (part, group) in enumerate(zip(items.parts, items.groups, strict=True))
        if group not in others.get(part, ())
    ]
    left_out = len(items) - len(keep)
    note = f"Items left out because their group is in the other half: {left_out}."
    return LeakReport(np.asarray(keep, dtype=np.int64), (note,) if left_out else ())


def _groups_of(items: Items, part: str) -> set[str]:
    return {group for group, own in zip(items.groups, items.parts, strict=True) if own == part}


def _right_answer(items: Items, row: int) -> str:
    """Comparable between copies whose options stand in another order."""
    gold = int(items.gold[row])
    if items.answers is not None:
        return items.answers[row]
    return str(gold) if items.options is None or gold < 0 else normalise(items.options[row][gold])


def _notes(copies: int, conflicts: int, leaks: int) -> tuple[str, ...]:
    notes = []
    if copies:
        conflict_note = f" ({conflicts} of them with another label than the first copy)" if conflicts else ""
        notes.append(f"Duplicates left out: {copies}{conflict_note}.")
    if leaks:
        notes.append(f"Training items left out because they share their text or group with a test item: {leaks}.")
    return tuple(notes)


RUN = 15
"""Words in a row; some 90 letters of English."""
TEMPLATE = 30
"""Groups; questions about one passage are fewer."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
"""An odd number; hashes of runs are polynomials in it, modulo 2^64."""


def join_by_passage(texts: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Every item's group, where groups that share a passage are one, under the name of the first of them.

    Args:
        texts: one per item.
        groups: one per item; items of one group stay together whatever their texts say.
    """
    from scipy.sparse import coo_array  # a plan makes no groups, and this takes a third of a second
    from scipy.sparse.csgraph import connected_components

    names, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    runs, owner = runs_of(texts)
    pairs = _linked(runs, group[owner])
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(names), len(names)))
    joined = connected_components(graph, directed=False)[1][group]
    first: dict[int, str] = {}
    return [first.setdefault(root, name) for root, name in zip(joined.tolist(), groups, strict=True)]


def sharing(texts: Sequence[str], groups: Sequence[str]) -> int:
    """How many items share a passage with an item of another group."""
    joined = np.unique(np.asarray(join_by_passage(texts, groups), dtype=np.str_), return_inverse=True)[1]
    own = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)[1]
    several = np.bincount(np.unique(np.stack([joined, own]), axis=1)[0]) > 1
    return int(several[joined].sum())


def runs_of(texts: Sequence[str]) -> tuple[UInt64[np.ndarray, "run"], Int[np.ndarray, "run"]]:
    """Every run of `RUN` words as a 64-bit hash, and the row of the text that it stands in."""
    words = [normalise(text).split() for text in texts]
    index_of: dict[str, int] = {}
    flat = np.asarray(
        [index_of.setdefault(word, len(index_of) + 1) for line in words for word in line], dtype=np.uint64
    )
    owner = np.repeat(np.arange(len(words)), [len(line) for line in words])
    ends = len(flat) - RUN + 1
    if ends <= 0:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    hashes = np.zeros(ends, dtype=np.uint64)
    for step in range(RUN):
        hashes = hashes * _BASE + flat[step : step + ends] * (flat[step : step + ends] ^ _BASE)
    whole = owner[:ends] == owner[RUN - 1 :]
    return hashes[whole], owner[:ends][whole]


def _linked(runs: UInt64[np.ndarray, "run"], group: Int[np.ndarray, "run"]) -> Int[np.ndarray, "pair two"]:
    """Pairs of groups with a run in common: every group that has it with the first one that does."""
    order = np.lexsort((group, runs))
    runs, group = runs[order], group[order]
    new_run = np.r_[True, runs[1:] != runs[:-1]][: len(runs)]
    once = new_run | np.r_[True, group[1:] != group[:-1]][: len(runs)]
    runs, group, new_run = runs[once], group[once], new_run[once]
    starts = np.flatnonzero(new_run)
    counts = np.diff(np.r_[starts, len(runs)])
    first, kept = np.repeat(group[starts], counts), np.repeat((counts > 1) & (counts <= TEMPLATE), counts)
    return np.stack([first[kept], group[kept]], axis=1)
