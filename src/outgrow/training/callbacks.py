"""Callbacks of the Trainer: checkpoints by time, and the best weights by held-out loss.

The Trainer writes a checkpoint's files one after the other, `trainer_state.json` last. A folder without a whole one is
removed, and an older checkpoint is used.

The best weights are those after the pass with the lowest held-out loss (the first one on a tie). They and the losses
are in the scratch folder and survive a kill; losses noted after the checkpoint that is resumed are forgotten.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

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


BATCH_TOKENS = 4096
"""Tokens per forward pass over held-out examples: a constant, so that the loss is the same to the last bit."""
NOTE, WEIGHTS = "held_out.json", "best.pt"


class KeepBest(TrainerCallback):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """Held-out losses by update, in `scratch/held_out.json`; the best weights in `scratch/best.pt`."""

    def __init__(self, trainer: Trainer, held_out: TrainingExamples, updates_per_pass: int, scratch: Path) -> None:
        self.trainer, self.held_out, self.every, self.scratch = trainer, held_out, updates_per_pass, scratch
        self.losses: dict[int, float] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Remember what was noted up to the checkpoint."""
        noted = held_out_losses(self.scratch)
        self.losses = {update: loss for update, loss in noted.items() if update <= state.global_step}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Judge the weights at the end of a pass, and keep them if they are the best so far."""
        if state.global_step % self.every and state.global_step < state.max_steps:
            return
        loss = held_out_loss(self.trainer, self.held_out)
        if not torch.tensor(loss).isfinite():
            raise StepFailed(f"the held-out loss became {loss} after update {state.global_step}; lower training.lr")
        if loss < min(self.losses.values(), default=float("inf")):
            draft = self.scratch / f"{WEIGHTS}.draft"
            torch.save(trained_weights(self.trainer.model), draft)
            draft.replace(self.scratch / WEIGHTS)
        self.losses[state.global_step] = loss
        draft = self.scratch / f"{NOTE}.draft"
        draft.write_text(json.dumps(self.losses))
        draft.replace(self.scratch / NOTE)

    def restore(self) -> None:
        """Put the best weights into the model."""
        best = torch.load(self.scratch / WEIGHTS, weights_only=True)
        with torch.no_grad():
            for name, weight in self.trainer.model.named_parameters():
                if name in best:
                    weight.copy_(best[name])


def held_out_losses(scratch: Path) -> dict[int, float]:
    """The noted losses by number of updates; none if nothing was kept aside."""
    path = scratch / NOTE
    noted = json.loads(path.read_text()) if path.is_file() else {}
    return {int(update): loss for update, loss in noted.items()}


def best_update(losses: dict[int, float]) -> int:
    """The update after which the held-out loss was lowest, the first one on a tie."""
    return min(losses, key=lambda update: losses[update])


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

    model.eval()
    batches = length_sorted_batches(examples.lengths, BATCH_TOKENS)
    total = sum(loss for _, loss in with_smaller_batches(run, batches))
    model.train()
    return total
