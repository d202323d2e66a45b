"""Votes on answers: final answers are extracted and counted, and the winner's best text is kept whole.

    votes(a) = Σ over sources of the share of the source's texts with the answer a   (of those that can be read)
    winner   = argmax votes(a);   weight of its row = votes(winner) / Σ votes

This is plurality over final answers, known as self-consistency where all texts are of one model (Wang et al. 2023).
Derivations are not compared: of the texts with the winning answer the one with the highest mean log-probability per
piece is the target, with its pieces. Where one of them has no log-probabilities (all of them 0, as from a server that
returns none) the first one counts, by source and rank.

A metric decides when two answers are the same: equal texts up to case and spaces (`exact_match`), final answers of one
value or meaning (`answer_match`, `math_match`), or what a function of the user says; transitively. A text without an
answer is an abstention. Every source counts the same here, and no share is a calibrated probability. Ties are broken
by a hash of the item's name and the answer, so that no source is favoured.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection
from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.metrics.text_score import TEXT_METRICS, TextMetric, countable_metrics, counts_slots
from outgrow.texts import Candidate, TextTargets, WeakTexts

NEARLY = 9
"""Decimals to which votes are compared: three thirds of a vote are one."""


class AnswersSection(CombinerSection):
    """Combiners that count final answers of texts."""

    metric: TextMetric | None = None
    """*generate*: when two answers are the same, such as `answer_match`; default: the task's metric."""

    @property
    def text_metric(self) -> str | None:
        return self.metric

    def with_text_metric(self, metric: str) -> CombinerSection:
        if self.metric is not None:
            return self
        _require_countable(metric)
        return self.model_copy(update={"metric": metric})

    def text_complaints(self, metric: str, sources: Sequence[str]) -> Iterator[str]:
        if counts_slots(metric):
            yield f"combine `{self.type}` counts whole answers, and these are sets of slots; use `slot_vote`"
        elif (self.metric or metric) not in countable_metrics():
            yield _not_counted(self.metric or metric)


class AnswerVote(AnswersSection):
    """*generate*: final answers are extracted and counted; a text with the winning answer is kept whole."""

    type: Literal["answer_vote"]
    weight: Literal["share", "one"] = "share"
    """Of a row: the share of the votes for its answer, or 1."""
    candidates: Literal["best", "all"] = "best"
    """A source votes for the answer of its best text, or its vote is shared among the answers of all of its texts."""


def _not_counted(metric: str) -> str:
    names = ", ".join(f"`{name}`" for name in countable_metrics())
    return f"combine.metric: `{metric}` does not decide when answers are the same; name one of {names}"


def _require_countable(metric: str) -> None:
    """Raise `ConfigError` for a metric that does not decide when two answers are the same."""
    if metric not in countable_metrics():
        raise ConfigError(_not_counted(metric))


class CountedAnswer(NamedTuple):
    """A text with an answer, and its part of its source's vote."""

    source: str
    answer: str
    votes: float
    candidate: Candidate


class VoteOutcome(NamedTuple):
    """The outcome of an item with a vote."""

    winner: CountedAnswer
    share: float
    tied: bool


def answer_vote(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    metric: str = "exact_match",
    weight: str = "share",
    candidates: str = "best",
) -> TextTargets:
    """One row per item with an answer that can be read.

    Args:
        metric: one of `countable_metrics()`, such as `answer_match`.
        weight: `share` of the votes that the answer got, within (0, 1], or `one`.
        candidates: a source votes by its `best` text, or its vote is shared evenly by `all` of its texts that can be
            read.

    Ties are broken by the item's name and the answers alone. Raises `ConfigError` for other values of the options.
    """
    check_options(
        "answer_vote",
        metric=(metric, tuple(countable_metrics())),
        weight=(weight, ("share", "one")),
        candidates=(candidates, ("best", "all")),
    )
    outcomes: dict[str, VoteOutcome] = {}
    unread = 0
    for item, row in zip(labels.items, labels.candidates, strict=True):
        texts = row if candidates == "all" else [own[:1] for own in row]
        votes = list(_votes(labels.sources, texts, metric))
        unread += sum(map(len, texts)) - len(votes)
        if votes:
            outcomes[item] = outcome_of(item, votes)
    kept = [outcome.winner.candidate for outcome in outcomes.values()]
    return TextTargets(
        items=list(outcomes),
        texts=[text.text for text in kept],
        pieces=[text.pieces for text in kept],
        weight=np.asarray([outcome.share if weight == "share" else 1.0 for outcome in outcomes.values()], dtype=float),
        origin=(*_sentences(labels, list(outcomes.values()), unread), *remarks(kept)),
    )


