"""Combiners by name, as studies and `outgrow combine` call them."""

from functools import partial
from typing import Any

from outgrow.combiners import fit_by, fit_names, section_named
from outgrow.combiners.fit import Fit
from outgrow.combiners.targets import calibrated_targets, combine_labels
from outgrow.combiners.temperature_scaling import CalibratedFit, temperature_scaled
from outgrow.combiners.text_targets_step import combine_texts_by
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.texts import TextTargets, WeakTexts


def targets_by(name: str, labels: WeakLabels, anchors: Anchors | None = None, **options: Any) -> Targets:
    return combine_labels(section_named(name, **options), labels, anchors)


def calibrated(name: str, labels: WeakLabels, anchors: Anchors | None = None, **options: Any) -> Targets:
    return calibrated_targets(section_named(name, calibrate=True, **options), labels, anchors)


def text_targets_by(
    name: str, texts: WeakTexts, scores: dict[str, WeakTexts] | None = None, **options: Any
) -> TextTargets:
    return combine_texts_by(section_named(name, **options), texts, scores)


def fit_named(name: str, votes: Votes, **options: Any) -> Fit:
    """Without intervals that take long."""
    found: Fit = fit_by(section_named(name, **options), intervals=False)(votes)
    return found


def without_gold() -> list[str]:
    """Combiners with a posterior that need no gold."""
    return [name for name in fit_names() if not section_named(name).needs_gold]


def scaled(name: str, votes: Votes) -> CalibratedFit:
    section = section_named(name)
    return temperature_scaled(votes, section, fit_by(section)(votes))


vote = partial(targets_by, "vote")
weighted_vote = partial(targets_by, "weighted_vote")
log_pool = partial(targets_by, "log_pool")
flying_squid = partial(targets_by, "flying_squid")
triplets = partial(targets_by, "triplets")
one_coin = partial(targets_by, "one_coin")
dawid_skene = partial(targets_by, "dawid_skene")
bayesian_dawid_skene = partial(targets_by, "bayesian_dawid_skene")
glad = partial(targets_by, "glad")
mace = partial(targets_by, "mace")
