"""A training as bytes, for the further processes that share it: all of it but what is in the model's tensors.

Weights are sent from process to process, or device to device, as all other tensors are (`ranks.py`).
"""

import io
import pickle
from functools import cached_property
from typing import Any

import torch

from outgrow.losses import LOSSES
from outgrow.losses.loss_record import LossRecord


def without_weights(training: object, model: torch.nn.Module) -> bytes:
    """The training, which holds the model, pickled; the model's weights and buffers are empty when it is read."""
    buffer = io.BytesIO()
    _Pickler(buffer, model).dump(training)
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Leaves out what is in a model's tensors; a tensor that is used twice stays one tensor.

    Losses are sent by name, and values of cached properties are not sent.
    """

    def __init__(self, file: io.BytesIO, model: torch.nn.Module) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.tensors = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}

    def reducer_override(self, value: Any) -> Any:
        """How to make `value` again."""
        tensor = self.tensors.get(id(value))
        if tensor is not None:
            is_weight = isinstance(tensor, torch.nn.Parameter)
            return _empty, (tuple(tensor.shape), tensor.dtype, tensor.device.type, is_weight, tensor.requires_grad)
        if isinstance(value, LossRecord) and LOSSES.get(value.name) is value:
            return _loss, (value.name,)
        known = {} if isinstance(value, type) else getattr(value, "__dict__", {})
        cached = {name for name in known if isinstance(getattr(type(value), name, None), cached_property)}
        if not cached:
            return NotImplemented
        make, arguments, state = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)[:3]
        return make, arguments, {name: state[name] for name in state if name not in cached}


def _loss(name: str) -> LossRecord:
    return LOSSES.named(name)


def _empty(
    shape: tuple[int, ...], dtype: torch.dtype, device: str, is_weight: bool, requires_grad: bool
) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=dtype, device=device)
    return torch.nn.Parameter(tensor, requires_grad) if is_weight else tensor
