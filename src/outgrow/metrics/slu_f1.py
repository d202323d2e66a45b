"""SLU-F1: F1 of slots with partial credit for nearly right fillers (Bastianelli et al. 2020).

Two measures of the same form are added. Within an utterance, each predicted slot in its order is matched with the
unmatched gold slot of its type whose filler is nearest (the first of equally near ones), at distance d:

    TP + 1,   FP + d,   FN + d

A predicted slot without an unmatched gold slot of its type adds FP + 1, an unmatched gold slot FN + 1. For one measure
d is the word error rate (word edits / number of gold words, which can exceed 1), for the other the character edit
distance / length of the longer filler. Each measure has its own matching. The counts of both are added, then

    P = TP / (TP + FP),   R = TP / (TP + FN),   F1 = 2PR / (P + R)         (0 where a denominator is 0)

over all types (micro, the published number), per type, or as the mean over types (macro). *Span F1* requires equal
fillers instead.

As in SLURP's scorer *gold* fillers are lowercased and predicted ones are not, so a capital in a prediction is a
mistake. With `any_case` (the metric `slu_f1_any_case`) both are lowercased. Types are compared unchanged. Words are
separated by white space.

The scorer does not define the word error rate of a gold filler without words: here it is 0 if the predicted filler has
no words either, otherwise 1. The paper's authors also apply Whisper's English normaliser to predicted fillers. The
scorer does not, and neither does this module.

Counts are kept per utterance, so utterances can be resampled without matching again.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import numpy as np
from jaxtyping import Bool, Float

from outgrow.metrics.edit_distance import edit_distance, normalised_distance

ANY_CASE = "slu_f1_any_case"
"""The metric without regard to capitals; `slu_f1` is exactly SLURP's."""
JOINT = " & "
"""Separates several fillers of one type in an utterance."""


class Slot(NamedTuple):
    """A piece of information in an utterance, such as `time` = `half past three`."""

    type: str
    filler: str


class SlotAnswers(NamedTuple):
    """The slots of generated texts."""

    slots: list[list[Slot]]
    failed: Bool[np.ndarray, "item"]
    """Whether the text is not such a JSON object; it has no slots."""


