"""Which reward models there are, what each learns from and what it scores.

    one model                 learns every example, scores everything
    separate: true            one per capability, of its own examples
    folds: k                  k models each: number j learns the other folds' examples and scores fold j

An item's fold depends on its group alone. Where a model has no good or no bad example to learn from, the whole of its
capability (without `separate`, of the task) has none: half of it scored by rewards and half by something else could
not be put in an order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from outgrow.data.task import Task
from outgrow.errors import ConfigError, DataError
from outgrow.generation.chat import Prompt
from outgrow.select.comparisons import RewardExamples, Sample, make_pairs
from outgrow.select.selection import capabilities_of, rows_of
from outgrow.texts import TextTargets, certain
from outgrow.training.grid_search import fold_of
from outgrow.training.text_tokenizer import TextRow, TextTokenizer, tokenize_targets

Numbers = Int[np.ndarray, "_"]
"""Of samples."""
WHOLE = ""
"""The block that is the whole task."""


@dataclass(frozen=True)
class RewardSettings:
    """`config.select.RewardModel`, as far as what it learns depends on it."""

    adapt: Literal["probe", "lora", "full"]
    loss: Literal["pointwise", "pairwise"]
    separate: bool
    folds: int
    otherwise: Literal["confidence"] | None = None
    consistent: float = 1.0
    layer: int | None = None
    l2: Sequence[float] | None = None
    training: Mapping[str, Any] | None = None
    lora: Mapping[str, Any] | None = None

    @property
    def pairwise(self) -> bool:
        return self.loss == "pairwise"


@dataclass(frozen=True)
class RewardData:
    """Everything to learn from and to score, each text of an item once."""

    samples: list[Sample]
    sign: Int[np.ndarray, "sample"]
    """1 = good, -1 = bad, 0 = neither, only to be scored."""
    group: list[str]
    """Of the sample's item."""
    block: list[str]
    """The capability whose model scores the sample, or `WHOLE`."""
    fold: Int[np.ndarray, "sample"]

    @staticmethod
    def of(task: Task, targets: TextTargets, found: RewardExamples, settings: RewardSettings) -> "RewardData":
        """Of the comparisons and of all targets. `ConfigError` for more folds than there are groups."""
        samples = list(dict.fromkeys([*samples_of(task, targets), *found.positives, *found.negatives]))
        sign = {**dict.fromkeys(found.positives, 1), **dict.fromkeys(found.negatives, -1)}
        rows = rows_of(task, [sample.item for sample in samples])
        group = [task.items.groups[row] for row in rows]
        if len(set(group)) < settings.folds:
            raise ConfigError(
                f"select.folds: {settings.folds} folds cannot be made of {len(set(group))} separate items; lower it"
            )
        return RewardData(
            samples=samples,
            sign=np.asarray([sign.get(sample, 0) for sample in samples], dtype=np.int64),
            group=group,
            block=[sample.capability if settings.separate else WHOLE for sample in samples],
            fold=fold_of(group, settings.folds),
        )

    @property
    def blocks(self) -> list[str]:
        """In the order in which they first appear."""
        return list(dict.fromkeys(self.block))

    def take(self, numbers: Numbers) -> "RewardData":
        """Some samples, in that order."""
        pick = numbers.tolist()
        samples, group, block = (
            [column[index] for index in pick] for column in (self.samples, self.group, self.block)
        )
        return RewardData(samples, self.sign[numbers], group, block, self.fold[numbers])


class RewardModelPlan(NamedTuple):
    """One model."""

    block: str
    fold: int
    good: Numbers
    bad: Numbers
    asked: Numbers
    """What it scores."""


def plans_of(material: RewardData, folds: int) -> list[RewardModelPlan]:
    """One per block and fold that has anything to score."""
    block = np.asarray(material.block, dtype=np.str_)
    plans = []
    for name in material.blocks:
        for fold in range(folds):
            here, held = block == name, material.fold == fold
            learned = here & ~held if folds > 1 else here
            good, bad = (np.flatnonzero(learned & (material.sign == sign)) for sign in (1, -1))
            asked = np.flatnonzero(here & held)
            plans += [RewardModelPlan(name, fold, good, bad, asked)] if len(asked) else []
    return plans


