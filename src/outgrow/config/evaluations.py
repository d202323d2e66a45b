"""The section `evaluations` of a method: the student's curve during training, and early stopping."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.section import Section

Keep = Literal["last", "weak", "gold"]


class EvaluationsSection(Section):
    """The student is evaluated during its training: on held-out weak labels, on gold and on the test items."""

    keep: Keep = "weak"
    """The weights at the end (`last`); those of the evaluation that agrees best with the weak labels of the held-out
    items (`weak`: early stopping); or with their gold (`gold`: an oracle, which a real use does not have)."""
    number: Annotated[int, Field(ge=1, le=1000)] = 20
    """Evaluations, at equal distances over the training."""
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of half B that is not learned."""
