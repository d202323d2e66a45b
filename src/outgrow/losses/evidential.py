"""The evidential loss of Bayesian WeakS-to-Strong (Cui et al., ICLR 2025, eqs 3 and 4).

The student's logits are the concentrations alpha of a Dirichlet over class probabilities. With S = sum(alpha) and a
soft target y,

    L = sum_k y_k (log S - log alpha_k)  +  kl_weight * R                                                      (3)

The first term is the type-II likelihood: the Dirichlet is integrated out. R draws the evidence for wrong classes back
to Dir(1), "knows nothing". `kl="per_class"` is eq. 4, the expectation over the class k that the target draws,

    R = sum_k y_k KL_k,     KL_k = KL(Dir(alpha with alpha_k set to 1) || Dir(1)),                             (4)

which is linear in y. `kl="mixed"` plugs the soft target into one divergence, alpha~ = y + (1 - y) * alpha, as the
released code does; it is not linear in y. For one-hot targets both are the same.

All KL_k cost O(K) together: with phi of `dirichlet.py`, KL_k = phi_K(S - alpha_k + 1) - sum_(j != k) phi_1(alpha_j).
Sums without one class are made from both sides, since S - alpha_k would lose all digits of a small remainder.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from outgrow.losses.dirichlet import LOG_CONCENTRATIONS, concentrations, divergence_from_uniform, phi


def evidential(
    logits: Float[Tensor, "*batch class"],
    target: Float[Tensor, "*#batch class"],
    evidence: str = "exp_plus_one",
    kl: str = "per_class",
    kl_weight: float = 0.01,
) -> Float[Tensor, "*batch"]:
    """Eq. 4 per example. `evidence` and `kl` as above; `kl_weight` >= 0 is already annealed by the caller."""
    log_alpha = LOG_CONCENTRATIONS[evidence](logits)
    likelihood = (target * (log_alpha.logsumexp(-1, keepdim=True) - log_alpha)).sum(-1)
    if kl_weight == 0:
        return likelihood
    alpha = concentrations(log_alpha)
    if kl == "mixed":
        return likelihood + kl_weight * divergence_from_uniform(target + (1 - target) * alpha)
    return likelihood + kl_weight * (target * misleading_divergences(alpha)).sum(-1)


def misleading_divergences(alpha: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch class"]:
    """KL_k of eq. 4 for every class k, in nats, >= 0; costs O(K)."""
    n_classes = alpha.shape[-1]
    return phi(without_each(alpha) + 1, float(n_classes)) - without_each(phi(alpha, 1.0))


def without_each(values: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch class"]:
    """For every class the sum over all other classes, with no subtraction."""
    before = values.cumsum(-1).roll(1, -1)
    after = values.flip(-1).cumsum(-1).flip(-1).roll(-1, -1)
    inner = torch.ones_like(values)
    first, last = inner.clone(), inner.clone()
    first[..., 0] = 0
    last[..., -1] = 0
    return before * first + after * last
