"""A whole experiment file: the root of everything it may say.

The classes of this folder are frozen and know no behaviour: they are parsed once, at the border, and their values
are passed on as plain arguments. An unknown key is an error. The docstring under a field is its help text, its line
in the JSON schema and its row in the documentation.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.decoding import Decoding
from outgrow.config.method import Method, SelfTraining, SoftLabels, Variant
from outgrow.config.model import ModelSection, Speaker, Supervisor
from outgrow.config.paths import REPORTS
from outgrow.config.section import Name, Section, Seed, SourceName
from outgrow.config.task import TaskSection
from outgrow.config.tune import Tune
from outgrow.judge.options import JudgeMeasure
from outgrow.metrics.measures import Measure


class Experiment(Section):
    """A whole study."""

    name: Name
    """What the study is called; also its folder below `runs/`."""
    task: TaskSection
    """Which question is asked of which items."""
    supervisors: Annotated[dict[SourceName, Supervisor], Field(min_length=1)]
    """The weak sources, each under a name of your choice."""
    student: Speaker
    """The strong model that learns from the supervisors' labels, and from gold for the ceiling."""
    second_view: ModelSection | None = None
    """Another layer or model whose student is averaged with the first in the `two_views` variant."""
    methods: Annotated[list[Method], Field(min_length=1)]
    """Rows: a name from `methods.yaml`, a name with changes (`{preset: bayesian, …}`), or a row of your own."""
    variants: Annotated[list[Variant], Field(min_length=1)] = ["plain", "self_training"]
    """Every method is run in each of these forms, unless it names its own."""
    self_training: SelfTraining = SelfTraining()
    """How the `self_training` variants trust the student's own predictions."""
    soft_labels: SoftLabels = SoftLabels()
    """*generate*: how a supervisor's text becomes targets for the student's tokens."""
    labelling: Decoding = Decoding()
    """*generate*: how supervisors write their labels of half B."""
    answering: Decoding = Decoding(beams=3, candidates=1)
    """*generate*: how everybody answers the test items."""
    measures: dict[Name, Measure] = {}
    """*generate*: further measures of every row's answers, by a name of your choice."""
    judges: dict[Name, JudgeMeasure] = {}
    """*generate*: language models that rate every row's answers; each of their scales is a measure."""
    plane: tuple[str, str] | None = None
    """*generate*: the two measures that the report draws against each other (content, style); default: the first
    two of `measures` and `judges`."""
    matching: Literal["answers", "probabilities"] = "answers"
    """What the `matching` variants bring back to the weak labels' class shares."""
    tune: Tune = Tune()
    """The grid that every method searches."""
    untouched: bool = True
    """Also measure the student before any training, where it can answer (causal language models)."""
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0, 1, 2]
    """One whole study per seed: splits, training order, everything random."""
    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Resamples behind every interval."""
    output: Path | None = None
    """Folder of the report; default `runs/NAME` beside the file."""
    store: Path = Path("runs/steps")
    """Folder of the finished steps, by default beside the file; studies that share it share results."""
    answers: Path = Path("answers")
    """Folder of `answers.sqlite`, by default beside the file: what servers answered. It was paid for and nothing
    computes it again, so keep it; it is no part of `runs/`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models run; `auto` takes a GPU where there is one."""
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    """CPU threads per step; default: cores divided by `--jobs`, or `OMP_NUM_THREADS` where that is less. Fixed threads
    give results equal bit for bit."""
    report_to: list[Literal["wandb", "trackio", "mlflow", "tensorboard"]] = []
    """Trackers for full and LoRA training; by default nothing leaves the machine."""

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        return self.output or REPORTS / self.name
