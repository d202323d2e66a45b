"""The candidate pool: all sources' different texts, scored by all, each a target with a likelihood.

    ℓ_c = softmax over an item's pool of  Σ_i λ_i · mean log P_i(c) per piece        (`ensemble_score.py`)

Joint decoding keeps the best text of the pool. Here all stay, each with the weight ℓ_c, and an item's weights sum to
1. The loss `marginal_likelihood` takes the weights for how probable the sources find that a text is right, and weighs
the student's own probabilities against them. A text that several sources wrote is one candidate: that they agree is in
the scores. It keeps the pieces of the source that wrote it, of the first one if several did.

With `weights: stacked` the λ_i are fitted where gold is known and no scorer has learned it: on the items that their
trainings held out. There the pool is all that was written for the item and its gold text, and λ makes gold likely,

    −Σ_items log ℓ(gold)  +  ½ ‖λ − 1/S‖²        λ >= 0        (`fit_stack.py`)

A source that is sure of wrong texts gets no weight. Without such items λ_i = 1/S.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import CombinerRecord
from outgrow.combiners.ensemble_score import Scorer, ensemble_score, mean_scores, scorers_of, scores_by_scorer
from outgrow.combiners.fit_stack import fit_stack
from outgrow.combiners.joint_decoding import PoolSection, left_out_of_pool, pooled
from outgrow.combiners.keep_texts import remarks
from outgrow.errors import ConfigError
from outgrow.lazy import special
from outgrow.texts import Candidate, TextTargets, WeakTexts


class PooledCandidates(PoolSection):
    """*generate*: all sources' candidates in one pool, scored by all; each is a target weighed by its likelihood."""

    type: Literal["candidate_pool"]
    weights: Literal["stacked", "average"] | dict[str, float] = "stacked"
    """Of the scorers' mean log-probabilities. `stacked`: fitted to gold on the items of half A that the supervisors
    held out (`training.keep: best`), equal if there are none."""

    @property
    def uses_gold(self) -> bool:
        return self.weights == "stacked"


class HeldOutTexts(NamedTuple):
    """Items with gold that no scorer has learned, and all scorers' scores of the texts that were written for them."""

    scores: Mapping[str, WeakTexts]
    """By scorer: of all different texts of an item, its gold among them."""
    gold: Mapping[str, str]
    """By item."""


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
    weights: str | Mapping[str, float] = "stacked",
    held_out: HeldOutTexts | None = None,
) -> TextTargets:
    """A row per item and different text that all scorers could read, weighed by its likelihood within the item.

    `scores`: by scorer, its scores of the pool. `weights` of the scorers: `stacked` (on `held_out`), `average`, or
    numbers by name. Raises `ConfigError` without scores, `DataError` where a scorer has none of an item.
    """
    if not scores:
        raise ConfigError("`combine: candidate_pool` needs scores of the pool; name `scorers`")
    ensemble, notes = _ensemble(scores, weights, held_out)
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
        origin=(*_sentences(len(labels.items), list(pools.values())), *notes, *remarks(texts)),
    )


def _ensemble(
    scores: Mapping[str, WeakTexts], weights: str | Mapping[str, float], held_out: HeldOutTexts | None
) -> tuple[list[Scorer], list[str]]:
    """The scorers with their weights, and what to say of weights that were fitted."""
    if weights != "stacked":
        return scorers_of(scores, weights), []
    fitted = None if held_out is None else stacked_weights(held_out)
    if fitted is None:
        return scorers_of(scores, "average"), []
    values = ", ".join(f"{name} {weight:.2f}" for name, weight in fitted.by_scorer.items())
    note = f"Weights of the scorers, fitted on {fitted.n_items} items of half A that they did not learn: {values}."
    counted = {name: weight for name, weight in fitted.by_scorer.items() if weight > 0}
    return [Scorer(name, weight, mean_scores(scores[name])) for name, weight in counted.items()], [note]


class StackedWeights(NamedTuple):
    """λ >= 0 by scorer, and the number of items that they were fitted on."""

    by_scorer: dict[str, float]
    n_items: int


def stacked_weights(held_out: HeldOutTexts) -> StackedWeights | None:
    """The λ that make gold likely among an item's texts; None without an item whose gold all scorers could read."""
    ensemble = scorers_of(held_out.scores, "average")
    pools = []
    for item, gold in held_out.gold.items():
        texts = {text for scorer in ensemble for text in scorer.means.get(item, {})} | {gold}
        means = scores_by_scorer(ensemble, item, [*sorted(texts - {gold}), gold])
        if gold in means:
            pools.append(np.stack(list(means.values())))
    if not pools:
        return None
    places = np.arange(max(map(len, pools)))
    absent = np.stack([places >= len(pool) for pool in pools])
    means_of = np.zeros((len(pools), len(places), len(ensemble)))
    means_of[~absent] = np.concatenate(pools)
    last = np.asarray([len(pool) - 1 for pool in pools])
    stack = fit_stack(means_of.reshape(-1, len(ensemble)), last, class_biases=False, absent=absent)
    return StackedWeights(dict(zip(held_out.scores, stack.exponents.tolist(), strict=True)), len(pools))


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
    takes_held_out_texts=True,
)
