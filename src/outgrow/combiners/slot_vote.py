"""Votes on slots: JSON slot sets of several systems, combined slot by slot into a new set.

With n sources of an item that can be read, a slot is a type and a value (case, Unicode form and spaces do not matter):

    share(type, value) = sources that have it / n;      kept if share > threshold

Two values of one type are rivals if no source has both; of rivals the one with the larger share stays. That happens
below a threshold of one half only: above it two values that are kept have a source in common. Where more than the
threshold agree that there is a slot of a type, but not enough on any value, the value with the largest share stands
for it: a filler that is nearly right gets most of the credit of SLU-F1, a missing one gets none. Ties go to the first
source.

The text has the form of gold (`slu_f1.write_slots`): a filler as most of its sources spell it, slots in the order of
their mean place among those sources. No source wrote it, so its pieces are certain, as gold's are; uncertainty is in
the row's weight, the mean over all slots of any source of the share of sources that agree with the decision on it
(kept: share, dropped: 1 - share). All sources count the same, and a slot that a source writes twice counts once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection
from outgrow.errors import ConfigError
from outgrow.metrics.slu_f1 import Slot, parse_slots, write_slots
from outgrow.metrics.text_score import counts_slots
from outgrow.metrics.words import normalise
from outgrow.texts import TextTargets, WeakTexts, certain

NEARLY = 1e-9
"""Shares of sources are compared up to this."""


class SlotVote(CombinerSection):
    """*generate*, slots as JSON: the slots of more than a share of the sources, as one new text."""

    type: Literal["slot_vote"]
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """A slot is kept if more than this share of the sources that could be read have it."""
    weight: Literal["share", "one"] = "share"
    """Of a row: the share of the sources that agree with it, over its slots, or 1."""

    @property
    def text_metric(self) -> str:
        return "slu_f1"

    def text_complaints(self, metric: str, sources: Sequence[str]) -> Iterator[str]:
        if not counts_slots(metric):
            yield f"combine `slot_vote` counts slots, and the task's metric is `{metric}`; use `answer_vote`"


@dataclass
class SupportedSlot:
    """A slot that some sources have; `slot` is its type and normalised value."""

    slot: Slot
    sources: list[int] = field(default_factory=list)
    """Indices of these sources."""
    places: list[int] = field(default_factory=list)
    """Where each of them has it."""
    spelled: list[str] = field(default_factory=list)
    """How each of them spells its filler."""


class CombinedSlots(NamedTuple):
    """A combined set of slots."""

    slots: list[Slot]
    weight: float
    """Mean share of the sources that agree, within [0, 1]; 1 without any slot."""


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
        parsed = [parse_slots(candidates[0].text) for candidates in row if candidates]
        sets = [slots for slots in parsed if slots is not None]
        unread += len(parsed) - len(sets)
        if sets:
            agreed[item] = combine_slots(sets, threshold)
    texts = [write_slots(combined.slots) for combined in agreed.values()]
    return TextTargets(
        items=list(agreed),
        texts=texts,
        pieces=[certain(text) for text in texts],
        weight=np.asarray(
            [combined.weight if weight == "share" else 1.0 for combined in agreed.values()], dtype=float
        ),
        origin=tuple(_sentences(list(agreed.values()), unread, len(labels.items))),
    )


def combine_slots(sets: Sequence[Sequence[Slot]], threshold: float = 0.5) -> CombinedSlots:
    """The slots that more than `threshold` of the sets have; see the module. There is at least one set."""
    named = _named(sets)
    kept = [slot for of_type in _by_type(named).values() for slot in _kept(of_type, len(sets), threshold)]
    order = {slot.slot: index for index, slot in enumerate(named)}
    kept.sort(key=lambda slot: (round(float(np.mean(slot.places)), 9), order[slot.slot]))
    chosen = {slot.slot for slot in kept}
    shares = [(len(slot.sources) / len(sets), slot.slot in chosen) for slot in named]
    agreement = [share if stays else 1 - share for share, stays in shares]
    slots = [Slot(slot.slot.type, Counter(slot.spelled).most_common(1)[0][0]) for slot in kept]
    return CombinedSlots(slots, float(np.mean(agreement)) if agreement else 1.0)


def _named(sets: Sequence[Sequence[Slot]]) -> list[SupportedSlot]:
    """Every slot of any source, in the order of first mention."""
    named: dict[Slot, SupportedSlot] = {}
    for source, slots in enumerate(sets):
        for place, slot in enumerate(slots):
            key = Slot(slot.type, normalise(slot.filler))
            support = named.setdefault(key, SupportedSlot(key))
            if source not in support.sources:
                support.sources.append(source)
                support.places.append(place)
                support.spelled.append(slot.filler)
    return list(named.values())


def _by_type(named: Sequence[SupportedSlot]) -> dict[str, list[SupportedSlot]]:
    types: dict[str, list[SupportedSlot]] = {}
    for slot in named:
        types.setdefault(slot.slot.type, []).append(slot)
    return types


def _kept(values: Sequence[SupportedSlot], n_sources: int, threshold: float) -> list[SupportedSlot]:
    """The values of one type that are kept."""
    least = threshold * n_sources + NEARLY
    best_first = sorted(values, key=lambda slot: -len(slot.sources))
    kept: list[SupportedSlot] = []
    for slot in best_first:
        if len(slot.sources) > least and all(set(slot.sources) & set(kept_slot.sources) for kept_slot in kept):
            kept.append(slot)
    sources = {source for slot in values for source in slot.sources}
    return kept or (best_first[:1] if len(sources) > least else [])


def _sentences(agreed: Sequence[CombinedSlots], unread: int, n_items: int) -> Iterator[str]:
    if agreed:
        slots = np.mean([len(combined.slots) for combined in agreed])
        share = np.mean([combined.weight for combined in agreed])
        yield f"Slots per item: {slots:.2f}; on average {share:.0%} of the sources agree with the decision on a slot."
    if unread:
        yield f"Texts that are no JSON object of slots, which count as no vote: {unread}."
    if len(agreed) < n_items:
        yield f"Items without a text that could be read, left out: {n_items - len(agreed)}."


SLOT_VOTE = CombinerRecord(SlotVote, paper="majority vote per slot; ours", text_targets=slot_vote)
