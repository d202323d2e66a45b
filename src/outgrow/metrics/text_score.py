"""`TextScore`: a measure of generated texts as counts per item, so that items can be resampled.

An interval draws items again and again. Texts are compared once: every item gives a few numbers (*parts*), which are
summed with the draw's weights, and the sums have a value.

| score | parts of an item | value of the sums |
|---|---|---|
| `slu_f1` | TP, FP, FN over both of SLURP's measures (`slu_f1.slu_counts`) | 2TP / (2TP + FP + FN) |
| `exact_match`, `answer_match`, `math_match`, `contains`, … | the item's number (`text_answers`), 1 | the mean |

So SLU-F1 is micro-averaged, as published: an utterance with five slots counts five times, one with none only where
slots are invented for it. The others are means over items. An empty text is a wrong answer like any other (for slots:
an answer without slots), and nothing here asks whether a text may be missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from outgrow.metrics.slu_f1 import micro_f1, read_answers, slu_counts
from outgrow.metrics.text_answers import TEXT_METRICS


@dataclass(frozen=True)
class TextScore:
    """How texts are measured against gold."""

    title: str
    """For headings: `SLU-F1`."""
    counts: Callable[[Sequence[str], Sequence[str]], Float[np.ndarray, "item part"]]
    """`counts(predicted, gold)`: finite numbers, at least 0. Raises `ValueError` for lists of different lengths."""
    value: Callable[[Float[np.ndarray, "*rows part"]], Float[np.ndarray, "*rows"]]
    """`value(sums)`: within 0 … 1; NaN where there is nothing to measure (all parts 0)."""


def slot_counts(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item 3"]:
    """True positives, false positives and false negatives of SLU-F1 per item.

    Gold is JSON as `slu_f1.write_slots` makes it; a predicted text that is none has no slots.
    """
    return slu_counts(read_answers(gold).slots, read_answers(predicted).slots).per_item


def slot_value(sums: Float[np.ndarray, "*rows 3"]) -> Float[np.ndarray, "*rows"]:
    """`slu_f1.micro_f1`, but NaN where neither gold nor a prediction has a slot."""
    return _where_any(micro_f1(sums), sums)


def mean_value(sums: Float[np.ndarray, "*rows 2"]) -> Float[np.ndarray, "*rows"]:
    """A sum over the number of items behind it; NaN without items."""
    found = np.divide(sums[..., 0], sums[..., 1], out=np.zeros(sums.shape[:-1]), where=sums[..., 1] > 0)
    return _where_any(found, sums[..., 1:])


def _where_any(value: Float[np.ndarray, "*rows"], sums: Float[np.ndarray, "*rows part"]) -> Float[np.ndarray, "*rows"]:
    return np.where((sums > 0).any(axis=-1), value, np.nan)


def _mean_of(name: str, title: str) -> TextScore:
    """The mean over items of one of `text_answers.TEXT_METRICS`."""

    def counts(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item 2"]:
        each = TEXT_METRICS[name](predicted, gold)
        return np.stack([each, np.ones_like(each)], axis=-1)

    return TextScore(title, counts, mean_value)


TEXT_SCORES: Mapping[str, TextScore] = {
    "slu_f1": TextScore("SLU-F1", slot_counts, slot_value),
    "exact_match": _mean_of("exact_match", "exact match"),
    "answer_match": _mean_of("answer_match", "answer match"),
    "math_match": _mean_of("math_match", "formula match"),
    "contains": _mean_of("contains", "gold contained"),
    "token_f1": _mean_of("token_f1", "token F1"),
    "rouge_l": _mean_of("rouge_l", "ROUGE-L"),
}
