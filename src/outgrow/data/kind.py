"""Which of the three kinds a task is, told without reading it, and which keys fit that kind."""

from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.data.tasks import TASKS
from outgrow.data.template import instruction_pieces, require_fields
from outgrow.errors import ConfigError

OWN_METRIC = "exact_match"
"""What the user's own texts are measured by, unless the file says otherwise."""


def kind_of(section: TaskSection) -> Kind:
    """A known task's kind; for your own data what the file says, or *choose* where it names options.

    Raises `ConfigError` for keys that a task of this kind cannot have.
    """
    known = TASKS.get(section.name)
    if known is not None:
        kind = known.kind
    else:
        kind = section.kind or ("choose" if section.columns.options is not None else "classify")
    if known is not None or section.path is not None:  # otherwise it is no task at all, which `source_of` says
        _require_fitting_keys(section, kind)
    return "classify" if section.form == "binary" else kind


def metric_of(section: TaskSection) -> str:
    """What answers are measured by: one of `TEXT_SCORES` for *generate*, else `accuracy`."""
    return _text_metric(section) if kind_of(section) == "generate" else "accuracy"


def template_of(section: TaskSection) -> str:
    """The instruction around an item's text, for *generate*."""
    known = TASKS.get(section.name)
    return section.template or ("{text}" if known is None else known.template)


def has_slots(section: TaskSection) -> bool:
    """Is the gold JSON of slots, whatever it is measured by?"""
    known = TASKS.get(section.name)
    return "slu_f1" in (section.metric, known and known.metric)


def _text_metric(section: TaskSection) -> str:
    known = TASKS.get(section.name)
    return section.metric or (OWN_METRIC if known is None else known.metric)


def _require_fitting_keys(section: TaskSection, kind: Kind) -> None:
    if kind != "generate":
        for key, value in {"metric": section.metric, "template": section.template, "answer": section.answer}.items():
            if value is not None:
                raise ConfigError(f"task.{key} is for tasks of kind `generate`; `{section.name}` is {kind}: remove it")
        return
    if section.form == "binary":
        raise ConfigError(f"task.form `binary` needs a multiple-choice task; `{section.name}` is {kind}")
    if section.classes is not None:
        raise ConfigError("task.classes names the classes of a *classify* task; texts have none: remove it")
    if section.columns.options is not None:
        raise ConfigError("task.columns.options is given, but task.kind is `generate`: remove one of them")
    instruction_pieces(template_of(section), has_slots(section))
    if section.answer is not None:
        require_fields(section.answer, "task.answer", ("text",), ("text",))
