"""The settings of `outgrow train`: votes, items, combination, student."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from outgrow.combiners import COMBINERS
from outgrow.combiners.auto import Auto
from outgrow.combiners.combiner_record import CombinerRecord
from outgrow.combiners.stacked import Stacked
from outgrow.config.combine import Combine
from outgrow.config.decoding import Decoding
from outgrow.config.device import Device
from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.model import BatchSize, ModelSection, Passes, Rate, Training
from outgrow.config.section import Section, Seed, complaint
from outgrow.config.tune import Tune
from outgrow.config.votes import VoteColumns
from outgrow.losses import Loss, text_loss_complaints
from outgrow.losses.softmax_losses import CrossEntropy
from outgrow.metrics.text_score import TextMetric

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]


class ItemColumns(Section):
    """The roles of the columns of the items' file."""

    text: Text = "text"
    """The prompt, or several columns in a template such as `{title}: {body}`."""
    id: str | None = None
    """The column of ids, which the votes use. Default: a column with a usual name, or one with the ids of the votes,
    else the row's number, from 0. Votes without ids always refer to row numbers."""
    gold: str | None = None
    """*test items*: the column of the true classes, or of the right texts; default: `label`."""


class KeepItems(Section):
    """The items to learn from; by default all items with a vote."""

    confidence: Share = 0.0
    """Minimum probability of the combined label."""
    agreement: Share = 0.0
    """Minimum share of the item's votes that agree with the combined label. Above 0, items with one vote are left out:
    one vote agrees with nothing."""


class CascadeSettings(Section):
    """Which share of new items the student may answer alone; the others go back to the sources."""

    accuracy: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The least accuracy of the answers that it gives alone. It is certified on held-out items: those of `--test`, by
    gold; without them on items that are left out of the training, by their combined labels. Default: no cascade."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """The chance that the accuracy holds."""
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Without `--test`: the share of the items with votes that are left out of the training."""


class StudentTraining(Training):
    """Gradient training of a student; the defaults suit an adapter."""

    lr: Rate = 5e-4
    epochs: Passes = 3
    batch_size: BatchSize = 16


class StudentSection(ModelSection):
    """The student and its training; by default with a low-rank adapter, which is merged at the end."""

    adapt: Literal["full", "lora"] = "lora"
    """Train all weights, or a low-rank adapter."""
    training: StudentTraining = StudentTraining()


class Answering(Decoding):
    """How a student of texts generates its answers; by default greedy."""

    beams: Annotated[int, Field(ge=1)] = 1
    candidates: Annotated[int, Field(ge=1)] = 1


class CombineSettings(Section):
    """How votes are read, and how they are combined to one label per item."""

    votes: VoteColumns = VoteColumns()
    """The roles of columns of the votes without a usual name."""
    classes: list[str] | None = None
    """The classes in order; by default the sorted labels of the votes."""
    renormalise: bool = False
    """Scale probabilities that do not sum to 1; by default they are an error."""
    combine: Combine = Auto(type="auto")
    """The combiner."""
    calibrate: bool = True
    """Calibrate the probabilities of the combined labels (temperature scaling)."""


