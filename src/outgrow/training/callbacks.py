"""Callbacks of the Trainer: checkpoints by time, and the best weights.

The Trainer writes a checkpoint's files one after the other, `trainer_state.json` last. A folder without a whole one is
removed, and an older checkpoint is used.

The best weights are those with the highest score (the first one on a tie), as a `Judge` gives it. They and the scores
are in the scratch folder and survive a kill; scores noted after the checkpoint that is resumed are forgotten.
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from outgrow.errors import StepFailed
from outgrow.models.token_batches import Rows, length_sorted_batches, with_smaller_batches
from outgrow.training.training_examples import TrainingExamples

CHECKPOINT_SECONDS = 600.0
"""How much work an interruption may cost at most."""


class CheckpointTimer(TrainerCallback):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """Reports the progress, and requests a checkpoint at regular intervals."""

    def __init__(self, report: Callable[[str, float], None], every: float) -> None:
        self.report, self.every, self.last = report, every, time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        """After each update."""
        if time.monotonic() - self.last >= self.every and state.global_step < state.max_steps:
            self.last, control.should_save = time.monotonic(), True
        return control

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """After an update's loss is known, and after a checkpoint of it would be written."""
        loss = next((f", loss {entry['loss']:.4f}" for entry in state.log_history[-1:] if "loss" in entry), "")
        self.report(f"update {state.global_step} of {state.max_steps}{loss}", state.global_step / state.max_steps)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in `folder`; unfinished ones are deleted."""
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in checkpoints if is_whole(path)]
    for path in set(checkpoints) - set(whole):
        shutil.rmtree(path)
    return whole[-1] if whole else None


def is_whole(checkpoint: Path) -> bool:
    """Was the last file of this checkpoint written to its end?"""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True


SHARDS = "shards"
"""The folder of a checkpoint that several processes have written, in torch's distributed format."""


def has_shards(checkpoint: Path) -> bool:
    """Whether the checkpoint is in shards."""
    return (checkpoint / SHARDS).is_dir()


BATCH_TOKENS = 4096
"""Tokens per forward pass over held-out examples: a constant, so that the loss is the same to the last bit."""
NOTE, WEIGHTS = "scores.json", "best.pt"


@runtime_checkable
class Judge(Protocol):
    """Scores the weights of a model while it is trained."""

    @property
    def chooses(self) -> bool:
        """Whether the weights with the highest score are kept; if not, the last ones are."""

    def due(self, update: int, updates: int) -> bool:
        """Whether the weights after this update, of all `updates`, get a score."""

    def score(self, trainer: Trainer, update: int) -> float:
        """The higher, the better."""


@dataclass(frozen=True)
class HeldOutLoss:
    """Minus the loss of held-out examples, at the end of every pass."""

    examples: TrainingExamples
    updates_per_pass: int
    chooses: bool = True

    def due(self, update: int, updates: int) -> bool:
        """At the end of a pass, and of the training."""
        return update % self.updates_per_pass == 0 or update == updates

    def score(self, trainer: Trainer, update: int) -> float:
        """Minus the loss."""
        return -held_out_loss(trainer, self.examples)


class KeepBest(TrainerCallback):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """Scores by update, in `scratch/scores.json`; the best weights in `scratch/best.pt`."""

    def __init__(self, trainer: Trainer, judge: Judge, scratch: Path) -> None:
        self.trainer, self.judge, self.scratch = trainer, judge, scratch
        self.scores: dict[int, float] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Remember what was noted up to the checkpoint."""
        noted = noted_scores(self.scratch)
        self.scores = {update: score for update, score in noted.items() if update <= state.global_step}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Judge the weights where that is due, and keep them if they are the best so far."""
        if not self.judge.due(state.global_step, state.max_steps):
            return
        self.trainer.model.eval()
        score = self.judge.score(self.trainer, state.global_step)
        self.trainer.model.train()
        if not math.isfinite(score):
            raise StepFailed(f"the held-out score became {score} after update {state.global_step}; lower training.lr")
        if self.judge.chooses and score > max(self.scores.values(), default=-math.inf):
            draft = self.scratch / f"{WEIGHTS}.draft"
            torch.save(trained_weights(self.trainer.model), draft)
            draft.replace(self.scratch / WEIGHTS)
        self.scores[state.global_step] = score
        draft = self.scratch / f"{NOTE}.draft"
        draft.write_text(json.dumps(self.scores))
        draft.replace(self.scratch / NOTE)

    def restore(self) -> None:
        """Put the best weights into the model, if the judge chooses."""
        if not self.judge.chooses:
            return
        best = torch.load(self.scratch / WEIGHTS, weights_only=True)
        with torch.no_grad():
            for name, weight in self.trainer.model.named_parameters():
                if name in best:
                    weight.copy_(best[name])


def noted_scores(scratch: Path) -> dict[int, float]:
    """The noted scores by number of updates; none if nothing was judged."""
    path = scratch / NOTE
    noted = json.loads(path.read_text()) if path.is_file() else {}
    return {int(update): score for update, score in noted.items()}


def trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What training changes; a matrix that is used twice is there once."""
    return {name: weight.detach().cpu() for name, weight in model.named_parameters() if weight.requires_grad}


def held_out_loss(trainer: Trainer, examples: TrainingExamples) -> float:
    """The weighted mean loss of examples that are not trained on, at the beginning of training's ramps."""
    model, device = trainer.model, trainer.args.device
    share = examples.weight / examples.weight.sum()

    @torch.inference_mode()
    def run(rows: Rows) -> float:
        chosen = torch.from_numpy(rows)
        with trainer.accelerator.autocast():
            outputs = examples.outputs(model, chosen, device)
        return float(examples.loss(model, outputs, chosen, share[chosen].to(device), 0.0))

    batches = length_sorted_batches(examples.lengths, BATCH_TOKENS)
    return sum(loss for _, loss in with_smaller_batches(run, batches))
