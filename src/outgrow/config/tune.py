"""The section `tune`: one grid and one criterion for every method."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.section import Section

SelectBy = Literal["weak_accuracy", "weak_log_loss", "half_a_log_loss", "gold_accuracy"]


class Tune(Section):
    """The grid that every method searches, and its criterion. They are the same for all methods, so that the
    comparison is fair."""

    l2: list[Annotated[float, Field(ge=0)]] | None = None
    """probe: weights of the ridge penalty; default: 10^-4 … 10^0.5."""
    lr: list[Annotated[float, Field(gt=0, le=1000)]] | None = None
    """Learning rates; default: one value (probe .05, else `training.lr`)."""
    epochs: list[Annotated[float, Field(gt=0, le=1_000_000)]] | None = None
    """Epochs; default: one value (probe 100 full-batch steps, else `training.epochs`)."""
    folds: Annotated[int, Field(ge=2, le=1000)] = 3
    """Number of folds for held-out items."""
    select_by: SelectBy = "weak_accuracy"
    """The criterion that chooses a method's settings. `weak_accuracy`, `weak_log_loss`: held-out answers on half B
    against the mean vote, by cross-validation. `half_a_log_loss`: log loss on half A's gold, with one temperature per
    setting and no folds. `gold_accuracy`: held-out answers against half B's gold (oracle selection)."""
