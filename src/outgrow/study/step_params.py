"""From sections of the file to parameters and hints of steps: what changes a result, and what does not."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from outgrow.config.combine import Combine
from outgrow.config.model import ModelSection, local_model
from outgrow.config.path_fields import PathForm, change_paths
from outgrow.config.section import Section
from outgrow.config.task import TaskSection
from outgrow.config.trackers import TRACKED_AT_THE_END
from outgrow.data.task import Kind
from outgrow.data.task_kind import metric_of
from outgrow.endpoints.usage import CACHE_NAME as ANSWERS
from outgrow.graph.step import Json
from outgrow.losses import LOSSES, Loss
from outgrow.models.model_identity import model_identity
from outgrow.models.model_names import parse_name
from outgrow.study.seed_plan import SeedPlan

READING = ["type", "model", "revision", "dtype", "max_length", "chat", "system", "unfit", "trust_remote_code"]
"""What of a model's section matters when it writes or scores."""
ASKING = ["type", "model", "url", "system", "logprobs", "limit", "options", "unfit"]
"""The same of an endpoint's section; the rest of it changes how it is asked only."""


def dump(section: Section, only: Iterable[str] | None = None, without: Iterable[str] = ()) -> dict[str, Any]:
    """A section's values as JSON, for a step's parameters; a model's folder is replaced by a hash of its content."""
    include = None if only is None else set(only)
    tree = section.model_dump(mode="json", include=include, exclude=set(without))
    return change_paths(tree, type(section), {PathForm.MODEL: _by_content})


def _by_content(model: str) -> str:
    if parse_name(model).place != "folder":
        return model
    return f"folder {model_identity(model)}"


def places_of_model(model: str) -> dict[str, str]:
    """A model's folder by the name that `dump` gives it: the hint `places` of every step that loads it."""
    name = parse_name(model)
    return {_by_content(model): f"{Path(name.base).absolute()}{name.cut}"} if name.place == "folder" else {}


def loss_params(loss: Loss, kind: Kind) -> dict[str, Json]:
    """A loss with the defaults of its kind of task."""
    return LOSSES.of(loss).params(loss, of_texts=kind == "generate")


def combine_params(combine: Combine, task: TaskSection) -> dict[str, Json]:
    """A combiner of texts, with the task's metric where it compares texts and names none."""
    return dump(combine.with_text_metric(metric_of(task)))


# ---- models ---------------------------------------------------------------------------------------------


def layers_of(section: ModelSection) -> list[int] | None:
    """The hidden layers that a probe chooses from."""
    return [section.layer] if isinstance(section.layer, int) else section.layer


def model_params(section: ModelSection) -> dict[str, Json]:
    """What of a model's section changes its training as a classifier."""
    params = {**dump(section, only=["model", "revision"]), "layer": layers_of(section)}
    if section.adapt == "probe":
        return params  # the `features` step depends on all else
    only = ["dtype", "max_length", "training", "holdout", "trust_remote_code", *_adapter(section)]
    only += ["reward_head"] if section.reward_head else []
    return {**params, **dump(section, only=only), "identity": model_identity(section.model, section.revision)}


def trained_params(section: ModelSection) -> dict[str, Json]:
    """What of a model's section changes its training as a writer."""
    return {**reading_params(section), **dump(section, only=["training", "holdout", *_adapter(section)])}


def _adapter(section: ModelSection) -> list[str]:
    return ["lora"] if section.adapt == "lora" else []


def reading_params(section: Section) -> dict[str, Json]:
    """What of a model's section changes what it writes."""
    model = local_model(section)
    if model is None:
        return dump(section, only=ASKING)
    return {**dump(model, only=READING), "identity": model_identity(model.model, model.revision)}


def writing_params(section: Section) -> dict[str, Json]:
    """The same with what runs it, which rounds in its own way."""
    model = local_model(section)
    engine = (
        {} if model is None or model.engine.type == "hf" else {"engine": dump(model.engine, only=["type", "options"])}
    )
    return {**reading_params(section), **engine}


# ---- hints ----------------------------------------------------------------------------------------------


def hints(plan: SeedPlan, section: Section) -> dict[str, Json]:
    """What a step with this model may use and its result does not depend on."""
    experiment, model = plan.experiment, local_model(section)
    if model is not None:
        following = [name for name in experiment.report_to if name not in TRACKED_AT_THE_END]
        return model_hints(model, experiment.device, following, experiment.name)
    return endpoint_hints(section, place_of(section, experiment), experiment.answers)


def writer_version(section: Section) -> int:
    """The version of a step that writes or scores texts: 2 for a server's, whose ends have probabilities since."""
    return 1 if local_model(section) is not None else 2


def endpoint_hints(section: Section, place: str, answers: Path) -> dict[str, Json]:
    """The same for a model behind a server; `place` is its key in the file, `answers` the folder of its responses."""
    asking = {**dump(section, without=[*ASKING, "fine_tuning"]), "place": place}
    return {"endpoint": asking, "answers": str(answers_file(answers).absolute())}


def model_hints(model: ModelSection, device: str, report_to: Iterable[str], run_name: str) -> dict[str, Json]:
    """The same for a model of this machine."""
    return {
        "device": device,
        "batch_tokens": model.batch_tokens,
        "report_to": list(report_to),
        "run_name": run_name,
        "places": places_of_model(model.model),
        **engine_hints(model),
    }


def engine_hints(model: ModelSection) -> dict[str, Json]:
    """Where the engine is found and how long it may take."""
    return {} if model.engine.type == "hf" else {"engine": dump(model.engine, only=["command", "ready", "answer"])}


def answers_file(folder: Path) -> Path:
    """The file of servers' answers in an experiment's `answers`."""
    return folder / ANSWERS


def place_of(section: Section, inside: object, at: str = "") -> str:
    """The key under which a section stands in the file, such as `supervisors.host`; empty if it does not."""
    if inside is section:
        return at
    children = dict(enumerate(inside)) if isinstance(inside, list) else inside
    if not isinstance(children, Section | dict):
        return ""
    keys = (place_of(section, child, f"{at}.{key}".lstrip(".")) for key, child in dict(children).items())
    return next(filter(None, keys), "")
