"""The K options of a *choose* item in one forward pass.

    prompt ─┬─ option 1        one row of tokens:   prompt │ option 1 │ option 2 │ … │ padding
            ├─ option 2        position ids:        0 … P-1│ P …      │ P …      │
            └─ …               who sees whom:       an option sees the prompt and its own past, not the others

The prompt is read once instead of K times. A causal transformer that takes its positions from `position_ids` and its
mask as given cannot tell the difference; others can (ALiBi, recurrent layers, encoders), so `packing_holds` compares
both ways on a tiny batch, and where they differ every option gets a row of its own. Everything downstream is the same
for both: `OptionBatch` knows where each option ends and which position predicts which of its tokens.

The log-likelihood of an option is the sum over its tokens of log p(token | prompt, the option's tokens before it).
Tokenizing is the matter of `choices.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.models.choices import Choices, tokenize_choices

PROMPTS = ["Question: Which of these animals can fly without any help at all?\nAnswer:", "The sky is"]
OPTIONS = ["a very small bird that was born in the old town in the spring", "blue", "not a stone, nor a fish"]
"""What packing is tried on: prompts and options of unlike lengths, so that a wrong position or mask shows."""

AGREEMENT = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Relative root-mean-square difference that rounding alone may cause between the two ways."""


@dataclass(frozen=True)
class OptionBatch:
    """Some items ready for a model, and where to look at its output. "Flat" counts through rows, then tokens."""

    inputs: dict[str, Tensor]
    """For `model(**inputs)`."""
    last: Int[Tensor, "item option"] | Int[Tensor, "option"]
    """Flat position of each option's last token; in one row if items have unlike numbers of options."""
    predicting: Bool[Tensor, "row token"]
    """Positions whose logits are needed."""
    rank: Int[Tensor, "target"]
    """For every option token: which of the needed positions predicts it."""
    target: Int[Tensor, "target"]
    """The option tokens themselves."""
    owner: Int[Tensor, "target"]
    """The option each belongs to: item * K + option."""

    def to(self, device: torch.device | str) -> "OptionBatch":
        inputs = {name: value.to(device) for name, value in self.inputs.items()}
        rest = (self.last, self.predicting, self.rank, self.target, self.owner)
        return OptionBatch(inputs, *(value.to(device) for value in rest))

    @property
    def token_counts(self) -> Int[Tensor, "*item option"]:
        """Number of tokens of each option."""
        return torch.bincount(self.owner, minlength=self.last.numel()).view_as(self.last)


def pack_batch(choices: Choices, pad_id: int, *, packed: bool, dtype: torch.dtype = torch.float32) -> OptionBatch:
    """Lay out some items with K options each, all options of an item in one row or each in its own.

    `dtype` is the model's: the 4-D mask is added to its attention scores.
    """
    rows = list(zip(choices.prefixes, choices.options, strict=True))
    if not packed:
        rows = [(prefix, [option]) for prefix, options in rows for option in options]
    width = max(len(prefix) + sum(map(len, options)) for prefix, options in rows)
    input_ids = torch.full((len(rows), width), pad_id)
    segment = torch.full((len(rows), width), -1)  # 0 = prompt, 1 … K = options, -1 = padding
    position = torch.zeros((len(rows), width), dtype=torch.long)
    for row, (prefix, options) in enumerate(rows):
        length = len(prefix) + sum(map(len, options))
        input_ids[row, :length] = torch.tensor([*prefix, *chain(*options)])
        segment[row, : len(prefix)] = 0
        position[row, : len(prefix)] = torch.arange(len(prefix))
        start = len(prefix)
        for segment_id, option in enumerate(options, start=1):
            segment[row, start : start + len(option)] = segment_id
            position[row, start : start + len(option)] = len(prefix) + torch.arange(len(option))
            start += len(option)
    inputs = {"input_ids": input_ids, "attention_mask": (segment >= 0).long()}
    if packed:
        inputs |= {"attention_mask": _branching_mask(segment, dtype), "position_ids": position}
    batch = _with_places(inputs, rows, width)
    k = len(choices.options[0])
    return (
        replace(batch, last=batch.last.view(-1, k)) if all(len(options) == k for options in choices.options) else batch
    )


