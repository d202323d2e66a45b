"""How well a reward model orders labels: the AUROC of its rewards against who is right.

A label is right from a value of the task's metric of one half on (most metrics know 0 and 1 only). AUROC is the
probability that a right label has a higher reward than a wrong one, a tie counting half; it is measured in each
capability, because rewards put labels in order within a capability, and then averaged. The writers' own confidence is
the baseline that costs nothing. Where all labels are right, or all are wrong, there is nothing to tell apart.

Intervals are of the first resamples of the common set: AUROC sorts, and nobody compares methods by it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from outgrow.graph.step import Step
from outgrow.metrics.auroc import resampled_auroc
from outgrow.metrics.bootstrap import Resamples
from outgrow.reporting.evidence.labels import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import SharedStep, identity, reward_model, shared
from outgrow.reporting.measure.tally import LabelContext, PerSeed, SeedCounts, records
from outgrow.reporting.results_analyses import WHOLE, RankMeasures, RewardExamples, RewardResult

RIGHT = 0.5
"""The value of the metric from which on a label is right."""
DRAWS = 501
"""The sample and 500 resamples."""
ONE_KIND = "its labels are all right or all wrong"


class RankedLabels(NamedTuple):
    """One seed's labels that the reward model has scored."""

    labels: LabelRows
    reward: Float[np.ndarray, "label"]

    @property
    def read(self) -> Bool[np.ndarray, "label"]:
        """Which labels have a reward."""
        return np.asarray(np.isfinite(self.reward))

    @property
    def right(self) -> Bool[np.ndarray, "label"]:
        return np.asarray(self.labels.value >= RIGHT)


def find_rewards(reader: LabelReader) -> tuple[RewardResult, ...]:
    """Every reward model by which some row was selected."""
    whole = LabelContext.of(reader.frame)
    some = Resamples(whole.resamples.seeds[:DRAWS], whole.resamples.items[:DRAWS])
    ground, found = LabelContext(whole.part, some, whole.names), []
    for one in shared(reader.frame.study, reward_model, identity):
        ranked = [None if there is None else RankedLabels(*there) for there in map(reader.rewards, one.found)]
        if any(there is not None for there in ranked):
            found.append(_reward_result(reader, one, ground, ranked))
    return tuple(found)


def _reward_result(
    reader: LabelReader, one: SharedStep[Step], ground: LabelContext, ranked: Sequence[RankedLabels | None]
) -> RewardResult:
    pairs = zip(one.found, ranked, strict=True)
    about = [reader.about_rewards(step) for step, there in pairs if there is not None]
    blocks = {WHOLE: about} | {
        name: [note["capabilities"][name] for note in about if name in note["capabilities"]]
        for name in ground.names
        if name != WHOLE
    }
    return RewardResult(
        methods=one.methods,
        examples={name: _examples(notes) for name, notes in blocks.items()},
        held_out=all(note["held_out"] for note in about),
        measured=ranking(ground, ranked),
    )


def _examples(notes: Sequence[Mapping[str, Any]]) -> RewardExamples:
    """What reward models under several seeds say that they learned from."""
    sums = {kind: sum(note[kind] for note in notes) for kind in ("positives", "negatives")}
    told = [note["auroc"] for note in notes if note["auroc"] is not None]
    n = max(1, len(notes))
    return RewardExamples(sums["positives"] / n, sums["negatives"] / n, sum(told) / len(told) if told else None)


def ranking(ground: LabelContext, ranked: Sequence[RankedLabels | None]) -> dict[str, RankMeasures]:
    """In all and by capability."""
    counts = ground.counts([None if one is None else _counted(one) for one in ranked])
    shares = {name: draws[:, 0] for name, draws in ground.apart(counts).items()}
    among = counts[0, ..., 1] > 0
    reward = {name: _auroc(ground, ranked, name, confidence=False) for name in ground.names}
    sure = {name: _auroc(ground, ranked, name, confidence=True) for name in ground.names}
    columns = {
        "right": ground.estimates(shares, among, "no label has a reward"),
        "reward": ground.estimates(reward, among, ONE_KIND),
        "confidence": ground.estimates(sure, among, ONE_KIND),
        "difference": ground.estimates({name: reward[name] - sure[name] for name in reward}, among, ONE_KIND),
    }
    return records(RankMeasures, columns)


def _counted(one: RankedLabels) -> SeedCounts:
    return SeedCounts(one.labels.item, one.right[None].astype(np.float64), one.read[None])


def _auroc(ground: LabelContext, ranked: Sequence[RankedLabels | None], name: str, confidence: bool) -> PerSeed:
    """Of one capability's labels, under every draw and seed."""
    items = ground.resamples.items
    found = np.full((len(items), len(ranked)), np.nan)
    for seed, one in enumerate(ranked):
        if one is not None:
            mine = one.read & ground.part.of_capability(name)[one.labels.item]
            score = one.labels.confidence if confidence else one.reward
            found[:, seed] = resampled_auroc(items[:, one.labels.item[mine]], score[mine], one.right[mine])
    return found
