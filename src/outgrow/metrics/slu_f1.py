"""SLU-F1: how well slots were filled, with part of the credit for nearly right fillers (Bastianelli et al. 2020).

Two measures of the same form are added up. Within an utterance, each predicted slot in its order takes, of the gold
slots of its type that are still free, the one whose filler is nearest (the first of equally near ones), at distance d:

    TP + 1,   FP + d,   FN + d

A predicted slot whose type is not free any more is FP + 1, a gold slot that nobody took is FN + 1. For one measure d
is the word error rate (word edits over the number of gold words, which can exceed 1), for the other the edit distance
of the characters over the longer filler's length. Each measure matches for itself. The counts of both are added, then

    P = TP / (TP + FP),   R = TP / (TP + FN),   F1 = 2PR / (P + R)         (0 where a denominator is 0)

over all types together (micro, the published number), per type, or as the mean over types (macro). *Span F1* asks for
equal fillers instead.

As in SLURP's scorer *gold* fillers are put in lower case and predicted ones are not, so that a capital in a prediction
is a mistake; with `any_case` (the metric `slu_f1_any_case`) both are. Types are compared as they are. Words are what
single spaces part, after several white-space characters have become one space.

What the scorer leaves open: a gold filler without words has word error rate 0 if the predicted one has none either,
else 1. The paper's authors also run Whisper's English normaliser over predicted fillers, which the scorer does not do,
and neither is it done here.

Counts are kept per utterance, so that whoever resamples utterances for an interval need not match again.
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
"""Between the fillers of one type, where an utterance has several."""


class Slot(NamedTuple):
    """A piece of information in an utterance, such as `time` = `half past three`."""

    type: str
    filler: str


class SlotAnswers(NamedTuple):
    """What generated texts say."""

    slots: list[list[Slot]]
    failed: Bool[np.ndarray, "item"]
    """Texts that are no such JSON; they have no slots."""


class SlotScore(NamedTuple):
    """Each within 0 … 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class SlotCounts:
    """True positives, false positives and false negatives, per utterance and slot type."""

    types: tuple[str, ...]
    """In alphabetical order: every type that gold or a prediction names."""
    counts: Float[np.ndarray, "item type 3"]

    def __add__(self, other: "SlotCounts") -> "SlotCounts":
        """The sum of two measures of the same utterances."""
        return SlotCounts(self.types, self.counts + other.counts)

    @property
    def per_item(self) -> Float[np.ndarray, "item 3"]:
        """Summed over the types: resample these, sum, and ask `micro_f1`."""
        return np.asarray(self.counts.sum(axis=1))


Match = tuple[str, float, float, float]
"""A type, and what it adds to its true positives, false positives and false negatives."""


def slu_counts(
    gold: Sequence[Sequence[Slot]], predicted: Sequence[Sequence[Slot]], *, any_case: bool = False
) -> SlotCounts:
    """The counts behind SLU-F1: word measure plus character measure, one row per utterance."""
    by_words = distance_counts(gold, predicted, word_error_rate, any_case=any_case)
    return by_words + distance_counts(gold, predicted, character_distance, any_case=any_case)


def distance_counts(
    gold: Sequence[Sequence[Slot]],
    predicted: Sequence[Sequence[Slot]],
    distance: Callable[[str, str], float],
    *,
    any_case: bool = False,
) -> SlotCounts:
    """The counts of one measure; `distance(gold filler, predicted filler)` is 0 for equal ones."""
    return _tally(gold, predicted, lambda wanted, said: _nearest_matches(wanted, said, distance), any_case)


def span_counts(
    gold: Sequence[Sequence[Slot]], predicted: Sequence[Sequence[Slot]], *, any_case: bool = False
) -> SlotCounts:
    """The counts of plain span F1: a predicted slot is right if an equal gold slot is still free."""
    return _tally(gold, predicted, _equal_matches, any_case)


def score(counts: SlotCounts) -> SlotScore:
    """Micro-averaged over all types."""
    return _score(counts.per_item.sum(axis=0))


def scores_by_type(counts: SlotCounts) -> dict[str, SlotScore]:
    """Of every slot type by itself."""
    return {name: _score(sums) for name, sums in zip(counts.types, counts.counts.sum(axis=0), strict=True)}