def _branching_mask(segment: Int[Tensor, "row token"], dtype: torch.dtype) -> Float[Tensor, "row 1 token token"]:
    """0 where the query (third axis) may see the key (fourth axis): the prompt, and its own segment's past."""
    query, key = segment[:, :, None], segment[:, None, :]
    past = torch.ones(segment.shape[1], segment.shape[1], dtype=torch.bool).tril()
    allowed = past & ((key == 0) | (key == query))
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)[:, None]


def _with_places(
    inputs: dict[str, Tensor], rows: Sequence[tuple[list[int], list[list[int]]]], width: int
) -> OptionBatch:
    """Note for every option where it ends, and for every option token which position predicts it."""
    last: list[int] = []
    before: list[int] = []
    target: list[int] = []
    owner: list[int] = []
    for row, (prefix, options) in enumerate(rows):
        start = row * width + len(prefix)
        fork = start - 1
        for option in options:
            before += [fork, *range(start, start + len(option) - 1)]
            target += option
            owner += [len(last)] * len(option)
            start += len(option)
            last.append(start - 1)
    needed = torch.tensor(before)
    predicting = torch.zeros(len(rows) * width, dtype=torch.bool)
    predicting[needed] = True
    rank = predicting.cumsum(0)[needed] - 1
    return OptionBatch(
        inputs,
        torch.tensor(last),
        predicting.view(len(rows), width),
        rank,
        torch.tensor(target),
        torch.tensor(owner),
    )


def packed_option_logits(lm: torch.nn.Module, batch: OptionBatch) -> Float[Tensor, "*item option"]:
    """Log-likelihood of every option under a causal language model: the sum over its tokens, in nats."""
    chosen = token_logprobs(lm, batch)
    total = chosen.new_zeros(batch.last.numel()).index_add(0, batch.owner, chosen)
    return total.view(batch.last.shape)


def token_logprobs(lm: torch.nn.Module, batch: OptionBatch) -> Float[Tensor, "target"]:
    """Log-likelihood of every option token after its prompt and the option's tokens before it, in nats.

    Differentiable, in float32 or better. The language head is applied at the positions that predict an option token
    and nowhere else. `lm` may be wrapped (PEFT, DDP); it is on the batch's device.
    """
    logits: Tensor = lm(**batch.inputs, logits_to_keep=batch.predicting, use_cache=False).logits
    logits = logits if logits.dtype == torch.float64 else logits.float()
    # log softmax at one class is logit - logsumexp; the whole [position, vocab] table is not made.
    return logits[batch.rank, batch.target] - logits.logsumexp(dim=-1)[batch.rank]


def packing_holds(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Does the model give the same answers to packed options as to separate ones? Tried on six short texts.

    Compares hidden states (or logits) at the options' last tokens; a model that cannot take the 4-D mask or the
    position ids at all does not hold. A sliding window is not tried: see `attention_reach`.
    """
    choices = tokenize_choices(tokenizer, PROMPTS, [OPTIONS, OPTIONS[::-1]], max_length=512)
    with evaluating(model):
        separate = _ends(model, choices, tokenizer.pad_token_id, packed=False)
        try:
            packed = _ends(model, choices, tokenizer.pad_token_id, packed=True)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
            return False
    return bool((packed - separate).norm() <= AGREEMENT[model.dtype] * separate.norm())


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """The model without dropout; afterwards as before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@torch.no_grad()
def _ends(model: PreTrainedModel, choices: Choices, pad_id: int, *, packed: bool) -> Float[Tensor, "option dim"]:
    batch = pack_batch(choices, pad_id, packed=packed, dtype=model.dtype).to(model.device)
    output: Tensor = model(**batch.inputs)[0]
    return output.flatten(0, 1)[batch.last.flatten()].double()


def attention_reach(model: PreTrainedModel) -> int | None:
    """How far back the model's attention looks, if it has a sliding window or chunks; longer rows are not packed.

    In a packed row an option is farther from its prompt than it is on its own, and a 4-D mask replaces the window.
    """
    config = model.config.get_text_config().to_dict()
    reach = [config.get("sliding_window"), config.get("attention_chunk_size")]
    return min((length for length in reach if length), default=None)


def may_pack(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, choices: Choices) -> bool:
    """Pack these items? Yes if it changes nothing for this model, and no item is longer than its attention's reach."""
    reach = attention_reach(model)
    longest = int(choices.lengths(packed=True).max(initial=0))
    return (reach is None or longest <= reach) and packing_holds(model, tokenizer)
