"""Texts beside their score: empty, cut off or unreadable ones, and span F1 of slots."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from outgrow.metrics.bootstrap import Resamples, seed_means
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.readable import can_tell, is_readable
from outgrow.metrics.slu_f1 import SlotCounts, read_answers, span_counts
from outgrow.metrics.text_score import TEXT_METRICS, counts_slots, slot_value
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.evidence.texts import TextAnswers
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.rows import seed_values, seeds_estimate
from outgrow.reporting.topic import INTERVALS, TEXTS, TopicRecord, results_table, score_columns

Marks = Bool[np.ndarray, "seed item"]


@dataclass(frozen=True)
class TextQuality:
    """A row's texts beside their score: shares of the test items, and span F1 of slots."""

    empty: Estimate
    """Items without a text: an abstention, or an empty answer."""
    cut_off: Estimate
    """Texts that reached the maximum length without an end."""
    span_f1: Estimate | None = None
    """Slot tasks only: F1 of slots that are equal to the letter."""
    unreadable: Estimate | None = None
    """Texts that are no answer (`metrics.readable`), among the items for which this is defined."""
    unreadable_by: dict[str, Estimate] = field(default_factory=dict)
    """Of a mixture: the same by capability, where it is defined."""


def find_text_quality(frame: Frame) -> dict[str, TextQuality]:
    """By row, without those that have no result."""
    metrics = frame.task.metrics or {"": frame.task.metric}
    rows = frame.study.rows
    pairs = zip(rows, frame.scored(rows, frame.texts), strict=True)
    return {row.name: quality(texts, frame.test, frame.on_test, metrics) for row, texts in pairs if texts.seeds.any()}


def quality(texts: TextAnswers, part: EvaluatedItems, resamples: Resamples, metrics: Mapping[str, str]) -> TextQuality:
    """Of one row. `metrics`: by capability; under the empty name if the task is no mixture."""
    defined = _readable_is_defined(part, metrics)
    unreadable = _unreadable(texts, part, metrics, defined)
    by_capability = {name: defined & part.of_capability(name) for name in metrics if name}
    groups = {name: items for name, items in {"": defined, **by_capability}.items() if items.any()}
    marked = [
        texts.there & (texts.text == ""),
        texts.answered & ~texts.ended,
        *(unreadable & items for items in groups.values()),
    ]
    among = [texts.there, texts.there, *(texts.there & items for items in groups.values())]
    empty, cut_off, *shares = _shares(marked, among, resamples)
    unreadable_in = dict(zip(groups, shares, strict=True))
    return TextQuality(
        empty,
        cut_off,
        _span_f1(texts, part, resamples, metrics[""]) if counts_slots(metrics.get("")) else None,
        unreadable_in.pop("", None),
        unreadable_in,
    )


def _shares(marked: Sequence[Marks], among: Sequence[Marks], resamples: Resamples) -> list[Estimate]:
    means = seed_means(resamples.items, np.stack(marked), np.stack(among))
    return [seeds_estimate(means[:, place], items, resamples) for place, items in enumerate(among)]


def _readable_is_defined(part: EvaluatedItems, metrics: Mapping[str, str]) -> Bool[np.ndarray, "item"]:
    items = zip(part.capabilities, part.answers, part.allowed, strict=True)
    return np.asarray([can_tell(metrics[name], gold, allowed) for name, gold, allowed in items], dtype=np.bool_)


def _unreadable(
    texts: TextAnswers, part: EvaluatedItems, metrics: Mapping[str, str], defined: Bool[np.ndarray, "item"]
) -> Marks:
    unreadable = np.zeros_like(texts.there)
    for seed, item in np.argwhere(texts.there & defined).tolist():
        metric, text = metrics[part.capabilities[item]], str(texts.text[seed, item])
        unreadable[seed, item] = not is_readable(metric, text, part.answers[item], part.allowed[item])
    return unreadable


def _span_f1(texts: TextAnswers, part: EvaluatedItems, resamples: Resamples, metric: str) -> Estimate:
    counts = np.zeros((*texts.there.shape, 3))
    for seed, has_result in enumerate(texts.there):
        counts[seed, has_result] = slot_counts(texts, part, seed, span_counts, metric).per_item
    values = seed_values(resamples.items, counts[None], slot_value)
    return seeds_estimate(values[:, 0], texts.there, resamples)


def slot_counts(
    texts: TextAnswers, part: EvaluatedItems, seed: int, count: Callable[..., SlotCounts], metric: str
) -> SlotCounts:
    """The counts of one seed's texts against gold."""
    gold = [part.answers[item] for item in np.flatnonzero(texts.there[seed])]
    answered = read_answers(texts.of_seed(seed)).slots
    return count(read_answers(gold).slots, answered, any_case=TEXT_METRICS[metric].any_case)


UNREADABLE = (
    "Unreadable: the text is no JSON object where slots are asked for (and counts as one without slots), has no final"
    " answer, or is none of the options; a share of the items for which this is defined. "
)


def texts_table(results: Results, found: dict[str, TextQuality]) -> Iterator[Table]:
    """A line per row, without columns in which no row has a number."""
    rows = [row for row in results.rows if row.name in found]
    looks = [found[row.name] for row in rows]
    names = results.about.capabilities
    whole = Column("unreadable", "all", "unreadable") if names else Column("unreadable", "unreadable")
    possible: list[tuple[Column, list[Estimate | None]]] = [
        (Column("span_f1", "span F1"), [look.span_f1 for look in looks]),
        (Column("empty", "empty"), [look.empty for look in looks]),
        (Column("cut_off", "cut off"), [look.cut_off for look in looks]),
        (whole, [look.unreadable for look in looks]),
    ]
    for name in names:
        by_capability = Column(f"unreadable_{name}", name, whole.group)
        possible.append((by_capability, [look.unreadable_by.get(name) for look in looks]))
    shown = [(column, cells) for column, cells in possible if any(cell is not None for cell in cells)]
    lines = [
        Line((row.name, row.score, *(cells[place] for _, cells in shown)), ranked=row.ranked)
        for place, row in enumerate(rows)
    ]
    keys = {column.key for column, _ in shown}
    caption = (
        f"{'Span F1 asks for equal fillers. ' * ('span_f1' in keys)}Shares of the test items; cut off: the text"
        f" reached its maximum length. {UNREADABLE * ('unreadable' in keys)}{INTERVALS}"
    )
    columns = [*score_columns(results), *(column for column, _ in shown)]
    yield results_table(results, "texts", "What the answers look like", caption, columns, lines)


TEXT_QUALITY = TopicRecord(
    name="texts",
    summary="Empty, cut off and unreadable texts",
    heading="The texts",
    measure=find_text_quality,
    tables=texts_table,
    kinds=TEXTS,
)
