"""The topics of the report, in its order. To add one: a file with a `TopicRecord`, and a row here.

A topic of a plug-in (`TOPICS.add`) is measured, shown and exported as all others. If it raises an exception, the
report has a sentence in place of its result.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter

from outgrow.extensions import Registry
from outgrow.render.canvas import Drawing
from outgrow.render.table import Table
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import TopicRecord
from outgrow.reporting.topics.ablation import ABLATION
from outgrow.reporting.topics.agreement import AGREEMENT
from outgrow.reporting.topics.calibration import CALIBRATION
from outgrow.reporting.topics.capabilities import CAPABILITIES
from outgrow.reporting.topics.chosen import CHOSEN, ORIGINS
from outgrow.reporting.topics.class_accuracy import CLASS_ACCURACY
from outgrow.reporting.topics.cloud import CLOUD
from outgrow.reporting.topics.confusion import CONFUSION
from outgrow.reporting.topics.consistency import CONSISTENCY
from outgrow.reporting.topics.curves import CURVES
from outgrow.reporting.topics.error_copying import ERROR_COPYING
from outgrow.reporting.topics.label_quality import LABELS
from outgrow.reporting.topics.measures import MEASURES_TOPIC
from outgrow.reporting.topics.pairs import PAIRS
from outgrow.reporting.topics.picture import PICTURE
from outgrow.reporting.topics.reward_models import REWARD_MODELS
from outgrow.reporting.topics.scores import COMPARISONS, SCORES
from outgrow.reporting.topics.seeds import MISSING_ROWS, PREFERENCES, SEEDS
from outgrow.reporting.topics.selections import SELECTIONS_TOPIC
from outgrow.reporting.topics.slot_types import SLOT_TYPES
from outgrow.reporting.topics.spending import SPENDING
from outgrow.reporting.topics.supervisors import MODELS, SUPERVISORS
from outgrow.reporting.topics.text_quality import TEXT_QUALITY
from outgrow.reporting.topics.training_curves import TRAINING_CURVES
from outgrow.reporting.topics.votes_agree import VOTES_AGREE

TOPICS: Registry[TopicRecord[Any]] = Registry(
    "report topic",
    TopicRecord,
    [
        PICTURE,
        SCORES,
        CAPABILITIES,
        CURVES,
        MEASURES_TOPIC,
        ABLATION,
        PREFERENCES,
        COMPARISONS,
        SEEDS,
        PAIRS,
        TEXT_QUALITY,
        SLOT_TYPES,
        SPENDING,
        MISSING_ROWS,
        SUPERVISORS,
        MODELS,
        AGREEMENT,
        LABELS,
        SELECTIONS_TOPIC,
        CLOUD,
        REWARD_MODELS,
        CONSISTENCY,
        ERROR_COPYING,
        CLASS_ACCURACY,
        VOTES_AGREE,
        CONFUSION,
        CALIBRATION,
        TRAINING_CURVES,
        CHOSEN,
        ORIGINS,
    ],
)

Made = TypeVar("Made")


@dataclass(frozen=True)
class TopicContent:
    """What the report shows of a topic."""

    record: TopicRecord[Any]
    tables: tuple[Table, ...]
    drawings: tuple[Drawing, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.tables or self.drawings or self.notes)


def measure_topics(frame: Frame) -> tuple[dict[str, Any], dict[str, str]]:
    """By topic for this kind of task, what it measures; and by topic of a plug-in that fails, a sentence."""
    measured: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for name, record in TOPICS.items():
        if frame.task.kind in record.kinds:
            result, failure = _guarded(record, "measured", partial(_plain, record, frame))
            if failure:
                failures[name] = failure
            else:
                measured[name] = result
    return measured, failures


def _plain(record: TopicRecord[Any], frame: Frame) -> Any:
    """What a topic measures; raises if it is no plain data."""
    result = record.measure(frame)
    json.dumps(plain_data(result), allow_nan=False)
    return result


def plain_data(value: Any) -> Any:
    """Dataclasses as mappings, at any depth."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {key: plain_data(part) for key, part in value.items()}
    return [plain_data(part) for part in value] if isinstance(value, list | tuple) else value


def read_topics(tree: dict[str, Any]) -> dict[str, Any]:
    """What topics measured, from `results.json`. A topic that is unknown stays plain data."""
    return {
        name: TypeAdapter(get_type_hints(TOPICS[name].measure).get("return", Any)).validate_python(value)
        if name in TOPICS
        else value
        for name, value in tree.items()
    }


def make_tables(results: Results) -> list[Table]:
    """Every table that has lines; the main one comes first."""
    return [table for content in topic_contents(results) for table in content.tables]


def topic_caveats(results: Results) -> Iterator[str]:
    """The sentences of all topics for the summary."""
    for record, found in _measured(results):
        sentences, failure = _guarded(record, "summarised", partial(_caveats, record, results, found))
        yield from sentences if sentences is not None else [failure]


def topic_contents(results: Results, *, draw: bool = False) -> Iterator[TopicContent]:
    """The content of every topic, in order; plots only if `draw`."""
    taken: set[str] = set()
    for record, found in _measured(results):
        content, failure = _guarded(record, "shown", partial(_content, record, results, found, draw))
        names = [] if content is None else [table.name for table in content.tables]
        twice = taken.intersection(names)
        if twice:
            failure = f"The topic `{record.name}` has a table `{min(twice)}`, a name that is taken; choose another."
        taken |= set(names)
        yield TopicContent(record, (), (), (failure,)) if content is None or twice else content
    for name, failure in results.failures.items():
        if name in TOPICS:
            yield TopicContent(TOPICS[name], (), (), (failure,))


def sections(contents: Sequence[TopicContent]) -> list[tuple[str, list[TopicContent]]]:
    """Topics with something to show, by heading; neighbours share a section."""
    shown = (content for content in contents if not content.is_empty)
    return [(heading, list(group)) for heading, group in groupby(shown, lambda content: content.record.heading)]


def _measured(results: Results) -> Iterator[tuple[TopicRecord[Any], Any]]:
    for name, record in TOPICS.items():
        if name in results.topics:
            yield record, results.topics[name]


def _caveats(record: TopicRecord[Any], results: Results, found: Any) -> list[str]:
    return list(record.caveats(results, found))


def _content(record: TopicRecord[Any], results: Results, found: Any, draw: bool) -> TopicContent:
    tables = tuple(table for table in record.tables(results, found) if table.lines or table.name == "main")
    drawings = tuple(plot for plot in record.plots(results, found) if plot is not None) if draw else ()
    if record.name not in TOPICS.built_in:
        for table in tables:
            table.files()
    return TopicContent(record, tables, drawings, tuple(record.notes(results, found)))


def _guarded(record: TopicRecord[Any], verb: str, action: Callable[[], Made]) -> tuple[Made | None, str]:
    """The result; or, of a plug-in, a sentence in place of an exception."""
    if record.name in TOPICS.built_in:
        return action(), ""
    try:
        return action(), ""
    except Exception as error:
        kind = type(error).__name__
        return None, f"The topic `{record.name}` of a plug-in could not be {verb}: {kind}: {error}."
