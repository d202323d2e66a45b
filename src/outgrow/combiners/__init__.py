"""From several sources' labels to what a student learns.

A new combiner is one file, one line in `COMBINERS` and a class with its options in `config.combine.Combine`.
Every combiner is `(labels, anchors=None, **options) -> Targets`, pure and deterministic. It takes one source or more,
abstentions, soft and hard votes, two classes or more. `anchors` are the sources' answers to items with known gold.
Combiners of texts (`TEXT_COMBINERS`) are `(labels, scores=None, **options) -> TextTargets`, where `scores` is, by
name, what other models think of the same texts.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from outgrow.combiners.answer_vote import answer_vote
from outgrow.combiners.auto import auto
from outgrow.combiners.bayesian_dawid_skene import bayesian_dawid_skene
from outgrow.combiners.dawid_skene import dawid_skene, one_coin
from outgrow.combiners.flying_squid import flying_squid
from outgrow.combiners.glad import glad
from outgrow.combiners.joint_decoding import joint_decoding
from outgrow.combiners.keep_all import keep_all, single
from outgrow.combiners.keep_texts import keep_all_texts, single_text
from outgrow.combiners.log_pool import log_pool
from outgrow.combiners.mace import mace
from outgrow.combiners.rule_vote import rule_vote
from outgrow.combiners.slot_vote import slot_vote
from outgrow.combiners.triplets import triplets
from outgrow.combiners.vote import vote, weighted_vote
from outgrow.labels import Targets, WeakLabels
from outgrow.texts import TextTargets

COMBINERS: Mapping[str, Callable[..., Targets]] = {
    "keep_all": keep_all,
    "single": single,
    "vote": vote,
    "weighted_vote": weighted_vote,
    "log_pool": log_pool,
    "flying_squid": flying_squid,
    "triplets": triplets,
    "one_coin": one_coin,
    "dawid_skene": dawid_skene,
    "bayesian_dawid_skene": bayesian_dawid_skene,
    "glad": glad,
    "mace": mace,
    "rule_vote": rule_vote,
    "auto": auto,
}

TEXT_COMBINERS: Mapping[str, Callable[..., TextTargets]] = {
    "keep_all": keep_all_texts,
    "single": single_text,
    "joint_decoding": joint_decoding,
    "answer_vote": answer_vote,
    "slot_vote": slot_vote,
}


def mean_vote(labels: WeakLabels) -> Float[np.ndarray, "item class"]:
    """The mean of the voting sources' distributions; zeros where nobody voted. The yardstick of tuning."""
    count = labels.voted.sum(axis=1, keepdims=True)
    return np.asarray(labels.probs.sum(axis=1) / np.maximum(1, count))
