"""Several causal language models with one tokenizer that write together, token by token.

    P(token | text so far) = Σ_t α_t P_t(token | text so far),   α >= 0, Σ_t α_t = 1

The ensemble is a model of `transformers`: it can be searched, sampled and asked for log-probabilities as any other.
Its logits are the logarithms of these probabilities. It keeps no cache: every new token reads the text again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

MEMBERS = "members.json"
"""In a folder of several models: their folders' names with their weights."""


class TokenEnsemble(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """A mixture of language models, with fixed weights."""

    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True
    """The members' attention is their own affair."""

    def __init__(self, members: Sequence[PreTrainedModel], weights: Sequence[float]) -> None:
        super().__init__(members[0].config)
        self.members = torch.nn.ModuleList(members)
        self.log_weight = torch.tensor(weights, dtype=torch.float64).log()

    def get_output_embeddings(self) -> torch.nn.Module:
        """The first member's."""
        first: PreTrainedModel = self.members[0]
        layer: torch.nn.Module = first.get_output_embeddings()
        return layer

    def prepare_inputs_for_generation(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **ignored: Any
    ) -> dict[str, Any]:
        """The whole text, as there is no cache; places on the left that are padding have no position."""
        position_ids = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        return {"input_ids": input_ids, "attention_mask": attention_mask, "position_ids": position_ids}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        logits_to_keep: Any = 0,
        **ignored: Any,
    ) -> CausalLMOutput:
        """ln Σ_t α_t P_t as logits."""
        inputs = {"attention_mask": attention_mask, "position_ids": position_ids, "logits_to_keep": logits_to_keep}
        total: torch.Tensor | None = None
        for member, log_weight in zip(self.members, self.log_weight.tolist(), strict=True):
            logits = member(input_ids, **inputs, use_cache=False).logits.float().log_softmax(dim=-1) + log_weight
            total = logits if total is None else torch.logaddexp(total, logits)
        return CausalLMOutput(logits=total)


def load_members(folder: Path, load: Callable[[Path], PreTrainedModel]) -> TokenEnsemble:
    """The ensemble of the models in `folder`, each read by `load`."""
    weights: Mapping[str, float] = json.loads((folder / MEMBERS).read_text())
    ensemble = TokenEnsemble([load(folder / name) for name in weights], list(weights.values()))
    ensemble.eval()
    return ensemble


def save_members(folder: Path, alphas: Mapping[str, float]) -> None:
    """Write which models of `folder` make an ensemble, and their weights divided by their sum."""
    total = sum(alphas.values())
    weights = {name: alpha / total for name, alpha in alphas.items()}
    (folder / MEMBERS).write_text(json.dumps(weights, indent=1))
