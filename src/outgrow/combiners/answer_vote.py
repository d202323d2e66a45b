"""Votes on answers: what texts come to is read and counted, and the winner's best text is kept whole.

    votes(a) = Σ over sources of the share of the source's texts that answer a       (of those that can be read)
    winner   = argmax votes(a);   weight of its row = votes(winner) / Σ votes

This is plurality over final answers, known as self-consistency where all texts are one model's (Wang et al. 2023).
Ways to an answer are not compared: of the texts that give the winning answer the one with the highest mean
log-probability per piece is the target, pieces and all. Where one of them came without log-probabilities (all of them
0, as from a server that tells none) the first one counts, by source and rank.

When two answers are the same is for a metric to say: equal texts up to case and spaces (`exact_match`), or final
answers of one value or meaning (`answer_match`, `math_match`); answers that are the same by others in between are one
answer too. A text without an answer is an abstention. Every source counts the same here, and no share is a calibrated
probability. A tie is settled by a hash of the item's name and the answer, so that no source is favoured.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.metrics.final_answer import final_answer, merge_answers
from outgrow.metrics.words import normalise
from outgrow.texts import Candidate, TextTargets, WeakTexts

METRICS = ("exact_match", "answer_match", "math_match")
NEARLY = 9
"""Decimals to which votes are compared: three thirds of a vote are one."""


class CountedAnswer(NamedTuple):
    """A text that gives an answer, and its part of its source's vote."""

    source: str
    answer: str
    votes: float
    candidate: Candidate


class VoteOutcome(NamedTuple):
    """What became of an item on which somebody voted."""

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
        metric: `exact_match`, `answer_match` or `math_match`.
        weight: `share` of the votes that the answer won, within (0, 1], or `one`.
        candidates: a source votes by its `best` text, or its vote is shared evenly by `all` of its texts that can be
            read.

    A tie is settled by a draw that depends on the item's name and on the answers alone. Raises `ConfigError` for
    other values of the options.
    """
    _check(metric=(metric, METRICS), weight=(weight, ("share", "one")), candidates=(candidates, ("best", "all")))
    outcomes: dict[str, VoteOutcome] = {}
    unread = 0
    for item, row in zip(labels.items, labels.candidates, strict=True):
        heard = row if candidates == "all" else [found[:1] for found in row]
        ballots = list(_ballots(labels.sources, heard, metric))
        unread += sum(map(len, heard)) - len(ballots)
        if ballots:
            outcomes[item] = outcome_of(item, ballots)
    kept = [outcome.winner.candidate for outcome in outcomes.values()]
    return TextTargets(
        items=list(outcomes),
        texts=[one.text for one in kept],
        pieces=[one.pieces for one in kept],
        weight=np.asarray([outcome.share if weight == "share" else 1.0 for outcome in outcomes.values()], dtype=float),
        origin=(*_sentences(labels, list(outcomes.values()), unread), *remarks(kept)),
    )


def answers_in(metric: str, texts: Sequence[str]) -> list[str | None]:
    """What each of an item's texts answers, so that equal answers are equal texts; `None` = nothing to be read."""
    if metric == "exact_match":
        return [normalise(text) or None for text in texts]
    found = [final_answer(text) for text in texts]
    same = merge_answers([answer for answer in found if answer is not None])
    return [None if answer is None else same[answer] for answer in found]


def outcome_of(item: str, ballots: Sequence[CountedAnswer]) -> VoteOutcome:
    """The answer with the most votes, the text that speaks for it, and its share of all votes."""
    votes: dict[str, float] = {}
    for ballot in ballots:
        votes[ballot.answer] = votes.get(ballot.answer, 0.0) + ballot.votes
    most = max(votes.values())
    leading = [answer for answer, count in votes.items() if round(count - most, NEARLY) == 0]
    won = min(leading, key=lambda answer: hashlib.sha256(f"{item}\n{answer}".encode()).digest())
    behind = [ballot for ballot in ballots if ballot.answer == won]
    told = all(ballot.candidate.logprob < 0 for ballot in behind)
    winner = max(behind, key=lambda ballot: ballot.candidate.mean_logprob) if told else behind[0]
    return VoteOutcome(winner, votes[won] / sum(votes.values()), len(leading) > 1)


def _ballots(sources: Sequence[str], heard: Sequence[Sequence[Candidate]], metric: str) -> Iterator[CountedAnswer]:
    """The texts of an item that can be read, by source and rank."""
    answers = iter(answers_in(metric, [one.text for found in heard for one in found]))
    for source, found in zip(sources, heard, strict=True):
        read = [(answer, one) for one in found if (answer := next(answers)) is not None]
        yield from (CountedAnswer(source, answer, 1 / len(read), one) for answer, one in read)


def _check(**options: tuple[str, tuple[str, ...]]) -> None:
    for name, (value, allowed) in options.items():
        if value not in allowed:
            listed = ", ".join(f"`{one}`" for one in allowed)
            raise ConfigError(f"`combine: answer_vote`: {name} is one of {listed}, not `{value}`")


def _sentences(labels: WeakTexts, outcomes: Sequence[VoteOutcome], unread: int) -> Iterator[str]:
    if outcomes:
        writers = Counter(outcome.winner.source for outcome in outcomes)
        told = ", ".join(f"{name} {writers[name]}" for name in labels.sources)
        share = np.mean([outcome.share for outcome in outcomes])
        yield f"Kept texts by writer: {told}; their answers won {share:.0%} of the votes on average."
    tied = sum(outcome.tied for outcome in outcomes)
    if tied:
        yield f"Items with a tie between answers, of which one was drawn: {tied}."
    if unread:
        yield f"Texts without an answer that can be read, which count as no vote: {unread}."
    silent = len(labels.items) - len(outcomes)
    if silent:
        yield f"Items without an answer that can be read, left out: {silent}."
