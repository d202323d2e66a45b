"""Texts to learn, for the trainer: a probability for each of the student's tokens, and the loss of it (eqs 3 to 7).

A row is one source's text for one item, with the log-probability that the source gave each group of tokens
(`text_tokenizer.py`). At every update the log-probability of a group is shared out over its tokens by the student's
confidence of the moment, C = its largest probability at that step:

    log t_i = softmax_i(−C / temperature) · log P(group)            (paper 1, equation 7; or equal shares)

The loss of a row is the mean over its answer's tokens, the end of the text included; the prompt is not learned. Rows
of one item are the opinions of several sources, each weighed by its λ, and are summed within one update: naive
multi-weak (equation 11) with cross-entropy, Bayesian multi-weak with the evidential loss. A loss that compares the
texts of an item gets all of them at once (`losses/token_marginal.py`). Hidden states become logits
a chunk at a time, inside of the loss (`losses/tokens.py`), so that logits of a batch never exist. This assumes that
logits are what the output layer makes of the body's last hidden state; models that scale or cap their logits are
refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel

from outgrow.align.targets import split_logprob
from outgrow.errors import ConfigError, DataError
from outgrow.extensions import Function, function_of
from outgrow.losses import LOSSES
from outgrow.losses.loss_record import ramp
from outgrow.losses.softmax_losses import CROSS_ENTROPY
from outgrow.models.token_batches import pad
from outgrow.training.text_tokenizer import TextRow
from outgrow.training.training_examples import Scope


@dataclass(frozen=True)
class TextLoss:
    """A loss of tokens with everything that it needs but the model."""

    loss: Mapping[str, Any]
    """The method's `loss` section, with numbers for all options."""
    soft_labels: Mapping[str, Any]
    """`config.method.SoftLabels` as a dictionary."""
    self_training: Mapping[str, Any] | None = None
    """`config.method.SelfTraining` as a dictionary; `None` = without it."""

    def __post_init__(self) -> None:
        if not LOSSES.named(self.loss["type"]).of_texts:
            raise ValueError(f"the loss {self.loss['type']!r} has no `token_function`: it is for classes only")
        if self.self_training is not None and self.self_training["harden"] != "argmax":
            raise ValueError(f"texts harden by argmax only, not by {self.self_training['harden']!r}")

    @property
    def asks_confidence(self) -> bool:
        """Whether targets depend on how confident the student is."""
        return bool(self.soft_labels["split"] == "confidence" and self.soft_labels["rest"] != "onehot")

    @property
    def compares_texts(self) -> bool:
        """Whether the loss of an item is not the sum over its texts."""
        return LOSSES[self.loss["type"]].item_function is not None

    def of_tokens(
        self,
        hidden: Float[Tensor, "token dim"],
        head: torch.nn.Linear,
        label: Int[Tensor, "token"],
        prob: Float[Tensor, "token"],
        token_weight: Float[Tensor, "token"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ token_weight · loss, at a share `progress` of the training."""
        further = {"rest": self.soft_labels["rest"], "token_weight": token_weight}
        return self._total(LOSSES[self.loss["type"]].token_function, hidden, head, label, prob, progress, **further)

    def of_items(
        self,
        hidden: Float[Tensor, "token dim"],
        head: torch.nn.Linear,
        label: Int[Tensor, "token"],
        row: Int[Tensor, "token"],
        item: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ over items of their weight · loss; `row` is each token's row, `item` each row's item."""
        function = LOSSES[self.loss["type"]].item_function
        return self._total(function, hidden, head, label, row, progress, item=item, row_weight=weight)

    def _total(
        self,
        function: Function | None,
        hidden: Float[Tensor, "token dim"],
        head: torch.nn.Linear,
        label: Int[Tensor, "token"],
        of_token: Shaped[Tensor, "token"],
        progress: float,
        **further: Any,
    ) -> Float[Tensor, ""]:
        """The record's function, called with what all of them take; `of_token` is its fourth argument."""
        assert function is not None, "checked when the object was made"
        own = self.self_training
        gamma = 0.0 if own is None else own["gamma_max"] * ramp(progress, own["ramp"])
        own_options = {key: self.loss[key] for key in self.loss if key != "type"}
        options = LOSSES[self.loss["type"]].token_options_at(own_options, progress)
        common: dict[str, Any] = {"bias": head.bias, "self_training": gamma, **further, **options}
        matrix = output_matrix(head, hidden.dtype)
        total: Tensor = function_of(function)(hidden, matrix, label, of_token, **common).total
        return total


CERTAIN = TextLoss(
    {"type": CROSS_ENTROPY.name}, {"rest": "onehot", "split": "uniform", "temperature": 1.0, "unit": "span"}
)
"""Plain cross-entropy: the loss for gold and for held-out texts."""


@dataclass(frozen=True)
class TextExamples:
    """Texts to learn, for the trainer (`examples.Examples`)."""

    rows: Sequence[TextRow]
    item: Int[np.ndarray, "row"]
    weight: Float[Tensor, "row"]
    pad_id: int
    objective: TextLoss
    shares: Sequence[Float[np.ndarray, "_"]] | None = None
    """By row, what each of its tokens counts, summing to 1; by default all of them alike."""

    @property
    def scope(self) -> Scope:
        return "item" if self.objective.compares_texts else "row"

    @cached_property
    def lengths(self) -> Int[np.ndarray, "row"]:
        return np.asarray([len(row.prompt) + len(row.answer) for row in self.rows], dtype=np.int64)

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "token dim"]:
        """Hidden states at the positions that predict the answers' tokens, row after row."""
        chosen = [self.rows[row] for row in rows.tolist()]
        return answer_states(model, [(row.prompt, row.answer) for row in chosen], self.pad_id, device)

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "token dim"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ over rows of weight times the mean loss of the row's tokens by their shares, or over items of weight times
        their loss."""
        chosen = [self.rows[row] for row in rows.tolist()]
        head, device = output_layer(model), outputs.device
        label = torch.tensor([token for row in chosen for token in row.answer], device=device)
        widths = torch.tensor([len(row.answer) for row in chosen], device=device)
        if self.objective.compares_texts:
            row = torch.arange(len(chosen), device=device).repeat_interleave(widths)
            item = torch.from_numpy(np.unique(self.item[rows.cpu().numpy()], return_inverse=True)[1]).to(device)
            return self.objective.of_items(outputs, head, label, row, item, weight, progress)
        if self.shares is None:
            token_weight = (weight / widths).repeat_interleave(widths)
        else:
            shares = np.concatenate([self.shares[row] for row in rows.tolist()])
            token_weight = weight.repeat_interleave(widths) * torch.from_numpy(shares).to(weight)
        prob = label_probabilities(chosen, outputs, head, self.objective)
        return self.objective.of_tokens(outputs, head, label, prob, token_weight, progress)


def label_probabilities(
    rows: Sequence[TextRow], hidden: Float[Tensor, "token dim"], head: torch.nn.Linear, objective: TextLoss
) -> Float[Tensor, "token"]:
    """The probability that the source grants each token of the rows' answers, one row after the other; float64.

    Only tokens that share a group need the student's confidence: a token that is a group has all of it anyway.
    """
    offsets = np.cumsum([0, *(len(row.logprob) for row in rows)])
    group = np.concatenate([row.group + offset for row, offset in zip(rows, offsets, strict=False)])
    logprob = torch.tensor(np.concatenate([row.logprob for row in rows]), dtype=torch.float64)
    shared = torch.from_numpy(np.flatnonzero(np.bincount(group)[group] > 1))
    confidence = None
    if objective.asks_confidence and len(shared):
        confidence = torch.zeros(len(group), dtype=torch.float64)
        confidence[shared] = confidences(hidden[shared.to(hidden.device)], head).double().cpu()
    temperature = objective.soft_labels["temperature"]
    share = split_logprob(torch.from_numpy(group), logprob, confidence, temperature=temperature)
    return share.exp().to(hidden.device)


TOKENS_AT_ONCE = 256
"""Tokens whose logits exist at once when the student's confidence is asked for."""


def answer_states(
    model: torch.nn.Module, texts: Sequence[tuple[list[int], list[int]]], pad_id: int, device: torch.device
) -> Float[Tensor, "token dim"]:
    """Hidden states that predict the answers' tokens: of (prompt, answer) pairs, one after the other."""
    batch = pad([prompt + answer for prompt, answer in texts], pad_id, device)
    inner = language_model(model)
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "use_cache": False}
    # Of a sharded model, the pass through its body must be one of the whole (`sharding.py`).
    sharded = getattr(inner, "last_hidden_states", None)
    hidden = inner.base_model(**inputs).last_hidden_state if sharded is None else sharded(**inputs)
    places = [
        row * hidden.shape[1] + len(prompt) - 1 + step
        for row, (prompt, answer) in enumerate(texts)
        for step in range(len(answer))
    ]
    states: Tensor = hidden.flatten(0, 1)[torch.tensor(places, device=device)]
    return states.to(_precision(states))


def _precision(states: Tensor) -> torch.dtype:
    """The precision of the output layer: bfloat16 where the body does, float32 where float16 would be too coarse."""
    device = states.device.type
    within = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    return torch.float32 if within == torch.float16 else within


@torch.no_grad()
def confidences(hidden: Float[Tensor, "token dim"], head: torch.nn.Linear) -> Float[Tensor, "token"]:
    """The model's largest probability at each of these tokens."""
    probabilities = []
    for part in torch.split(hidden, TOKENS_AT_ONCE):
        logits = logits_of(part, head)
        probabilities.append((logits.amax(dim=1) - logits.logsumexp(dim=1)).exp())
    return torch.cat(probabilities)


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
