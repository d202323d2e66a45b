"""Selections by chance, capability, agreement, confidence and gold. Their scores are in `row_scores.py`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outgrow.config.section import complaint
from outgrow.refine import Refine
from outgrow.refine.refiners import Icl
from outgrow.select.selector_record import KeepSection, Needs, SelectorRecord, SelectorSection

# ---- random ---------------------------------------------------------------------------------------------


class RandomSelection(SelectorSection):
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


def _copied_size(section: RandomSelection) -> Needs:
    return Needs(size_of=section.size_of)


RANDOM = SelectorRecord(
    RandomSelection,
    by="lot",
    text_scores="outgrow.select.row_scores:random_scores",
    vote_scores="outgrow.select.row_scores:random_scores",
    needs=_copied_size,
    asked_before=("size_of",),
    is_control=True,
)


# ---- agreement ------------------------------------------------------------------------------------------


class AgreementSelection(SelectorSection):
    """Targets that equal what the strong model answers by itself."""

    type: Literal["agreement"]
    strong: Refine = Icl(type="icl")
    """How it answers."""
    keep: KeepSection = KeepSection(threshold=1.0)
    """Of the task's metric between the two, 0 … 1."""


def _strong_answers(section: AgreementSelection) -> Needs:
    return Needs(strong=section.strong)


AGREEMENT = SelectorRecord(
    AgreementSelection,
    by="agreement with the strong model's own answers",
    text_scores="outgrow.select.row_scores:agreement_of_texts",
    vote_scores="outgrow.select.row_scores:agreement_of_votes",
    needs=_strong_answers,
    asked_before=("strong",),
    why_unscored="the strong model has an answer to none of their items",
)


# ---- confidence -----------------------------------------------------------------------------------------


class ConfidenceSelection(SelectorSection):
    """Targets with the highest probability; the better half by default."""

    type: Literal["confidence"]
    by: Literal["supervisors", "student"] = "supervisors"
    """Whose probability: the supervisors that wrote them, or the untouched student that reads them."""
    keep: KeepSection = KeepSection(fraction=0.5)
    """Of e to the minus surprise, 0 … 1: a text's mean probability per piece, or e^-entropy of a vote."""


def _student_scores(section: ConfidenceSelection) -> Needs:
    return Needs(student_scores=section.by == "student")


CONFIDENCE = SelectorRecord(
    ConfidenceSelection,
    by="confidence",
    text_scores="outgrow.select.row_scores:confidence_of_texts",
    vote_scores="outgrow.select.row_scores:confidence_of_votes",
    needs=_student_scores,
    why_unscored="the student could read none of them",
)


# ---- oracle ---------------------------------------------------------------------------------------------


class OracleSelection(SelectorSection):
    """Targets that gold says are right: an upper bound, marked as such."""

    type: Literal["oracle"]
    keep: KeepSection = KeepSection(threshold=1.0)
    """Of the task's metric against gold, 0 … 1."""


ORACLE = SelectorRecord(
    OracleSelection,
    by="gold (oracle selection, an upper bound)",
    text_scores="outgrow.select.row_scores:oracle_of_texts",
    vote_scores="outgrow.select.row_scores:oracle_of_votes",
    sees_gold=True,
    why_unscored="none of their items has gold",
)


# ---- capability -----------------------------------------------------------------------------------------


class CapabilitySelection(SelectorSection):
    """The targets of some capabilities."""

    type: Literal["capability"]
    only: Annotated[list[str], Field(min_length=1)] | None = None
    """Default: the row is made once for every capability."""


def _some_capabilities(section: CapabilitySelection) -> Needs:
    return Needs(capabilities=tuple(section.only or ()))


CAPABILITY = SelectorRecord(
    CapabilitySelection,
    by="capability",
    text_scores="outgrow.select.row_scores:capability_scores",
    vote_scores="outgrow.select.row_scores:capability_scores",
    needs=_some_capabilities,
    rule=lambda options: {"threshold": 1.0},
    by_content=False,
    once_per_capability=lambda section: section.only is None,
    why_empty="none is of these capabilities; correct `select.only`",
)
