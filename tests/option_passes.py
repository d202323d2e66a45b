"""What steps do with options, on a model at hand: hidden states of each after its prompt."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.models.choices import Choices, tokenize_choices
from outgrow.models.hidden import option_states, resolve_layers
from outgrow.models.packing import OptionBatch, may_pack, pack_batch
from outgrow.models.token_batches import Rows, length_sorted_batches, with_smaller_batches


def option_hidden(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    options: Sequence[Sequence[str]],
    layers: Sequence[int] | None = None,
    *,
    packed: bool | None = None,
    batch_tokens: int = 4096,
) -> Float[np.ndarray, "item option layer dim"]:
    """Hidden states of a whole decoder at the last token of every option; `packed=None` packs where it may."""
    depth = int(model.config.get_text_config().num_hidden_layers)
    choices, wanted = tokenize_choices(tokenizer, prompts, options, 512), resolve_layers(layers, depth)

    def states(batch: OptionBatch) -> Tensor:
        return option_states(model, batch.to(model.device), wanted, depth)

    return _in_batches(model, tokenizer, choices, packed, batch_tokens, states)


@torch.inference_mode()
def _in_batches(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    choices: Choices,
    packed: bool | None,
    batch_tokens: int,
    read: Callable[[OptionBatch], Tensor],
) -> np.ndarray:
    """What `read` returns of all rows, in their order."""
    packed = may_pack(model, tokenizer, choices) if packed is None else packed

    def run(rows: Rows) -> Tensor:
        return read(pack_batch(choices.take(rows), tokenizer.pad_token_id, packed=packed, dtype=model.dtype)).cpu()

    done = list(with_smaller_batches(run, length_sorted_batches(choices.lengths(packed), batch_tokens)))
    order = np.concatenate([rows for rows, _ in done])
    return np.asarray(torch.cat([values for _, values in done]).numpy()[np.argsort(order)])
