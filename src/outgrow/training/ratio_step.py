"""The step `preference` with `loss: wspo`: a finished student learns what training changed in its supervisors.

The loss of a text is the mean over its groups of tokens of

    (β (log π(g) − log π₀(g)) − w_g)²        (`losses/preference.py`)

w_g and log π₀(g) were computed by steps before (`combiners/weak_ratios.py`). Training goes on from the student's
weights; an adapter of the student is merged before a new one is trained, and that one after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.losses.preference import ratio_loss
from outgrow.models.silence_transformers import silence_transformers
from outgrow.texts import TextTargets
from outgrow.training.fine_tune import release_memory
from outgrow.training.model_folder import save_model
from outgrow.training.sampling import sealed_randomness
from outgrow.training.text_examples import answer_states, output_layer, token_logprobs
from outgrow.training.text_tokenizer import TextRow, tokenize_targets
from outgrow.training.text_training import held_out_judge, holdout_of, prompts_of, trainee_of, write_record
from outgrow.training.training_examples import Scope


class RatioRow(NamedTuple):
    """A text with what its groups of tokens are to become."""

    text: TextRow
    """Its `logprob` is what the supervisors' training changed, per group."""
    reference: Float[np.ndarray, "group"]
    """The student's log-probability of each group before this training."""


@dataclass(frozen=True)
class RatioExamples:
    """Texts whose log-probabilities are to change, for the trainer (`training_examples.TrainingExamples`)."""

    rows: Sequence[RatioRow]
    weight: Float[Tensor, "row"]
    pad_id: int
    beta: float
    scope: Scope = "row"

    @cached_property
    def item(self) -> Int[np.ndarray, "row"]:
        """Every text counts as an item of an update."""
        return np.arange(len(self.rows))

    @cached_property
    def lengths(self) -> Int[np.ndarray, "row"]:
        return np.asarray([len(row.text.prompt) + len(row.text.answer) for row in self.rows], dtype=np.int64)

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "token dim"]:
        """Hidden states that predict the answers' tokens, row after row."""
        texts = [self.rows[row].text for row in rows.tolist()]
        return answer_states(model, [(text.prompt, text.answer) for text in texts], self.pad_id, device)

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "token dim"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ over rows of weight times the mean loss of the row's groups."""
        chosen = [self.rows[row] for row in rows.tolist()]
        label = torch.tensor([token for row in chosen for token in row.text.answer], device=outputs.device)
        each = token_logprobs(outputs, output_layer(model), label)
        widths = np.asarray([len(row.reference) for row in chosen])
        offsets = np.cumsum(widths) - widths
        group = np.concatenate([row.text.group + offset for row, offset in zip(chosen, offsets, strict=True)])
        total = each.new_zeros(int(widths.sum())).index_add(0, torch.from_numpy(group).to(each.device), each)
        reference = torch.from_numpy(np.concatenate([row.reference for row in chosen])).to(total)
        weak = torch.from_numpy(np.concatenate([row.text.logprob for row in chosen])).to(total)
        share = (weight / torch.from_numpy(widths).to(weight)).repeat_interleave(
            torch.from_numpy(widths).to(weight.device)
        )
        return (ratio_loss(total - reference, weak, beta=self.beta) * share).sum()


def train_ratios(job: Job, *, adapt: str, model: dict[str, Json], preference: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `split`, `student` (its `model/`) and `ratios`; writes `model/`, `metrics.jsonl`, `chosen.json`.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the student's section of the experiment.
        preference: `beta` and `training`.
        seed: of the order of the texts, the adapter and the items kept aside.
    """
    task, split, training = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"]), preference["training"]
    ratios, reference = tables_of(job.inputs["ratios"])
    with sealed_randomness(seed), silence_transformers():
        trainee = trainee_of(job, model, job.inputs["student"] / "model")
        prompts = prompts_of(task, split.half_b, model["system"])
        read, read_reference = (tokenize_targets(table, prompts, trainee.reader) for table in (ratios, reference))
        rows = [RatioRow(text, before.logprob) for text, before in zip(read.rows, read_reference.rows, strict=True)]
        aside = holdout_of(task, [ratios.items[index] for index in read.kept], training, model["holdout"], seed)
        weight = ratios.weight[read.kept]

        def some(which: Bool[np.ndarray, "row"]) -> RatioExamples:
            chosen = [rows[index] for index in np.flatnonzero(which).tolist()]
            return RatioExamples(
                chosen, torch.tensor(weight[which]).float(), trainee.tokenizer.pad_token_id, preference["beta"]
            )

        learned, held_out = some(~aside), some(aside) if aside.any() else None
        trainer = trainee.train(job, learned, held_out_judge(held_out, learned, training), training, seed)
        save_model(trainer.model, trainee.tokenizer, model, job.out / "model", merge=True)
    write_record(job, trainer, training, int(aside.sum()), read.left_out)
    del trainer, trainee
    release_memory()


def tables_of(folder: Path) -> tuple[TextTargets, TextTargets]:
    """What the step `ratios` wrote. Raises `DataError` where its two tables are not of the same texts."""
    ratios, reference = (TextTargets.load(folder / f"{name}.parquet") for name in ("ratios", "reference"))
    if (ratios.items, ratios.texts) != (reference.items, reference.texts):
        raise DataError(f"{folder}: ratios.parquet and reference.parquet are of different texts; run the step again")
    return ratios, reference