def gaps_of(material: RewardData, settings: RewardSettings) -> dict[str, str]:
    """By block, why it cannot be learned. `DataError` if there is such a block and nothing to use `otherwise`."""
    gaps: dict[str, str] = {}
    for plan in plans_of(material, settings.folds):
        if not len(plan.good) or not len(plan.bad):
            gaps.setdefault(plan.block, _gap(material, plan))
    for why in gaps.values():
        if settings.otherwise is None:
            raise DataError(
                f"select: {why}; change `select.strong`, or say `otherwise: confidence` to go by that instead"
            )
    return gaps


def _gap(material: RewardData, plan: RewardModelPlan) -> str:
    here = np.asarray(material.block, dtype=np.str_) == plan.block
    good, bad = (int((here & (material.sign == sign)).sum()) for sign in (1, -1))
    whose = f" of the capability `{plan.block}`" if plan.block else ""
    reason = f"a reward model{whose} needs labels that the strong model agrees with and answers that it gives alone"
    if good and bad:
        return f"{reason}, and without fold {plan.fold} it has {len(plan.good)} and {len(plan.bad)}"
    return f"{reason}, and there are {good} and {bad}"


def samples_of(task: Task, targets: TextTargets) -> list[Sample]:
    """One for each row of the targets."""
    names = capabilities_of(task, targets.items)
    return [Sample(*row) for row in zip(targets.items, targets.texts, names, strict=True)]


Comparison = tuple[tuple[int, int], ...]
"""(sign, number of a sample): its one text, or the better and the worse one."""


class ReadableSamples(NamedTuple):
    """The samples that a model can read, and what became of the others."""

    kept: Numbers
    """Their numbers among all samples."""
    rows: list[TextRow]
    left_out: Mapping[str, Sequence[str]]
    """Items by the reason why a text of theirs is not read."""


def read_samples(samples: Sequence[Sample], prompts: Mapping[str, Prompt], reader: TextTokenizer) -> ReadableSamples:
    """Samples as tokens; `prompts` by item. `DataError` if none can be read, or for an item without a prompt."""
    items, texts = [sample.item for sample in samples], [sample.text for sample in samples]
    read = tokenize_targets(
        TextTargets(items, texts, [certain(text) for text in texts], np.ones(len(texts))), prompts, reader
    )
    return ReadableSamples(np.asarray(read.kept, dtype=np.int64), read.rows, read.left_out)


def comparisons_of(
    samples: Sequence[Sample], good: Numbers, bad: Numbers, pairwise: bool, seed: int, passes: int = 1
) -> list[Comparison]:
    """What is to be learned of some good and some bad samples, of which there is at least one each."""
    if not pairwise:
        return [((sign, index),) for sign, numbers in ((1, good), (-1, bad)) for index in numbers.tolist()]
    better, worse = ([samples[index] for index in numbers.tolist()] for numbers in (good, bad))
    pairs = make_pairs(better, worse, seed, passes)
    return [((1, int(good[good_row])), (-1, int(bad[bad_row]))) for good_row, bad_row in pairs.tolist()]


class RewardFit(NamedTuple):
    """The rewards of a trained reward model, with its record and its metrics."""

    reward: Float[np.ndarray, "asked"]
    about: Mapping[str, Any]
    """For `reward.json`."""
    metrics: Sequence[Mapping[str, float]]
    """One entry per update."""


@runtime_checkable
class RewardLearner(Protocol):
    """Trains one reward model per call."""

    def learn(self, number: int, good: Numbers, bad: Numbers, asked: Numbers) -> RewardFit:
        """Learn from good and bad samples; returns the rewards of the samples `asked`; `number` names the training."""
