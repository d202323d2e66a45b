"""The one Trainer subclass: any of our models, any of our examples (`training_examples.py`).

One update uses `batch_size` items with all of their rows (one row for each source that labels the item), and minimises

    Σ_item Σ_row v_row loss(z_row, target_row, progress) / batch_size

where v are the rows' weights, scaled so that an item's sum is 1 on average over the training set, and progress is the
share of the updates that are done. The forward pass sees `micro_batch_size` rows at a time; their losses are divided
by the items of the whole update, so the update is the same however it is split, in unequal parts too. When memory runs
out the parts are halved, which is logged, and the update starts again.

A loss may look at all rows of an item or of the update (`TrainingExamples.scope`). The rows of an item then are in the
same part. Where that cannot be, or where the loss looks at the whole update (balanced self-training does), the update
is split without changing it: outputs of all parts first, the loss's gradient with respect to them, and a second
forward pass per part that carries this gradient on to the weights. Exact where the model has no dropout.

Several processes share the parts of every update (`ranks.py`, `processes.py`); then there are at least as many parts
as processes, where the update has so many rows.

Dropout is what the model's configuration says: 0 for current decoders, .1 for BERT and GPT-2.

`transformers` divides a custom loss by the number of accumulation steps only if `loss_is_scaled_for_ga` is False; the
split above is ours, so that number is 1 here, and stays right if it is changed.
"""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from outgrow.errors import StepFailed
from outgrow.models.token_batches import out_of_memory
from outgrow.training.callbacks import (
    CHECKPOINT_SECONDS,
    CheckpointTimer,
    Judge,
    KeepBest,
    has_shards,
    last_checkpoint,
)
from outgrow.training.processes import all_ranks, is_sharded, processes_of
from outgrow.training.ranks import ALONE, LockstepRanks, Ranks
from outgrow.training.sampling import Batch, batches_of, parts_of
from outgrow.training.trainer_arguments import arguments
from outgrow.training.training_examples import TrainingExamples, n_items

log = logging.getLogger(__name__)

SCHEDULER = "scheduler.pt"
"""The Trainer's name of a checkpoint's schedule."""