class TrainSettings(CombineSettings):
    """The settings of `outgrow train`."""

    student: StudentSection
    combine: Combine = Stacked(type="stacked", evidence=True)
    """The combiner. By default the student learns the evidence of all votes, weighed by gold where there is some, as
    in studies (`outgrow`, `outgrow_votes`)."""
    loss: Loss = CrossEntropy()
    """Default: with `combine.evidence` the loss `marginal_likelihood`, else cross-entropy."""
    weight: Literal["one", "certainty"] = "one"
    """The weight of an item: 1, or 1 - (entropy of its label) / ln K."""
    keep: KeepItems = KeepItems()
    items: ItemColumns = ItemColumns()
    tune: Tune = Tune()
    """A grid of training settings; the criterion uses the combined labels of held-out items."""
    cascade: CascadeSettings = CascadeSettings()
    kind: Literal["auto", "classify", "generate"] = "auto"
    """The labels are classes, or texts (*generate*). `auto`: as the combiner needs; classes if it combines both."""
    metric: TextMetric | None = None
    """*generate*: compares texts; default: the metric of `answer_vote`, `slu_f1` with `slot_vote`, else
    `exact_match`."""
    answering: Answering = Answering()
    """*generate*: how the student answers items that it did not learn."""
    seed: Seed = 0
    """Of the initial head and adapter, and of the order of examples."""
    device: Device = "auto"
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _loss_of_evidence(cls, settings: Any) -> Any:
        """Without a `loss`, evidence is learned by the marginal likelihood, and other labels by cross-entropy."""
        if not isinstance(settings, Mapping) or "loss" in settings:
            return settings
        combine = settings.get("combine")
        section = combine.model_dump() if isinstance(combine, Section) else combine
        evidence = section is None or (isinstance(section, Mapping) and section.get("evidence") is True)
        return {**settings, "loss": {"type": "marginal_likelihood"}} if evidence else settings

    @field_validator("tune")
    @classmethod
    def _no_gold(cls, tune: Tune) -> Tune:
        if tune.select_by in ("gold_accuracy", "half_a_log_loss"):
            raise complaint(f"select_by: `{tune.select_by}` is for studies; here the gold of most items is unknown")
        return tune

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "TrainSettings":
        for sentence in _of_classes_only(self) if self.of_texts else _of_texts_only(self):
            raise complaint(sentence)
        return self

    @property
    def of_texts(self) -> bool:
        """Whether the student learns texts."""
        if self.kind == "auto":
            return not COMBINERS.of(self.combine).of_votes
        return self.kind == "generate"


def combiner(method: str | Mapping[str, Any]) -> Combine:
    """The section of a combiner, by its name, as `single:SOURCE` or as a mapping. Raises `ConfigError` for another."""
    tree = {"type": method} if isinstance(method, str) else dict(method)
    if isinstance(method, str) and method.startswith("single:"):
        tree = {"type": "single", "source": method.removeprefix("single:").strip()}
    return read_section(CombineSettings, {"combine": tree}, (), FileLocation("--method")).combine


def text_metric(combine: Combine, metric: TextMetric | None = None) -> str:
    """The metric that compares texts; by default the combiner's."""
    return metric or combine.text_metric or "exact_match"


def combines_texts(record: CombinerRecord) -> bool:
    """Whether a combiner takes texts without a study's scores."""
    return record.of_texts and not record.needs_scores


def text_combiner_names() -> str:
    """The combiners that take texts, as words of a message."""
    *first, last = (f"`{record.name}`" for record in COMBINERS.values() if combines_texts(record))
    return f"{', '.join(first)} or {last}"


def _of_classes_only(settings: TrainSettings) -> Iterator[str]:
    """Settings that are not for texts."""
    loss, record = settings.loss, COMBINERS.of(settings.combine)
    if not combines_texts(record):
        yield f"combine: `{record.name}` is not for texts; use {text_combiner_names()}"
    yield from text_loss_complaints("loss:", loss)
    given = {
        "classes": settings.classes is not None,
        "renormalise": settings.renormalise,
        "weight": settings.weight != "one",
        "keep.confidence": settings.keep.confidence > 0,
        "keep.agreement": settings.keep.agreement > 0 and not record.merges_texts,
        "tune": settings.tune != Tune(),
        "cascade": settings.cascade != CascadeSettings(),
    }
    yield from (
        f"{key}: is not for texts{_INSTEAD.get(key, '')}; leave it out" for key, is_given in given.items() if is_given
    )


_INSTEAD = {
    "weight": " (their weight is the combiner's option `combine.weight`)",
    "keep.confidence": " (`keep.agreement` is)",
    "keep.agreement": " that are not combined",
}


def _of_texts_only(settings: TrainSettings) -> Iterator[str]:
    """Settings that are only for texts."""
    if not COMBINERS.of(settings.combine).of_votes:
        yield f"combine: `{settings.combine.type}` is for texts, and `kind` is classify; leave `kind` out"
    if settings.metric is not None:
        yield "metric: is for texts; leave it out, or set `kind` to `generate`"
