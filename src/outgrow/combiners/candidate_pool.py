"""The candidate pool: all sources' different texts, scored by all, each a target with a likelihood.

    ℓ_c = softmax over an item's pool of  Σ_i λ_i · mean log P_i(c) per piece        (`ensemble_score.py`)

Joint decoding keeps the best text of the pool. Here all stay, each with the weight ℓ_c, and an item's weights sum to
1. The loss `marginal_likelihood` takes the weights for how probable the sources find that a text is right, and weighs
the student's own probabilities against them. A text that several sources wrote is one candidate: that they agree is in
the scores. It keeps the pieces of the source that wrote it, of the first one if several did.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import CombinerRecord
from outgrow.combiners.ensemble_score import Scorer, ensemble_score, scorers_of, scores_by_scorer
from outgrow.combiners.joint_decoding import PoolSection, left_out_of_pool, pooled
from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.lazy import special
from outgrow.texts import Candidate, TextTargets, WeakTexts


class PooledCandidates(PoolSection):
    """*generate*: all sources' candidates in one pool, scored by all; each is a target weighed by its likelihood."""

    type: Literal["candidate_pool"]


class ItemPool(NamedTuple):
    """The different texts of one item that all scorers could read."""

    texts: list[Candidate]
    """As their first writers wrote them, in the order of writers and ranks."""
    likelihood: Float[np.ndarray, "text"]
    """ℓ of each; they sum to 1."""
    unread: int
    """How many other texts one of the scorers could not read."""


def candidate_pool(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    weights: str | Mapping[str, float] = "average",
) -> TextTargets:
    """A row per item and different text that all scorers could read, weighed by its likelihood within the item.

    `scores`: by scorer, its scores of the pool. `weights` of the scorers: `average`, or numbers by name. Raises
    `ConfigError` without scores, `DataError` where a scorer has none of an item.
    """
    if not scores:
        raise ConfigError("`combine: candidate_pool` needs scores of the pool; name `scorers`")
    ensemble = scorers_of(scores, weights)
    pools = {
        item: item_pool(ensemble, item, labels.sources, row)
        for item, row in zip(labels.items, labels.candidates, strict=True)
        if any(row)
    }
    texts = [text for pool in pools.values() for text in pool.texts]
    return TextTargets(
        items=[item for item, pool in pools.items() for _ in pool.texts],
        texts=[text.text for text in texts],
        pieces=[text.pieces for text in texts],
        weight=np.concatenate([np.zeros(0), *(pool.likelihood for pool in pools.values())]),
        origin=(*_sentences(len(labels.items), list(pools.values())), *remarks(texts)),
    )


def item_pool(
    ensemble: list[Scorer], item: str, sources: tuple[str, ...], candidates: list[list[Candidate]]
) -> ItemPool:
    """One item's pool; `candidates` by source, best first."""
    pool = dict(pooled(sources, candidates))
    means = scores_by_scorer(ensemble, item, pool)
    scores = np.asarray([ensemble_score(ensemble, mean) for mean in means.values()])
    likelihood = special.softmax(scores) if len(scores) else scores
    return ItemPool([pool[text][1] for text in means], likelihood, len(pool) - len(means))


def _sentences(n_items: int, pools: Sequence[ItemPool]) -> list[str]:
    size = np.mean([len(pool.texts) for pool in pools]) if pools else 0.0
    unread, unreadable = sum(pool.unread for pool in pools), sum(not pool.texts for pool in pools)
    left_out = left_out_of_pool(n_items - len(pools), unread, unreadable)
    return [f"Different texts per item on average: {size:.1f}.", *left_out]


CANDIDATE_POOL = CombinerRecord(
    PooledCandidates,
    paper="ours; scores as in Cui et al., ICLR 2025, section 5.2",
    text_targets=candidate_pool,
    needs_scores=True,
    keeps_pool=True,
)
