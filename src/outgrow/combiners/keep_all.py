"""Every vote is a row of its own: the targets of naive and of Bayesian multi-weak (paper 1, eqs 2 and 4).

An item's rows have weights lambda_i that sum to 1 over the sources that voted on it; a source that abstains passes its
weight on to the others. A loss that is linear in the target sees only the rows' mean (`Targets.collapse`), other
losses see each source's opinion.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection
from outgrow.combiners.em import row_scores
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.own_weights import SCORES_OF_VOTES, own_weights_of_votes
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.combiners.weights import source_weights
from outgrow.errors import ConfigError
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.text_format import listed

Rule = Literal["average", "confidence", "accuracy", "likelihood", "entropy", "max_probability"]
LEAST = 1e-300
"""A probability of zero, where its logarithm is needed."""


class KeepAll(CombinerSection):
    """Every source's label is a row of its own (naive multi-weak, eq. 2)."""

    type: Literal["keep_all"] = "keep_all"
    weights: Rule | dict[str, float] = "average"
    """Equal; each vote's own confidence (texts: softmax over the sources of mean log-probability per word); the
    sources' held-out accuracy (not for texts); or one number per source. Also a softmax over an item's sources of what
    each label says of itself: `likelihood`, minus its cross-entropy; `entropy`, minus its entropy; `max_probability`;
    of texts the mean over the pieces."""

    def text_complaints(self, metric: str, sources: Sequence[str]) -> Iterator[str]:
        if self.weights == "accuracy":
            yield "combine.weights: `accuracy` is known of votes only; give one number per source"


class SingleSource(CombinerSection):
    """One source alone; without `source` the row is made once for every supervisor."""

    type: Literal["single"]
    source: str | None = None

    @property
    def only_source(self) -> str | None:
        return self.source

    def for_each(self, sources: Sequence[str]) -> dict[str, CombinerSection]:
        return {} if self.source is not None else {name: SingleSource(type="single", source=name) for name in sources}


def keep_all(
    labels: WeakLabels, anchors: Anchors | None = None, weights: str | Mapping[str, float] = "average"
) -> Targets:
    """A row per (item, voting source).

    `weights`: `average`; `accuracy` (held-out, needs `anchors`); `confidence` (a vote's own largest probability); a
    score of `own_weights`; or numbers by source name, where an absent name counts 0. Items without any counting vote
    have no row.
    """
    if weights == "confidence":
        share = labels.probs.max(axis=2)
    elif isinstance(weights, str) and weights in SCORES_OF_VOTES:
        share = own_weights_of_votes(labels.probs, weights)
    else:
        share = labels.voted * source_weights(weights, labels.sources, lambda: Votes.of(labels, anchors))
    return rows_of(labels, share)


def single(labels: WeakLabels, anchors: Anchors | None = None, source: str | None = None) -> Targets:
    """One source's votes as they are; without `source` there must be only one."""
    chosen = labels if source is None else labels.only([source])
    return rows_of(chosen, chosen.voted.astype(float))


def fit_single(votes: Votes, *, source: str | None = None) -> Fit:
    """One source's votes as they are; the balance of its votes where it abstains."""
    if source is None and len(votes.sources) > 1:
        raise ConfigError(f"`single` needs a source: one of {listed(votes.sources)}")
    if source is not None and source not in votes.sources:
        raise ConfigError(f"no source named `{source}`; there are {listed(votes.sources)}")
    chosen = 0 if source is None else votes.sources.index(source)
    probs = row_scores(votes.without_silence().only(np.asarray([chosen])), Block.by_class)
    return fit_of_posterior(votes, np.log(np.maximum(probs, LEAST)), np.asarray(probs.any(axis=1)))


def rows_of(labels: WeakLabels, share: Float[np.ndarray, "item source"]) -> Targets:
    """Targets with one row wherever `share` is positive, weights normalised within each item."""
    total = share.sum(axis=1, keepdims=True)
    item, source = np.nonzero(share)
    weight = (share / np.where(total > 0, total, 1.0))[item, source]
    names = [labels.items[index] for index in item.tolist()]
    return Targets(names, labels.probs[item, source], weight, without_votes(int((total == 0).sum())))


def without_votes(count: int) -> tuple[str, ...]:
    """The sentence on how many items have no target."""
    return (f"Items without a vote that counts, left out: {count}.",) if count else ()


KEEP_ALL = CombinerRecord(
    KeepAll,
    paper="Cui et al., ICLR 2025, eq. 2; texts eq. 11",
    targets=keep_all,
    text_targets="outgrow.combiners.keep_texts:keep_all_texts",
)
SINGLE = CombinerRecord(
    SingleSource,
    paper="Burns et al. 2023, section 3",
    fit=fit_single,
    targets=single,
    text_targets="outgrow.combiners.keep_texts:single_text",
    needs_source=True,
)
