"""Joint decoding: all sources' candidates in one pool, scored by all; the best one is the target (paper 1, § 5.2).

    target = argmax over the pool of Σ_i λ_i · mean log P_i(y) per piece        (`ensemble_score.py`)

Writers and scorers may be different sources (tables 10 and 11). The paper does not specify whose confidence the chosen
text carries as a soft label: here it is that of the source that wrote it, of the first one if several did.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from outgrow.combiners.combiner_record import CandidatePool, CombinerRecord, CombinerSection, unknown_supervisors
from outgrow.combiners.ensemble_score import ensemble_score, scorers_of, scores_by_scorer
from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.texts import Candidate, TextTargets, WeakTexts


class PoolSection(CombinerSection):
    """Whose candidates are pooled, and who scores them."""

    writers: list[str] | None = None
    """Supervisors whose candidates are pooled; default: all."""
    scorers: list[str] | None = None
    """Supervisors that score the pool; default: all."""
    beams: Annotated[int, Field(ge=1)] | None = None
    """Candidates per writer, by a beam search of this width; default: the study's `labelling`."""
    weights: str | dict[str, float] = "average"
    """Of the scorers' mean log-probabilities."""

    not_passed = frozenset({"type", "writers", "scorers", "beams"})

    @property
    def pool(self) -> CandidatePool:
        return CandidatePool(self.writers, self.scorers, self.beams)

    @property
    def named_weights(self) -> dict[str, float]:
        return {}  # They are of scorers, which need not teach the row.

    def text_complaints(self, metric: str, sources: Sequence[str]) -> Iterator[str]:
        weights = self.weights if isinstance(self.weights, dict) else ()
        yield from unknown_supervisors("combine.writers", self.writers or (), sources)
        yield from unknown_supervisors("combine.scorers", self.scorers or (), sources)
        yield from unknown_supervisors("combine.weights", weights, self.scorers or sources)


class JointDecoding(PoolSection):
    """*generate*: all sources' candidates in one pool, scored by all; the best one is the target."""

    type: Literal["joint_decoding"]
    weights: Literal["average"] | dict[str, float] = "average"
    """Of the scorers' mean log-probabilities."""


class PooledChoice(NamedTuple):
    """The choice from an item's pool."""

    writer: str
    candidate: Candidate | None
    """The best text, as its writer wrote it; `None`: there is none that all scorers could read."""
    pool: int
    """How many different texts there were."""
    unread: int
    """How many of them one of the scorers could not read."""


def joint_decoding(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    weights: str | Mapping[str, float] = "average",
) -> TextTargets:
    """One row per item with a text that all scorers could read: the best of them, with its writer's pieces.

    `scores`: by scorer, its scores of the pool. `weights` of the scorers: `average`, or numbers by name. On a tie
    the first writer's better text wins. Raises `ConfigError` without scores, `DataError` where a scorer has none of
    an item.
    """
    if not scores:
        raise ConfigError("`combine: joint_decoding` needs scores of the pool; name `scorers`")
    ensemble = scorers_of(scores, weights)
    choices: dict[str, PooledChoice] = {}
    for item, row in zip(labels.items, labels.candidates, strict=True):
        pool = dict(pooled(labels.sources, row))
        if pool:
            means = scores_by_scorer(ensemble, item, pool)
            total = {text: ensemble_score(ensemble, mean) for text, mean in means.items()}
            writer, best = pool[max(total, key=lambda text: total[text])] if total else ("", None)
            choices[item] = PooledChoice(writer, best, len(pool), len(pool) - len(total))
    return _targets(labels, choices)


def pooled(sources: tuple[str, ...], row: list[list[Candidate]]) -> Iterator[tuple[str, tuple[str, Candidate]]]:
    """Text → (its first writer, that writer's candidate), in the order of writers and ranks."""
    seen: set[str] = set()
    for source, candidates in zip(sources, row, strict=True):
        for candidate in candidates:
            if candidate.text not in seen:
                seen.add(candidate.text)
                yield candidate.text, (source, candidate)


def _targets(labels: WeakTexts, choices: Mapping[str, PooledChoice]) -> TextTargets:
    chosen = {item: choice.candidate for item, choice in choices.items() if choice.candidate is not None}
    texts = list(chosen.values())
    return TextTargets(
        items=list(chosen),
        texts=[text.text for text in texts],
        pieces=[text.pieces for text in texts],
        weight=np.ones(len(texts)),
        origin=(*_sentences(labels, list(choices.values())), *remarks(texts)),
    )


def _sentences(labels: WeakTexts, choices: list[PooledChoice]) -> Iterator[str]:
    writers = Counter(choice.writer for choice in choices if choice.candidate is not None)
    counts = ", ".join(f"{name} {writers[name]}" for name in labels.sources)
    pool = np.mean([choice.pool for choice in choices]) if choices else 0.0
    yield f"Chosen texts by writer: {counts}; from {pool:.1f} different texts per item on average."
    unreadable = sum(choice.candidate is None for choice in choices)
    unread = sum(choice.unread for choice in choices)
    yield from left_out_of_pool(len(labels.items) - len(choices), unread, unreadable)


def left_out_of_pool(silent: int, unread: int, unreadable: int) -> Iterator[str]:
    """Sentences on items without an answer, on texts without a score, and on items with no other texts."""
    if silent:
        yield f"Items without an answer, left out: {silent}."
    if unread:
        yield f"Texts that a scorer could not read, skipped: {unread}."
    if unreadable:
        yield f"Items without a text that all scorers could read, left out: {unreadable}."


JOINT_DECODING = CombinerRecord(
    JointDecoding, paper="Cui et al., ICLR 2025, section 5.2", text_targets=joint_decoding, needs_scores=True
)
