"""Losses over a whole vocabulary without the logits of the whole batch.

Logits are hidden states times the output matrix: [token, vocab], for 2,048 tokens of a 50k vocabulary 400 MB; plain
cross-entropy holds three such arrays. Here tokens pass in chunks, and a chunk's logits turn, in place, into the loss's
gradient with respect to them, and that into a part of the gradients of the hidden states and the output matrix:

    z = h W^T + b        loss_i(z_i), g_i = w_i dloss_i/dz_i        dh_i = g_i W,   dW += g^T h,   db += Σ_i g_i

So the gradient is made in the forward pass and nothing is recomputed (the idea of Liger-Kernel's fused losses, Hsu et
al. 2024, arXiv 2410.10989). The price is that every token's weight w_i must be known beforehand: the result is the
weighted sum of the losses, not the losses, and the backward pass only multiplies three finished arrays by one number.

Within a chunk, rows pass in blocks small enough for the processor's cache, and within a block a loss is written as
plain dense formulas over [row, vocab]. That is why a loss may take fifty passes over a block and still cost less than
the matrix products. A row loss (`RowLoss`) knows nothing of chunks, hidden states or weights.

What this does not do: shard the vocabulary over devices, or differentiate twice.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`row_loss(logits, label, prob)`: the loss of each row, having overwritten its logits with the gradient.

Logits are float32 or float64 [row, vocab]; `label` [row] and `prob` [row] are those rows' targets."""

CHUNK_ELEMENTS = {"cpu": 2**23, "cuda": 2**26}
"""Logits per chunk where the caller names no chunk size. On a CPU 32 MB in float32, the largest array whose release
teaches glibc to keep arrays of that size: with larger chunks every block's intermediate results would be mapped and
zeroed anew, at twice the time. On a GPU 128 MB in bfloat16."""

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
    matrix is cast to the hidden states' type where the two differ. `chunk` is the number of tokens per chunk; it
    changes time and memory, and the result only by rounding. `backward` may run once. Half precision means bfloat16:
    float16 would need its loss scaled before this function's gradients are rounded, not after.
    """
    precise = torch.float64 if hidden.dtype == torch.float64 else torch.float32
    if token_weight is None:
        token_weight = torch.ones_like(prob)
    elif token_weight.requires_grad:
        raise ValueError("token weights are constants of the loss: detach them")
    matrix = weight.to(hidden.dtype)
    bias = None if bias is None else bias.to(hidden.dtype)
    chunk = chunk or _chunk_size(len(weight), hidden.device.type)
    grad_enabled = torch.is_grad_enabled()
    needs = tuple(grad_enabled and x is not None and x.requires_grad for x in (hidden, matrix, bias))
    constants = (label.long(), prob, token_weight.to(precise), row_loss, chunk, needs)
    total, per_token = cast(tuple[Tensor, Tensor], _Chunked.apply(hidden, matrix, bias, *constants))  # type: ignore[no-untyped-call]
    return TokenLoss(total, per_token)


class _Tokens(NamedTuple):
    """The arrays with one row per token."""

    hidden: Tensor
    label: Tensor
    prob: Tensor
    weight: Tensor

    def at(self, rows: Tensor | slice) -> "_Tokens":
        return _Tokens(*(x[rows] for x in self))


class _Gradients(NamedTuple):
    """The gradients that are needed, in the types of the tensors that they belong to."""

    hidden: Tensor | None
    matrix: Tensor | None
    bias: Tensor | None


class _Chunked(torch.autograd.Function):
    """Forward makes loss and gradients, backward scales the gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        matrix: Tensor,
        bias: Tensor | None,
        label: Tensor,
        prob: Tensor,
        token_weight: Tensor,
        row_loss: RowLoss,
        chunk: int,
        needs: tuple[bool, bool, bool],
    ) -> tuple[Tensor, Tensor]:
        tokens, n_tokens = _Tokens(hidden, label, prob, token_weight), len(label)
        kept = token_weight.nonzero().squeeze(1)
        if len(kept) < n_tokens:
            tokens = tokens.at(kept)
        with torch.autocast(hidden.device.type, enabled=False):
            losses, gradients = _pass(row_loss, tokens, matrix, bias, chunk, needs)
        total = (losses * tokens.weight).sum()
        if len(kept) < n_tokens:
            losses = _put_back(losses, kept, n_tokens)
            if gradients.hidden is not None:
                gradients = gradients._replace(hidden=_put_back(gradients.hidden, kept, n_tokens))
        ctx.gradients = gradients
        ctx.mark_non_differentiable(losses)
        return total, losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of a chunked token loss were used up by an earlier backward")
        # Scaled in place and let go of: a copy of the output matrix's gradient would be the largest array of all.
        gradients, ctx.gradients = ctx.gradients, None
        scaled = [None if gradient is None else gradient.mul_(outer) for gradient in gradients]
        return (*scaled, *[None] * 6)


