"""Losses per token over a whole vocabulary, from hidden states and the output matrix.

    token_cross_entropy     -ln p_c: plain training on a text
    soft_label_loss         a supervisor's piece probabilities as token-level soft labels
    evidential_token_loss   the student states evidence, not just a distribution: Bayesian WeakS-to-Strong on tokens

(Cui et al. 2024, arXiv 2406.03199, equations 3 to 7.) Targets are (label token, its probability) per token and never a
distribution over the vocabulary: what the target says about the other tokens is `rest`, see `token_targets`. Logits
exist for a chunk of tokens at a time, and gradients are made in the forward pass: see `token_chunks`, also for why
these functions take the tokens' weights and return a weighted sum. For a mean over tokens give weights 1/n.

What this does not do: choose targets (`align`), average over a batch, or anneal (the trainer knows the progress).
"""

from functools import partial
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from outgrow.losses.evidence_series import total_term
from outgrow.losses.token_chunks import TokenLoss, chunked_loss
from outgrow.losses.token_evidence import Kl, evidential_rows
from outgrow.losses.token_targets import Rest, check_target, soft_label_rows

__all__ = ["TokenLoss", "evidential_token_loss", "soft_label_loss", "token_cross_entropy"]


def token_cross_entropy(
    hidden: Float[Tensor, "token dim"],
    weight: Float[Tensor, "vocab dim"],
    label: Int[Tensor, "token"],
    *,
    bias: Float[Tensor, "vocab"] | None = None,
    token_weight: Float[Tensor, "token"] | None = None,
    self_training: float = 0.0,
    chunk: int | None = None,
) -> TokenLoss:
    """-ln p_label of each token, in nats. Arguments as in `soft_label_loss`."""
    prob = hidden.new_ones(len(label), dtype=torch.float32)
    return soft_label_loss(
        hidden, weight, label, prob, bias=bias, rest="onehot",
        token_weight=token_weight, self_training=self_training, chunk=chunk,
    )  # fmt: skip


def soft_label_loss(
    hidden: Float[Tensor, "token dim"],
    weight: Float[Tensor, "vocab dim"],
    label: Int[Tensor, "token"],
    prob: Float[Tensor, "token"],
    *,
    bias: Float[Tensor, "vocab"] | None = None,
    rest: Rest = "student",
    token_weight: Float[Tensor, "token"] | None = None,
    self_training: float = 0.0,
    chunk: int | None = None,
) -> TokenLoss:
    """KL(target || student) = Σ_k y_k ln(y_k / p_k) of each token, in nats, over softmax(hidden · weight^T + bias).

    `label` are token ids, `prob` the probability that the supervisor grants them, 0 … 1 (0 and 1 included). `rest` is
    "student" (the paper's method), "target_only" or "onehot": table 8's rows; the first is >= 0. `self_training` γ
    gives (1-γ) times that plus γ times the cross-entropy with the student's own most probable token (equation 5).
    `token_weight` are constants >= 0 (default 1; 0 leaves a token out whatever its label); `chunk` is the number of
    tokens per chunk. Gradients flow into `hidden`, `weight` and `bias`, none into the target. ValueError for an
    unknown `rest` or a γ outside 0 … 1.
    """
    check_target(rest, self_training)
    rows = partial(soft_label_rows, rest=rest, self_training=self_training)
    return chunked_loss(rows, hidden, weight, label, prob, bias=bias, token_weight=token_weight, chunk=chunk)


def evidential_token_loss(
    hidden: Float[Tensor, "token dim"],
    weight: Float[Tensor, "vocab dim"],
    label: Int[Tensor, "token"],
    prob: Float[Tensor, "token"],
    *,
    bias: Float[Tensor, "vocab"] | None = None,
    rest: Rest = "student",
    kl: Kl = "mixed",
    kl_weight: float = 1e-4,
    annealing: float = 1.0,
    clamp: float = 2e5,
    token_weight: Float[Tensor, "token"] | None = None,
    self_training: float = 0.0,
    chunk: int | None = None,
) -> TokenLoss:
    """Σ_k y_k (ln S - ln alpha_k) + kl_weight clamp(annealing KL) of each token, alpha = exp(logits) + 1.

    y is the target of (`label`, `prob`, `rest`); `self_training` γ makes it (1-γ) y + γ onehot(argmax), as the
    released code does, which for "per_class" is equation 5. `kl` is "mixed" (the released code: KL of
    Dir(y + (1-y) alpha)) or "per_class" (equation 4: Σ_k y_k KL of alpha with component k set to 1). `annealing` is
    the share of the run that has passed, 0 … 1; `annealing KL` is cut at ±`clamp` (infinity switches that off) and has
    no gradient beyond. The defaults are the released code's. The algebra is in `token_evidence`; other arguments as in
    `soft_label_loss`. ValueError also for an unknown `kl` and a vocabulary under 8.
    """
    check_target(rest, self_training)
    if kl not in get_args(Kl):
        raise ValueError(f"kl is one of {', '.join(get_args(Kl))}, not {kl!r}")
    total_term(len(weight))  # says so if the vocabulary is too small
    rows = partial(
        evidential_rows, rest=rest, self_training=self_training,
        kl=kl, kl_weight=kl_weight, annealing=annealing, clamp=clamp,
    )  # fmt: skip
    return chunked_loss(rows, hidden, weight, label, prob, bias=bias, token_weight=token_weight, chunk=chunk)
