"""Selection by a reward model: its options. It is trained by `training/reward_step.py`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outgrow.config.model import Lora, ModelSection, Training
from outgrow.config.section import complaint
from outgrow.refine import Refine
from outgrow.refine.refiners import Icl
from outgrow.select.selector_record import KeepSection, Needs, RewardModel, SelectorRecord, SelectorSection


class RewardTraining(Training):
    """Gradient training of a reward model; the defaults are those of every training."""

    keep: Literal["last"] = "last"
    """The weights at the end: nothing is kept aside."""


class RewardModelSelection(SelectorSection):
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
    def _model_without_training(self) -> "RewardModelSelection":
        fields = ModelSection.model_fields
        given = [key for key in TRAINED if self.model is not None and getattr(self.model, key) != fields[key].default]
        if given:
            raise complaint(
                f"model.{given[0]}: is not looked at here; say `{given[0]}` beside `model`, or leave it out"
            )
        return self


TRAINED = ("adapt", "layer", "dims", "training", "lora", "holdout", "tune")
"""Keys of a model's section that a reward model has itself, or does not have."""
LEARNED_BY = ["adapt", "loss", "separate", "folds", "consistent", "otherwise"]
"""Options that change what the reward model learns."""


def _reward_model(section: RewardModelSelection) -> Needs:
    training = ["layer", "l2"] if section.adapt == "probe" else ["training", "lora"]
    params = section.model_dump(mode="json", include={*LEARNED_BY, *training})
    return Needs(strong=section.strong, reward=RewardModel(params, section.model))


REWARD_MODEL = SelectorRecord(
    RewardModelSelection,
    paper="Zhou et al., ICLR 2025",
    by="a reward model",
    text_scores="outgrow.select.row_scores:rewards_of_texts",
    vote_scores="outgrow.select.row_scores:rewards_of_votes",
    needs=_reward_model,
    asked_before=("strong",),
    why_unscored="the reward model could read none of them",
)