def _pass(
    row_loss: RowLoss,
    tokens: _Tokens,
    matrix: Tensor,
    bias: Tensor | None,
    chunk: int,
    needs: tuple[bool, bool, bool],
) -> tuple[Tensor, _Gradients]:
    """Losses of all tokens, and the weighted sum's gradients."""
    losses = torch.empty_like(tokens.weight)
    gradients = _room(needs, tokens.hidden, matrix, bias)
    buffer = matrix.new_empty(min(chunk, len(losses)), len(matrix))
    for part in _slices(len(losses), chunk):
        here = tokens.at(part)
        logits = buffer[: len(here.label)]
        _multiply(here.hidden, matrix, bias, out=logits)
        losses[part] = _rows(row_loss, logits, here)
        if gradients.hidden is not None:
            torch.mm(logits, matrix, out=gradients.hidden[part])
        if gradients.matrix is not None:
            gradients.matrix.addmm_(logits.T, here.hidden)
        if gradients.bias is not None:
            gradients.bias.add_(logits.sum(0))
    return losses, gradients


def _rows(row_loss: RowLoss, logits: Tensor, tokens: _Tokens) -> Tensor:
    """Losses of a chunk; its logits become the weighted gradient, block by block."""
    losses = []
    size = max(1, BLOCK_ELEMENTS.get(logits.device.type, 2**22) // logits.shape[1])
    for rows in _slices(len(logits), size):
        here = tokens.at(rows)
        block = logits[rows].to(here.weight.dtype)
        losses.append(row_loss(block, here.label, here.prob))
        block.mul_(here.weight[:, None])
        if block.dtype != logits.dtype:
            logits[rows] = block
    return torch.cat(losses)


def _multiply(hidden: Tensor, matrix: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """Logits of a chunk, written where the last chunk's were."""
    if bias is None:
        torch.mm(hidden, matrix.T, out=out)
    else:
        torch.addmm(bias, hidden, matrix.T, out=out)


def _room(needs: tuple[bool, bool, bool], hidden: Tensor, matrix: Tensor, bias: Tensor | None) -> _Gradients:
    owners = zip(needs, (hidden, matrix, bias), strict=True)
    return _Gradients(*(torch.zeros_like(owner) if need and owner is not None else None for need, owner in owners))


def _put_back(of_kept: Tensor, kept: Tensor, n_tokens: int) -> Tensor:
    """Rows of all tokens from those of the kept ones: zero elsewhere."""
    return of_kept.new_zeros(n_tokens, *of_kept.shape[1:]).index_copy_(0, kept, of_kept)


def _chunk_size(vocab: int, device: str) -> int:
    """Tokens per chunk: a multiple of 32, as matrix products work in such tiles, and at least 64."""
    return max(64, CHUNK_ELEMENTS.get(device, 2**23) // vocab // 32 * 32)


def _slices(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
