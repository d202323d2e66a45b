"""The kind of a task and the keys that fit it, from its section alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from outgrow.config.task import SetSection, TaskSection
from outgrow.data.task import Kind
from outgrow.data.task_forms import TEMPLATES
from outgrow.data.tasks import TASKS
from outgrow.data.template import instruction_pieces, require_fields
from outgrow.errors import ConfigError, OutgrowError
from outgrow.metrics.text_score import MACRO, counts_slots

OWN_METRIC = "exact_match"
"""The default metric of texts of the user's own data, options or classes."""


def kind_of(section: TaskSection) -> Kind:
    """The kind of a study's task; a mixture of capabilities is *generate*.

    Raises `ConfigError` for keys that a task of this kind cannot have.
    """
    if not section.capabilities:
        return set_kind(section)
    _refuse_keys_of_one_set(section)
    for name, capability in section.capabilities.items():
        with capability_errors(name):
            set_kind(capability)
    return "generate"


def set_kind(section: SetSection) -> Kind:
    """The kind of one set in the form that is asked for. Raises `ConfigError` as above."""
    kind = native_kind(section)
    if section.name in TASKS or section.path is not None:  # otherwise it is no task at all, which `source_of` reports
        _require_fitting_keys(section, kind)
    return {"native": kind, "binary": "classify", "pairs": "choose", "text": "generate"}[section.form]


def native_kind(section: SetSection) -> Kind:
    """A known task's kind; for the user's own data `task.kind`, or *choose* where it names options."""
    published = TASKS.get(section.name)
    if published is not None:
        return published.kind
    return section.kind or ("choose" if section.columns.options is not None else "classify")


def to_be_written(section: SetSection) -> str:
    """What to do to a set of classes or options whose answers are to be written."""
    unstated = section.name not in TASKS and section.kind is None and section.columns.options is None
    return "set task.kind to `generate`" if unstated else "set task.form to `text`"


def metric_of(section: TaskSection) -> str:
    """What answers are measured by: one of `TEXT_METRICS` for *generate*, `macro` for a mixture, else `accuracy`."""
    return MACRO if section.capabilities else set_metric(section)


def set_metric(section: SetSection) -> str:
    """The same of one set."""
    if set_kind(section) != "generate":
        return "accuracy"
    published = TASKS.get(section.name)
    return section.metric or (
        published.metric if published is not None and published.kind == "generate" else OWN_METRIC
    )


def template_of(section: SetSection) -> str:
    """The instruction around an item's text, for *generate*."""
    published, kind = TASKS.get(section.name), native_kind(section)
    if section.template is not None:
        return section.template
    if kind != "generate":
        return (published and published.text_template) or TEMPLATES[kind]
    return "{text}" if published is None else published.template


def fields_of(section: SetSection) -> tuple[str, ...]:
    """What the template can have in braces."""
    published = TASKS.get(section.name)
    slots = counts_slots(section.metric) or counts_slots(None if published is None else published.metric)
    listed = native_kind(section) != "generate"
    return ("text", *(["types"] if slots else []), *(["options"] if listed else []))


def _refuse_keys_of_one_set(section: TaskSection) -> None:
    for key, field in SetSection.model_fields.items():
        if key != "name" and getattr(section, key) != field.default:
            raise ConfigError(
                f"task.{key} is about one set of data, and task.capabilities names several: move it into the"
                f" capability that it is about, such as task.capabilities.{next(iter(section.capabilities))}.{key}"
            )


def _require_fitting_keys(section: SetSection, kind: Kind) -> None:
    written = kind == "generate" or section.form == "text"
    for key, value in {"metric": section.metric, "template": section.template, "answer": section.answer}.items():
        if value is not None and not written:
            raise ConfigError(
                f"task.{key} is for tasks of kind `generate`; `{section.name}` is {kind}: remove it, or"
                f" {to_be_written(section)}"
            )
    if section.columns.key is not None and kind != "generate":
        raise ConfigError(
            f"task.columns.key is for tasks of kind `generate`; `{section.name}` is {kind}: remove it, or"
            " set task.kind to `generate`"
        )
    if kind == "generate":
        _require_keys_of_texts(section)
    if written:
        instruction_pieces(template_of(section), fields_of(section))
    if section.answer is not None:
        require_fields(section.answer, "task.answer", ("text",), ("text",))


def _require_keys_of_texts(section: SetSection) -> None:
    if section.form in ("binary", "pairs"):
        raise ConfigError(f"task.form `{section.form}` needs a multiple-choice task; `{section.name}` is generate")
    if section.classes is not None:
        raise ConfigError("task.classes names the classes of a *classify* task; texts have none: remove it")
    if section.join_classes:
        raise ConfigError("task.join_classes is for the classes of a *classify* task; texts have none: remove it")
    if section.columns.options is not None:
        raise ConfigError("task.columns.options is given, but task.kind is `generate`: remove one of them")


_KEYS = "|".join([*SetSection.model_fields, "sizes"])
_KEY = re.compile(rf"(?<![\w./\\-])task\.(?=(?:{_KEYS})\b(?![/\\]))")
"""`task.` before one of the keys, but not in the name of a file."""


@contextmanager
def capability_errors(capability: str) -> Iterator[None]:
    """Every `ConfigError` and `DataError` from within names the capability; "" is a task that is no mixture."""
    try:
        yield
    except OutgrowError as error:
        if not capability:
            raise
        sentence = _KEY.sub(f"task.capabilities.{capability}.", str(error))
        raise type(error)(f"capability `{capability}`: {sentence}") from error
