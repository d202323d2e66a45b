"""The hidden states that predict a text's tokens, and what a causal language model makes of them.

Losses on texts need neither the prompt's logits nor all logits at once: the model's body gives hidden states, those at
the answers' places are picked, and the output layer is applied to them by the loss, a chunk at a time
(`losses/token_chunks.py`). So a model must be what that supposes, logits = output layer of the body's last hidden
state; models that scale or cap their logits afterwards are refused.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel

from outgrow.errors import ConfigError, DataError
from outgrow.models.token_batches import pad

TOKENS_AT_ONCE = 256
"""Tokens whose logits exist at once when the student's confidence is asked for."""


def answer_states(
    model: torch.nn.Module, texts: Sequence[tuple[list[int], list[int]]], pad_id: int, device: torch.device
) -> Float[Tensor, "token dim"]:
    """Hidden states that predict the answers' tokens: of (prompt, answer) pairs, one after the other."""
    batch = pad([prompt + answer for prompt, answer in texts], pad_id, device)
    body = language_model(model).base_model
    hidden = body(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).last_hidden_state
    places = [
        row * hidden.shape[1] + len(prompt) - 1 + step
        for row, (prompt, answer) in enumerate(texts)
        for step in range(len(answer))
    ]
    states: Tensor = hidden.flatten(0, 1)[torch.tensor(places, device=device)]
    return states.to(_precision(states))


def _precision(states: Tensor) -> torch.dtype:
    """What the output layer computes in: bfloat16 where the body does, float32 where float16 would be too coarse."""
    device = states.device.type
    within = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    return torch.float32 if within == torch.float16 else within


@torch.no_grad()
def confidences(hidden: Float[Tensor, "token dim"], head: torch.nn.Linear) -> Float[Tensor, "token"]:
    """The model's largest probability at each of these tokens."""
    found = []
    for part in torch.split(hidden, TOKENS_AT_ONCE):
        logits = logits_of(part, head)
        found.append((logits.amax(dim=1) - logits.logsumexp(dim=1)).exp())
    return torch.cat(found)


def token_logprobs(
    hidden: Float[Tensor, "token dim"], head: torch.nn.Linear, label: Int[Tensor, "token"]
) -> Float[Tensor, "token"]:
    """log p of each label, differentiable; all logits exist at once, so this is for a few texts."""
    logits = logits_of(hidden, head)
    return logits.gather(1, label[:, None]).squeeze(1) - logits.logsumexp(dim=1)


def logits_of(hidden: Float[Tensor, "token dim"], head: torch.nn.Linear) -> Float[Tensor, "token vocab"]:
    """Computed in the hidden states' precision, in float32 or better from there on."""
    bias = None if head.bias is None else head.bias.to(hidden.dtype)
    logits = linear(hidden, output_matrix(head, hidden.dtype), bias)
    return logits if logits.dtype == torch.float64 else logits.float()


_CONVERTED: WeakKeyDictionary[torch.nn.Module, Tensor] = WeakKeyDictionary()


def output_matrix(head: torch.nn.Linear, dtype: torch.dtype) -> Float[Tensor, "vocab dim"]:
    """The output layer's weights in the precision of the arithmetic.

    A frozen layer is converted once: to do it at every update would take a CPU longer than the rest of the loss.
    """
    if head.weight.requires_grad or head.weight.dtype == dtype:
        return head.weight.to(dtype)
    if head not in _CONVERTED or _CONVERTED[head].dtype != dtype:
        _CONVERTED[head] = head.weight.to(dtype)
    return _CONVERTED[head]


def language_model(model: torch.nn.Module) -> PreTrainedModel:
    """The causal language model inside of an adapter, or the model itself."""
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    assert isinstance(inner, PreTrainedModel), "texts are learned by causal language models"
    return inner


def output_layer(model: torch.nn.Module) -> torch.nn.Linear:
    """The layer that turns hidden states into logits. `ConfigError` if an adapter sits on it."""
    head = language_model(model).get_output_embeddings()
    if isinstance(head, BaseTunerLayer):
        raise ConfigError("lora.modules: training on texts puts no adapter on the output layer; leave it out")
    assert isinstance(head, torch.nn.Linear), "a language model's output layer is linear"
    return head


@torch.inference_mode()
def require_plain_logits(model: PreTrainedModel, name: str) -> None:
    """`DataError` for a model whose logits are more than its output layer makes of its last hidden states."""
    text = model.config.get_text_config()
    # Looked up as well as tried: small logits would hide a cap.
    capped = text.to_dict().get("final_logit_softcapping")
    ids = torch.arange(min(8, text.vocab_size), device=model.device)[None]
    logits = model(input_ids=ids, use_cache=False).logits.float()
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    if capped or not torch.allclose(output_layer(model)(hidden).float(), logits, rtol=1e-2, atol=1e-2):
        raise DataError(
            f"model `{name}` scales or caps its logits, which training on texts cannot do yet; take another model"
        )