def answers_in(metric: str, texts: Sequence[str]) -> list[str | None]:
    """The answer of each of an item's texts, so that equal answers are equal texts; `None` = no answer."""
    read = TEXT_METRICS[metric].answers
    assert read is not None, "metrics that decide nothing are refused before"
    return read(texts)


def outcome_of(item: str, votes: Sequence[CountedAnswer]) -> VoteOutcome:
    """The answer with the most votes, its best text, and its share of all votes."""
    total: dict[str, float] = {}
    for vote in votes:
        total[vote.answer] = total.get(vote.answer, 0.0) + vote.votes
    most = max(total.values())
    leading = [answer for answer, count in total.items() if round(count - most, NEARLY) == 0]
    won = min(leading, key=lambda answer: hashlib.sha256(f"{item}\n{answer}".encode()).digest())
    texts = [vote for vote in votes if vote.answer == won]
    kept = kept_text([vote.candidate for vote in texts])
    winner = next(vote for vote in texts if vote.candidate is kept)
    return VoteOutcome(winner, total[won] / sum(total.values()), len(leading) > 1)


def kept_text(texts: Sequence[Candidate]) -> Candidate:
    """The text with the highest mean log-probability per piece; the first if one has no log-probabilities."""
    scored = all(text.logprob < 0 for text in texts)
    return max(texts, key=lambda text: text.mean_logprob) if scored else texts[0]


def _votes(sources: Sequence[str], texts: Sequence[Sequence[Candidate]], metric: str) -> Iterator[CountedAnswer]:
    """The texts of an item that can be read, by source and rank."""
    answers = iter(answers_in(metric, [text.text for own in texts for text in own]))
    for source, own in zip(sources, texts, strict=True):
        read = [(answer, text) for text in own if (answer := next(answers)) is not None]
        yield from (CountedAnswer(source, answer, 1 / len(read), text) for answer, text in read)


def check_options(combiner: str, **options: tuple[str, tuple[str, ...]]) -> None:
    """Raise `ConfigError` for an option with a value that it does not allow."""
    for name, (value, allowed) in options.items():
        if value not in allowed:
            choices = ", ".join(f"`{choice}`" for choice in allowed)
            raise ConfigError(f"`combine: {combiner}`: {name} is one of {choices}, not `{value}`")


def _sentences(labels: WeakTexts, outcomes: Sequence[VoteOutcome], unread: int) -> Iterator[str]:
    if outcomes:
        writers = Counter(outcome.winner.source for outcome in outcomes)
        counts = ", ".join(f"{name} {writers[name]}" for name in labels.sources)
        share = np.mean([outcome.share for outcome in outcomes])
        yield f"Kept texts by writer: {counts}; their answers got {share:.0%} of the votes on average."
    tied = sum(outcome.tied for outcome in outcomes)
    if tied:
        yield f"Items with a tie between answers, broken by a hash: {tied}."
    if unread:
        yield f"Texts without an answer that can be read, which count as no vote: {unread}."
    yield from left_out(len(labels.items) - len(outcomes))


def left_out(n_items: int) -> Iterator[str]:
    """A sentence on items without an answer, if there are any."""
    if n_items:
        yield f"Items without an answer that can be read, left out: {n_items}."


ANSWER_VOTE = CombinerRecord(
    AnswerVote,
    paper="plurality over final answers; Wang et al., ICLR 2023 (self-consistency)",
    text_targets=answer_vote,
)
