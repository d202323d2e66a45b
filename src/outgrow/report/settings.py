"""What rows of one kind differ in: the settings behind an ablation, read off the experiment.

Methods are of one kind if they combine labels in the same way, learn by the same loss, and have the same stages. Only
settings in which at least two methods of a kind differ are told, every default filled in.
"""

from collections.abc import Mapping
from typing import Any

from outgrow.config.experiment import Experiment
from outgrow.config.method import JointDecoding, Method, SingleSource
from outgrow.report.results import Settings

TOLD = {"onehot": (), "target_only": ("target token",), "student": ("target token", "other tokens")}
"""What a soft target of texts knows the probability of (paper 1, table 8)."""
BY_ITSELF = ("name", "variants", "sources", "soft_labels", "self_training")


def find_settings(experiment: Experiment, of_texts: bool) -> tuple[Settings, ...]:
    """The settings of every method that has siblings of its kind and differs from one of them."""
    kinds: dict[str, list[Settings]] = {}
    for method in experiment.methods:
        if not isinstance(method.combine, SingleSource):
            found = _settings(method, experiment, of_texts)
            kinds.setdefault(found.kind, []).append(found)
    return tuple(one for siblings in kinds.values() for one in _differing(siblings))


def _settings(method: Method, experiment: Experiment, of_texts: bool) -> Settings:
    stages: list[str] = [method.combine.type, method.loss.type]
    stages += [method.preference.loss] if method.preference else []
    stages += [f"{method.rounds} rounds"] if method.rounds > 1 else []
    plain = _flat(method.model_dump(mode="json", exclude=set(BY_ITSELF)))
    lists = _who(method, experiment)
    if of_texts:
        soft = (method.soft_labels or experiment.soft_labels).model_dump()
        lists["probability of"] = TOLD[soft.pop("rest")]
        plain |= _flat({"soft_labels": soft})
    if isinstance(method.combine, JointDecoding):
        plain["combine.beams"] = str(method.combine.beams or experiment.labelling.beams)
    if method.self_training is not None:
        plain |= _flat({"self_training": method.self_training.model_dump(mode="json")})
    return Settings(method.name, ", ".join(stages), plain, lists)


def _who(method: Method, experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """Supervisors by what they do for the method."""
    teachers = method.teachers(experiment.supervisors)
    if not isinstance(method.combine, JointDecoding):
        return {"teaching": teachers}
    return {
        "generating": tuple(method.combine.writers or teachers),
        "scoring": tuple(method.combine.scorers or teachers),
    }


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """`{"combine": {"beams": 3}}` as `{"combine.beams": "3"}`; numbers by supervisor stay together."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if key in ("writers", "scorers"):
            continue
        if key == "weights" and isinstance(value, Mapping):
            found[above + key] = ", ".join(f"{name} {weight:g}" for name, weight in value.items())
        elif isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[above + key] = "–" if value is None else str(value)
    return found


def _differing(siblings: list[Settings]) -> list[Settings]:
    plain = list(dict.fromkeys(key for one in siblings for key in one.plain))
    unlike = [key for key in plain if len({one.plain.get(key) for one in siblings}) > 1]
    apart = [key for key in siblings[0].lists if len({one.lists[key] for one in siblings}) > 1]
    if not unlike and not apart:
        return []
    return [
        Settings(
            one.method,
            one.kind,
            {key: one.plain.get(key, "–") for key in unlike},
            {key: one.lists[key] for key in apart},
        )
        for one in siblings
    ]
