"""Reward models: the AUROC of their rewards against right and wrong labels.

A label is right if the task's metric is at least one half. AUROC is the probability that a right label has a higher
reward than a wrong one, with ties counted half. It is measured in each capability, since rewards are compared within a
capability, and averaged. The confidence of the labels' writers is the baseline without cost. AUROC is undefined where
all labels are right, or all are wrong.

Intervals come from the first resamples of the common set, since AUROC sorts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from outgrow.graph.step import Step
from outgrow.metrics.bootstrap import Resamples
from outgrow.metrics.estimate import Estimate
from outgrow.render.canvas import BLUE, ORANGE, Drawing
from outgrow.render.charts import DotLine, Series
from outgrow.render.table import Column, Table
from outgrow.reporting.evidence.label_reader import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import SharedStep, identity, reward_model, shared
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import WHOLE, Results
from outgrow.reporting.tally import LabelContext, PerSeed, SeedCounts, records
from outgrow.reporting.topic import CapabilityLine, TopicRecord, label_chart, listed_methods, tables_by_capability

RIGHT = 0.5
"""The value of the metric from which on a label is right."""
DRAWS = 501
"""The sample and 500 resamples."""
ONE_KIND = "its labels are all right or all wrong"
GUESSING = 0.5


@dataclass(frozen=True)
class RankMeasures:
    """How well scores separate right labels from wrong ones."""

    right: Estimate
    """The share of right labels."""
    reward: Estimate
    """AUROC of the reward model."""
    confidence: Estimate
    """AUROC of the writers' own confidence."""
    difference: Estimate


@dataclass(frozen=True)
class ExampleCounts:
    """What a reward model learned from; means over the seeds."""

    positives: float
    negatives: float
    told_apart: float | None
    """AUROC of the rewards of these examples."""


@dataclass(frozen=True)
class RewardResult:
    """A reward model."""

    methods: tuple[str, ...]
    examples: Mapping[str, ExampleCounts]
    held_out: bool
    """Whether every example was scored by a model that had not learned from it."""
    measured: Mapping[str, RankMeasures]


class RankedLabels(NamedTuple):
    """One seed's labels that the reward model has scored."""

    labels: LabelRows
    reward: Float[np.ndarray, "label"]

    @property
    def scored(self) -> Bool[np.ndarray, "label"]:
        """Which labels have a reward."""
        return np.asarray(np.isfinite(self.reward))

    @property
    def right(self) -> Bool[np.ndarray, "label"]:
        """Which labels are right."""
        return np.asarray(self.labels.value >= RIGHT)


# ---- measure --------------------------------------------------------------------------------------------


def find_rewards(frame: Frame) -> tuple[RewardResult, ...]:
    """Every reward model that selected the labels of some row."""
    reader, whole = LabelReader(frame), LabelContext.of(frame)
    some = Resamples(whole.resamples.seeds[:DRAWS], whole.resamples.items[:DRAWS])
    context, results = LabelContext(whole.part, some, whole.names), []
    for model in shared(frame.study, reward_model, identity):
        ranked = [None if seed is None else RankedLabels(*seed) for seed in map(reader.rewards, model.found)]
        if any(seed is not None for seed in ranked):
            results.append(_result(reader, model, context, ranked))
    return tuple(results)


def _result(
    reader: LabelReader, model: SharedStep[Step], context: LabelContext, ranked: Sequence[RankedLabels | None]
) -> RewardResult:
    pairs = zip(model.found, ranked, strict=True)
    seeds = [reader.reward_record(step) for step, seed in pairs if seed is not None]
    blocks = {WHOLE: seeds} | {
        name: [seed["capabilities"][name] for seed in seeds if name in seed["capabilities"]]
        for name in context.names
        if name != WHOLE
    }
    return RewardResult(
        methods=model.methods,
        examples={name: _examples(block) for name, block in blocks.items()},
        held_out=all(seed["held_out"] for seed in seeds),
        measured=ranking(context, ranked),
    )


def _examples(seeds: Sequence[Mapping[str, Any]]) -> ExampleCounts:
    """Means over the records of reward models under several seeds."""
    sums = {kind: sum(seed[kind] for seed in seeds) for kind in ("positives", "negatives")}
    auroc = [seed["auroc"] for seed in seeds if seed["auroc"] is not None]
    n = max(1, len(seeds))
    return ExampleCounts(sums["positives"] / n, sums["negatives"] / n, sum(auroc) / len(auroc) if auroc else None)


