"""The section of a method: a row of (noise, refine, combine, loss, rounds, stages, preference)."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from outgrow.combiners.keep_all import KeepAll
from outgrow.config.combine import Combine
from outgrow.config.decoding import Decoding
from outgrow.config.evaluations import EvaluationsSection
from outgrow.config.model import BatchSize, Passes, Rate, Training
from outgrow.config.section import Section, complaint
from outgrow.config.tune import SelectBy
from outgrow.losses import Loss
from outgrow.losses.softmax_losses import CrossEntropy
from outgrow.refine import Refine
from outgrow.select import Select

Variant = Literal["plain", "self_training", "matching", "self_training+matching", "two_views"]


class SelfTraining(Section):
    """(1 - gamma) loss(weak label) + gamma loss(student's own hardened prediction), eqs 1 and 5."""

    gamma_max: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Final weight of the student's own prediction."""
    ramp: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of training over which gamma grows linearly from 0 to gamma_max."""
    harden: Literal["argmax", "balanced"] = "argmax"
    """Most probable class (paper 1), or thresholds that keep the weak labels' class shares (Burns et al.)."""


class SoftLabels(Section):
    """*generate*: from a source's pieces to targets for the student's tokens (eqs 6-7)."""

    unit: Literal["span", "word"] = "span"
    """Group pieces by the smallest spans at whose ends both tokenizers split, or by words as in the paper."""
    split: Literal["confidence", "uniform"] = "confidence"
    """Share a group's log-probability among the student's tokens by softmax(-confidence) (eq. 7), or equally."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divides the confidence in that softmax."""
    rest: Literal["student", "target_only", "onehot"] = "student"
    """Targets of the other tokens: the student's own distribution, rescaled; none; or one-hot targets (table 8)."""


class PreferenceTraining(Training):
    """Gradient training on pairs; defaults are paper 1's."""

    lr: Rate = 5e-7
    epochs: Passes = 2
    batch_size: BatchSize = 2
    scheduler: Literal["cosine", "linear", "constant"] = "linear"


class Preference(Section):
    """*generate*: a further training on the supervisors' preferences among the student's own texts (eqs 8-9)."""

    loss: Literal["cdpo", "robust", "ipo", "weighted", "wspo"] = "cdpo"
    """Conservative DPO; the unbiased loss; a squared distance; DPO with every pair weighed by its confidence, 1 - 2
    epsilon (needs `epsilon: per_pair`); or `wspo`, without pairs: learn what training changed in the supervisors,
    token by token (`epsilon` and `logprobs` are not used)."""
    beta: Annotated[float, Field(gt=0)] = 2.0
    """Factor of the difference of log-ratios in the loss."""
    epsilon: Annotated[float, Field(ge=0, lt=0.5)] | Literal["per_pair"] = 0.1
    """Probability that a preference is wrong; `per_pair`: 1 - the supervisors' probability that it is right."""
    logprobs: Literal["sum", "mean"] = "sum"
    """The log-probability of a text, or its mean per token."""
    weights: Literal["average"] | dict[str, float] = "average"
    """Weights of the supervisors' mean log-probabilities when a pair is chosen."""
    candidates: Decoding = Decoding(beams=10, candidates=10)
    """The student's texts that the supervisors compare."""
    training: PreferenceTraining = PreferenceTraining()
    """Settings of this training."""

    @model_validator(mode="after")
    def _chances_of_pairs(self) -> "Preference":
        if self.loss == "weighted" and self.epsilon != "per_pair":
            raise complaint("epsilon: `loss: weighted` weighs every pair by its own chance; set `epsilon: per_pair`")
        return self

    @property
    def learns_ratios(self) -> bool:
        """Whether it learns what training changed in the supervisors, and no pairs."""
        return self.loss == "wspo"


class TrainingStage(Section):
    """One training of a row's student. Each starts from the weights of the one before."""

    select: Select | None = None
    """The targets that it learns from; default: all."""
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the row's training; default: an equal part of what the other stages leave. A stage with share 0 is left
    out."""
    loss: Loss | None = None
    """Default: the row's."""


class Method(Section):
    """One row of the study: how labels become targets, and how the student learns them."""

    name: str
    """The name of the row."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of every supervisor's labels that are exchanged among items first, to measure the effect of label
    quality."""
    refine: Refine | None = None
    """*generate*: how the supervisors' labels are rewritten before they are combined."""
    combine: Combine = KeepAll()
    """The combiner: how the supervisors' labels become targets."""
    sources: Annotated[list[str], Field(min_length=1)] | None = None
    """The supervisors of this row; default: all."""
    zero_shot: bool = False
    """*classify*, *choose*: the answers of the untouched student are one more source of this row."""
    anchors: Literal["half_a", "none"] | None = None
    """Gold that the combiner may use: the supervisors' held-out answers to half A with its gold, or none. Default:
    `half_a`; `none` if all of the row's supervisors are files of votes and the combiner does not need gold. With
    `none`, `select_by: half_a_log_loss` is `weak_accuracy`."""
    half_a_gold: Literal["unused", "added", "alone"] = "unused"
    """Whether the student itself learns half A's gold: not, beside the labels of half B, or
    instead of them. Such a row is a control: a weak-to-strong study assumes that the student has no gold."""
    loss: Loss = CrossEntropy()
    """The loss of the student's training."""
    select_by: SelectBy | None = None
    """Replaces the study's `tune.select_by` in this row."""
    self_training: SelfTraining | None = None
    """Replaces the study's `self_training` in this row's self-training variants."""
    rounds: Annotated[int, Field(ge=1, le=5)] = 1
    """Each further round adds the last student's predictions as one more source, by log-linear pooling."""
    variants: Annotated[list[Variant], Field(min_length=1)] | None = None
    """The variants of this row; default: all variants of the study."""
    evaluations: EvaluationsSection | None = None
    """Evaluations during the student's training, for its curve in the report, and which weights are kept: early
    stopping. Replaces `training.keep`. Default: none."""
    soft_labels: SoftLabels | None = None
    """*generate*: replaces the study's `soft_labels`."""
    stages: Annotated[list[TrainingStage], Field(min_length=1)] = [TrainingStage()]
    """The student's trainings, in order."""
    budget: Literal["examples", "epochs"] = "examples"
    """What stays the same when a selection keeps fewer targets: the number of items seen in training (each is used
    more often), or of epochs."""
    preference: Preference | None = None
    """*generate*: train the finished student further on the supervisors' preferences."""

    def sources_among(self, supervisors: Iterable[str]) -> tuple[str, ...]:
        """The supervisors of this row, in the order of the study's `supervisors`."""
        if self.combine.only_source is not None:
            return (self.combine.only_source,)
        return tuple(name for name in supervisors if self.sources is None or name in self.sources)
