"""The experiment trackers that `report_to` takes."""

from collections.abc import Mapping
from typing import Literal

Tracker = Literal["wandb", "trackio", "mlflow", "tensorboard"]
TRACKERS: Mapping[Tracker, tuple[str, ...]] = {
    "wandb": ("wandb",),
    "trackio": ("trackio",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard",),
}
"""Packages of which a tracker needs one."""
TRACKED_AT_THE_END: tuple[Tracker, ...] = ("tensorboard", "trackio")
"""Trackers that get finished steps (`reporting/trackers.py`); the others follow a training (transformers)."""
