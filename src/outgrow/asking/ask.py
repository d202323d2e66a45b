"""`outgrow ask` as steps of a graph, and the votes that they gave.

    items ─► questions ─► judge          one pair of steps per judge and prompt

Finished steps and cached responses are used again, so an interrupted command continues where it ended.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.asking.questions_step import ORDERS
from outgrow.config.ask import AskSettings
from outgrow.config.messages import FileLocation
from outgrow.config.model import ModelSection, local_model, remote_model
from outgrow.data.data_identity import content_hash
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.extensions import function_of
from outgrow.graph.code_identity import read_again
from outgrow.graph.event import StepOutcome
from outgrow.graph.runner import Event, run_steps
from outgrow.graph.step import Json, Step
from outgrow.graph.store import Store
from outgrow.labels import WeakLabels
from outgrow.models.model_names import parse_name
from outgrow.study.step_params import endpoint_hints, model_hints
from outgrow.supervise.answer_form import AnswerForm, better_of_two, by_grade, by_letter, by_name
from outgrow.supervise.source_record import AskedJudge
from outgrow.supervise.sources import SOURCES
from outgrow.text_format import listed, many
from outgrow.vote_table import VoteTable

GROUP, ORDER = "source_group", "order"
"""Columns of the file of votes: the judge behind a source, and the order in which a pair was shown."""
DEFAULT_PROMPT = {
    False: "{text}",
    True: "The first text:\n{first}\n\nThe second text:\n{second}\n\nWhich of the two texts is better?",
}
"""By whether items are pairs."""


@dataclass(frozen=True)
class AskedSource:
    """A judge with one of its prompts."""

    name: str
    judge: str
    section: Any
    step: Step


def ask_judges(
    settings: AskSettings,
    place: FileLocation,
    items: Path,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[VoteTable, pa.Table]:
    """Run the missing steps; returns the votes, and the same as a table for a file.

    Raises `ConfigError` and `DataError` for bad input, `StepFailed` for a judge that could not be asked (all answers
    are kept), `KeyboardInterrupt` after Ctrl-C.
    """
    require_askable(settings, place)
    for section in settings.supervisors.values():
        _pin_revision(local_model(section))
    sources = asked_sources(settings, items)
    store = Store(settings.store)
    with store.in_use():
        outcomes = run_steps([one.step for one in sources], store, threads=settings.threads, on_event=on_event)
        _require_answers(sources, outcomes)
        return gathered(settings, sources, store)


def _require_answers(sources: Sequence[AskedSource], outcomes: Mapping[str, StepOutcome]) -> None:
    """Raise the error of a step that did not finish."""
    states = [outcome.state for outcome in outcomes.values()]
    if "interrupted" in states:
        raise KeyboardInterrupt
    questions = [outcomes.get(one.step.inputs["pool"].identity) for one in sources]
    for outcome in questions:
        if outcome is not None and outcome.state == "failed":
            raise DataError(outcome.error)
    errors = [outcomes[one.step.identity].error for one in sources if outcomes[one.step.identity].state == "failed"]
    if errors:
        raise StepFailed("\n".join(dict.fromkeys(errors)))


# ---- steps ----------------------------------------------------------------------------------------------


def asked_sources(settings: AskSettings, items: Path) -> list[AskedSource]:
    """Every judge with every one of its prompts."""
    read_again()
    content = content_hash(items, "--items")
    return [
        AskedSource(source, judge, section, _judge_step(settings, judge, source, prompt, items, content))
        for judge, section in settings.supervisors.items()
        for source, prompt in settings.prompts_of(judge).items()
    ]


def _judge_step(settings: AskSettings, judge: str, source: str, prompt: str | None, items: Path, content: str) -> Step:
    section = settings.supervisors[judge]
    record = SOURCES.of(section)
    assert record.asked is not None, "checked before"
    form = form_of(settings, continues=not record.remote)
    question: dict[str, Json] = {
        "columns": settings.items.model_dump(mode="json"),
        "pairs": settings.pairs,
        "prompt": DEFAULT_PROMPT[settings.pairs] if prompt is None else prompt,
        "form": asdict(form),
        "continues": not record.remote,
        "system": None if record.remote else dict(section)["system"],
    }
    questions = Step(
        "questions",
        "outgrow.asking.questions_step:make_questions",
        {"question": question, "content": content},
        hints={"items": str(items.absolute())},
        label=source,
    )
    sampling = {"samples": settings.samples, "temperature": settings.temperature, "seed": settings.seed}
    return record.asked(AskedJudge(source, section, questions, form, sampling, _hints(settings, judge)))


def form_of(settings: AskSettings, *, continues: bool) -> AnswerForm:
    """What may be answered; a model that `continues` a prompt writes a class itself and no letter."""
    if settings.pairs:
        return better_of_two()
    if settings.scale is not None:
        return by_grade(*settings.scale)
    assert settings.classes is not None, "checked when the settings were read"
    return by_name(settings.classes) if continues else by_letter(settings.classes)


def classes_of(settings: AskSettings) -> tuple[str, ...]:
    """The classes of the votes."""
    return tuple(settings.classes or form_of(settings, continues=True).names)


def _hints(settings: AskSettings, judge: str) -> dict[str, Json]:
    section = settings.supervisors[judge]
    model = local_model(section)
    if model is not None:
        return model_hints(model, settings.device, (), judge)
    hints = endpoint_hints(section, f"supervisors.{judge}", settings.answers)
    return hints if settings.budget is None else {**hints, "shared_budget": shared_budget(settings)}


def shared_budget(settings: AskSettings) -> dict[str, Json]:
    """The money of all judges, and each model that is paid from it once."""
    remote = [section for section in map(remote_model, settings.supervisors.values()) if section is not None]
    models = {(one.url, one.model): one.prices.model_dump(mode="json") for one in remote}
    return {
        "money": settings.budget,
        "models": [{"url": url, "model": model, "prices": prices} for (url, model), prices in models.items()],
    }


def require_askable(settings: AskSettings, place: FileLocation) -> None:
    """Raise `ConfigError` with everything that is wrong with the judges, one line each."""
    if found := list(_complaints(settings, place)):
        raise ConfigError("\n".join(found))


def _complaints(settings: AskSettings, place: FileLocation) -> Iterator[str]:
    for name, section in settings.supervisors.items():
        where, record = place.at("supervisors", name), SOURCES.of(section)
        if record.asked is None:
            kinds = listed([other.name for other in SOURCES.values() if other.asked is not None])
            yield f"{where}: a source of type `{record.name}` cannot be asked; the types that can be are {kinds}"
            continue
        if record.check is not None:
            yield from function_of(record.check)(where, section, "generate")
        if record.check_machine is not None:
            yield from record.check_machine(where, section)
        remote, model = remote_model(section), local_model(section)
        if model is not None and model.engine.type != "hf":
            yield f"{where}.engine: `{model.engine.type}` writes texts, and a judge here chooses; leave it out"
        if settings.budget is not None and remote is not None and not (remote.prices.input or remote.prices.output):
            yield f"{where}.prices: a budget needs the prices of every server, such as `{{input: 0.15, output: 0.6}}`"
    names = [source for judge in settings.supervisors for source in settings.prompts_of(judge)]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{place.at('supervisors')}: two sources would be called `{name}`; rename a judge"


def _pin_revision(model: ModelSection | None) -> None:
    """Resolve a model's commit on the hub, so that later runs find the same steps."""
    if model is not None and parse_name(model.model).place == "hub":
        from outgrow.models.fetch_model import pin_revision  # slow to import

        pin_revision(model.model, model.revision)


