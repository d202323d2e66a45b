"""What a file may say about which targets a student learns from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outgrow.config.model import Lora, ModelSection, Training
from outgrow.config.refine import Icl, Refine
from outgrow.config.section import Section, complaint


class KeepSection(Section):
    """Which scores are high enough; exactly one of `threshold`, `fraction` and `quota`."""

    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """All targets that score at least this much, within 0 … 1."""
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """This share of the targets, the best ones; rounded up."""
    quota: int | dict[str, int] | None = None
    """So many of each capability, the best ones: one number for all, or one per capability (none of the others)."""
    within: Literal["capability", "all"] = "capability"
    """Whether a fraction is of each capability's targets, or of all of them together."""

    @model_validator(mode="after")
    def _one_rule(self) -> "KeepSection":
        given = [name for name in ("threshold", "fraction", "quota") if getattr(self, name) is not None]
        if len(given) != 1:
            raise complaint(f"needs exactly one of threshold, fraction and quota, not {' and '.join(given) or 'none'}")
        if isinstance(self.quota, int) and self.quota < 1:
            raise complaint(f"quota: is 1 or more, not {self.quota}")
        if isinstance(self.quota, dict) and (min(self.quota.values(), default=0) < 0 or not any(self.quota.values())):
            raise complaint("quota: numbers by capability are 0 or more, and not all 0")
        return self


class RandomSelection(Section):
    """Any targets: the control of every other selection."""

    type: Literal["random"]
    keep: KeepSection = KeepSection(fraction=0.5)
    size_of: str | None = None
    """Instead of `keep`: as many of each capability as this method's selection keeps."""

    @model_validator(mode="after")
    def _size(self) -> "RandomSelection":
        if self.keep.threshold is not None:
            raise complaint("keep.threshold: lots mean nothing; say how many by `fraction` or `quota`")
        return self


class AgreementSelection(Section):
    """Targets that equal what the strong model answers by itself."""

    type: Literal["agreement"]
    strong: Refine = Icl(type="icl")
    """How it answers."""
    keep: KeepSection = KeepSection(threshold=1.0)
    """Of the task's metric between the two, 0 … 1."""


class ConfidenceSelection(Section):
    """Targets of which somebody is sure; the surer half by default."""

    type: Literal["confidence"]
    by: Literal["supervisors", "student"] = "supervisors"
    """Who wrote them, or the untouched student that reads them."""
    keep: KeepSection = KeepSection(fraction=0.5)
    """Of e to the minus surprise, 0 … 1: a text's mean probability per piece, or e^-entropy of a vote."""


class OracleSelection(Section):
    """Targets that gold says are right: an upper bound, marked as such."""

    type: Literal["oracle"]
    keep: KeepSection = KeepSection(threshold=1.0)
    """Of the task's metric against gold, 0 … 1."""


class CapabilitySelection(Section):
    """The targets of some capabilities."""

    type: Literal["capability"]
    only: Annotated[list[str], Field(min_length=1)] | None = None
    """Default: the row is made once for every capability."""


class RewardTraining(Training):
    """Gradient training of a reward model; the defaults are those of every training."""

    keep: Literal["last"] = "last"
    """The weights at the end: nothing is kept aside."""


class RewardModelSelection(Section):
    """Targets that a reward model made of the strong model scores highly (Zhou et al., ICLR 2025)."""

    type: Literal["reward_model"]
    strong: Refine = Icl(type="icl")
    """How the strong model answers by itself; where it agrees with a label, the label is a good example, and where
    it does not, its own answer is a bad one."""
    consistent: Annotated[float, Field(gt=0, le=1)] = 1.0
    """From which value of the task's metric between the two on they agree."""
    model: ModelSection | None = None
    """What the reward model starts from; default: the student."""
    adapt: Literal["probe", "lora", "full"] = "probe"
    """A linear head on frozen hidden states, an adapter with a head, or all weights."""
    layer: int | None = None
    """probe: the hidden layer (0 = embeddings); default: two thirds of the depth."""
    l2: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] | None = None
    """probe: ridge penalties to choose from on held-out answers; default 10^-4 … 10^0.5."""
    training: RewardTraining = RewardTraining()
    """lora/full: how it is trained."""
    lora: Lora = Lora()
    loss: Literal["pointwise", "pairwise"] = "pointwise"
    """Good or bad, one by one (binary cross-entropy), or better than another one (Bradley-Terry)."""
    separate: bool = False
    """One reward model per capability."""
    folds: Annotated[int, Field(ge=1)] = 1
    """1: it scores labels that it learned from, as in the paper; more: every label by a model that has not seen its
    item."""
    keep: KeepSection = KeepSection(fraction=0.5)
    """Of the probability that a label is good (threshold), or the best ones."""
    otherwise: Literal["confidence"] | None = None
    """What to select by where all answers agree or none does, and there is nothing to learn from."""

    @model_validator(mode="after")
    def _comparable(self) -> "RewardModelSelection":
        if self.separate and self.keep.fraction is not None and self.keep.within == "all":
            raise complaint("keep.within: rewards of `separate` models are not comparable; use `within: capability`")
        if self.otherwise is not None and self.keep.threshold is not None:
            raise complaint(
                "keep.threshold: is of rewards, not of confidence; use `fraction`, or leave `otherwise` out"
            )
        return self

    @model_validator(mode="after")
    def _as_it_is(self) -> "RewardModelSelection":
        known = ModelSection.model_fields
        said = [key for key in TRAINED if self.model is not None and getattr(self.model, key) != known[key].default]
        if said:
            raise complaint(f"model.{said[0]}: is not looked at here; say `{said[0]}` beside `model`, or leave it out")
        return self


TRAINED = ("adapt", "layer", "dims", "training", "lora", "holdout", "tune")
"""What of a model's section a reward model says itself, or does not have."""

Select = Annotated[
    RandomSelection
    | AgreementSelection
    | ConfidenceSelection
    | OracleSelection
    | CapabilitySelection
    | RewardModelSelection,
    Field(discriminator="type"),
]
