"""A reward model that is a linear head on hidden states of the untouched strong model: minutes on a laptop.

A sample's vector is the mean of one layer's hidden states over the answer's tokens and its end. Two thirds of the way
up is the default: at the top a language model is busy with the next token. The head is `heads.fit_heads`:

    pointwise    two classes, reward = z_good − z_bad, the log-odds
    pairwise     a choice between two texts by one scorer without a bias, reward = w · x

The ridge penalty is chosen by the mean loss −ln σ(m) on held-out samples, whole groups of items at a time; where
nothing can be held out, because there are too few samples of a kind, the strongest one is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from outgrow.generation.chat import Prompt
from outgrow.generation.coder import spelling_tokenizer
from outgrow.graph.step import Job
from outgrow.losses.objective import make_objective
from outgrow.models.hidden import layer_states, resolve_layers
from outgrow.models.load_model import load_backbone, load_config, pick_device
from outgrow.models.resumable_inference import ResumableInference, sweep
from outgrow.models.token_batches import Rows, pad
from outgrow.select.comparisons import Sample
from outgrow.training.grid_search import PROBE_LR, PROBE_STEPS, fold_of
from outgrow.training.heads import Heads, fit_heads
from outgrow.training.reward_plan import Numbers, ReadableSamples, RewardFit, comparisons_of, read_samples
from outgrow.training.text_tokenizer import TextRow, tokenizer_of

L2_GRID = tuple(10.0**power for power in np.linspace(0.5, -4, 8).tolist())
FOLDS = 3
"""In which the penalty is chosen."""
PAIRS = 500
"""Pairwise: passes are made over the samples until there are about so many pairs."""
CROSS_ENTROPY = make_objective({"type": "cross_entropy"}, None)


@dataclass(frozen=True)
class ProbeLearner:
    """See the module."""

    vectors: Float[Tensor, "sample dim"]
    samples: Sequence[Sample]
    groups: Sequence[str]
    """Of every sample's item: what must not be held out and learned at once."""
    pairwise: bool
    l2: Sequence[float]
    """Penalties to choose from, strongest first."""
    seed: int

    def learn(self, number: int, good: Numbers, bad: Numbers, asked: Numbers) -> RewardFit:
        """See `reward_samples.Learner`."""
        losses = self._held_out_losses(good, bad) if len(self.l2) > 1 else None
        best = 0 if losses is None else int(np.argmin(np.round(losses, 9)))
        heads = self._fit(good, bad, [self.l2[best]])
        about = {"l2": self.l2[best], "held_out_loss": None if losses is None else losses.tolist()}
        metrics = [{"step": step, "loss": loss} for step, loss in enumerate(heads.losses[:, 0].tolist())]
        return RewardFit(self._rewards(heads, asked)[0], about, metrics)

    def _held_out_losses(self, good: Numbers, bad: Numbers) -> Float[np.ndarray, "grid"] | None:
        """Of every penalty, over the folds that leave both kinds on either side; `None` if there is no such fold."""
        both = np.concatenate([good, bad])
        groups = [self.groups[sample] for sample in both.tolist()]
        fold = fold_of(groups, min(FOLDS, len(set(groups))))
        parts = []
        for held in range(int(fold.max()) + 1):
            inside, outside = (np.split(fold == held, [len(good)]), np.split(fold != held, [len(good)]))
            if all(part.any() for part in (*inside, *outside)):
                heads = self._fit(good[outside[0]], bad[outside[1]], self.l2)
                parts.append(self._losses(heads, good[inside[0]], bad[inside[1]]))
        return np.asarray(np.concatenate(parts, axis=1).mean(axis=1)) if parts else None

    def _losses(self, heads: Heads, good: Numbers, bad: Numbers) -> Float[np.ndarray, "grid comparison"]:
        reward = self._rewards(heads, np.arange(len(self.samples)))
        comparisons = comparisons_of(self.samples, good, bad, self.pairwise, self.seed)
        margins = [sum(sign * reward[:, sample] for sign, sample in comparison) for comparison in comparisons]
        return np.asarray(np.logaddexp(0, -np.stack(margins, axis=1)))

    def _fit(self, good: Numbers, bad: Numbers, l2: Sequence[float]) -> Heads:
        """A head per penalty."""
        if self.pairwise:
            passes = max(1, PAIRS // max(len(good), len(bad)))
            pairs = comparisons_of(self.samples, good, bad, True, self.seed, passes)
            inputs = self.vectors[torch.tensor([[sample for _, sample in pair] for pair in pairs])]
            kind = torch.zeros(len(pairs), dtype=torch.long)
        else:
            inputs = self.vectors[torch.from_numpy(np.concatenate([good, bad]))]
            kind = torch.tensor([0] * len(good) + [1] * len(bad))
        targets = torch.nn.functional.one_hot(kind, 2).to(inputs)
        penalties, rates = inputs.new_tensor(l2), inputs.new_full((len(l2),), PROBE_LR)
        return fit_heads(inputs, targets, inputs.new_ones(len(inputs)), CROSS_ENTROPY, penalties, rates, PROBE_STEPS)

    def _rewards(self, heads: Heads, asked: Numbers) -> Float[np.ndarray, "grid asked"]:
        vectors = self.vectors[torch.from_numpy(asked)]
        if self.pairwise:  # a choice with one option: its score
            reward = heads.logits(vectors[:, None])[..., 0]
        else:
            good, bad = heads.logits(vectors).unbind(dim=-1)
            reward = good - bad
        return np.asarray(reward.double().cpu().numpy())


def answer_vectors(
    job: Job, section: Mapping[str, Any], layer: int | None, samples: Sequence[Sample], prompts: Mapping[str, Prompt]
) -> tuple[ReadableSamples, Float[Tensor, "sample dim"], int]:
    """The samples that the model can read, a vector for each on the job's device, and the layer they are of.

    Args:
        section: `config.model.ModelSection`, as far as reading depends on it.
        layer: as in `hidden.resolve_layers`; `None` = two thirds of the depth.
        prompts: by item.
    """
    name, revision, trusted = section["model"], section["revision"], section["trust_remote_code"]
    depth = load_config(name, revision, trust_remote_code=trusted).num_hidden_layers
    (layer_number,) = resolve_layers([round(2 * depth / 3) if layer is None else layer], depth)
    device, tokenizer = pick_device(job.hints), spelling_tokenizer(section)
    options = {"dtype": section["dtype"], "device": device, "trust_remote_code": trusted}
    model = load_backbone(name, revision, **options, layers=max(1, layer_number))
    read = read_samples(samples, prompts, tokenizer_of(model, tokenizer, section))
    lengths = np.asarray([len(row.prompt) + len(row.answer) for row in read.rows], dtype=np.int64)

    def run(rows: Rows) -> Float[np.ndarray, "row dim"]:
        return mean_states(
            model, [read.rows[row] for row in rows.tolist()], tokenizer.pad_token_id, layer_number, depth
        )

    path = sweep(job, ResumableInference(lengths, (int(model.config.get_text_config().hidden_size),), run))
    return read, torch.from_numpy(np.load(path)).to(device), layer_number


def mean_states(
    model: PreTrainedModel, rows: Sequence[TextRow], pad_id: int, layer: int, depth: int
) -> Float[np.ndarray, "row dim"]:
    """Of every text, the mean hidden state over its tokens and its end, the prompt read before."""
    batch = pad([row.prompt + row.answer for row in rows], pad_id, model.device)
    states = layer_states(model, {**batch._asdict()}, [layer], depth)[0].float()
    first = torch.tensor([len(row.prompt) for row in rows], device=model.device)
    place = torch.arange(states.shape[1], device=model.device)
    mask = (batch.attention_mask * (place >= first[:, None]))[..., None]
    means: np.ndarray = ((states * mask).sum(dim=1) / mask.sum(dim=1)).cpu().numpy()
    return means


def penalties(given: Sequence[float] | None) -> list[float]:
    """Strongest first; by default `L2_GRID`."""
    return sorted(given or L2_GRID, reverse=True)
