"""A reward model that is the strong model itself, all of its weights or an adapter, with a head of one number.

The head reads the last token, the end of the text, as a classifier's does; it is drawn from the seed. The trainer is
the one of all trainings (`trainer.py`), its examples are comparisons. A finished training's rewards are kept in the
scratch folder, so that one of several models (folds, capabilities) is not trained again after an interruption.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from outgrow.generation.chat import Prompt
from outgrow.generation.coder import spelling_tokenizer
from outgrow.graph.step import Job
from outgrow.models.load_model import load_backbone, load_classifier, pick_device
from outgrow.models.resumable_inference import DEFAULT_BATCH_TOKENS
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.token_batches import Rows, length_sorted_batches, pad, with_smaller_batches
from outgrow.select.comparisons import Sample
from outgrow.training.fine_tune import release_memory, weight_dtype, with_adapter
from outgrow.training.reward_plan import Comparison, Numbers, ReadableSamples, RewardFit, comparisons_of, read_samples
from outgrow.training.sampling import sealed_randomness
from outgrow.training.text_tokenizer import TextRow, tokenizer_of
from outgrow.training.trainer import ExampleTrainer, history, train
from outgrow.training.training_examples import Scope


@dataclass(frozen=True)
class ComparisonExamples:
    """Comparisons to learn, for the trainer (`examples.Examples`)."""

    comparisons: Sequence[Comparison]
    tokens: Sequence[list[int]]
    """Of every sample, prompt and text."""
    pad_id: int
    scope: Scope = "row"

    @cached_property
    def weight(self) -> Float[Tensor, "row"]:
        return torch.ones(len(self.comparisons))

    @cached_property
    def item(self) -> Int[np.ndarray, "row"]:
        return np.arange(len(self.comparisons))

    @cached_property
    def lengths(self) -> Int[np.ndarray, "row"]:
        return np.asarray(
            [sum(len(self.tokens[sample]) for _, sample in comparison) for comparison in self.comparisons]
        )

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "text 1"]:
        """The rewards of all texts of these comparisons, one after the other."""
        samples = [sample for row in rows.tolist() for _, sample in self.comparisons[row]]
        return rewards_of(model, [self.tokens[sample] for sample in samples], self.pad_id, device)

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "text 1"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ weight · −ln σ(margin)."""
        chosen = [self.comparisons[row] for row in rows.tolist()]
        sign = torch.tensor([sign for comparison in chosen for sign, _ in comparison], device=outputs.device)
        owner = torch.tensor(
            [index for index, comparison in enumerate(chosen) for _ in comparison], device=outputs.device
        )
        margin = outputs.new_zeros(len(chosen)).index_add(0, owner, sign * outputs[:, 0])
        return -(logsigmoid(margin) * weight).sum()


def rewards_of(
    model: torch.nn.Module, tokens: Sequence[list[int]], pad_id: int, device: torch.device
) -> Float[Tensor, "text 1"]:
    """The head's outputs for texts, in float32 or better."""
    batch = pad(tokens, pad_id, device)
    logits: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return logits if logits.dtype == torch.float64 else logits.float()


@dataclass(frozen=True)
class ModelLearner:
    """See the module."""

    job: Job
    section: Mapping[str, Any]
    """`config.model.ModelSection`, as far as reading depends on it; with `lora` if an adapter is to be trained."""
    training: Mapping[str, Any]
    samples: Sequence[Sample]
    rows: Sequence[TextRow]
    """Of every sample."""
    pairwise: bool
    seed: int

    @cached_property
    def tokens(self) -> list[list[int]]:
        """Of every sample, prompt and text."""
        return [row.prompt + row.answer for row in self.rows]

    @cached_property
    def pad_id(self) -> int:
        return int(spelling_tokenizer(self.section).pad_token_id)

    def learn(self, number: int, good: Numbers, bad: Numbers, asked: Numbers) -> RewardFit:
        """See `reward_samples.Learner`."""
        kept = self.job.scratch / f"model-{number}.json"
        if not kept.is_file():
            scratch = self.job.scratch / f"model-{number}"
            comparisons = comparisons_of(self.samples, good, bad, self.pairwise, self.seed)
            trainer = self._train(comparisons, number)
            record = {
                "reward": self._rewards(trainer, asked).tolist(),
                "about": {"updates": int(trainer.state.max_steps)},
                "metrics": list(history(trainer)),
            }
            del trainer
            release_memory()
            unfinished = kept.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(record))
            unfinished.rename(kept)
            shutil.rmtree(scratch, ignore_errors=True)
        record = json.loads(kept.read_text())
        return RewardFit(np.asarray(record["reward"], dtype=np.float64), record["about"], record["metrics"])

    def _train(self, comparisons: Sequence[Comparison], number: int) -> ExampleTrainer:
        section, device = self.section, pick_device(self.job.hints)
        with sealed_randomness(self.seed), silence_transformers():
            model = load_classifier(
                section["model"],
                section["revision"],
                n_classes=1,
                seed=self.seed,
                dtype=weight_dtype(section, device),
                device=device,
                trust_remote_code=section["trust_remote_code"],
            )
            return train(
                with_adapter(model, section["lora"], "classify") if "lora" in section else model,
                ComparisonExamples(comparisons, self.tokens, self.pad_id),
                self.training,
                dtype=section["dtype"],
                seed=self.seed,
                scratch=self.job.scratch / f"model-{number}",
                hints=self.job.hints,
                report=self.job.report,
            )

    def _rewards(self, trainer: ExampleTrainer, asked: Numbers) -> Float[np.ndarray, "asked"]:
        """The trained model's rewards of some samples."""
        trainer.model.eval()
        tokens = [self.tokens[sample] for sample in asked.tolist()]
        lengths = np.asarray([len(ids) for ids in tokens], dtype=np.int64)
        reward = np.zeros(len(asked))

        @torch.inference_mode()
        def run(rows: Rows) -> Float[np.ndarray, "row"]:
            with trainer.accelerator.autocast():
                some = [tokens[row] for row in rows.tolist()]
                rewards = rewards_of(trainer.model, some, self.pad_id, trainer.args.device)
            return np.asarray(rewards[:, 0].double().cpu().numpy())

        budget = int(self.job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS))
        for rows, rewards in with_smaller_batches(run, length_sorted_batches(lengths, budget)):
            reward[rows] = rewards
        return reward


def tokens_of(section: Mapping[str, Any], samples: Sequence[Sample], prompts: Mapping[str, Prompt]) -> ReadableSamples:
    """The samples that the model can read; one of its blocks is enough to know how much that is."""
    name, revision, trusted = section["model"], section["revision"], section["trust_remote_code"]
    model = load_backbone(name, revision, trust_remote_code=trusted, layers=1)
    return read_samples(samples, prompts, tokenizer_of(model, spelling_tokenizer(section), section))
