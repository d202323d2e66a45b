"""Keep the weights of the pass over the data after which held-out examples were predicted best.

After every pass, and after the last one if it is not whole, the held-out loss is computed, and the weights are written
to the scratch folder when it is the lowest so far (the first one on a tie). Both survive a kill: what an earlier life
noted after the checkpoint from which this one goes on is forgotten, and comes out the same again.
"""

import json
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from outgrow.errors import StepFailed
from outgrow.models.token_batches import Rows, length_sorted_batches, with_smaller_batches
from outgrow.training.training_examples import TrainingExamples

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
