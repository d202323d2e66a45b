"""From sections of the file to parameters and hints of steps: what changes a result, and what does not."""

from collections.abc import Iterable
from typing import Any

from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import Evidential, Loss
from outgrow.config.model import ModelSection, Speaker
from outgrow.config.section import Section
from outgrow.data.task import Kind
from outgrow.graph.step import Json
from outgrow.models.answer_store import NAME as ANSWERS
from outgrow.models.identity import model_identity

READING = ["type", "model", "revision", "dtype", "max_length", "chat", "system", "unfit", "trust_remote_code"]
"""What of a model's section matters when it writes or scores."""
ASKING = ["type", "model", "url", "system", "logprobs", "limit", "options", "unfit"]
"""The same of an endpoint's; all else of it is no more than how it is asked."""


def dump(section: Section, only: Iterable[str] | None = None, without: Iterable[str] = ()) -> dict[str, Any]:
    """A section's values as JSON, for a step's parameters."""
    include = None if only is None else set(only)
    return section.model_dump(mode="json", include=include, exclude=set(without))


def loss_params(loss: Loss, kind: Kind) -> dict[str, Json]:
    """A loss with the defaults of its kind of task."""
    if not isinstance(loss, Evidential):
        return dump(loss)
    texts = kind == "generate"
    kl = loss.kl or ("mixed" if texts else "per_class")
    weight = loss.kl_weight if loss.kl_weight is not None else 1e-4 if texts else 0.01
    # Evidence of tokens is always exp(z) + 1; the KL of a few classes needs no clamp.
    params = dump(loss, without=["evidence" if texts else "kl_clamp"])
    return {**params, "kl": kl, "kl_weight": weight}


def hints(experiment: Experiment, section: ModelSection) -> dict[str, Json]:
    """What a step may use but its result does not depend on."""
    return {
        "device": experiment.device,
        "batch_tokens": section.batch_tokens,
        "report_to": list(experiment.report_to),
        "run_name": experiment.name,
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
    return {"endpoint": asking, "answers": str((experiment.store / ANSWERS).absolute())}


def place_of(section: Section, inside: object, at: str = "") -> str:
    """The key under which a section stands in the file, such as `supervisors.host`; empty if it does not."""
    if inside is section:
        return at
    children = dict(enumerate(inside)) if isinstance(inside, list) else inside
    if not isinstance(children, Section | dict):
        return ""
    found = (place_of(section, child, f"{at}.{key}".lstrip(".")) for key, child in dict(children).items())
    return next(filter(None, found), "")