def micro_f1(sums: Float[np.ndarray, "*rows 3"]) -> Float[np.ndarray, "*rows"]:
    """F1 from summed true positives, false positives and false negatives: 2TP / (2TP + FP + FN)."""
    hits = 2 * sums[..., 0]
    everything = hits + sums[..., 1] + sums[..., 2]
    return np.asarray(np.divide(hits, everything, out=np.zeros_like(hits), where=everything > 0))


@lru_cache(maxsize=1 << 16)
def word_error_rate(gold: str, predicted: str) -> float:
    """Word edits over the number of gold words; not clipped at 1."""
    truth, words = _words(gold), _words(predicted)
    return edit_distance(truth, words) / len(truth) if truth else float(bool(words))


def _words(filler: str) -> list[str]:
    return [word for word in re.sub(r"\s{2,}", " ", filler).strip().split(" ") if word]


@lru_cache(maxsize=1 << 16)
def character_distance(gold: str, predicted: str) -> float:
    """Character edits over the longer filler's length, 0 … 1."""
    return normalised_distance(gold, predicted)


def read_answers(texts: Sequence[str]) -> SlotAnswers:
    """Every text's slots; see `parse_slots`."""
    parsed = [parse_slots(text) for text in texts]
    return SlotAnswers(
        [slots or [] for slots in parsed], np.asarray([slots is None for slots in parsed], dtype=np.bool_)
    )


def parse_slots(text: str) -> list[Slot] | None:
    """The slots of a JSON object `{type: filler}`, or `None` if the text is anything else.

    Only spaces may surround the object. A filler is a string (several are joined by " & ") or a number, kept as it is
    written, spaces and all, or a list of these; a type may occur more than once.

    >>> parse_slots('{"person": "ann & bob", "time": 5}')
    [Slot(type='person', filler='ann'), Slot(type='person', filler='bob'), Slot(type='time', filler='5')]
    """
    try:
        # Numbers stay text, and a repeated type is not lost.
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
    return json.dumps({name: JOINT.join(several) for name, several in fillers.items()}, ensure_ascii=False)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object's pairs, to be told from a JSON list."""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _nearest_matches(gold: list[Slot], predicted: list[Slot], distance: Callable[[str, str], float]) -> list[Match]:
    free = list(gold)
    matches: list[Match] = []
    for slot in predicted:
        rivals = [place for place, other in enumerate(free) if other.type == slot.type]
        if not rivals:
            matches.append((slot.type, 0.0, 1.0, 0.0))
            continue
        far = [distance(free[place].filler, slot.filler) for place in rivals]
        nearest = min(far)
        free.pop(rivals[far.index(nearest)])
        matches.append((slot.type, 1.0, nearest, nearest))
    return matches + [(slot.type, 0.0, 0.0, 1.0) for slot in free]


def _equal_matches(gold: list[Slot], predicted: list[Slot]) -> list[Match]:
    free = list(gold)
    matches: list[Match] = []
    for slot in predicted:
        if slot in free:
            free.remove(slot)
            matches.append((slot.type, 1.0, 0.0, 0.0))
        else:
            matches.append((slot.type, 0.0, 1.0, 0.0))
    return matches + [(slot.type, 0.0, 0.0, 1.0) for slot in free]


def _tally(
    gold: Sequence[Sequence[Slot]],
    predicted: Sequence[Sequence[Slot]],
    match: Callable[[list[Slot], list[Slot]], list[Match]],
    any_case: bool,
) -> SlotCounts:
    """Match utterance by utterance, gold fillers in lower case, with `any_case` predicted ones too."""
    types = sorted({slot.type for slots in (*gold, *predicted) for slot in slots})
    column = {name: number for number, name in enumerate(types)}
    counts = np.zeros((len(gold), len(types), 3))
    for row, (wanted, said) in enumerate(zip(gold, predicted, strict=True)):
        for name, *added in match(_lowered(wanted), _lowered(said) if any_case else list(said)):
            counts[row, column[name]] += added
    return SlotCounts(tuple(types), counts)


def _lowered(slots: Sequence[Slot]) -> list[Slot]:
    return [Slot(slot.type, slot.filler.lower()) for slot in slots]


def _score(sums: Float[np.ndarray, "3"]) -> SlotScore:
    hits, false, missed = sums.tolist()
    precision = hits / (hits + false) if hits else 0.0
    recall = hits / (hits + missed) if hits else 0.0
    return SlotScore(precision, recall, float(micro_f1(sums)))
