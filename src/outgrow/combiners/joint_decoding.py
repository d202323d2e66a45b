"""Joint decoding: all sources' candidates in one pool, scored by all; the best one is the target (paper 1, § 5.2).

    target = argmax over the pool of Σ_i λ_i · mean log P_i(y) per piece        (`ensemble_score.py`)

Who writes and who scores may be different sources (tables 10 and 11). The paper does not say whose confidence the
chosen text then carries as a soft label: here it is that of the source that wrote it, of the first one if several did.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from outgrow.combiners.ensemble_score import best_candidate, scorers_of, scores_by_scorer
from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.texts import Candidate, TextTargets, WeakTexts


class PooledChoice(NamedTuple):
    """What became of an item's pool."""

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

    `scores`: by scorer, what it thinks of the pool. `weights` of the scorers: `average`, or numbers by name. On a tie
    the first writer's better text wins. Raises `ConfigError` without scores, `DataError` where a scorer was not asked
    about an item.
    """
    if not scores:
        raise ConfigError("`combine: joint_decoding` needs somebody's scores of the pool; name `scorers`")
    jury = scorers_of(scores, weights)
    choices: dict[str, PooledChoice] = {}
    for item, row in zip(labels.items, labels.candidates, strict=True):
        pool = dict(_pool(labels.sources, row))
        if pool:
            found = {text: best_candidate(jury, heard) for text, heard in scores_by_scorer(jury, item, pool).items()}
            writer, best = pool[max(found, key=lambda text: found[text])] if found else ("", None)
            choices[item] = PooledChoice(writer, best, len(pool), len(pool) - len(found))
    return _targets(labels, choices)


def _pool(sources: tuple[str, ...], row: list[list[Candidate]]) -> Iterator[tuple[str, tuple[str, Candidate]]]:
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
        texts=[one.text for one in texts],
        pieces=[one.pieces for one in texts],
        weight=np.ones(len(texts)),
        origin=(*_sentences(labels, list(choices.values())), *remarks(texts)),
    )


def _sentences(labels: WeakTexts, choices: list[PooledChoice]) -> Iterator[str]:
    writers = Counter(choice.writer for choice in choices if choice.candidate is not None)
    told = ", ".join(f"{name} {writers[name]}" for name in labels.sources)
    pool = np.mean([choice.pool for choice in choices]) if choices else 0.0
    yield f"Chosen texts by writer: {told}; from {pool:.1f} different texts per item on average."
    silent = len(labels.items) - len(choices)
    if silent:
        yield f"Items without an answer, left out: {silent}."
    unread = sum(choice.unread for choice in choices)
    if unread:
        yield f"Texts that a scorer could not read, passed over: {unread}."
    hopeless = sum(choice.candidate is None for choice in choices)
    if hopeless:
        yield f"Items without a text that all scorers could read, left out: {hopeless}."
