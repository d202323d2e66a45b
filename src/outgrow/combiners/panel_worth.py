"""How much a panel of sources is worth: independent votes per item, one-sided sources, and its best source.

With gold for `LEAST_GOLD` items both come from these items: the correlation of errors, and the source with the most
right votes among those that vote on half of them or more. Without gold the combined labels take gold's place. Then the
number of independent votes is an upper limit, and the best source is only the one that agrees most with the labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from outgrow.combiners.cross_fit import LEAST_GOLD
from outgrow.combiners.effective_sources import EffectiveSources, effective_sources
from outgrow.combiners.one_sided import one_sided_class
from outgrow.combiners.votes import Votes
from outgrow.text_format import many

HALF = 0.5
"""Share of the items on which a source must vote to be compared with the panel."""
SAME = 0.995
"""Share of the combined labels that a source gives by itself, so that the others add nothing."""


@dataclass(frozen=True)
class BestSource:
    """The source that is right most often on items with gold, or agrees most with the combined labels."""

    name: str
    share: float
    """Of its votes that are right, or that agree."""
    votes: int
    covers: float
    """Share of the compared items on which it votes."""


@dataclass(frozen=True)
class PanelWorth:
    """What the votes on an item are worth together."""

    effective: EffectiveSources
    gold: int
    """Items with gold that this is measured on; 0 = the combined labels."""
    one_sided: dict[str, int]
    """One-sided sources, and the class of each."""
    best: BestSource | None
    """None where no source votes on half of the items."""

    def sentences(self, classes: tuple[str, ...], panel_accuracy: float | None) -> tuple[str, ...]:
        """The worth in words. `panel_accuracy`: the combiner's, on gold that it was not fitted to."""
        told = [self._worth(), self._named(classes), self._compared(panel_accuracy)]
        return tuple(sentence for sentence in told if sentence)

    def as_data(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """The same as plain data; what is not known is `None`."""
        found, best = self.effective, self.best
        known = {
            name: None if np.isnan(value) else value
            for name, value in (("n_effective", found.n_effective), ("error_correlation", found.correlation))
        }
        return {
            "votes_per_item": found.votes_per_item,
            **known,
            "by": "gold" if self.gold else "combined labels",
            "one_sided": [{"name": name, "class": classes[side]} for name, side in self.one_sided.items()],
            "best_source": None if best is None else {"name": best.name, "share": best.share, "votes": best.votes},
        }

    def _worth(self) -> str:
        found = self.effective
        if np.isnan(found.correlation):
            return ""
        limit = f"by gold of {many(self.gold, 'item')}" if self.gold else "at most: shared errors need gold to show"
        return (
            f"{found.votes_per_item:.1f} votes per item are worth {found.n_effective:.1f} independent ones"
            f" (correlation of errors {found.correlation:.2f}; {limit})."
        )

    def _named(self, classes: tuple[str, ...]) -> str:
        if not self.one_sided:
            return ""
        named = ", ".join(f"{name} ({classes[side]})" for name, side in self.one_sided.items())
        return f"One-sided sources, 95 % of whose votes or more are for one class: {named}."

    def _compared(self, panel_accuracy: float | None) -> str:
        best = self.best
        if best is None:
            return ""
        if self.gold:
            beside = "" if panel_accuracy is None else f"; the combined labels {panel_accuracy:.1%}"
            on = f"On gold of {many(self.gold, 'item')}"
            return f"{on} the best source, {best.name}, is right in {best.share:.1%} of its votes{beside}."
        alone = ": use it alone" if best.share >= SAME and best.covers >= SAME else ""
        return f"Source {best.name} agrees most with the combined labels, in {best.share:.1%} of its votes{alone}."


def panel_worth(votes: Votes, posterior: Float[np.ndarray, "item class"]) -> PanelWorth:
    """The worth of all sources under a combiner's posterior."""
    votes = votes.without_silence()
    side = one_sided_class(votes)
    label = np.zeros(votes.n_rows, dtype=np.int64)
    label[votes.row_of] = posterior.argmax(axis=1)
    known = np.flatnonzero((votes.gold >= 0) & (votes.weight > 0))
    gold = int(votes.weight[known].sum())
    if gold >= LEAST_GOLD:
        with_gold = votes.take(known)
        effective = effective_sources(with_gold, np.eye(votes.n_classes)[with_gold.gold[with_gold.row_of]])
        best = _best(with_gold, with_gold.gold)
    else:
        gold, effective, best = 0, effective_sources(votes, posterior), _best(votes, label)
    one_sided = {votes.sources[source]: int(side[source]) for source in np.flatnonzero(side >= 0)}
    return PanelWorth(effective, gold, one_sided, best)


def _best(votes: Votes, label: np.ndarray) -> BestSource | None:
    """The source whose most probable classes are most often these labels, of those that vote on half of the rows."""
    hard = votes.hardened()
    n_sources = len(votes.sources)
    right = np.zeros(n_sources)
    n_items = float(votes.weight[hard.has_vote].sum())
    for block in hard.blocks():
        same = block.outcome == label[block.rows][block.row]
        right += np.bincount(block.source, votes.weight[block.rows][block.row] * same, minlength=n_sources)
    covers = votes.n_votes / max(n_items, 1.0)
    compared = np.flatnonzero(covers >= HALF)
    if not len(compared):
        return None
    share = right[compared] / votes.n_votes[compared]
    first = max(range(len(compared)), key=lambda place: (share[place], votes.sources[compared[place]]))
    best = int(compared[first])
    return BestSource(
        votes.sources[best], float(right[best] / votes.n_votes[best]), int(votes.n_votes[best]), float(covers[best])
    )
