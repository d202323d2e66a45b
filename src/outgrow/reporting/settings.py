"""What rows of one kind differ in: the settings behind an ablation, read off the experiment.

Rows are of one kind if they combine labels in the same way and learn by the same loss. Only settings in which at least
two rows of a kind differ are told, every default filled in.

Some settings belong to a part that rows need not have in common: how labels are rewritten, which of them a training is
given. There the part's type is told, and its settings are compared among the rows that have a part of the same type:
the batch of a refiner is no difference to a row without any. A model in such a part is told by its name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from outgrow.config.combine import JointDecoding, SingleSource
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.refine import Refine
from outgrow.reporting.results import MethodSettings
from outgrow.study.method_rows import expanded, parts_of

TOLD = {"onehot": (), "target_only": ("target token",), "student": ("target token", "other tokens")}
"""What a soft target of texts knows the probability of (paper 1, table 8)."""
BY_ITSELF = ("name", "variants", "sources", "soft_labels", "self_training", "refine", "stages")
MODELS = ("by", "model")
"""Keys of parts that name a model."""
TOGETHER = ("weights", "quota")
"""Numbers by name that are one setting."""
NONE = "–"


class Setting(NamedTuple):
    """Where a setting stands."""

    key: str
    """Of the experiment file: `refine.batch`."""
    within: str = ""
    """The types of the parts around it: `icl`. Only settings within the same ones are compared."""


Found = dict[Setting, str]


class Described(NamedTuple):
    """A row, and all its settings."""

    row: MethodSettings
    found: Found


def find_settings(experiment: Experiment, of_texts: bool) -> tuple[MethodSettings, ...]:
    """The settings of every row that has siblings of its kind and differs from one of them."""
    kinds: dict[str, list[Described]] = {}
    for method in expanded(experiment):
        if not isinstance(method.combine, SingleSource):
            found = _settings(method, experiment, of_texts)
            kinds.setdefault(found.row.kind, []).append(found)
    return tuple(one for siblings in kinds.values() for one in _differing(siblings))


def _settings(method: Method, experiment: Experiment, of_texts: bool) -> Described:
    kind: list[str] = [method.combine.type, method.loss.type]
    kind += [method.preference.loss] if method.preference else []
    kind += [f"{method.rounds} rounds"] if method.rounds > 1 else []
    found = _flat(method.model_dump(mode="json", exclude=set(BY_ITSELF)))
    lists = _who(method, experiment)
    if of_texts:
        soft = (method.soft_labels or experiment.soft_labels).model_dump()
        lists["probability of"] = TOLD[soft.pop("rest")]
        found |= _flat(soft, "soft_labels.")
    if isinstance(method.combine, JointDecoding):
        found[Setting("combine.beams", "/joint_decoding")] = str(method.combine.beams or experiment.labelling.beams)
    trust = method.self_training or experiment.self_training
    found |= _flat(trust.model_dump(mode="json"), "self_training.")
    found |= _rewriting(method, experiment) | _trainings(method)
    return Described(MethodSettings(method.name, ", ".join(kind), {}, lists), found)


def _who(method: Method, experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """Supervisors by what they do for the method."""
    teachers = method.teachers(experiment.supervisors)
    if not isinstance(method.combine, JointDecoding):
        return {"teaching": teachers}
    return {
        "generating": tuple(method.combine.writers or teachers),
        "scoring": tuple(method.combine.scorers or teachers),
    }


# ---- parts that a row may have --------------------------------------------------------------------------


def _rewriting(method: Method, experiment: Experiment) -> Found:
    if method.refine is None:
        return {Setting("refine.type"): NONE}
    return _flat(_refine_tree(method.refine, experiment), "refine.")


def _refine_tree(refine: Refine, experiment: Experiment) -> dict[str, Any]:
    decoding = refine.decoding or experiment.labelling.greedy()
    return {**refine.model_dump(mode="json"), "decoding": decoding.model_dump(mode="json")}


def _trainings(method: Method) -> Found:
    """The student's trainings in words, and the settings of every selection."""
    parts = parts_of(method)
    words = ", then ".join("all labels" if part.select is None else part.select.type for part in parts)
    found = {Setting("stages"): words, Setting("shares", words): ", ".join(f"{part.share:g}" for part in parts)}
    losses = [part.loss.type for part in parts if part.loss.type != method.loss.type]
    found |= {Setting("stages.loss", words): ", ".join(losses) or NONE}
    chosen = [part.select for part in parts if part.select is not None]
    for number, select in enumerate(chosen, start=1):
        where = "select." if len(chosen) == 1 else f"select {number}."
        # Its type is among the words.
        found |= _flat(select.model_dump(mode="json"), where)
        del found[Setting(f"{where}type")]
    return found


# ---- flattening and comparing ---------------------------------------------------------------------------


def _flat(tree: Mapping[str, Any], above: str = "", within: str = "") -> Found:
    """`{"combine": {"beams": 3}}` as `combine.beams`; numbers by supervisor stay together."""
    return dict(_leaves(tree, above, within))


def _leaves(tree: Mapping[str, Any], above: str, within: str) -> Iterator[tuple[Setting, str]]:
    inside = f"{within}/{tree['type']}" if "type" in tree else within
    for key, value in tree.items():
        if key in ("writers", "scorers"):
            continue
        if key in TOGETHER and isinstance(value, Mapping):
            told = ", ".join(f"{name} {weight:g}" for name, weight in value.items())
        elif key in MODELS and (value is None or isinstance(value, Mapping)):
            told = "student" if value is None else str(value["model"])
        elif isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.", inside)
            continue
        else:
            told = NONE if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield Setting(above + key, within if key == "type" else inside), told


def _differing(siblings: list[Described]) -> Iterator[MethodSettings]:
    settings = dict.fromkeys(setting for one in siblings for setting in one.found)
    unlike = [
        setting.key
        for setting in settings
        if len({one.found[setting] for one in siblings if setting in one.found}) > 1
    ]
    lists = siblings[0].row.lists
    apart = [key for key in lists if len({one.row.lists[key] for one in siblings}) > 1]
    if not unlike and not apart:
        return
    for row, found in siblings:
        told = {setting.key: value for setting, value in found.items()}
        plain = {key: told.get(key, NONE) for key in dict.fromkeys(unlike)}
        yield MethodSettings(row.method, row.kind, plain, {key: row.lists[key] for key in apart})
