"""Targets from combined labels: which items are kept, and their weights.

certainty = 1 − entropy(posterior) / ln K             1: one class has all probability; 0: uniform
agreement = share of the item's votes (soft ones by their probability) for the combined label, or of its texts that
            agree with the combined one. An item with one vote has none, and is left out if `keep.agreement` is set
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from outgrow.combiners import COMBINERS
from outgrow.combiners.targets import combine_labels
from outgrow.config.train import TrainSettings
from outgrow.deliver.combined import Combined
from outgrow.deliver.combined_texts import CombinedTexts
from outgrow.errors import DataError
from outgrow.labels import Anchors, Targets
from outgrow.text_format import many
from outgrow.texts import TextTargets
from outgrow.vote_table import VoteTable


class TrainingData(NamedTuple):
    """The targets of a student, and counts of what was left out."""

    targets: Targets | TextTargets
    about: dict[str, Any]
    held_out: tuple[str, ...] = ()
    """Ids of items that are not learned, on which a cascade is measured."""


def vote_training_data(combined: Combined, settings: TrainSettings) -> TrainingData:
    """Targets of the items that pass `worth_keeping`. Raises `DataError` if there is none."""
    voted, kept = combined.has_votes_or_gold, worth_keeping(combined, settings)
    if not kept.any():
        raise DataError(
            f"of {many(int(voted.sum()), 'item')} with a vote, none has a confidence of {settings.keep.confidence:g}"
            f" and an agreement of {settings.keep.agreement:g}; lower `keep.confidence` or `keep.agreement`"
        )
    weight = combined.certainty if settings.weight == "certainty" else np.ones(len(kept))
    if not (weight[kept] > 0).any():
        raise DataError("every combined label is uniform, so every weight is 0; use `weight: one`")
    targets = _targets(combined, kept, weight, settings)
    about = {
        "n_items": len(kept),
        "without_votes": int((~voted).sum()),
        "kept": int(kept.sum()),
        "kept_share": float(kept.sum() / voted.sum()),
        "rows": len(targets.items),
        "test_left_out": 0,
        "mean_weight": float(targets.weight.mean()),
        "classes": dict(zip(combined.votes.classes, targets.collapse().probs.mean(axis=0).tolist(), strict=True)),
    }
    return TrainingData(targets, about)


def text_training_data(combined: CombinedTexts, settings: TrainSettings) -> TrainingData:
    """The combined texts with sufficient agreement. Raises `DataError` if there is none."""
    kept = combined.share >= settings.keep.agreement
    if not kept.any():
        raise DataError(
            f"of {many(len(kept), 'combined text')} none has an agreement of {settings.keep.agreement:g}; lower"
            " `keep.agreement`"
        )
    targets = combined.targets.keep(kept)
    voted, n_kept = int((combined.votes > 0).sum()), len(set(targets.items))
    about = {
        "n_items": len(combined.texts.items),
        "without_votes": len(combined.texts.items) - voted,
        "kept": n_kept,
        "kept_share": n_kept / voted,
        "rows": len(targets),
        "test_left_out": 0,
        "mean_weight": float(targets.weight.mean()),
        "classes": {},
    }
    return TrainingData(replace(targets, origin=combined.notes), about)


def worth_keeping(combined: Combined, settings: TrainSettings) -> Bool[np.ndarray, "item"]:
    """Whether an item has a vote or gold, and a label of sufficient confidence and agreement."""
    sure = combined.confidence >= settings.keep.confidence
    least = settings.keep.agreement
    agreed = np.ones(len(sure), bool) if least == 0 else combined.agreement >= least
    return np.asarray(combined.has_votes_or_gold & sure & agreed)


def _targets(
    combined: Combined, kept: Bool[np.ndarray, "item"], weight: Float[np.ndarray, "item"], settings: TrainSettings
) -> Targets:
    """A row per item or, for the naive method and the Bayesian loss, a row per vote."""
    votes = combined.votes.take(np.flatnonzero(kept))
    if not combined.keeps_votes:
        section, posterior = settings.combine, combined.posterior[kept]
        prior = posterior.mean(axis=0) if section.divides_prior else None
        learned = COMBINERS.of(section).targets_from(section, posterior)
        return Targets(votes.items, learned, weight[kept], combined.notes, prior)
    rows = combine_labels(settings.combine, votes.weak_labels(), anchors_of(votes))
    weight_of = dict(zip(votes.items, weight[kept].tolist(), strict=True))
    item_weight = np.asarray([weight_of[name] for name in rows.items])
    return Targets(rows.items, rows.probs, rows.weight * item_weight, (*combined.notes, *rows.origin))


def anchors_of(votes: VoteTable) -> Anchors | None:
    """The items with gold and at least one vote."""
    with_gold = np.flatnonzero((votes.gold >= 0) & (votes.n_per_item > 0))
    return Anchors(votes.take(with_gold).weak_labels(), votes.gold[with_gold]) if len(with_gold) else None
