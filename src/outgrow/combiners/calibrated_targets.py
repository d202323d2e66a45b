"""A combiner's targets with tempered posteriors: what `temper: true` asks for in a study.

The fit and its options are those of the row; the temperature comes from the anchors where there are enough, else from
hidden votes (`calibrate.py`). A majority is tempered as `vote_fits.py` has it: by how many more voted for the winner.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from outgrow.combiners.auto import choose
from outgrow.combiners.fit import targets_of
from outgrow.combiners.fits import READS_SILENCE, fit_by
from outgrow.combiners.temperature_scaling import temperature_scaled
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, Targets, WeakLabels

COUNTED = "dawid_skene_counted"


def calibrated_targets(
    name: str,
    labels: WeakLabels,
    anchors: Anchors | None = None,
    *,
    hard: bool = False,
    abstentions: str = "ignored",
    **options: Any,
) -> Targets:
    """One tempered posterior row per item with a vote, by the combiner of that name (or `auto`) with its options."""
    votes = Votes.of(labels, anchors, hard=hard)
    why: tuple[str, ...] = ()
    method, source = COUNTED if abstentions == "counted" else name, None
    if name == "auto":
        choice = choose(votes)
        method, source, why = choice.method, choice.source, (choice.why,)
    by = partial(fit_by(method, source, intervals=False), **options)
    found = temperature_scaled(votes, by, reads_silence=method in READS_SILENCE)
    targets = targets_of(labels, votes, found.fit, f"`{method}`")
    return replace(targets, origin=(*why, *targets.origin, found.sentence))
