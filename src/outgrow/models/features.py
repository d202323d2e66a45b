"""The step that turns items into vectors, once per model, layers and data, for every probe that reads them.

    classify   decoder: hidden state at the last token · encoder: mean over the tokens · static: mean vector
    choose     decoder: hidden state at each option's last token, all options in one pass where that is exact
               encoder and static: [q ∘ o, o, |q - o|] of the unit vectors q of the prompt and o of the option

Values are float32 whatever the model computes in, neither standardised nor normalised: the head does that.
How items are batched changes a result by rounding alone. Nothing here is trained.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.data.task import Items, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.models.choices import tokenize_choices
from outgrow.models.feature_reuse import blocks_of, known_blocks, names_of
from outgrow.models.hidden import option_states, reads_forward, resolve_layers, text_states
from outgrow.models.load_model import load_backbone, load_config, load_tokenizer, pick_device
from outgrow.models.model_names import parse_name
from outgrow.models.packing import may_pack, pack_batch
from outgrow.models.resumable_inference import ResumableInference, sweep
from outgrow.models.static_embeddings import load_static, mean_vectors
from outgrow.models.token_batches import Rows, pad, tokenize, usable_length


def make_features(
    job: Job,
    *,
    model: str,
    revision: str | None,
    layers: list[int] | None,
    dims: int | None,
    dtype: str,
    max_length: int,
    identity: str | None = None,
    trust_remote_code: bool = False,
) -> None:
    """Write `features.npy`, float32 [item, layer, dim] (choose: [item, option, layer, dim]), and `features.json`.

    Hidden states that the same store has already are reused, see `feature_reuse.py`; `features.json` names their
    blocks. Input `pool`; hints `device`, `batch_tokens`, `threads`. `layers` as in
    `hidden.resolve_layers`; `dims` keeps the leading dimensions of the model's vectors; `identity` only sets apart
    models of the same name.
    """
    params = {"revision": revision, "layers": layers, "dims": dims, "dtype": dtype, "max_length": max_length}
    params |= {"identity": identity, "trust_remote_code": trust_remote_code}
    task = Task.load(job.inputs["pool"])
    if parse_name(model).static:
        _write_static(job, task.items, model, layers, dims, max_length)
        return
    device = pick_device(job.hints)
    depth = load_config(model, revision, trust_remote_code=trust_remote_code).num_hidden_layers
    layer_numbers = resolve_layers(layers, depth)
    reader = FeatureExtractor(
        load_tokenizer(model, revision, trust_remote_code=trust_remote_code),
        load_backbone(
            model,
            revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
            layers=max(1, *layer_numbers),
        ),
        layer_numbers,
        depth,
        dims,
        max_length,
    )
    work, about = reader.plan(task.items)
    blocks = blocks_of(task.items.parts)
    names = names_of(blocks, task.items, [about["read"], about.get("packed")])
    computed = known_blocks(blocks, names, params, job.inputs["pool"].parent)
    if computed:
        job.report(f"{sum(len(rows) for rows, _ in computed)} items are known from earlier results", 0.0)
    shutil.copyfile(sweep(job, replace(work, blocks=blocks), computed), job.out / "features.npy")
    about["blocks"] = [[name, len(rows)] for name, rows in zip(names, blocks, strict=True)]
    _write_about(job, {"layers": layer_numbers, "dim": work.shape[-1], **about})


@dataclass(frozen=True)
class FeatureExtractor:
    """A backbone that is deep enough, and the layers and dimensions to read."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    layers: list[int]
    depth: int
    """Of the whole model: layer `depth` is behind the final norm."""
    dims: int | None
    max_length: int

    @property
    def _longest(self) -> int:
        return usable_length(self.model, self.tokenizer, self.max_length)

    @property
    def dim(self) -> int:
        hidden = int(self.model.config.get_text_config().hidden_size)
        return hidden if self.dims is None else min(hidden, self.dims)

    def plan(self, items: Items) -> tuple[ResumableInference, dict[str, Json]]:
        """The sweep over `items`, and a description of it."""
        causal = reads_forward(self.model)
        if items.options is None:
            return self._texts(items.prompts, causal)
        if causal:
            return self._choices(items.prompts, items.options)
        return self._pairs(items.prompts, items.options)

    def _texts(self, texts: Sequence[str], causal: bool) -> tuple[ResumableInference, dict[str, Json]]:
        tokens = tokenize(self.tokenizer, texts, self._longest)

        def run(rows: Rows) -> Float[np.ndarray, "row layer dim"]:
            batch = pad([tokens.ids[row] for row in rows], self.tokenizer.pad_token_id, self.model.device)
            return self._numpy(text_states(self.model, batch, self.layers, self.depth, causal=causal))

        about = {
            "read": "last token" if causal else "mean over tokens",
            "tokens": int(tokens.lengths.sum()),
            "truncated": tokens.truncated,
        }
        return ResumableInference(tokens.lengths, (len(self.layers), self.dim), run), about

    def _pairs(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]]
    ) -> tuple[ResumableInference, dict[str, Json]]:
        """An encoder embeds prompts and options one by one; they are compared afterwards."""
        n_options = len(options[0])
        asked, about = self._texts(prompts, causal=False)
        offered, also = self._texts([text for row in options for text in row], causal=False)
        lengths = np.maximum(asked.lengths, n_options * offered.lengths.reshape(-1, n_options).max(axis=1))

        def run(rows: Rows) -> Float[np.ndarray, "row option layer dim"]:
            option_rows = (rows[:, None] * n_options + np.arange(n_options)).ravel()
            vectors = offered.run(option_rows).reshape(len(rows), n_options, *offered.shape)
            return compare(asked.run(rows), vectors)

        about |= {key: about[key] + also[key] for key in ("tokens", "truncated")}
        return ResumableInference(lengths, (n_options, len(self.layers), 3 * self.dim), run), about

    def _choices(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]]
    ) -> tuple[ResumableInference, dict[str, Json]]:
        choices = tokenize_choices(self.tokenizer, prompts, options, self._longest)
        packed = may_pack(self.model, self.tokenizer, choices)
        lengths = choices.lengths(packed)

        def run(rows: Rows) -> Float[np.ndarray, "row option layer dim"]:
            pad_id, dtype = self.tokenizer.pad_token_id, self.model.dtype
            batch = pack_batch(choices.take(rows), pad_id, packed=packed, dtype=dtype).to(self.model.device)
            return self._numpy(option_states(self.model, batch, self.layers, self.depth))

        about = {"read": "last token", "packed": packed, "tokens": choices.tokens, "truncated": choices.truncated}
        return ResumableInference(lengths, (len(options[0]), len(self.layers), self.dim), run), about

    def _numpy(self, states: torch.Tensor) -> Float[np.ndarray, "..."]:
        return np.asarray(states[..., : self.dims].cpu().numpy())