def ranking(context: LabelContext, ranked: Sequence[RankedLabels | None]) -> dict[str, RankMeasures]:
    """In total and by capability."""
    counts = context.counts([None if seed is None else _counted(seed) for seed in ranked])
    shares = {name: draws[:, 0] for name, draws in context.means_by_capability(counts).items()}
    among = counts[0, ..., 1] > 0
    reward = {name: _auroc(context, ranked, name, confidence=False) for name in context.names}
    sure = {name: _auroc(context, ranked, name, confidence=True) for name in context.names}
    columns = {
        "right": context.estimates(shares, among, "no label has a reward"),
        "reward": context.estimates(reward, among, ONE_KIND),
        "confidence": context.estimates(sure, among, ONE_KIND),
        "difference": context.estimates({name: reward[name] - sure[name] for name in reward}, among, ONE_KIND),
    }
    return records(RankMeasures, columns)


def _counted(seed: RankedLabels) -> SeedCounts:
    return SeedCounts(seed.labels.item, seed.right[None].astype(np.float64), seed.scored[None])


def _auroc(context: LabelContext, ranked: Sequence[RankedLabels | None], name: str, confidence: bool) -> PerSeed:
    """Of one capability's labels, under every draw and seed."""
    from outgrow.metrics.auroc import resampled_auroc  # scipy.stats is slow to import

    items = context.resamples.items
    auroc = np.full((len(items), len(ranked)), np.nan)
    for place, seed in enumerate(ranked):
        if seed is not None:
            mine = seed.scored & context.part.of_capability(name)[seed.labels.item]
            score = seed.labels.confidence if confidence else seed.reward
            auroc[:, place] = resampled_auroc(items[:, seed.labels.item[mine]], score[mine], seed.right[mine])
    return auroc


# ---- tables and plot ------------------------------------------------------------------------------------


def reward_tables(results: Results, found: tuple[RewardResult, ...]) -> list[Table]:
    """A line per reward model."""
    columns = [
        Column("rows", "row"),
        Column("positives", "good", "learned from", digits=0),
        Column("negatives", "bad", "learned from", digits=0),
        Column("told_apart", "told apart", "learned from"),
        Column("right", "right labels"),
        Column("reward", "reward", "AUROC against gold"),
        Column("confidence", "confidence", "AUROC against gold"),
        Column("difference", "difference", "AUROC against gold", signed=True),
    ]
    caption = (
        "AUROC: the chance that a right label has a higher reward than a wrong one; 0.5 is guessing. A label is right"
        " from a value of the metric of 0.5 on. Confidence: that of the labels' writers. Told apart: AUROC of the"
        " rewards of the reward model's own examples, good ones against bad ones."
    )
    lines = [_table_line(model) for model in found]
    return tables_by_capability(results, "reward_models", "How reward models order labels", caption, columns, lines)


def _table_line(model: RewardResult) -> CapabilityLine:
    def names(capability: str) -> tuple[str | float | None, ...]:
        examples = model.examples[capability]
        return listed_methods(model.methods), examples.positives, examples.negatives, examples.told_apart

    def cells(capability: str) -> tuple[Estimate, ...]:
        part = model.measured[capability]
        return part.right, part.reward, part.confidence, part.difference

    return CapabilityLine(names, cells)


CAPTION = (
    "The chance that a right label has a higher reward than a wrong one, and the same of its writer's confidence. The"
    " dashed line is guessing."
)


def rewards_plot(results: Results, found: tuple[RewardResult, ...]) -> Iterator[Drawing | None]:
    """AUROC of rewards and of the writers' confidence."""
    yield label_chart(
        results,
        name="reward_models",
        title="How well rewards separate right labels from wrong ones",
        axis="AUROC against gold",
        series=(Series("writers' confidence", ORANGE, "o"), Series("reward", BLUE, "D")),
        lines=[
            DotLine(
                listed_methods(model.methods),
                {key: (part.confidence, part.reward) for key, part in model.measured.items()},
            )
            for model in found
        ],
        guide=GUESSING,
        caption=CAPTION,
    )


REWARD_MODELS = TopicRecord(
    name="reward_models",
    summary="AUROC of reward models",
    heading="What was selected",
    measure=find_rewards,
    tables=reward_tables,
    plots=rewards_plot,
)
