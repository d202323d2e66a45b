"""Losses over a whole vocabulary without the logits of the whole batch.

Logits are hidden states times the output matrix: [token, vocab], for 2,048 tokens of a 50k vocabulary 400 MB, and cross-entropy
as PyTorch writes it keeps three such arrays. Here tokens pass in chunks, and a chunk's logits turn, in place, first into the
loss's gradient with respect to them, then into its share of the gradients of the hidden states and the output matrix:

    z = h W^T + b        loss_i(z_i), g_i = w_i dloss_i/dz_i        dh_i = g_i W,   dW += g^T h,   db += Σ_i g_i

So the gradient is made in the forward pass and nothing is recomputed (the idea of Liger-Kernel's fused losses, Hsu et al.
2024, arXiv 2410.10989). The price is that the weight w_i of every token must be known beforehand: the result is the
weighted sum of the losses, not the losses, and the backward pass only multiplies three finished arrays by one number.

Within a chunk, rows pass in blocks small enough for the processor's cache, and within a block a loss is written as plain
dense formulas over [row, vocab]. That is why a loss may take fifty passes over a block and still cost less than the
matrix products. A row loss (`RowLoss`) knows nothing of chunks, hidden states or weights.

What this does not do: shard the vocabulary over devices, or differentiate twice.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`row_loss(logits, label, prob)`: the loss of each row, having overwritten its logits with the gradient.

Logits are float32 or float64 [row, vocab]; `label` [row] and `prob` [row] are those rows' targets."""

CHUNK_ELEMENTS = {"cpu": 2**24, "cuda": 2**26}
"""Logits per chunk where the caller names no chunk size: 64 MB in float32, 128 MB in bfloat16."""

BLOCK_ELEMENTS = {"cpu": 2**19, "cuda": 2**22}
"""Logits per block: what a core's cache holds, or what keeps a GPU busy longer than a launch takes."""


class TokenLoss(NamedTuple):
    """What a token loss returns."""

    total: Float[Tensor, ""]
    """Σ_i token_weight_i loss_i; differentiable. For the mean give weights that sum to one."""
    per_token: Float[Tensor, "token"]
    """loss_i without its weight, detached, for reports; 0 for tokens of weight 0."""


def chunked_loss(
    row_loss: RowLoss,
    hidden: Float[Tensor, "token dim"],
    weight: Float[Tensor, "vocab dim"],
    label: Int[Tensor, "token"],
    prob: Float[Tensor, "token"],
    *,
    bias: Float[Tensor, "vocab"] | None = None,
    token_weight: Float[Tensor, "token"] | None = None,
    chunk: int | None = None,
) -> TokenLoss:
    """The weighted sum of `row_loss` over tokens, with gradients for `hidden`, `weight` and `bias`.

    A token of weight 0 is left out before any arithmetic: its label may be anything (-100, say) and its hidden state
    NaN. Half-precision logits are computed in the hidden states' type, losses always in float32 or float64; the output
    matrix is cast to the hidden states' type where the two differ. `chunk` is the number of tokens per chunk; it changes time
    and memory, and the result only by rounding. `backward` may run once.
    """
    if token_weight is None:
        token_weight = torch.ones_like(prob)
    elif token_weight.requires_grad:
        raise ValueError("token weights are constants of the loss: detach them")
    weight = weight.to(hidden.dtype)
    bias = None if bias is None else bias.to(hidden.dtype)
    chunk = chunk or _chunk_size(len(weight), hidden.device.type)
    needs = tuple(torch.is_grad_enabled() and x is not None and x.requires_grad for x in (hidden, weight, bias))
    total, per_token = _Chunked.apply(
        hidden, weight, bias, label.long(), prob, token_weight, row_loss, chunk, needs
    )  # fmt: skip
    return TokenLoss(total, per_token)


class _Gradients(NamedTuple):
    """Room for the gradients that somebody wants; in the types of what they belong to."""

    hidden: Tensor | None
    weight: Tensor | None
    bias: Tensor | None


