"""The record of a type of source: all that the program knows of it.

A source gives labels. A new type is one file with a section of options, the functions that build its steps and a
`SourceRecord`, and one row in `sources.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from outgrow.config.decoding import Decoding
from outgrow.config.section import Section
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.extensions import Function, Record
from outgrow.graph.step import Json, Step
from outgrow.study.model_cost import Cost, StudySizes
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump, hints, writer_version, writing_params
from outgrow.supervise.answer_form import AnswerForm

Problems: TypeAlias = Iterator[str]
"""Sentences, each of which begins with a key."""


@dataclass(frozen=True)
class TextSource:
    """The steps of a source of texts."""

    section: Section
    model: Step | None
    """Its training, if it has one."""
    half_b: Step
    """Its labels of half B."""
    test: Step
    """Its answers to the test items."""


@dataclass(frozen=True)
class AskedJudge:
    """A source with one prompt in `outgrow ask`."""

    source: str
    """The name of its votes."""
    section: Any
    questions: Step
    """Writes the task whose prompts it gets."""
    form: AnswerForm
    sampling: Mapping[str, Json]
    """`samples`, `temperature` and `seed`."""
    hints: Mapping[str, Json]


def _never(section: Any) -> bool:
    return False


def _no_code(section: Any) -> list[str]:
    return []


def _no_problems(where: str, section: Any, task: TaskSection, kind: Kind) -> Problems:
    return iter(())


@dataclass(frozen=True)
class SourceRecord(Record):
    """One type of source."""

    kinds: frozenset[Kind] = frozenset()
    """Kinds of tasks that it can label."""
    key: str | None = None
    """The option by which a section without `type` is known."""
    votes: Callable[[SeedPlan, str, Any], Step] | None = None
    """Builds the step that labels half A, half B and the test items of a *classify* or *choose* task."""
    texts: Callable[[SeedPlan, str, Any], TextSource] | None = None
    """Builds the steps for a *generate* task."""
    asked: Callable[[AskedJudge], Step] | None = None
    """Builds the step for `outgrow ask`, which writes `answers.parquet`, without gold."""
    trained: Callable[[Any], bool] = _never
    """Whether a section learns half A's gold."""
    holds_out: Callable[[Any], bool] = _never
    """*generate*: whether it learns all of half A's gold but some items that it keeps aside."""
    writes: bool = False
    """It can be asked for further texts."""
    can_score: Callable[[Any], bool] = _never
    """Whether a section's model can be asked for the log-probability of a text."""
    remote: bool = False
    """It is a model behind a server."""
    is_file: bool = False
    """Its labels lie in a file, and may be of some items only."""
    code: Callable[[Any], list[str]] = _no_code
    """The user's code that a section runs, by name."""
    misfits: Callable[[str, Any, TaskSection, Kind], Problems] = _no_problems
    """What a supervisor of this type cannot do in a task of this kind; `where` is its key."""
    check: Function | None = None
    """`(where, section, kind) -> Problems`: what is wrong with a section on any machine, wherever it stands."""
    check_machine: Callable[[str, Any], Problems] | None = None
    """`(where, section) -> Problems`: what this machine lacks for it."""
    costs: Mapping[str, Callable[[Step, StudySizes], Cost]] = field(default_factory=dict)
    """Estimates by step function; a function that is not listed costs next to nothing."""


def texts_step(
    plan: SeedPlan,
    section: Section,
    model: Step | None,
    name: str,
    part: str,
    decoding: Decoding,
    held_out: Step | None = None,
) -> Step:
    """What a model writes for the items of one part; without a training step, the model as it is.

    The part `held_out` is the items of the step `held_out`.
    """
    params = {
        "model": writing_params(section),
        "decoding": dump(decoding),
        "part": part,
        "seed": plan.seed,
        "name": name,
    }
    inputs = {**plan.data, **trained(model), **({} if held_out is None else {"held_out": held_out})}
    label = f"{part}: {f'{name}, seed {plan.seed}' if model is None else model.label}"
    function = "outgrow.supervise.writer_steps:write_texts"
    version = writer_version(section)
    return Step("texts", function, params, inputs, version=version, hints=hints(plan, section), label=label)


def written_texts(plan: SeedPlan, name: str, section: Section, model: Step | None) -> TextSource:
    """The labels and test answers of a model that writes."""
    half_b = texts_step(plan, section, model, name, "half_b", plan.experiment.labelling)
    return TextSource(
        section, model, half_b, texts_step(plan, section, model, name, "test", plan.experiment.answering)
    )


def trained(model: Step | None) -> dict[str, Step]:
    """The input that is a training, if there was one."""
    return {} if model is None else {"model": model}
