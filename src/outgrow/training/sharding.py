"""Weights, gradients and optimizer state in shards: each rank keeps its part of every tensor (FSDP2).

A rank still works on its own parts of an update, and the gradients are the same sums as without shards (`ranks.py`).
A block's weights are whole on a rank only while the block computes; embedding, last norm and head are whole from the
forward pass to the end of the backward pass, so that losses may use the output layer as it is. As the ranks fetch
weights from each other, they make the same number of passes: a rank with fewer parts repeats one that counts nothing.

While rank 0 evaluates the weights, all of them are whole. After the training, rank 0 has a plain model.
"""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from safetensors.torch import load_file
from torch.distributed import is_initialized
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from outgrow.errors import ConfigError
from outgrow.training.callbacks import SHARDS
from outgrow.training.without_weights import without_weights


class Shards:
    """A model whose weights are sharded in place."""

    def __init__(self, model: torch.nn.Module, count: int, device: torch.device) -> None:
        """Raises `ConfigError` for a model with an adapter, or without blocks that can be told apart."""
        if not isinstance(model, PreTrainedModel) or not all(weight.requires_grad for weight in model.parameters()):
            raise ConfigError("resources: `shard` is for `adapt: full`, and this model has an adapter; leave it out")
        self.model, self.skeleton = model, without_weights(model, model)
        self.blocks = blocks_of(model)
        mesh = init_device_mesh(device.type, (count,))
        for block in self.blocks:
            fully_shard(block, mesh=mesh)
        model.last_hidden_states = MethodType(last_hidden_states, model)
        fully_shard(model, mesh=mesh, reshard_after_forward=False)
        register_fsdp_forward_method(model, "last_hidden_states")

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Inside, all ranks have all weights, and a forward pass of one rank needs no other."""
        parts = [part for part in self.model.modules() if isinstance(part, FSDPModule)]
        for block in self.blocks:
            block.set_reshard_after_forward(False)
        for part in parts:
            part.unshard()
        try:
            yield
        finally:
            for part in parts:
                part.reshard()
            for block in self.blocks:
                block.set_reshard_after_forward(True)

    def plain(self, wanted: bool) -> torch.nn.Module | None:
        """A model with whole weights and without shards, for the ranks that want it."""
        model: torch.nn.Module | None = pickle.loads(self.skeleton) if wanted else None
        targets = {} if model is None else {**dict(model.named_parameters()), **dict(model.named_buffers())}
        with torch.no_grad():
            for name, tensor in [*self.model.named_parameters(), *self.model.named_buffers()]:
                whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
                if name in targets:
                    targets[name].copy_(whole)
        return model


def last_hidden_states(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    """What the output layer reads."""
    states: torch.Tensor = model.base_model(**inputs).last_hidden_state
    return states.clone() if states._is_view() else states  # FSDP2 asks for no view of its own


def blocks_of(model: torch.nn.Module) -> list[Any]:
    """The model's repeated blocks: the longest list of modules."""
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    if not lists:
        raise ConfigError("resources: `shard` is for transformers, and this model has no list of blocks; leave it out")
    return list(max(lists, key=lambda found: len(list(found))))


# ---- checkpoints ------------------------------------------------------------------------------------------


def save_shards(model: torch.nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Path) -> None:
    """Every rank writes its part."""
    weights, state = get_state_dict(model, optimizer)
    save({"model": weights, "optimizer": state}, checkpoint_id=checkpoint / SHARDS)


def load_shards(model: torch.nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Path) -> None:
    """Read what this rank needs, in shards or whole, however many processes have written it."""
    weights, state = get_state_dict(model, optimizer)
    content: dict[str, Any] = {"model": weights, "optimizer": state}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # where one process reads them
        load(content, checkpoint_id=checkpoint / SHARDS, no_dist=not is_initialized())
    set_state_dict(model, optimizer, model_state_dict=content["model"], optim_state_dict=content["optimizer"])


def load_whole(model: torch.nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Path) -> None:
    """Read a checkpoint that one process has written with whole weights into shards."""
    weights = {
        name: tensor for file in checkpoint.glob("model*.safetensors") for name, tensor in load_file(file).items()
    }
    # A matrix that is used twice is in the file once.
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, strict=False))
    saved = torch.load(checkpoint / "optimizer.pt", map_location="cpu", weights_only=True)
    trained = [weight for group in optimizer.param_groups for weight in group["params"]]
    state = {
        number: {key: _as_shard(value, trained[number]) for key, value in entries.items()}
        for number, entries in saved["state"].items()
    }
    optimizer.load_state_dict({**saved, "state": state})


def _as_shard(value: Any, weight: Any) -> Any:
    """This rank's part of what belongs to a weight; numbers stay as they are."""
    if isinstance(value, torch.Tensor) and value.shape == weight.shape and weight.dim():
        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
    return value
