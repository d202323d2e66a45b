"""The section `tune`: one grid and one criterion for every method."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.section import Section

SelectBy = Literal["weak_accuracy", "weak_log_loss", "half_a_log_loss", "gold_accuracy"]
PROBE_L2 = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001, 0.0001)
"""Multiple choice is often best near the upper end, many classes near the lower. Values up to 30 made supervisors of
multiple choice nearly uniform, and no row better (`docs/research-log.md`)."""


class Tune(Section):
    """The grid that every method searches, and its criterion. They are the same for all methods, so that the
    comparison is fair."""

    l2: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = list(PROBE_L2)
    """probe: weights of the ridge penalty."""
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
