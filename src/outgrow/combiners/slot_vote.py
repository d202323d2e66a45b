"""Votes on slots: JSON slot sets of several systems, combined slot by slot into one set that nobody need have written.

With n sources of an item that can be read, a slot is a type and a value (case, Unicode form and spaces do not matter):

    share(type, value) = sources that have it / n;      kept if share > threshold

Two values of one type are rivals if no source has both; of rivals the one with the larger share stays. That happens
below a threshold of one half only: above it two values that are kept have a source in common. Where more than the
threshold agree that there is a slot of a type, but not enough on any value, the value with the largest share stands
for it: a filler that is nearly right earns most of the credit of SLU-F1, none at all loses it. Ties fall to the first
source.

The text is written as gold is (`slu_f1.write_slots`): a filler as most of its sources spell it, slots in the order of
their mean place among those sources. It is nobody's text, so its pieces are certain, as gold's are; what is known of
doubt is in the row's weight, the mean over all slots that anybody named of the share of sources that agree with what
was done about it (kept: share, dropped: 1 - share). All sources count the same, and a source that writes a slot twice
has it once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from outgrow.errors import ConfigError
from outgrow.metrics.slu_f1 import Slot, parse_slots, write_slots
from outgrow.metrics.words import normalise
from outgrow.texts import TextTargets, WeakTexts, certain

NEARLY = 1e-9
"""Shares of sources are compared up to this."""


@dataclass
class SupportedSlot:
    """A slot that some sources have; `slot` is its type and normalised value."""

    slot: Slot
    said_by: list[int] = field(default_factory=list)
    """Numbers of these sources."""
    places: list[int] = field(default_factory=list)
    """Where each of them has it."""
    spelled: list[str] = field(default_factory=list)
    """How each of them spells its filler."""


class CombinedSlots(NamedTuple):
    """A combined set of slots."""

    slots: list[Slot]
    weight: float
    """Mean share of the sources that agree, within [0, 1]; 1 where nobody named a slot."""


def slot_vote(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    threshold: float = 0.5,
    weight: str = "share",
) -> TextTargets:
    """One row per item with a source whose best text is a JSON object of slots; other texts are abstentions.

    `threshold` is a share of the sources, 0 <= threshold < 1; `weight` is `share` or `one`. Raises `ConfigError` for
    other values.
    """
    if not 0 <= threshold < 1:
        raise ConfigError(
            f"`combine: slot_vote`: threshold is a share of the sources from 0 to below 1, not {threshold}"
        )
    if weight not in ("share", "one"):
        raise ConfigError(f"`combine: slot_vote`: weight is `share` or `one`, not `{weight}`")
    agreed: dict[str, CombinedSlots] = {}
    unread = 0
    for item, row in zip(labels.items, labels.candidates, strict=True):
        parsed = [parse_slots(found[0].text) for found in row if found]
        sets = [slots for slots in parsed if slots is not None]
        unread += len(parsed) - len(sets)
        if sets:
            agreed[item] = combine_slots(sets, threshold)
    texts = [write_slots(one.slots) for one in agreed.values()]
    return TextTargets(
        items=list(agreed),
        texts=texts,
        pieces=[certain(text) for text in texts],
        weight=np.asarray([one.weight if weight == "share" else 1.0 for one in agreed.values()], dtype=float),
        origin=tuple(_sentences(list(agreed.values()), unread, len(labels.items))),
    )


def combine_slots(sets: Sequence[Sequence[Slot]], threshold: float = 0.5) -> CombinedSlots:
    """The slots that more than `threshold` of the sets have; see the module. There is at least one set."""
    named = _named(sets)
    kept = [one for several in _by_type(named).values() for one in _kept(several, len(sets), threshold)]
    order = {one.slot: number for number, one in enumerate(named)}
    kept.sort(key=lambda one: (round(float(np.mean(one.places)), 9), order[one.slot]))
    chosen = {one.slot for one in kept}
    shares = [(len(one.said_by) / len(sets), one.slot in chosen) for one in named]
    agreement = [share if stays else 1 - share for share, stays in shares]
    slots = [Slot(one.slot.type, Counter(one.spelled).most_common(1)[0][0]) for one in kept]
    return CombinedSlots(slots, float(np.mean(agreement)) if agreement else 1.0)


def _named(sets: Sequence[Sequence[Slot]]) -> list[SupportedSlot]:
    """Every slot that anybody has, first-named first."""
    found: dict[Slot, SupportedSlot] = {}
    for source, slots in enumerate(sets):
        for place, slot in enumerate(slots):
            key = Slot(slot.type, normalise(slot.filler))
            one = found.setdefault(key, SupportedSlot(key))
            if source not in one.said_by:
                one.said_by.append(source)
                one.places.append(place)
                one.spelled.append(slot.filler)
    return list(found.values())


def _by_type(named: Sequence[SupportedSlot]) -> dict[str, list[SupportedSlot]]:
    types: dict[str, list[SupportedSlot]] = {}
    for one in named:
        types.setdefault(one.slot.type, []).append(one)
    return types


def _kept(several: Sequence[SupportedSlot], n: int, threshold: float) -> list[SupportedSlot]:
    """Which of the values of one type stay."""
    enough = threshold * n + NEARLY
    best_first = sorted(several, key=lambda one: -len(one.said_by))
    kept: list[SupportedSlot] = []
    for one in best_first:
        if len(one.said_by) > enough and all(set(one.said_by) & set(other.said_by) for other in kept):
            kept.append(one)
    speakers = {source for one in several for source in one.said_by}
    return kept or (best_first[:1] if len(speakers) > enough else [])


def _sentences(agreed: Sequence[CombinedSlots], unread: int, n_items: int) -> Iterator[str]:
    if agreed:
        slots = np.mean([len(one.slots) for one in agreed])
        share = np.mean([one.weight for one in agreed])
        yield f"Slots per item: {slots:.2f}; on average {share:.0%} of the sources agree with what became of a slot."
    if unread:
        yield f"Texts that are no JSON object of slots, which count as no vote: {unread}."
    if len(agreed) < n_items:
        yield f"Items without a text that could be read, left out: {n_items - len(agreed)}."
