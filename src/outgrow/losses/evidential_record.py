"""The evidential loss's options and what the program must know of it; the mathematics is in `evidential.py`.

Over classes it is `evidential.evidential`, over the tokens of a vocabulary `tokens.evidential_token_loss`.
"""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.losses.loss_record import LossRecord, LossSection, Options, ramp


class Evidential(LossSection):
    """Type-II maximum likelihood of a Dirichlet plus a penalty on misleading evidence (eqs 3-4)."""

    type: Literal["evidential"]
    evidence: Literal["exp_plus_one", "exp", "softplus", "relu"] = "exp_plus_one"
    """alpha = exp(z) + 1 (released code) | exp(z) | softplus(z) + 1 | relu(z) + 1."""
    kl: Literal["per_class", "mixed"] | None = None
    """Eq. 4's expectation over classes, or the soft target plugged into one KL (released code). Default: `per_class`;
    *generate*: `mixed`."""
    kl_weight: Annotated[float, Field(ge=0)] | None = None
    """Default: 0.01; *generate*: 1e-4."""
    kl_clamp: Annotated[float, Field(gt=0)] = 2e5
    """*generate*: the KL is cut off at this value."""
    kl_anneal: bool = True
    """Grow the KL's weight linearly over training."""


def is_linear(options: Options) -> bool:
    """Whether the loss is linear in its target: the expectation over classes, eq. 4, is."""
    return bool(options.get("kl", "per_class") == "per_class")


def with_annealed_kl(options: Options, progress: float) -> Options:
    """Arguments of `evidential`: the weight of the KL grows over the training."""
    arguments = dict(options)
    if arguments.pop("kl_anneal", False):
        arguments["kl_weight"] *= ramp(progress)
    return arguments


def annealed_token_options(options: Options, progress: float) -> Options:
    """Arguments of `evidential_token_loss`: the KL grows before it is cut off."""
    annealing = progress if options["kl_anneal"] else 1.0
    return {
        "kl": options["kl"],
        "kl_weight": options["kl_weight"],
        "clamp": options["kl_clamp"],
        "annealing": annealing,
    }


EVIDENTIAL = LossRecord(
    Evidential,
    paper="Cui et al., ICLR 2025, eqs 3 and 4",
    function="outgrow.losses.evidential:evidential",
    linear_in_target=is_linear,
    log_probs="outgrow.losses.dirichlet:log_dirichlet_mean",
    log_probs_options=("evidence",),
    options_at=with_annealed_kl,
    token_function="outgrow.losses.tokens:evidential_token_loss",
    token_options_at=annealed_token_options,
    class_defaults={"kl": "per_class", "kl_weight": 0.01},
    text_defaults={"kl": "mixed", "kl_weight": 1e-4},
    class_only=("evidence",),  # evidence of tokens is always exp(z) + 1
    text_only=("kl_clamp",),  # the KL of a few classes needs no clamp
)