class ExampleTrainer(Trainer):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """See the module."""

    loss_is_scaled_for_ga = False

    def __init__(
        self,
        model: torch.nn.Module,
        args: TrainingArguments,
        examples: TrainingExamples,
        batches: Sequence[Batch],
        micro_batch: int,
        callbacks: list[TrainerCallback],
        ranks: Ranks = ALONE,
    ) -> None:
        data = [{"rows": torch.as_tensor(rows)} for rows in batches]
        super().__init__(
            model, args, train_dataset=data, data_collator=lambda features: features[0], callbacks=callbacks
        )
        self.remove_callback(PrinterCallback)
        self.examples, self.micro_batch, self.ranks = examples, micro_batch, ranks
        self.weight = (examples.weight / (examples.weight.sum() / n_items(examples))).to(args.device)

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Tensor], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Add one update's gradient to the model's; returns its loss."""
        rows = inputs["rows"]
        if self.ranks.rank:  # rank 0 goes on with the random numbers that checkpoints hold
            torch.manual_seed(self._own_seed())
        while True:
            try:
                loss = self._whole_update(model, rows)
                break
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                self._halve(self._most_rows(self._items_of(rows)), error)
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
        """A part's contribution to its update's loss; with `pull`, a stand-in that has the given gradients."""
        outputs = self.outputs(model, inputs["rows"])
        if "pull" not in inputs:
            loss = self._loss(model, outputs, inputs["rows"], inputs["size"])
            return loss if self.ranks.scale == 1 else loss * self.ranks.scale
        pulled = [(outputs, inputs["pull"]), *inputs["direct"]]
        return torch.stack([torch.sum(output * pull) for output, pull in pulled]).sum() * self.ranks.scale

    def outputs(self, model: torch.nn.Module, rows: Int[Tensor, "row"]) -> Float[Tensor, "out dim"]:
        """The model's outputs for some examples."""
        with self.accelerator.autocast():
            return self.examples.outputs(model, rows, self.args.device)

    def _loss(
        self, model: torch.nn.Module, outputs: Float[Tensor, "out dim"], rows: Int[Tensor, "row"], size: int
    ) -> Float[Tensor, ""]:
        progress = self.state.global_step / self.state.max_steps
        return self.examples.loss(model, outputs, rows, self.weight[rows] / size, progress)

    def _own_seed(self) -> int:
        """Of this rank's dropout in this update."""
        numbers = [self.args.seed, self.state.global_step, self.ranks.rank]
        return int(np.random.SeedSequence(numbers).generate_state(1)[0])

    def _items_of(self, rows: Int[Tensor, "row"]) -> Int[np.ndarray, "row"]:
        return np.asarray(self.examples.item[rows.cpu().numpy()])

    def _most_rows(self, item: Int[np.ndarray, "row"]) -> int:
        """Rows of a part: those that fit, and no more than leave a part for every rank."""
        share = math.ceil(len(item) / self.ranks.count)
        if self.examples.scope != "row":
            share = max(share, int(np.unique(item, return_counts=True)[1].max()))
        return min(self.micro_batch, share)

    def _whole_update(self, model: torch.nn.Module, rows: Int[Tensor, "row"]) -> Float[Tensor, ""]:
        """Forward and backward passes of one update, part by part."""
        item = self._items_of(rows)
        most = self._most_rows(item)
        parts = torch.split(rows, most if self.examples.scope == "row" else parts_of(item, most))
        size = len(np.unique(item))
        inputs: list[dict[str, Any]] = [{"rows": part, "size": size} for part in self.ranks.own(parts)]
        inputs += [{"rows": parts[0], "size": math.inf}] * self.ranks.repeated(parts)
        loss = None
        if len(parts) > 1 and self._compared_across(item, most):
            model.train()
            loss, pulls, direct = self._pulls(model, parts, inputs, size)
            inputs = [{**part, "pull": pull, "direct": []} for part, pull in zip(inputs, pulls, strict=True)]
            for part_inputs in inputs[:1]:
                part_inputs["direct"] = direct
        total = torch.zeros((), device=self.args.device)
        with self.ranks.together():
            for position, part_inputs in enumerate(inputs, start=1):
                last = position == len(inputs)
                with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                    total += super().training_step(model, part_inputs)
        self.ranks.sum_gradients(model)
        return self.ranks.sum(total) / self.ranks.scale if loss is None else loss

    def _compared_across(self, item: Int[np.ndarray, "row"], most: int) -> bool:
        """Whether the loss of a row depends on rows that are in another part of the update."""
        if self.examples.scope == "item":
            return bool(np.unique(item, return_counts=True)[1].max() > most)
        return self.examples.scope == "update"

    def _pulls(
        self, model: torch.nn.Module, parts: Sequence[Int[Tensor, "_"]], inputs: Sequence[Mapping[str, Any]], size: int
    ) -> tuple[Float[Tensor, ""], Sequence[Float[Tensor, "_ dim"]], Sequence[tuple[Tensor, Tensor]]]:
        """The update's loss, and its gradient with respect to the outputs of each part of this rank (`inputs`).

        Also the weights that the loss itself uses (an output layer), each with its gradient, which counts on rank 0.
        """
        with self.ranks.together(), torch.no_grad():
            own = [self.outputs(model, part["rows"]) for part in inputs]
        each = self.ranks.gather(own[: len(self.ranks.own(parts))], self.args.device)
        with self.ranks.together():
            outputs = torch.cat(each).requires_grad_()
            loss = self._loss(model, outputs, torch.cat(list(parts)), size)
            trained = [weight for weight in model.parameters() if weight.requires_grad]
            gradient, *others = torch.autograd.grad(loss, [outputs, *trained], allow_unused=True)
        used = [(weight, pull) for weight, pull in zip(trained, others, strict=True) if pull is not None]
        direct = [(weight, pull if self.ranks.rank == 0 else torch.zeros_like(pull)) for weight, pull in used]
        pulls = torch.split(gradient, [len(part_outputs) for part_outputs in each])
        none = [torch.zeros_like(pulls[0])] * self.ranks.repeated(parts)
        return loss.detach(), [*self.ranks.own(pulls), *none], direct

    def _halve(self, tried: int, error: RuntimeError) -> None:
        if tried == 1:
            raise StepFailed(
                f"not enough memory to train on one example at a time ({error}); lower `max_length`, or `adapt: lora`"
            ) from error
        self.micro_batch = tried // 2
        log.warning("out of memory: %d instead of %d examples per forward pass from now on", tried // 2, tried)

    def learn(self, checkpoint: Path | None, keeper: KeepBest | None) -> None:
        """All updates that are left after a checkpoint."""
        if keeper is not None:
            self.add_callback(keeper)
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """Weights; those of a checkpoint in shards are read with its optimizer."""
        if not has_shards(Path(resume_from_checkpoint)):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The optimizer's state and the schedule."""
        if checkpoint is None or not has_shards(Path(checkpoint)):
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        from outgrow.training.sharding import load_shards

        load_shards(self.model, self.optimizer.optimizer, Path(checkpoint))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER, weights_only=True))


