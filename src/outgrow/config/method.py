"""What a file may say about a method: a row of (combine, loss, self-training, rounds)."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.section import Section


class KeepAll(Section):
    """Every source's label is a row of its own (naive multi-weak, eq. 2)."""

    type: Literal["keep_all"] = "keep_all"
    weights: Literal["average", "confidence", "accuracy"] | dict[str, float] = "average"
    """Equal; each vote's own confidence; the sources' held-out accuracy; or one number per source."""


class SingleSource(Section):
    """One source alone; without `source` the row is made once for every supervisor."""

    type: Literal["single"]
    source: str | None = None


class Vote(Section):
    """Majority of the hard votes."""

    type: Literal["vote"]


class WeightedVote(Section):
    """Hard votes weighed by log-odds of each source's held-out accuracy."""

    type: Literal["weighted_vote"]


class LogPool(Section):
    """Product of the sources' tempered distributions (log-linear pooling)."""

    type: Literal["log_pool"]
    weights: Literal["average", "accuracy"] | dict[str, float] = "average"
    calibrate: bool = True
    """Fit one temperature per source on its held-out labels first."""


class FlyingSquid(Section):
    """Triplet label model on the hard votes."""

    type: Literal["flying_squid"]


Combine = Annotated[KeepAll | SingleSource | Vote | WeightedVote | LogPool | FlyingSquid, Field(discriminator="type")]


class CrossEntropy(Section):
    """Cross-entropy to the target distribution."""

    type: Literal["cross_entropy"] = "cross_entropy"


class Evidential(Section):
    """Type-II maximum likelihood of a Dirichlet plus a penalty on misleading evidence (eqs 3-4)."""

    type: Literal["evidential"]
    evidence: Literal["exp_plus_one", "exp", "softplus", "relu"] = "exp_plus_one"
    """alpha = exp(z) + 1 (released code) | exp(z) | softplus(z) + 1 | relu(z) + 1."""
    kl: Literal["per_class", "mixed"] = "per_class"
    """Eq. 4's expectation over classes, or the soft target plugged into one KL (released code)."""
    kl_weight: float = 0.01
    kl_anneal: bool = True
    """Grow the KL's weight linearly over training."""


class GeneralizedCrossEntropy(Section):
    """(1 - p^q) / q: between cross-entropy (q -> 0) and mean absolute error (q = 1)."""

    type: Literal["generalized_cross_entropy"]
    q: Annotated[float, Field(gt=0, le=1)] = 0.7


class Product(Section):
    """Target proportional to student^beta * weak^alpha (Burns et al.)."""

    type: Literal["product"]
    alpha: float = 1.0
    beta: float = 1.0


Loss = Annotated[CrossEntropy | Evidential | GeneralizedCrossEntropy | Product, Field(discriminator="type")]


class SelfTraining(Section):
    """(1 - gamma) loss(weak label) + gamma loss(student's own hardened prediction), eqs 1 and 5."""

    gamma_max: Annotated[float, Field(ge=0, le=1)] = 0.5
    ramp: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of training over which gamma grows linearly from 0 to gamma_max."""
    harden: Literal["argmax", "balanced"] = "argmax"
    """Most probable class (paper 1), or thresholds that keep the weak labels' class shares (Burns et al.)."""


class Method(Section):
    """One row of the study: how labels become targets, and how the student learns them."""

    name: str
    combine: Combine = KeepAll()
    loss: Loss = CrossEntropy()
    self_training: SelfTraining | None = None
    """Overrides the study's `self_training` in this row's self-training variant."""
    rounds: Annotated[int, Field(ge=1, le=5)] = 1
    """Further rounds add the last student's predictions as one more source, pooled log-linearly."""
