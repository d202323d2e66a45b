"""The root section of an experiment file.

The classes of this folder are frozen data: parsed once, and passed on as plain arguments. An unknown key is an error.
The docstring under a field is its help text, its line in the JSON schema and its row in the documentation.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from outgrow.config.decoding import Decoding
from outgrow.config.device import Device
from outgrow.config.method import Method, SelfTraining, SoftLabels, Variant
from outgrow.config.model import LanguageModel, ModelSection
from outgrow.config.paths import REPORTS
from outgrow.config.presets import default_methods
from outgrow.config.resources import Resources
from outgrow.config.section import Name, Section, Seed, SourceName
from outgrow.config.task import TaskSection
from outgrow.config.trackers import Tracker
from outgrow.config.tune import Tune
from outgrow.extensions import OneOf
from outgrow.judge.options import JudgeMeasure
from outgrow.metrics.measures import Measure
from outgrow.supervise.sources import SOURCES, with_type

Supervisor = Annotated[Section, OneOf(SOURCES), BeforeValidator(with_type)]
"""The section of any source."""


class Experiment(Section):
    """A whole study."""

    name: Name
    """The study's name; also its folder below `runs/`."""
    task: TaskSection
    """The items, and the question about them."""
    supervisors: Annotated[dict[SourceName, Supervisor], Field(min_length=1)]
    """The supervisors, each under a name of your choice."""
    student: LanguageModel
    """The strong model. It learns from the supervisors' labels; for the ceiling it learns from gold."""
    second_view: ModelSection | None = None
    """Another layer or model. The variant `two_views` averages its student with the first one."""
    methods: Annotated[list[Method], Field(min_length=1)] = Field(default_factory=default_methods)
    """Rows: a name from `methods.yaml`, a name with changes (`{preset: bayesian, …}`), or a row of your own. Default:
    `outgrow`, `single`, `naive`, `bayesian`."""
    headline: str | None = None
    """The method that the report's headline is about, fixed before any result. Default: `outgrow` if it is among
    `methods`, else the first method with several supervisors."""
    gold_controls: bool = True
    """Add the rows `gold_a` and `gold_a_and_votes` where a supervisor learns half A's gold and the student is trained
    here, not by a provider."""
    variants: Annotated[list[Variant], Field(min_length=1)] = ["plain", "self_training"]
    """The forms in which every method runs, unless the method has its own `variants`."""
    self_training: SelfTraining = SelfTraining()
    """How the `self_training` variants weight the student's own predictions."""
    soft_labels: SoftLabels = SoftLabels()
    """*generate*: how a supervisor's text becomes targets for the student's tokens."""
    labelling: Decoding = Decoding()
    """*generate*: how supervisors write their labels of half B."""
    answering: Decoding = Decoding(beams=3, candidates=1)
    """*generate*: how all models answer the test items."""
    measures: dict[Name, Measure] = {}
    """*generate*: further measures of every row's answers, by a name of your choice."""
    judges: dict[Name, JudgeMeasure] = {}
    """*generate*: language models that rate every row's answers; each of their scales is a measure."""
    plane: tuple[str, str] | None = None
    """*generate*: the two measures that the report plots against each other (content, style). Default: the first two
    of `measures` and `judges`."""
    matching: Literal["answers", "probabilities"] = "answers"
    """The `matching` variants match the class shares of the student's answers, or of its probabilities, to those of
    the weak labels."""
    tune: Tune = Tune()
    """The grid that every method searches."""
    untouched: bool = True
    """Also measure the student before any training, if it can answer (causal language models)."""
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0, 1, 2]
    """One whole study per seed: its splits and every random draw."""
    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Resamples behind every interval."""
    output: Path | None = None
    """Folder of the report; default: `runs/NAME` in the file's folder."""
    store: Path = Path("runs/steps")
    """Folder of the finished steps, by default in the file's folder. Studies with the same store share steps."""
    answers: Path = Path("answers")
    """Folder of `answers.sqlite`, the responses of servers; by default in the file's folder. Keep it: responses were
    paid for and cannot be computed again. It is not part of `runs/`."""
    device: Device = "auto"
    """Where models run; `auto` uses a GPU if there is one."""
    resources: Resources = Resources()
    """Devices, cores and memory that steps ask for, by kind of step."""
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    """CPU threads per step; default: cores divided by `--jobs`, or `OMP_NUM_THREADS` if it is lower. With fixed
    threads results are equal bit for bit."""
    plugins: list[Path] = []
    """Python files with extensions of your own, loaded before the rest of the file is read (docs/extend.md)."""
    report_to: list[Tracker] = []
    """Experiment trackers. `tensorboard` and `trackio` are local, and get every row's training curve and score when
    the report is written; `wandb` and `mlflow` follow full and LoRA training. Default: none."""

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        return self.output or REPORTS / self.name
