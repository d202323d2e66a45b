"""What is measured of texts beside their score: what they look like, how alike two supervisors write, slot types."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from outgrow.metrics.bootstrap import Resamples, over_seeds, seed_means, seeds_with
from outgrow.metrics.estimate import Estimate, from_draws, undefined
from outgrow.metrics.readable import can_tell, is_readable
from outgrow.metrics.slu_f1 import ANY_CASE, SLOT_METRICS, SlotCounts, read_answers, slu_counts, span_counts
from outgrow.metrics.text_answers import levenshtein_similarity
from outgrow.metrics.text_score import slot_value
from outgrow.reporting.evidence.texts import TextAnswers
from outgrow.reporting.evidence.votes import EvaluatedItems
from outgrow.reporting.measure.rows import MISSING, seed_values
from outgrow.reporting.results import PairResult, SlotTypeResult, TextQuality

DRAWS = 501
"""Of slot types: the sample and 500 resamples, because there are many types, and nobody compares methods by them."""


# ---- what texts look like -------------------------------------------------------------------------------


def quality(
    found: TextAnswers, part: EvaluatedItems, resamples: Resamples, metrics: Mapping[str, str]
) -> TextQuality | None:
    """Empty, cut off, not readable; None if the row has no result.

    `metrics` are those of the capabilities; a task that is no mixture has one, under the empty name.
    """
    if not found.seeds.any():
        return None
    told = _tellable(part, metrics)
    lost = _unreadable(found, part, metrics, told)
    by_capability = {name: told & part.of_capability(name) for name in metrics if name}
    groups = {name: items for name, items in {"": told, **by_capability}.items() if items.any()}
    marked = [
        found.there & (found.text == ""),
        found.said & ~found.ended,
        *(lost & items for items in groups.values()),
    ]
    among = [found.there, found.there, *(found.there & items for items in groups.values())]
    empty, cut_off, *unreadable = _shares(marked, among, resamples)
    shares = dict(zip(groups, unreadable, strict=True))
    return TextQuality(
        empty,
        cut_off,
        _span_f1(found, part, resamples, metrics[""]) if metrics.get("") in SLOT_METRICS else None,
        shares.pop("", None),
        shares,
    )


Marks = Bool[np.ndarray, "seed item"]


def _shares(marked: Sequence[Marks], among: Sequence[Marks], resamples: Resamples) -> list[Estimate]:
    means = seed_means(resamples.items, np.stack(marked), np.stack(among))
    return [seeds_estimate(means[:, number], items, resamples) for number, items in enumerate(among)]


def _tellable(part: EvaluatedItems, metrics: Mapping[str, str]) -> Bool[np.ndarray, "item"]:
    """Of which items it can be told what is no answer."""
    items = zip(part.capabilities, part.answers, part.allowed, strict=True)
    return np.asarray([can_tell(metrics[name], gold, allowed) for name, gold, allowed in items], dtype=np.bool_)


def _unreadable(
    found: TextAnswers, part: EvaluatedItems, metrics: Mapping[str, str], told: Bool[np.ndarray, "item"]
) -> Marks:
    lost = np.zeros_like(found.there)
    for seed, item in np.argwhere(found.there & told).tolist():
        metric = metrics[part.capabilities[item]]
        text = str(found.text[seed, item])
        lost[seed, item] = not is_readable(metric, text, part.answers[item], part.allowed[item])
    return lost


def _span_f1(found: TextAnswers, part: EvaluatedItems, resamples: Resamples, metric: str) -> Estimate:
    counts = np.zeros((*found.there.shape, 3))
    for seed, there in enumerate(found.there):
        counts[seed, there] = _slot_counts(found, part, seed, span_counts, metric).per_item
    values = seed_values(resamples.items, counts[None], slot_value)
    return seeds_estimate(values[:, 0], found.there, resamples)


def _slot_counts(
    found: TextAnswers, part: EvaluatedItems, seed: int, measure: Callable[..., SlotCounts], metric: str
) -> SlotCounts:
    gold = [part.answers[item] for item in np.flatnonzero(found.there[seed])]
    said = read_answers(found.of_seed(seed)).slots
    return measure(read_answers(gold).slots, said, any_case=metric == ANY_CASE)


def seeds_estimate(
    per_seed: Float[np.ndarray, "draw seed"],
    among: Bool[np.ndarray, "seed item"],
    resamples: Resamples,
    note: str = "",
) -> Estimate:
    """Mean over the seeds; n is the number of different items in `among`."""
    seeds, n = seeds_with(per_seed), int(among.any(axis=0).sum())
    return from_draws(over_seeds(per_seed, resamples.seeds), n, seeds, note)


# ---- supervisors among themselves -----------------------------------------------------------------------


def text_pairs(
    names: Sequence[str], found: Sequence[TextAnswers], part: EvaluatedItems, resamples: Resamples
) -> list[PairResult]:
    """Mean normalised Levenshtein similarity of every two supervisors on the items that both answered."""
    return [
        PairResult(names[first], names[second], _similarity(found[first], found[second], resamples))
        for first, second in combinations(range(len(names)), 2)
    ]


def _similarity(left: TextAnswers, right: TextAnswers, resamples: Resamples) -> Estimate:
    both = left.said & right.said
    alike = np.zeros(both.shape)
    for seed, shared in enumerate(both):
        alike[seed, shared] = levenshtein_similarity(
            left.text[seed, shared].tolist(), right.text[seed, shared].tolist()
        )
    means = seed_means(resamples.items, alike[None], both[None])[:, 0]
    if not seeds_with(means):
        return undefined("no item that both answered")
    return seeds_estimate(means, both, resamples)


# ---- slot types -----------------------------------------------------------------------------------------


def slot_types(
    found: Mapping[str, TextAnswers], part: EvaluatedItems, resamples: Resamples, metric: str = "slu_f1"
) -> tuple[SlotTypeResult, ...]:
    """SLU-F1 of every type that gold names, for every row in `found` by its name; the most frequent type first.

    A type that only a model names has no line: there it can only be wrong, which the total knows.
    """
    some = Resamples(resamples.seeds[:DRAWS], resamples.items[:DRAWS])
    wanted = _gold_types(part)
    types = _by_frequency(wanted)
    by_row = {row: _f1_by_type(answers, part, wanted, some, metric) for row, answers in found.items()}
    return tuple(
        SlotTypeResult(name, len(wanted[name]), {row: by_row[row][number] for row in by_row})
        for number, name in enumerate(types)
    )


def _gold_types(part: EvaluatedItems) -> dict[str, set[int]]:
    """By type, the items whose gold has a slot of it."""
    wanted: dict[str, set[int]] = {}
    for item, slots in enumerate(read_answers(part.answers).slots):
        for slot in slots:
            wanted.setdefault(slot.type, set()).add(item)
    return wanted


def _f1_by_type(
    found: TextAnswers, part: EvaluatedItems, wanted: Mapping[str, set[int]], resamples: Resamples, metric: str
) -> list[Estimate]:
    """One estimate per type, the most frequent first; n is the number of the row's items whose gold has it."""
    types = _by_frequency(wanted)
    if not found.seeds.any():
        return [undefined(MISSING)] * len(types)
    values = seed_values(resamples.items, _counts_by_type(found, part, types, metric), slot_value)
    estimates = []
    for number, name in enumerate(types):
        among = found.there & np.isin(np.arange(part.n), list(wanted[name]))
        estimates.append(seeds_estimate(values[:, number], among, resamples))
    return estimates


def _by_frequency(wanted: Mapping[str, set[int]]) -> list[str]:
    return sorted(wanted, key=lambda name: (-len(wanted[name]), name))


def _counts_by_type(
    found: TextAnswers, part: EvaluatedItems, types: Sequence[str], metric: str
) -> Float[np.ndarray, "type seed item 3"]:
    """Types are resampled as rows are."""
    counts = np.zeros((len(types), *found.there.shape, 3))
    for seed, there in enumerate(found.there):
        slots = _slot_counts(found, part, seed, slu_counts, metric)
        column = {name: number for number, name in enumerate(slots.types)}
        for number, name in enumerate(types):
            if name in column:
                counts[number, seed, there] = slots.counts[:, column[name]]
    return counts
