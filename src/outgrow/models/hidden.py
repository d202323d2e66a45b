"""Hidden states: what a transformer knows of a text at each of its layers.

Layer 0 are the embeddings that enter the first block, layer l is what leaves block l, and the last layer is the
model's own output, behind its final norm: the numbering of transformers' `hidden_states`. A text is read off

    decoder   at its last real token, the only one that has seen everything
    encoder   as the mean over its real tokens

"Real" is what the attention mask marks. Blocks above the highest requested layer may be missing: load the backbone
with `layers=` that many.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from outgrow.errors import DataError
from outgrow.models.load_model import last_token
from outgrow.models.packing import OptionBatch
from outgrow.models.token_batches import Padded


def resolve_layers(layers: Sequence[int] | None, depth: int) -> list[int]:
    """Layer numbers from 0 (embeddings) to `depth`; negative ones count from the end, `None` is the last alone."""
    layer_numbers = [depth] if layers is None else [layer + depth + 1 if layer < 0 else layer for layer in layers]
    for layer, given in zip(layer_numbers, layers or [], strict=False):
        if not 0 <= layer <= depth:
            raise DataError(f"layer {given}: the model has layers 0 (embeddings) to {depth}")
    return layer_numbers


@torch.inference_mode()
def layer_states(
    model: PreTrainedModel, inputs: dict[str, Tensor], layers: Sequence[int], depth: int
) -> Float[Tensor, "layer row token dim"]:
    """Hidden states at `layers` of a model that had `depth` blocks before it was shortened to what is needed."""
    with _captured_states(_blocks(model)) as states:
        final = model(**inputs).last_hidden_state
    return torch.stack([final if layer == depth else states[layer] for layer in layers])


@contextmanager
def _captured_states(blocks: nn.ModuleList) -> Iterator[dict[int, Tensor]]:
    """Capture the input of the first block (0) and the output of each (1, 2, …) during a forward pass."""
    states: dict[int, Tensor] = {}

    def leaves(layer: int, output: Tensor | tuple[Any, ...]) -> None:
        states[layer] = output if isinstance(output, Tensor) else output[0]

    def enters(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states[0] = args[0] if args else kwargs["hidden_states"]

    handles = [blocks[0].register_forward_pre_hook(enters, with_kwargs=True)]
    for layer, block in enumerate(blocks, start=1):
        handles.append(block.register_forward_hook(lambda _, __, output, layer=layer: leaves(layer, output)))
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def _blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The model's stack of transformer blocks: its first list of modules that is as long as the model is deep."""
    depth = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise DataError(f"{type(model).__name__}: found no stack of {depth} blocks to read hidden states from")


@torch.inference_mode()
def reads_forward(model: PreTrainedModel) -> bool:
    """Whether the model is a decoder: whether the first token's state is independent of the second token."""
    ids = torch.tensor([[10, 11], [10, 12]], device=model.device)
    first = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 0].float()
    return bool((first[0] - first[1]).norm() <= 1e-3 * first[0].norm())


def text_states(
    model: PreTrainedModel, batch: Padded, layers: Sequence[int], depth: int, *, causal: bool
) -> Float[Tensor, "row layer dim"]:
    """One vector per text and layer: last real token (`causal`) or mean over the real tokens."""
    states = layer_states(model, {**batch._asdict()}, layers, depth).float()
    if causal:
        return torch.stack([last_token(state, batch.attention_mask) for state in states], dim=1)
    mask = batch.attention_mask[None, :, :, None]
    return ((states * mask).sum(dim=2) / mask.sum(dim=2)).transpose(0, 1)


def option_states(
    model: PreTrainedModel, batch: OptionBatch, layers: Sequence[int], depth: int
) -> Float[Tensor, "item option layer dim"]:
    """One vector per option and layer of a decoder: the state at the option's last token, prompt and option read."""
    states = layer_states(model, batch.inputs, layers, depth)
    return states.flatten(1, 2)[:, batch.last].permute(1, 2, 0, 3).float()
