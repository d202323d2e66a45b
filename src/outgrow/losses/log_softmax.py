"""log softmax over the classes, as fast for few classes as for many.

On a CPU, PyTorch reduces a last dimension that is shorter than a vector register one number at a time: 15 classes take
ten times as long as 16. With the classes in front, neighbouring rows fill the register instead.
"""

from jaxtyping import Float
from torch import Tensor

REGISTER = 64
"""Bytes of the widest vector register there is."""


def log_softmax(logits: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch class"]:
    """log(exp(z_k) / sum_j exp(z_j)), differentiable; the result need not be contiguous."""
    if logits.device.type != "cpu" or logits.shape[-1] * logits.element_size() >= REGISTER:
        return logits.log_softmax(-1)
    return logits.movedim(-1, 0).contiguous().log_softmax(0).movedim(0, -1)
