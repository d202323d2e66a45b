"""A whole experiment file: the root of everything it may say.

The classes of this folder are frozen and know no behaviour: they are parsed once, at the border, and their values
are passed on as plain arguments. An unknown key is an error. The docstring under a field is its help text, its line
in the JSON schema and its row in the documentation.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.method import Method, SelfTraining
from outgrow.config.model import ModelSection, Supervisor
from outgrow.config.section import Section
from outgrow.config.task import TaskSection

Variant = Literal["plain", "self_training", "matching", "self_training+matching", "two_views"]


class Tune(Section):
    """The grid every method searches, and on what: the same for all, or the comparison is not fair."""

    l2: list[Annotated[float, Field(ge=0)]] | None = None
    """probe: weights of the ridge penalty; default 10^-4 … 10^0.5."""
    lr: list[Annotated[float, Field(gt=0)]] | None = None
    """Learning rates; default: one (probe .05, else `training.lr`)."""
    epochs: list[Annotated[float, Field(gt=0)]] | None = None
    """Passes over the data; default: one (probe 200 full-batch steps, else `training.epochs`)."""
    folds: Annotated[int, Field(ge=2)] = 3
    select_by: Literal["weak_accuracy", "weak_log_loss", "gold_accuracy"] = "weak_accuracy"
    """Held-out agreement with the supervisors' mean, its log loss, or gold: `gold_accuracy` is oracle selection."""


class Experiment(Section):
    """A whole study."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    task: TaskSection
    supervisors: Annotated[dict[str, Supervisor], Field(min_length=1)]
    student: ModelSection
    second_view: ModelSection | None = None
    """Another layer or model whose student is averaged with the first in the `two_views` variant."""
    methods: Annotated[list[Method], Field(min_length=1)]
    """Rows: a name from `methods.yaml`, a name with changes (`{preset: bayesian, …}`), or a row of your own."""
    variants: Annotated[list[Variant], Field(min_length=1)] = ["plain", "self_training"]
    """Every method is run in each of these forms."""
    self_training: SelfTraining = SelfTraining()
    tune: Tune = Tune()
    untouched: bool = True
    """Also measure the student before any training, where it can answer (causal language models)."""
    seeds: Annotated[list[int], Field(min_length=1)] = [0, 1, 2]
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    """Resamples behind every interval."""
    output: Path | None = None
    """Folder of the report; default `runs/NAME`."""
    store: Path = Path("runs/steps")
    """Folder of the finished steps; studies that share it share results."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads per step; default: cores divided by `--jobs`. Fixed threads give results equal bit for bit."""
    report_to: list[Literal["wandb", "trackio", "mlflow", "tensorboard"]] = []
    """Trackers for full and LoRA training; by default nothing leaves the machine."""
