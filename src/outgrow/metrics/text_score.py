"""`TextScore`: a measure of generated texts as counts per item, so that items can be resampled.

Texts are compared once: every item gives a few numbers (*parts*). Each resample sums them with its weights, and the
score is a function of the sums.

| score | parts of an item | value of the sums |
|---|---|---|
| `slu_f1`, `slu_f1_any_case` | TP, FP, FN over both measures (`slu_f1.slu_counts`) | 2TP / (2TP + FP + FN) |
| `exact_match`, `answer_match`, `math_match`, `contains`, … | the item's number (`text_answers`), 1 | the mean |

So SLU-F1 is micro-averaged, as published: an utterance with five slots counts five times, an utterance without slots
only if slots are predicted for it. The others are means over items. An empty text is a wrong answer (for slots: an
answer without slots). Missing texts are not handled here.

`TaskScore` is the score of a whole task. A mixture of capabilities C, each with a score of its own, has their macro
average:

    value = (1 / |C|) sum of value_c over the capabilities c

Its parts are those of all capabilities in separate columns, zero except for the item's capability, so it is resampled
like any other score. A capability without items (in a draw of few items, for example) is left out of the mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from outgrow.config.section import Section
from outgrow.extensions import NameOf, Record, Registry
from outgrow.metrics.final_answer import final_answer, merge_answers
from outgrow.metrics.slu_f1 import ANY_CASE, micro_f1, read_answers, slu_counts
from outgrow.metrics.text_answers import answer_match, contains, exact_match, rouge_l, token_f1, word_f1
from outgrow.metrics.words import normalise


@dataclass(frozen=True)
class TextScore:
    """A score of texts against gold."""

    title: str
    """Its title in headings, such as `SLU-F1`."""
    counts: Callable[[Sequence[str], Sequence[str]], Float[np.ndarray, "item part"]]
    """`counts(predicted, gold)`: finite numbers ≥ 0. Raises `ValueError` for lists of different lengths."""
    value: Callable[[Float[np.ndarray, "*rows part"]], Float[np.ndarray, "*rows"]]
    """`value(sums)`: within 0 … 1; NaN if all sums are 0."""


def slot_counts(
    predicted: Sequence[str], gold: Sequence[str], *, any_case: bool = False
) -> Float[np.ndarray, "item 3"]:
    """True positives, false positives and false negatives of SLU-F1 per item.

    Gold is JSON as written by `slu_f1.write_slots`. A predicted text that is not such JSON has no slots.
    """
    return slu_counts(read_answers(gold).slots, read_answers(predicted).slots, any_case=any_case).per_item


def slot_value(sums: Float[np.ndarray, "*rows 3"]) -> Float[np.ndarray, "*rows"]:
    """`slu_f1.micro_f1`, with NaN if neither gold nor a prediction has a slot."""
    return _where_any(micro_f1(sums), sums)


def mean_value(sums: Float[np.ndarray, "*rows 2"]) -> Float[np.ndarray, "*rows"]:
    """Sum / number of items; NaN without items."""
    mean = np.divide(sums[..., 0], sums[..., 1], out=np.zeros(sums.shape[:-1]), where=sums[..., 1] > 0)
    return _where_any(mean, sums[..., 1:])


def _where_any(value: Float[np.ndarray, "*rows"], sums: Float[np.ndarray, "*rows part"]) -> Float[np.ndarray, "*rows"]:
    return np.where((sums > 0).any(axis=-1), value, np.nan)


Each = Callable[[Sequence[str], Sequence[str]], Float[np.ndarray, "item"]]
"""`each(predicted, gold)`: one number per item, 0 … 1."""
ReadAnswers = Callable[[Sequence[str]], list[str | None]]
"""`answers(texts)`: the answer of each of an item's texts, so that equal answers are equal texts; `None` = none."""


@dataclass(frozen=True, kw_only=True)
class MetricRecord(Record):
    """A metric of generated texts, named in `task.metric` and `measures.NAME.metric`; it has no options."""

    section: type[Section] = Section
    key: str
    """Its name in a file of settings."""
    score: TextScore
    each: Each | None = None
    """One number per item, if the metric is their mean."""
    of_slots: bool = False
    """Whether answers are JSON objects of slots (`slu_f1`)."""
    any_case: bool = False
    """Whether capitals in fillers of slots do not count."""
    of_final_answers: bool = False
    """Whether only the final answer of a text counts."""
    answers: ReadAnswers | None = None
    """The answer of each of an item's texts, if two answers are the same or not, with nothing in between."""
    by_spelling: bool = False
    """Whether two answers are the same where their words are (`words.normalise`), and never else."""
    without_gold: str = ""
    """The metric for two texts of which neither is gold; default: this one."""

    @property
    def name(self) -> str:
        return self.key

    @property
    def decides_equality(self) -> bool:
        """Whether answers can be counted."""
        return self.answers is not None

    @property
    def summary(self) -> str:
        return self.score.title


