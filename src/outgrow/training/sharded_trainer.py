"""The trainer of a rank whose weights are shards (`sharding.py`)."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from outgrow.training.callbacks import KeepBest, has_shards
from outgrow.training.sharding import Shards, load_shards, load_whole, save_shards
from outgrow.training.trainer import SCHEDULER, ExampleTrainer


class ShardedTrainer(ExampleTrainer):
    """All ranks write checkpoints together; rank 0 has a plain model at the end."""

    def __init__(self, model: torch.nn.Module, args: TrainingArguments, *rest: Any) -> None:
        """`rest`: as of `ExampleTrainer`; the last one is `LockstepRanks`."""
        self.shards = Shards(model, rest[-1].count, args.device)
        super().__init__(model, args, *rest)

    def learn(self, checkpoint: Path | None, keeper: KeepBest | None) -> None:
        """All updates that are left after a checkpoint."""
        self.add_callback(Agreement(self, keeper))
        super().learn(checkpoint, None)
        plain = self.shards.plain(self.ranks.rank == 0)
        self.model = self.model_wrapped = plain

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """Weights are read with the state of the optimizer."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            read = load_shards if has_shards(Path(checkpoint)) else load_whole
            read(self.shards.model, self.optimizer.optimizer, Path(checkpoint))
            self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER, weights_only=True))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The weights of a checkpoint are written with the state of the optimizer."""

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        if self.ranks.rank == 0:
            super()._save_checkpoint(model, trial)
        else:
            self._save_optimizer_and_scheduler(f"{self.args.output_dir}/checkpoint-{self.state.global_step}")

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        save_shards(self.shards.model, self.optimizer.optimizer, Path(output_dir))
        if self.ranks.rank == 0:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)


class Agreement(TrainerCallback):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """What rank 0 alone knows: whether to write a checkpoint, and whether to judge the weights."""

    def __init__(self, trainer: ShardedTrainer, keeper: KeepBest | None) -> None:
        self.trainer, self.keeper = trainer, keeper

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Of the keeper."""
        if self.keeper is not None:
            self.keeper.on_train_begin(args, state, control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        """While rank 0 judges, all ranks keep the weights whole and wait."""
        due = self.keeper is not None and self.keeper.judge.due(state.global_step, state.max_steps)
        ranks = self.trainer.ranks
        judging, control.should_save = ranks.any([due, control.should_save])
        if judging:
            with self.trainer.shards.whole():
                if self.keeper is not None:
                    self.keeper.on_step_end(args, state, control)
                ranks.any([False])
        return control
