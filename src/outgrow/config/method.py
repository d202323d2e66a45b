"""What a file may say about a method: a row of (noise, refine, combine, loss, rounds, stages, preference)."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from outgrow.combiners.keep_all import KeepAll
from outgrow.config.combine import Combine
from outgrow.config.decoding import Decoding
from outgrow.config.model import BatchSize, Passes, Rate, Training
from outgrow.config.section import Section
from outgrow.losses import Loss
from outgrow.losses.softmax_losses import CrossEntropy
from outgrow.refine import Refine
from outgrow.select import Select

Variant = Literal["plain", "self_training", "matching", "self_training+matching", "two_views"]


class SelfTraining(Section):
    """(1 - gamma) loss(weak label) + gamma loss(student's own hardened prediction), eqs 1 and 5."""

    gamma_max: Annotated[float, Field(ge=0, le=1)] = 0.5
    ramp: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of training over which gamma grows linearly from 0 to gamma_max."""
    harden: Literal["argmax", "balanced"] = "argmax"
    """Most probable class (paper 1), or thresholds that keep the weak labels' class shares (Burns et al.)."""


class SoftLabels(Section):
    """*generate*: from a source's pieces to the student's tokens (eqs 6-7), and what the target says of the rest."""

    unit: Literal["span", "word"] = "span"
    """Group pieces by the smallest stretches that both tokenizers cut out, or by words as in the paper."""
    split: Literal["confidence", "uniform"] = "confidence"
    """Share a group's log-probability among the student's tokens by softmax(-confidence) (eq. 7), or equally."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divides the confidence in that softmax."""
    rest: Literal["student", "target_only", "onehot"] = "student"
    """Other tokens: the student's own distribution, rescaled; nothing; or one-hot targets (table 8)."""


class PreferenceTraining(Training):
    """Gradient training on pairs; defaults are paper 1's."""

    lr: Rate = 5e-7
    epochs: Passes = 2
    batch_size: BatchSize = 2
    scheduler: Literal["cosine", "linear", "constant"] = "linear"


class Preference(Section):
    """*generate*: a second stage on the supervisors' preferences among the student's own texts (eqs 8-9)."""

    loss: Literal["cdpo", "robust", "ipo"] = "cdpo"
    beta: Annotated[float, Field(gt=0)] = 2.0
    epsilon: Annotated[float, Field(ge=0, lt=0.5)] | Literal["per_pair"] = 0.1
    """How often a preference is the wrong way round; `per_pair`: 1 - the supervisors' probability that it is not."""
    logprobs: Literal["sum", "mean"] = "sum"
    """A text's log-probability, or the same per token."""
    weights: Literal["average"] | dict[str, float] = "average"
    """Of the supervisors' mean log-probabilities when a pair is chosen."""
    candidates: Decoding = Decoding(beams=10, candidates=10)
    """The student's texts among which the supervisors prefer."""
    training: PreferenceTraining = PreferenceTraining()


class TrainingStage(Section):
    """One training of a row's student; each goes on from the weights of the one before."""

    select: Select | None = None
    """Which of the targets it learns from; default: all."""
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of the row's training; default: an equal part of what the others leave. A stage without any is left out."""
    loss: Loss | None = None
    """Default: the row's."""


class Method(Section):
    """One row of the study: how labels become targets, and how the student learns them."""

    name: str
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of every teacher's labels that are exchanged among items first, to see how much quality matters."""
    refine: Refine | None = None
    """*generate*: how every teacher's labels are rewritten before they are combined."""
    combine: Combine = KeepAll()
    sources: Annotated[list[str], Field(min_length=1)] | None = None
    """Only these supervisors teach this row; default: all."""
    loss: Loss = CrossEntropy()
    self_training: SelfTraining | None = None
    """Overrides the study's `self_training` in this row's self-training variant."""
    rounds: Annotated[int, Field(ge=1, le=5)] = 1
    """Further rounds add the last student's predictions as one more source, pooled log-linearly."""
    variants: Annotated[list[Variant], Field(min_length=1)] | None = None
    """Only these of the study's variants."""
    soft_labels: SoftLabels | None = None
    """*generate*: overrides the study's `soft_labels`."""
    stages: Annotated[list[TrainingStage], Field(min_length=1)] = [TrainingStage()]
    """The student's trainings, one after the other."""
    budget: Literal["examples", "epochs"] = "examples"
    """What a selection leaves as it was: the number of items seen, so that fewer are seen more often; or passes."""
    preference: Preference | None = None
    """*generate*: tune the finished student on the supervisors' preferences."""

    def teachers(self, supervisors: Iterable[str]) -> tuple[str, ...]:
        """Whose labels this row learns from, in the order of the study's `supervisors`."""
        if self.combine.only_source is not None:
            return (self.combine.only_source,)
        return tuple(name for name in supervisors if self.sources is None or name in self.sources)