class _Chunked(torch.autograd.Function):
    """Forward makes loss and gradients, backward scales the gradients."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        label: Tensor,
        prob: Tensor,
        token_weight: Tensor,
        row_loss: RowLoss,
        chunk: int,
        needs: tuple[bool, bool, bool],
    ) -> tuple[Tensor, Tensor]:
        kept = token_weight.nonzero().squeeze(1)
        everything = len(kept) == len(label)
        of_kept = [x if everything else x[kept] for x in (hidden, label, prob, token_weight)]
        with torch.autocast(hidden.device.type, enabled=False):
            losses, gradients = _pass(row_loss, weight, bias, *of_kept, chunk, needs)
        total = (losses * of_kept[3].to(losses.dtype)).sum()
        if everything:
            ctx.gradients = gradients
            per_token = losses
        else:
            ctx.gradients = gradients._replace(hidden=_put_back(gradients.hidden, kept, len(label)))
            per_token = losses.new_zeros(len(label)).index_copy_(0, kept, losses)
        ctx.mark_non_differentiable(per_token)
        return total, per_token

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        if ctx.gradients is None:
            raise RuntimeError("the gradients of a chunked token loss were used up by an earlier backward")
        # Scaled in place and let go of: a copy of the output matrix's gradient would be the largest array of all.
        gradients, ctx.gradients = ctx.gradients, None
        scaled = [None if gradient is None else gradient.mul_(outer) for gradient in gradients]
        return (*scaled, *[None] * 6)


def _pass(
    row_loss: RowLoss,
    weight: Tensor,
    bias: Tensor | None,
    hidden: Tensor,
    label: Tensor,
    prob: Tensor,
    token_weight: Tensor,
    chunk: int,
    needs: tuple[bool, bool, bool],
) -> tuple[Tensor, _Gradients]:
    """Losses of all tokens, and the weighted sum's gradients."""
    losses = hidden.new_empty(len(hidden), dtype=_precise(hidden.dtype))
    gradients = _room(needs, hidden, weight, bias)
    buffer = hidden.new_empty(min(chunk, len(hidden)), len(weight))
    for part in _slices(len(hidden), chunk):
        logits = buffer[: part.stop - part.start]
        _multiply(hidden[part], weight, bias, out=logits)
        losses[part] = _rows(row_loss, logits, label[part], prob[part], token_weight[part])
        _accumulate(gradients, logits, hidden, weight, part)
    return losses, gradients


def _rows(row_loss: RowLoss, logits: Tensor, label: Tensor, prob: Tensor, token_weight: Tensor) -> Tensor:
    """Losses of a chunk; its logits become the weighted gradient, block by block."""
    losses = []
    size = max(1, BLOCK_ELEMENTS.get(logits.device.type, 2**22) // logits.shape[1])
    for rows in _slices(len(logits), size):
        block = logits[rows].to(_precise(logits.dtype))
        losses.append(row_loss(block, label[rows], prob[rows]))
        block.mul_(token_weight[rows, None].to(block.dtype))
        if block.dtype != logits.dtype:
            logits[rows] = block
    return torch.cat(losses)


def _accumulate(gradients: _Gradients, logits: Tensor, hidden: Tensor, weight: Tensor, part: slice) -> None:
    """Carry a chunk's gradient with respect to its logits on to hidden states, output matrix and bias."""
    if gradients.hidden is not None:
        torch.mm(logits, weight, out=gradients.hidden[part])
    if gradients.weight is not None:
        gradients.weight.addmm_(logits.T, hidden[part])
    if gradients.bias is not None:
        gradients.bias.add_(logits.sum(0))


def _multiply(hidden: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """Logits of a chunk, written where the last chunk's were."""
    if bias is None:
        torch.mm(hidden, weight.T, out=out)
    else:
        torch.addmm(bias, hidden, weight.T, out=out)


def _room(needs: tuple[bool, bool, bool], hidden: Tensor, weight: Tensor, bias: Tensor | None) -> _Gradients:
    owners = zip(needs, (hidden, weight, bias), strict=True)
    return _Gradients(*(torch.zeros_like(owner) if need and owner is not None else None for need, owner in owners))


def _put_back(gradient: Tensor | None, kept: Tensor, n_tokens: int) -> Tensor | None:
    """The gradient of all hidden states from that of the kept ones: zero elsewhere."""
    if gradient is None:
        return None
    return gradient.new_zeros(n_tokens, gradient.shape[1]).index_copy_(0, kept, gradient)


def _chunk_size(vocab: int, device: str) -> int:
    """Tokens per chunk, a multiple of 64 where there is room: matrix products work in such tiles."""
    tokens = max(1, CHUNK_ELEMENTS.get(device, 2**24) // vocab)
    return tokens - tokens % 64 if tokens > 64 else tokens


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _slices(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
