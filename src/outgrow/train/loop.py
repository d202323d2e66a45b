"""The one Trainer subclass: any of our models, any of our objectives.

One update uses `batch_size` examples and minimises  Σ_i v_i loss(z_i, target_i, progress) / batch_size,  where v are
the examples' weights, scaled to mean 1 over the training set, and progress is the share of the updates that are done.
The forward pass sees `micro_batch_size` examples at a time; their losses are divided by the size of the whole update,
so the update is the same however it is split, in unequal parts too. When memory runs out the parts are halved, which
is logged, and the update starts again.

An objective may look at its batch as a whole (`compares_examples`: balanced self-training does). Then the
update is split without changing it: logits of all parts first, the objective's gradient with respect to them, and a
second forward pass per part that carries this gradient on to the weights. Exact where the model has no dropout.

Dropout is what the model's configuration says: 0 for current decoders, .1 for BERT and GPT-2.

`transformers` divides a custom loss by the number of accumulation steps only if `loss_is_scaled_for_ga` is False; the
split above is ours, so that number is 1 here, and stays right if somebody changes it.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from outgrow.errors import StepFailed
from outgrow.losses import Objective
from outgrow.models.batches import out_of_memory
from outgrow.train.arguments import arguments
from outgrow.train.checkpoint import CHECKPOINT_SECONDS, Watch, last_checkpoint
from outgrow.train.order import Batch, batches_of
from outgrow.train.reading import Reading

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examples:
    """What to train on: one entry per row of the targets."""

    reading: Reading
    item: Int[np.ndarray, "row"]
    """Which of the reading's items a row speaks of."""
    targets: Float[Tensor, "row class"]
    weight: Float[Tensor, "row"]


class ObjectiveTrainer(Trainer):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """See the module."""

    loss_is_scaled_for_ga = False

    def __init__(
        self,
        model: torch.nn.Module,
        args: TrainingArguments,
        examples: Examples,
        batches: Sequence[Batch],
        objective: Objective,
        micro_batch: int,
        callbacks: list[TrainerCallback],
    ) -> None:
        data = [{"rows": torch.as_tensor(rows)} for rows in batches]
        super().__init__(model, args, train_dataset=data, data_collator=lambda one: one[0], callbacks=callbacks)
        self.remove_callback(PrinterCallback)
        self.examples, self.objective, self.micro_batch = examples, objective, micro_batch
        share = examples.weight / examples.weight.sum()
        self.class_shares = (share @ examples.targets).to(args.device)
        self.targets, self.weight = examples.targets.to(args.device), (share * len(share)).to(args.device)

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Tensor], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Add one update's gradient to the model's; returns its loss."""
        rows = inputs["rows"]
        while True:
            try:
                loss = self._whole_update(model, rows)
                break
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                self._halve(min(self.micro_batch, len(rows)), error)
            # Outside of `except`, which would keep the failed pass's tensors alive.
            model.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        if not loss.isfinite():
            raise StepFailed(
                f"the loss became {loss.item()} at update {self.state.global_step + 1}; lower training.lr"
            )
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """A part's contribution to its update's loss; with `pull`, a stand-in that has the given gradient."""
        logits = self.logits(model, inputs["rows"])
        if "pull" in inputs:
            return torch.sum(logits * inputs["pull"])
        return self._loss(logits, inputs["rows"], inputs["size"])

    def logits(self, model: torch.nn.Module, rows: Int[Tensor, "row"]) -> Float[Tensor, "row class"]:
        """The model's logits for some examples, in float32."""
        items = self.examples.item[rows.cpu().numpy()]
        with self.accelerator.autocast():
            return self.examples.reading.logits(model, items.tolist(), self.args.device).float()

    def _loss(self, logits: Float[Tensor, "row class"], rows: Int[Tensor, "row"], size: int) -> Float[Tensor, ""]:
        progress = self.state.global_step / self.state.max_steps
        losses = self.objective(logits, self.targets[rows], progress, self.class_shares)
        return (losses * self.weight[rows]).sum() / size

    def _whole_update(self, model: torch.nn.Module, rows: Int[Tensor, "row"]) -> Float[Tensor, ""]:
        """Forward and backward passes of one update, part by part."""
        parts = torch.split(rows, self.micro_batch)
        inputs: list[dict[str, Any]] = [{"rows": part, "size": len(rows)} for part in parts]
        loss = None
        if self.objective.compares_examples and len(parts) > 1:
            model.train()
            loss, pulls = self._pulls(model, rows, parts)
            inputs = [{**one, "pull": pull} for one, pull in zip(inputs, pulls, strict=True)]
        total = torch.zeros((), device=self.args.device)
        for number, one in enumerate(inputs, start=1):
            last = number == len(inputs)
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                total += super().training_step(model, one)
        return total if loss is None else loss

    def _pulls(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], parts: Sequence[Int[Tensor, "_"]]
    ) -> tuple[Float[Tensor, ""], Sequence[Float[Tensor, "_ class"]]]:
        """The update's loss, and its gradient with respect to the logits of each part."""
        with torch.no_grad():
            logits = torch.cat([self.logits(model, part) for part in parts])
        logits.requires_grad_()
        loss = self._loss(logits, rows, len(rows))
        [gradient] = torch.autograd.grad(loss, [logits])
        return loss.detach(), torch.split(gradient, [len(part) for part in parts])

    def _halve(self, tried: int, error: RuntimeError) -> None:
        if tried == 1:
            raise StepFailed(
                f"not enough memory to train on one example at a time ({error}); lower `max_length`, or `adapt: lora`"
            ) from error
        self.micro_batch = tried // 2
        log.warning("out of memory: %d instead of %d examples per forward pass from now on", tried // 2, tried)


def train(
    model: torch.nn.Module,
    examples: Examples,
    objective: Objective,
    training: Mapping[str, Any],
    *,
    dtype: str,
    seed: int,
    scratch: Path,
    hints: Mapping[str, Any],
    report: Callable[[str, float], None],
) -> ObjectiveTrainer:
    """Train `model` in place, from the last checkpoint in `scratch` where there is one.

    Args:
        training: `config.model.Training` as a dictionary.
        dtype: precision of the forward pass (weights that are trained stay in float32).
        seed: of the order of examples, and of dropout.
        scratch: for checkpoints.
        hints: `device`, `report_to`, `run_name`, `checkpoint_seconds`.
        report: told how far it is after every update.

    Raises:
        StepFailed: a loss that is not finite, or too little memory for a single example.
    """
    lengths = examples.reading.lengths[examples.item]
    batches = batches_of(lengths, training["batch_size"], training["epochs"], seed)
    trainer = ObjectiveTrainer(
        model,
        arguments(training, len(batches), dtype, seed, scratch, hints),
        examples,
        batches,
        objective,
        training["micro_batch_size"] or training["batch_size"],
        [Watch(report, float(hints.get("checkpoint_seconds", CHECKPOINT_SECONDS)))],
    )
    checkpoint = last_checkpoint(scratch)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    return trainer


def history(trainer: Trainer) -> Iterator[dict[str, float]]:
    """The logged updates, without what differs from run to run (times and speeds)."""
    for entry in trainer.state.log_history:
        if "loss" in entry:
            yield {
                "step": entry["step"],
                "loss": entry["loss"],
                "learning_rate": entry["learning_rate"],
                "gradient_norm": entry["grad_norm"],
            }