# ---- votes ----------------------------------------------------------------------------------------------


def gathered(settings: AskSettings, sources: list[AskedSource], store: Store) -> tuple[VoteTable, pa.Table]:
    """The votes of finished steps."""
    parts = [part for one in sources for part in _parts(settings, one, store)]
    items = parts[0].items
    voted = [np.flatnonzero(part.probs.any(axis=1)) for part in parts]
    probs = np.concatenate([part.probs[rows] for part, rows in zip(parts, voted, strict=True)])
    judge_of_part = tuple(part.judge for part in parts)
    source = np.repeat(np.arange(len(parts)), [len(rows) for rows in voted])
    votes = VoteTable(
        items=items,
        sources=tuple(part.name for part in parts),
        classes=classes_of(settings),
        item=np.concatenate(voted),
        source=source,
        label=probs.argmax(axis=1),
        probs=probs if ((probs > 0) & (probs < 1)).any() else None,
        groups=() if settings.pairs or len({part.judge for part in parts}) == len(parts) else judge_of_part,
        notes=tuple(_notes(parts)),
    )
    table = votes.to_arrow()
    columns = {GROUP: list(judge_of_part)}
    columns |= {ORDER: [part.order for part in parts]} if settings.pairs else {}
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.string()).take(pa.array(source)))
    return votes, table


@dataclass(frozen=True)
class Part:
    """The votes of one source of the file."""

    name: str
    judge: str
    order: str
    items: list[str]
    probs: Float[np.ndarray, "item class"]
    """Zeros for an abstention."""


def _parts(settings: AskSettings, asked: AskedSource, store: Store) -> Iterator[Part]:
    """One source, or one per order of pairs; the class `A` is then the item's first text in both orders."""
    answers = WeakLabels.load(store.path(asked.step) / "answers.parquet")
    probs = answers.probs[:, 0]
    if not settings.pairs:
        yield Part(asked.name, asked.judge, "", answers.items, probs)
        return
    half = len(probs) // 2
    names = [name.removeprefix(f"{ORDERS[0]} ") for name in answers.items[:half]]
    for order, shown in zip(ORDERS, (probs[:half], probs[half:, ::-1]), strict=True):
        yield Part(f"{asked.name}/{order}", asked.judge, order, names, shown)


def _notes(parts: list[Part]) -> Iterator[str]:
    for part in parts:
        silent = int((~part.probs.any(axis=1)).sum())
        if silent:
            yield f"`{part.name}` gave no vote on {many(silent, 'item')} of {len(part.items)}."
    for judge in dict.fromkeys(part.judge for part in parts):
        own = [part.name for part in parts if part.judge == judge]
        if len(own) > 1:
            yield f"Sources of one judge depend on each other (column `{GROUP}`): {listed(own)}."
