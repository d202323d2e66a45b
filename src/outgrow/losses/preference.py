"""Losses of pairs: one text is preferred to another, and the preference may be the wrong way round.

With the margin m of a pair, how much more the student has raised the chosen text than the rejected one,

    m = (log π(c) − log π₀(c)) − (log π(r) − log π₀(r)),        ε = the chance that the preference is wrong,

    cdpo      −(1−ε) ln σ(βm) − ε ln σ(−βm)                     conservative DPO (paper 1, equation 9; Mitchell 2023)
    robust    [−(1−ε) ln σ(βm) + ε ln σ(−βm)] / (1−2ε)          unbiased under such flips (Chowdhury et al. 2024)
    ipo       (1−ε) (m − 1/2β)² + ε (m + 1/2β)²                 a margin to reach, not to exceed (Azar et al. 2023)
    weighted  −(1−2ε) ln σ(βm)                                  weighed by confidence (Afzali et al. 2026, CW-DPO)

For ε = 0 all but `ipo` are DPO (Rafailov et al. 2023). ε is given per pair. That of `ipo` is the expectation over the
flip, which is ours. `robust` multiplies what the two directions of a pair differ by with up to 1/(1−2ε): with chances
of their own, it is the pairs in doubt that then count most. With `weighted` they count least: 1−2ε = 2(P − 1/2), where
P is the chance that the preference is right. (After the paper's abstract, which names a weight by the annotator's
confidence; the form is ours.)

**Weak-to-strong preference optimisation** (WSPO; Zhu et al. 2024, arXiv 2410.18640, and its released code) has no
pairs. The strong model learns what training changed in a weak model, on the same text: for each token, or group of
tokens, t

    wspo      (β (log π − log π₀)_t − (log π_weak,after − log π_weak,before)_t)²,        mean over the text

What this does not do: compute margins or ratios, or average.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

Kind = Literal["cdpo", "robust", "ipo", "weighted"]


def preference_loss(
    margin: Float[Tensor, "*pair"], flip: Float[Tensor, "*pair"], *, beta: float, kind: Kind = "cdpo"
) -> Float[Tensor, "*pair"]:
    """The loss of each pair. `margin` in nats, `flip` = ε within 0 … 1/2 (below 1/2 for `robust`), `beta` > 0 per nat.

    The loss of `robust` may be negative, the others are at least 0. Gradients flow into `margin`. ValueError for an
    unknown `kind`, a `beta` that is not positive, or an ε outside of its range.
    """
    _check(flip, beta, kind)
    if kind == "ipo":
        goal = 1 / (2 * beta)
        return (1 - flip) * (margin - goal) ** 2 + flip * (margin + goal) ** 2
    right, wrong = -logsigmoid(beta * margin), -logsigmoid(-beta * margin)
    if kind == "cdpo":
        return (1 - flip) * right + flip * wrong
    if kind == "weighted":
        return (1 - 2 * flip) * right
    return ((1 - flip) * right - flip * wrong) / (1 - 2 * flip)


def ratio_loss(own: Float[Tensor, "*group"], weak: Float[Tensor, "*group"], *, beta: float) -> Float[Tensor, "*group"]:
    """WSPO's loss of each group of tokens, at least 0 and 0 where `own` is `weak` / `beta`.

    `own` and `weak`: by how much the log-probability of the group was raised, in nats, of the strong model so far and
    of the weak one by its training. Gradients flow into both. ValueError for a `beta` that is not positive.
    """
    if not beta > 0:
        raise ValueError(f"beta is above 0, not {beta}")
    return (beta * own - weak) ** 2


def _check(flip: Float[Tensor, "*pair"], beta: float, kind: str) -> None:
    if kind not in get_args(Kind):
        raise ValueError(f"kind is one of {', '.join(get_args(Kind))}, not {kind!r}")
    if not beta > 0:
        raise ValueError(f"beta is above 0, not {beta}")
    least, most = torch.aminmax(flip) if flip.numel() else (0.0, 0.0)
    if not (least >= 0 and most <= 0.5) or (kind == "robust" and most == 0.5):
        raise ValueError(
            f"flips are chances within 0 … 1/2 (below it for `robust`), not {float(least)} … {float(most)}"
        )
