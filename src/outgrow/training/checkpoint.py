"""Write checkpoints while training, and find the one from which an interrupted training goes on.

The Trainer writes a checkpoint's files one after the other, `trainer_state.json` last. A folder in which that file is
missing or cut short was being written when the process died; it is removed, and an older one serves.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

CHECKPOINT_SECONDS = 600.0
"""How much work an interruption may cost at most."""


class CheckpointTimer(TrainerCallback):  # type: ignore[misc]  # transformers' classes are Any to mypy
    """Tells the person who waits, and asks for a checkpoint every so many seconds."""

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
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in found if is_whole(path)]
    for path in set(found) - set(whole):
        shutil.rmtree(path)
    return whole[-1] if whole else None


def is_whole(checkpoint: Path) -> bool:
    """Was the last file of this checkpoint written to its end?"""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True