def mean_of(each: Each, title: str) -> TextScore:
    """The mean of one number per item."""

    def counts(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item 2"]:
        values = each(predicted, gold)
        return np.stack([values, np.ones_like(values)], axis=-1)

    return TextScore(title, counts, mean_value)


def mean_metric(name: str, each: Each, title: str, **properties: Any) -> MetricRecord:
    """The record of a metric that is a mean over items."""
    return MetricRecord(key=name, score=mean_of(each, title), each=each, **properties)


def spelled_answers(texts: Sequence[str]) -> list[str | None]:
    """Texts that are equal up to case and spaces have one answer; an empty one has none."""
    return [normalise(text) or None for text in texts]


def final_answers(texts: Sequence[str]) -> list[str | None]:
    """Final answers of one value or meaning are one answer."""
    answers = [final_answer(text) for text in texts]
    same = merge_answers([answer for answer in answers if answer is not None])
    return [None if answer is None else same[answer] for answer in answers]


def countable_metrics() -> list[str]:
    """The metrics by which answers can be counted."""
    return [name for name, record in TEXT_METRICS.items() if record.decides_equality]


SLU_F1 = MetricRecord(
    key="slu_f1", score=TextScore("SLU-F1", slot_counts, slot_value), of_slots=True, without_gold=ANY_CASE
)
SLU_F1_ANY_CASE = MetricRecord(
    key=ANY_CASE,
    score=TextScore("SLU-F1 in any case", partial(slot_counts, any_case=True), slot_value),
    of_slots=True,
    any_case=True,
)
EXACT_MATCH = mean_metric("exact_match", exact_match, "exact match", answers=spelled_answers, by_spelling=True)
ANSWER_MATCH = mean_metric("answer_match", answer_match, "answer match", answers=final_answers, of_final_answers=True)
MATH_MATCH = mean_metric("math_match", answer_match, "answer match", answers=final_answers, of_final_answers=True)
CONTAINS = mean_metric("contains", contains, "gold containment")
TOKEN_F1 = mean_metric("token_f1", token_f1, "token F1")
WORD_F1 = mean_metric("word_f1", word_f1, "word F1")
ROUGE_L = mean_metric("rouge_l", rouge_l, "ROUGE-L")

TEXT_METRICS: Registry[MetricRecord] = Registry(
    "metric",
    MetricRecord,
    [
        SLU_F1,
        SLU_F1_ANY_CASE,
        EXACT_MATCH,
        ANSWER_MATCH,
        MATH_MATCH,
        CONTAINS,
        TOKEN_F1,
        WORD_F1,
        ROUGE_L,
    ],
)


def counts_slots(metric: str | None) -> bool:
    """Whether a metric reads answers as JSON objects of slots; that of a mixture does not."""
    return metric is not None and metric in TEXT_METRICS and TEXT_METRICS[metric].of_slots


TextMetric = Annotated[str, NameOf(TEXT_METRICS)]
"""The name of a metric of texts."""

MACRO = "macro"
"""The metric of a mixture of capabilities."""


@dataclass(frozen=True)
class TaskScore:
    """The score of a task's answers; made by `score_of`."""

    title: str
    scores: Mapping[str, TextScore]
    """Score by capability; a task that is no mixture has one, under the empty name."""

    @property
    def columns(self) -> Mapping[str, slice]:
        """The columns of the parts that belong to each capability."""
        widths = [score.counts([], []).shape[1] for score in self.scores.values()]
        ends = np.cumsum([0, *widths]).tolist()
        return {name: slice(*ends[index : index + 2]) for index, name in enumerate(self.scores)}

    def counts(
        self, predicted: Sequence[str], gold: Sequence[str], capabilities: Sequence[str] | None = None
    ) -> Float[np.ndarray, "item part"]:
        """`TextScore.counts` of each item with the score of its capability. A mixture needs `capabilities`."""
        capability_of = np.asarray([""] * len(gold) if capabilities is None else capabilities, dtype=np.str_)
        if not (len(predicted) == len(gold) == len(capability_of)) or not set(capability_of.tolist()) <= set(
            self.scores
        ):
            raise ValueError("texts, gold and capabilities have different lengths, or a capability has no score")
        columns = self.columns
        parts = np.zeros((len(capability_of), max(column.stop for column in columns.values())))
        for name, score in self.scores.items():
            rows = np.flatnonzero(capability_of == name)
            texts_of, gold_of = ([texts[row] for row in rows.tolist()] for texts in (predicted, gold))
            parts[rows, columns[name]] = score.counts(texts_of, gold_of)
        return parts

    def value(self, sums: Float[np.ndarray, "*rows part"]) -> Float[np.ndarray, "*rows"]:
        """The mean over the capabilities with items; NaN if no capability has items."""
        values = np.stack([self.value_of(name, sums) for name in self.scores], axis=-1)
        has_value = np.isfinite(values)
        return mean_value(np.stack([np.where(has_value, values, 0.0).sum(axis=-1), has_value.sum(axis=-1)], axis=-1))

    def value_of(self, capability: str, sums: Float[np.ndarray, "*rows part"]) -> Float[np.ndarray, "*rows"]:
        """The value of one capability's part of the sums."""
        return self.scores[capability].value(sums[..., self.columns[capability]])


@runtime_checkable
class HasMetrics(Protocol):
    """The metrics of a task (`data.task.Task`)."""

    @property
    def metric(self) -> str: ...

    @property
    def metrics(self) -> Mapping[str, str]: ...


def score_of(task: HasMetrics) -> TaskScore:
    """The score of the answers of a *generate* task."""
    return _task_score(task, {name: record.score for name, record in TEXT_METRICS.items()})


def likeness_of(task: HasMetrics) -> TaskScore:
    """The score for two texts of which neither is gold: slots are compared without case."""
    return _task_score(
        task, {name: TEXT_METRICS[record.without_gold or name].score for name, record in TEXT_METRICS.items()}
    )


def _task_score(task: HasMetrics, scores: Mapping[str, TextScore]) -> TaskScore:
    if task.metric == MACRO:
        return TaskScore("macro average", {name: scores[metric] for name, metric in task.metrics.items()})
    return alone(scores[task.metric])


def alone(score: TextScore) -> TaskScore:
    """A task score with one score for all items."""
    return TaskScore(score.title, {"": score})