def _write_static(
    job: Job, items: Items, model: str, layers: list[int] | None, dims: int | None, max_length: int
) -> None:
    """Features of static embeddings: seconds for everything, so nothing is kept for a next attempt."""
    if layers not in (None, [0], [-1]):
        raise DataError(f"model `{model}`: static embeddings have one layer, not {layers}")
    static = load_static(model, dims)
    prompts = mean_vectors(static, items.prompts, max_length)
    vectors, tokens, truncated = prompts
    if items.options is not None:
        options = mean_vectors(static, [text for row in items.options for text in row], max_length)
        tokens, truncated = tokens + options.tokens, truncated + options.truncated
        vectors = compare(vectors, options.vectors.reshape(len(items), -1, vectors.shape[1]))
    np.save(job.out / "features.npy", vectors[..., None, :].astype(np.float32))
    about = {"layers": [0], "dim": vectors.shape[-1], "read": "mean vector", "tokens": tokens, "truncated": truncated}
    _write_about(job, about)
    job.report(f"{len(items)} items", 1.0)


def _write_about(job: Job, about: dict[str, Json]) -> None:
    (job.out / "features.json").write_text(json.dumps(about, indent=1) + "\n")


def compare(
    prompts: Float[np.ndarray, "item *layer dim"], options: Float[np.ndarray, "item option *layer dim"]
) -> Float[np.ndarray, "item option *layer three_dim"]:
    """[q ∘ o, o, |q - o|] of unit vectors q (prompt) and o (option), three times as long as they are."""
    q, o = unit(prompts)[:, None], unit(options)
    return np.concatenate([q * o, o, abs(q - o)], axis=-1)


def unit(vectors: Float[np.ndarray, "*batch dim"]) -> Float[np.ndarray, "*batch dim"]:
    """Vectors of length 1; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length == 0, 1, length))
