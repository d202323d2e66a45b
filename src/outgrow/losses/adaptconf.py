"""AdaptConf (Guo et al.): the weak label and the student's own prediction, weighed by its confidence in each.

With f the student, w the weak label, f̂ and ŵ the most probable class of each, and CE to a class,

    beta = exp(CE(f, f̂)/T) / (exp(CE(f, f̂)/T) + exp(CE(f, ŵ)/T)) = sigmoid((CE(f, f̂) - CE(f, ŵ)) / T)
    L = (1 - beta) CE(f, w) + beta CE(f, f̂)

beta lies within 0 … 1/2 and has no gradient. It is 1/2 where the two agree: then the label is sharpened. It tends to 0
the surer the student is of its own prediction against the weak one: of the two terms, the harder one counts more.

On tokens (`token_adaptconf.py`) ŵ is the label token, and CE(f, w) is the loss of soft labels.
"""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field

from outgrow.lazy import torch
from outgrow.losses.loss_record import LossRecord, LossSection
from outgrow.losses.softmax_losses import log_softmax


class AdaptConf(LossSection):
    """Weak label and own prediction, weighed example by example by the student's confidence (Guo et al.)."""

    type: Literal["adaptconf"]
    temperature: Annotated[float, Field(gt=0)] = 0.5
    """Divides both cross-entropies before they are compared: the smaller, the more the harder term counts."""


def adaptconf(
    logits: Float[torch.Tensor, "*batch class"],
    target: Float[torch.Tensor, "*#batch class"],
    temperature: float = 0.5,
) -> Float[torch.Tensor, "*batch"]:
    """(1 - beta) CE(f, target) + beta CE(f, own prediction) per example, in nats; `temperature` > 0.

    Of equally probable classes of the target the first one counts. Not linear in the target.
    """
    log_probs = log_softmax(logits)
    target = target.expand_as(log_probs)
    own = -log_probs.amax(-1)
    weak = -log_probs.gather(-1, target.argmax(-1, keepdim=True)).squeeze(-1)
    beta = torch.sigmoid((own - weak) / temperature).detach()
    return torch.lerp(-(target * log_probs).sum(-1), own, beta)


ADAPTCONF = LossRecord(
    AdaptConf,
    paper="Guo et al. 2024, arXiv 2402.03749, and its released code",
    deviations=(
        "Cross-entropy in place of the divergence from the weak label (temperature 1): the same gradient. No label of"
        " gold beside it. On tokens, ours: the weak class is the label token."
    ),
    function=adaptconf,
    stops_gradient=True,
    token_function="outgrow.losses.token_adaptconf:adaptconf_token_loss",
)