class SlotScore(NamedTuple):
    """Precision, recall and F1, each within 0 … 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class SlotCounts:
    """True positives, false positives and false negatives, per utterance and slot type."""

    types: tuple[str, ...]
    """All types in gold or predictions, in alphabetical order."""
    counts: Float[np.ndarray, "item type 3"]

    def __add__(self, other: "SlotCounts") -> "SlotCounts":
        """The sum of two measures of the same utterances."""
        return SlotCounts(self.types, self.counts + other.counts)

    @property
    def per_item(self) -> Float[np.ndarray, "item 3"]:
        """Sums over the types: resample these, sum, and apply `micro_f1`."""
        return np.asarray(self.counts.sum(axis=1))


Match = tuple[str, float, float, float]
"""A type, and its additional true positives, false positives and false negatives."""


def slu_counts(
    gold: Sequence[Sequence[Slot]], predicted: Sequence[Sequence[Slot]], *, any_case: bool = False
) -> SlotCounts:
    """The counts of SLU-F1: word measure plus character measure, one row per utterance."""
    by_words = distance_counts(gold, predicted, word_error_rate, any_case=any_case)
    return by_words + distance_counts(gold, predicted, character_distance, any_case=any_case)


def distance_counts(
    gold: Sequence[Sequence[Slot]],
    predicted: Sequence[Sequence[Slot]],
    distance: Callable[[str, str], float],
    *,
    any_case: bool = False,
) -> SlotCounts:
    """The counts of one measure; `distance(gold filler, predicted filler)` is 0 for equal fillers."""
    return _tally(gold, predicted, lambda true_slots, slots: _nearest_matches(true_slots, slots, distance), any_case)


def span_counts(
    gold: Sequence[Sequence[Slot]], predicted: Sequence[Sequence[Slot]], *, any_case: bool = False
) -> SlotCounts:
    """The counts of span F1: a predicted slot is right if an equal gold slot is unmatched."""
    return _tally(gold, predicted, _equal_matches, any_case)


def score(counts: SlotCounts) -> SlotScore:
    """Micro average over all types."""
    return _score(counts.per_item.sum(axis=0))


def micro_f1(sums: Float[np.ndarray, "*rows 3"]) -> Float[np.ndarray, "*rows"]:
    """F1 from summed true positives, false positives and false negatives: 2TP / (2TP + FP + FN)."""
    twice_tp = 2 * sums[..., 0]
    denominator = twice_tp + sums[..., 1] + sums[..., 2]
    return np.asarray(np.divide(twice_tp, denominator, out=np.zeros_like(twice_tp), where=denominator > 0))


@lru_cache(maxsize=1 << 16)
def word_error_rate(gold: str, predicted: str) -> float:
    """Word edits / number of gold words; not clipped at 1."""
    truth, words = _words(gold), _words(predicted)
    return edit_distance(truth, words) / len(truth) if truth else float(bool(words))


def _words(filler: str) -> list[str]:
    return [word for word in re.sub(r"\s{2,}", " ", filler).strip().split(" ") if word]


@lru_cache(maxsize=1 << 16)
def character_distance(gold: str, predicted: str) -> float:
    """Character edits / length of the longer filler, 0 … 1."""
    return normalised_distance(gold, predicted)


def read_answers(texts: Sequence[str]) -> SlotAnswers:
    """The slots of each text; see `parse_slots`."""
    parsed = [parse_slots(text) for text in texts]
    return SlotAnswers(
        [slots or [] for slots in parsed], np.asarray([slots is None for slots in parsed], dtype=np.bool_)
    )


def parse_slots(text: str) -> list[Slot] | None:
    """The slots of a JSON object `{type: filler}`, or `None` if the text is anything else.

    Only spaces may surround the object. A filler is a string (several are joined by " & ") or a number, kept as
    written with its spaces, or a list of these. A type may occur more than once.

    >>> parse_slots('{"person": "ann & bob", "time": 5}')
    [Slot(type='person', filler='ann'), Slot(type='person', filler='bob'), Slot(type='time', filler='5')]
    """
    try:
        # The hooks keep numbers as text and keep repeated types.
        pairs = json.loads(
            text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    slots = []
    for name, value in pairs:
        fillers = value if type(value) is list else [value]
        if not all(isinstance(filler, str) for filler in fillers):
            return None
        slots += [Slot(name, part) for filler in fillers for part in filler.split(JOINT)]
    return slots


def write_slots(slots: Sequence[Slot]) -> str:
    """The JSON object that `parse_slots` reads; types in first-seen order."""
    fillers: dict[str, list[str]] = {}
    for slot in slots:
        fillers.setdefault(slot.type, []).append(slot.filler)
    return json.dumps({name: JOINT.join(parts) for name, parts in fillers.items()}, ensure_ascii=False)


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object, distinguished from a JSON list by type."""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _nearest_matches(gold: list[Slot], predicted: list[Slot], distance: Callable[[str, str], float]) -> list[Match]:
    unmatched = list(gold)
    matches: list[Match] = []
    for slot in predicted:
        candidates = [index for index, gold_slot in enumerate(unmatched) if gold_slot.type == slot.type]
        if not candidates:
            matches.append((slot.type, 0.0, 1.0, 0.0))
            continue
        distances = [distance(unmatched[index].filler, slot.filler) for index in candidates]
        nearest = min(distances)
        unmatched.pop(candidates[distances.index(nearest)])
        matches.append((slot.type, 1.0, nearest, nearest))
    return matches + [(slot.type, 0.0, 0.0, 1.0) for slot in unmatched]


def _equal_matches(gold: list[Slot], predicted: list[Slot]) -> list[Match]:
    unmatched = list(gold)
    matches: list[Match] = []
    for slot in predicted:
        if slot in unmatched:
            unmatched.remove(slot)
            matches.append((slot.type, 1.0, 0.0, 0.0))
        else:
            matches.append((slot.type, 0.0, 1.0, 0.0))
    return matches + [(slot.type, 0.0, 0.0, 1.0) for slot in unmatched]


def _tally(
    gold: Sequence[Sequence[Slot]],
    predicted: Sequence[Sequence[Slot]],
    match: Callable[[list[Slot], list[Slot]], list[Match]],
    any_case: bool,
) -> SlotCounts:
    """Counts of each utterance; gold fillers are lowercased, with `any_case` predicted ones too."""
    types = sorted({slot.type for slots in (*gold, *predicted) for slot in slots})
    column = {name: index for index, name in enumerate(types)}
    counts = np.zeros((len(gold), len(types), 3))
    for row, (gold_slots, predicted_slots) in enumerate(zip(gold, predicted, strict=True)):
        for name, *added in match(
            _lowered(gold_slots), _lowered(predicted_slots) if any_case else list(predicted_slots)
        ):
            counts[row, column[name]] += added
    return SlotCounts(tuple(types), counts)


def _lowered(slots: Sequence[Slot]) -> list[Slot]:
    return [Slot(slot.type, slot.filler.lower()) for slot in slots]


def _score(sums: Float[np.ndarray, "3"]) -> SlotScore:
    hits, false, missed = sums.tolist()
    precision = hits / (hits + false) if hits else 0.0
    recall = hits / (hits + missed) if hits else 0.0
    return SlotScore(precision, recall, float(micro_f1(sums)))
