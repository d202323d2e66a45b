"""The settings of `outgrow train`: votes, items, how votes become targets, how the student learns them."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from outgrow.combiners import COMBINERS
from outgrow.combiners.auto import Auto
from outgrow.combiners.combiner_record import CombinerRecord
from outgrow.config.combine import Combine
from outgrow.config.decoding import Decoding
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
    """Which columns of the items' file hold what."""

    text: Text = "text"
    """The prompt, or several columns in a template such as `{title}: {body}`."""
    id: str | None = None
    """The names by which the votes speak of items; by default a column with a usual name, or one whose values the
    votes know, or else the row's number, from 0. Votes without names of items go by the row in any case."""
    gold: str | None = None
    """*test items*: the column of the true classes, or of the right texts; default `label`."""


class KeepItems(Section):
    """Which items are worth learning from; by default all that have a vote."""

    confidence: Share = 0.0
    """The least probability of the combined label."""
    agreement: Share = 0.0
    """The least share of the item's votes that are for the combined label."""


class StudentTraining(Training):
    """Gradient training of a student; the defaults suit an adapter."""

    lr: Rate = 5e-4
    epochs: Passes = 3
    batch_size: BatchSize = 16


class StudentSection(ModelSection):
    """The model that learns, and how; a low-rank adapter by default, merged when the student is written."""

    adapt: Literal["full", "lora"] = "lora"
    """Train all weights, or a low-rank adapter."""
    training: StudentTraining = StudentTraining()


class Answering(Decoding):
    """How a student that writes answers; by default with the most probable token again and again."""

    beams: Annotated[int, Field(ge=1)] = 1
    candidates: Annotated[int, Field(ge=1)] = 1


class CombineSettings(Section):
    """How votes are read, and how several become one label per item."""

    votes: VoteColumns = VoteColumns()
    """Which columns of the votes hold what, where their names do not say it."""
    classes: list[str] | None = None
    """The classes in order; by default those that the votes name, sorted."""
    renormalise: bool = False
    """Scale probabilities that do not sum to 1; by default they are an error."""
    combine: Combine = Auto(type="auto")
    """The combiner."""
    calibrate: bool = True
    """Calibrate the probabilities of the combined labels (temperature scaling)."""


class TrainSettings(CombineSettings):
    """How votes become a student."""

    student: StudentSection
    loss: Loss = CrossEntropy()
    weight: Literal["one", "certainty"] = "one"
    """How much an item counts: all alike, or 1 - (entropy of its label) / ln K."""
    keep: KeepItems = KeepItems()
    items: ItemColumns = ItemColumns()
    tune: Tune = Tune()
    """A grid of training settings, judged on held-out items by their combined labels."""
    kind: Literal["auto", "classify", "generate"] = "auto"
    """What is voted on and learned: classes, or texts (*generate*); `auto`: what the combiner is for, and classes
    where it is for both."""
    metric: TextMetric | None = None
    """*generate*: what texts are compared by; default: that of `answer_vote`, `slu_f1` with `slot_vote`, else
    `exact_match`."""
    answering: Answering = Answering()
    """*generate*: how the student answers the items that it did not learn from."""
    seed: Seed = 0
    """Of the new head, the adapter and the order of examples."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None

    @field_validator("tune")
    @classmethod
    def _no_gold(cls, tune: Tune) -> Tune:
        if tune.select_by == "gold_accuracy":
            raise complaint("select_by: `gold_accuracy` is for studies; here the gold of most items is unknown")
        return tune

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "TrainSettings":
        for sentence in _of_classes_only(self) if self.of_texts else _of_texts_only(self):
            raise complaint(sentence)
        return self

    @property
    def of_texts(self) -> bool:
        """Whether the student learns to write."""
        if self.kind == "auto":
            return not COMBINERS.of(self.combine).of_votes
        return self.kind == "generate"


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
    """What a student of texts cannot have."""
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
    }
    yield from (
        f"{key}: is not for texts{_INSTEAD.get(key, '')}; leave it out" for key, there in given.items() if there
    )


_INSTEAD = {
    "weight": ", whose weight is an option of the combiner (`combine.weight`)",
    "keep.confidence": ", of which `keep.agreement` may be asked",
    "keep.agreement": " that are not combined",
}


def _of_texts_only(settings: TrainSettings) -> Iterator[str]:
    """What a student of classes cannot have."""
    if not COMBINERS.of(settings.combine).of_votes:
        yield f"combine: `{settings.combine.type}` is for texts, and `kind` is classify; leave `kind` out"
    if settings.metric is not None:
        yield "metric: is for texts; leave it out, or set `kind` to `generate`"