def train(
    model: torch.nn.Module,
    examples: TrainingExamples,
    training: Mapping[str, Any],
    *,
    dtype: str,
    seed: int,
    scratch: Path,
    hints: Mapping[str, Any],
    report: Callable[[str, float], None],
    judge: Judge | None = None,
) -> ExampleTrainer:
    """Train `model` in place, from the last checkpoint in `scratch` where there is one.

    Args:
        training: `config.model.Training` as a dictionary.
        dtype: precision of the forward pass (weights that are trained stay in float32).
        seed: of the order of examples, and of dropout.
        scratch: for checkpoints.
        hints: `device`, `report_to`, `run_name`, `checkpoint_seconds`; `resources` with the number of processes.
        report: called with the progress after every update.
        judge: scores the weights during training, and may choose those that are kept; by default the last ones are.

    Raises:
        StepFailed: a loss that is not finite, too little memory for a single example, or a process that ended.
    """
    shared = ExampleTraining(model, examples, training, dtype, seed, scratch, hints, last_checkpoint(scratch))
    with all_ranks(processes_of(hints, training["batch_size"]), shared, hints) as ranks:
        trainer = shared.trainer(ranks, report)
        keeper = None if judge is None else KeepBest(trainer, judge, scratch)
        trainer.learn(shared.checkpoint, keeper)
    if keeper is not None:
        keeper.restore()
    return trainer


@dataclass(frozen=True)
class ExampleTraining:
    """What all ranks of a training have; see `train`."""

    model: torch.nn.Module
    examples: TrainingExamples
    settings: Mapping[str, Any]
    dtype: str
    seed: int
    scratch: Path
    hints: Mapping[str, Any]
    checkpoint: Path | None
    """From which it goes on."""

    def trainer(self, ranks: Ranks, report: Callable[[str, float], None] | None = None) -> ExampleTrainer:
        """The trainer of a rank; the one that reports also writes checkpoints."""
        settings, examples, hints = self.settings, self.examples, self.hints
        batches = batches_of(examples.lengths, examples.item, settings["batch_size"], settings["epochs"], self.seed)
        every = float(hints.get("checkpoint_seconds", CHECKPOINT_SECONDS))
        given = (
            self.model,
            arguments(settings, len(batches), self.dtype, self.seed, self.scratch, hints),
            examples,
            batches,
            settings["micro_batch_size"] or settings["batch_size"],
            [] if report is None else [CheckpointTimer(report, every)],
        )
        if ranks.count == 1 or not is_sharded(hints):
            return ExampleTrainer(*given, ranks)
        from outgrow.training.sharded_trainer import ShardedTrainer

        return ShardedTrainer(*given, LockstepRanks(ranks.rank, ranks.count))

    def follow(self, ranks: Ranks) -> None:
        """The part of a rank other than 0, which reports to nobody."""
        replace(self, hints={**self.hints, "report_to": []}).trainer(ranks).learn(self.checkpoint, None)


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
