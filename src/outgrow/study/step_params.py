"""From sections of the file to parameters and hints of steps: what changes a result, and what does not."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from outgrow.config.combine import AnswerVote, Combine
from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.model import ModelSection, Speaker
from outgrow.config.rules import FunctionRule, RegexRule
from outgrow.config.section import Section
from outgrow.config.task import TaskSection
from outgrow.config.votes import VotesSection
from outgrow.data.data_identity import content_hash
from outgrow.data.task import Kind
from outgrow.data.task_kind import metric_of
from outgrow.endpoints.response_cache import NAME as ANSWERS
from outgrow.graph.step import Json
from outgrow.losses import LOSSES, Loss
from outgrow.models.model_identity import model_identity
from outgrow.models.model_names import parse_name
from outgrow.supervise.rule_file import file_hash, function_of

READING = ["type", "model", "revision", "dtype", "max_length", "chat", "system", "unfit", "trust_remote_code"]
"""What of a model's section matters when it writes or scores."""
ASKING = ["type", "model", "url", "system", "logprobs", "limit", "options", "unfit"]
"""The same of an endpoint's; all else of it is no more than how it is asked."""


def dump(section: Section, only: Iterable[str] | None = None, without: Iterable[str] = ()) -> dict[str, Any]:
    """A section's values as JSON, for a step's parameters."""
    include = None if only is None else set(only)
    tree: dict[str, Any] = _without_folders(section.model_dump(mode="json", include=include, exclude=set(without)))
    return tree


def _without_folders(tree: Any) -> Any:
    """The same with a model that is a folder named by its content: where it lies is no part of what it is."""
    if isinstance(tree, list):
        return [_without_folders(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    own = {key: _without_folders(value) for key, value in tree.items()}
    model = own.get("model")
    if isinstance(model, str) and own.get("type") != "endpoint":
        own["model"] = _by_content(model)
    return own


def _by_content(model: str) -> str:
    if parse_name(model).place != "folder":
        return model
    return f"folder {model_identity(model)}"


def places_of_model(model: str) -> dict[str, str]:
    """Where a model's folder lies, by what `dump` calls it; the hint `places` of every step that loads it."""
    found = parse_name(model)
    return {_by_content(model): f"{Path(found.base).absolute()}{found.cut}"} if found.place == "folder" else {}


def loss_params(loss: Loss, kind: Kind) -> dict[str, Json]:
    """A loss with the defaults of its kind of task."""
    return LOSSES.of(loss).params(loss, of_texts=kind == "generate")


def combine_params(combine: Combine, task: TaskSection) -> dict[str, Json]:
    """A combiner of texts, with the task's own metric where it names none."""
    if isinstance(combine, AnswerVote) and combine.metric is None:
        return {**dump(combine), "metric": metric_of(task)}
    return dump(combine)


def rule_params(section: RegexRule | FunctionRule) -> tuple[dict[str, Json], dict[str, Json]]:
    """A rule with the content of its file, and as hints where that file lies. Raises `DataError` where it does not."""
    rule = dump(section, without=["type"])
    if isinstance(section, RegexRule):
        return {"rule": rule, "content": None}, {}
    file, function = function_of(section.function)
    params = {"rule": {**rule, "function": function}, "content": file_hash(file)}
    return params, {"file": str(file.absolute())}


def votes_params(section: VotesSection, name: str, task: TaskSection) -> tuple[dict[str, Json], dict[str, Json]]:
    """A file's content and whose answers of it are taken, and as hints where it lies. Raises `DataError`."""
    params: dict[str, Json] = {
        "reading": dump(section, only=["columns", "renormalise"]),
        "content": content_hash(section.votes, f"supervisors.{name}.votes"),
        "said_by": section.source or name,
    }
    # The task's file is named in messages alone.
    return params, {"file": str(section.votes.absolute()), "items": None if task.path is None else str(task.path)}


def hints(experiment: Experiment, section: ModelSection) -> dict[str, Json]:
    """What a step may use but its result does not depend on."""
    return {
        "device": experiment.device,
        "batch_tokens": section.batch_tokens,
        "report_to": list(experiment.report_to),
        "run_name": experiment.name,
        "places": places_of_model(section.model),
    }


def reading_params(section: Speaker) -> dict[str, Json]:
    """What of a model's section changes what it writes."""
    if isinstance(section, EndpointSection):
        return dump(section, only=ASKING)
    return {**dump(section, only=READING), "identity": model_identity(section.model, section.revision)}


def speaker_hints(experiment: Experiment, section: Speaker) -> dict[str, Json]:
    """What a step may use but what is written does not depend on."""
    if isinstance(section, ModelSection):
        return hints(experiment, section)
    asking = {**dump(section, without=[*ASKING, "fine_tuning"]), "place": place_of(section, experiment)}
    return {"endpoint": asking, "answers": str(answers_file(experiment).absolute())}


def answers_file(experiment: Experiment) -> Path:
    """Where servers' answers are kept."""
    return experiment.answers / ANSWERS


def place_of(section: Section, inside: object, at: str = "") -> str:
    """The key under which a section stands in the file, such as `supervisors.host`; empty if it does not."""
    if inside is section:
        return at
    children = dict(enumerate(inside)) if isinstance(inside, list) else inside
    if not isinstance(children, Section | dict):
        return ""
    found = (place_of(section, child, f"{at}.{key}".lstrip(".")) for key, child in dict(children).items())
    return next(filter(None, found), "")
