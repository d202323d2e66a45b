"""Ablation: rows that combine and learn labels in the same way, and the settings in which they differ.

Rows are of one kind if they combine labels in the same way and learn with the same loss. Only settings in which at
least two rows of a kind differ are shown, every default filled in. Tables 8 to 11 of Cui et al. 2025 are made like
this.

Some settings belong to a part that not every row has: how labels are rewritten, which of them a training selects. The
type of the part is shown, and its settings are compared among the rows whose part has the same type: the batch of a
refiner is no difference to a row without a refiner. A model in such a part is shown by its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.refine import Refine
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import INTERVALS, VARIANT_TITLES, TopicRecord, results_table
from outgrow.study.method_rows import expanded, parts_of

KNOWN_PROBABILITIES = {"onehot": (), "target_only": ("target token",), "student": ("target token", "other tokens")}
"""The probabilities that a soft target of texts has (Cui et al. 2025, table 8)."""
COMPARED_APART = ("name", "variants", "sources", "soft_labels", "self_training", "refine", "stages")
MODELS = ("by", "model")
"""Keys of parts that name a model."""
TOGETHER = ("weights", "quota")
"""Numbers by name that are one setting."""
NONE, YES = "–", "✓"


@dataclass(frozen=True)
class MethodSettings:
    """The settings in which a method differs from others of its kind."""

    method: str
    kind: str
    """How labels are combined and learned: the same for all that are compared."""
    plain: dict[str, str]
    """By key of the experiment file."""
    lists: dict[str, tuple[str, ...]]
    """Settings that are a list: supervisors, the probabilities of a soft target."""


class Setting(NamedTuple):
    """The place of a setting."""

    key: str
    """In the experiment file: `refine.batch`."""
    within: str = ""
    """The types of the parts around it: `icl`. Only settings within the same ones are compared."""


Values = dict[Setting, str]


class DescribedRow(NamedTuple):
    """A row, and all its settings."""

    row: MethodSettings
    values: Values


# ---- measure --------------------------------------------------------------------------------------------


def measure(frame: Frame) -> tuple[MethodSettings, ...]:
    """Of this study."""
    return find_settings(frame.study.experiment, frame.of_texts)


def find_settings(experiment: Experiment, of_texts: bool) -> tuple[MethodSettings, ...]:
    """The settings of every row that differs from another one of its kind."""
    kinds: dict[str, list[DescribedRow]] = {}
    for method in expanded(experiment):
        if method.combine.only_source is None:
            described = _settings(method, experiment, of_texts)
            kinds.setdefault(described.row.kind, []).append(described)
    return tuple(row for siblings in kinds.values() for row in _differing(siblings))


def _settings(method: Method, experiment: Experiment, of_texts: bool) -> DescribedRow:
    kind: list[str] = [method.combine.type, method.loss.type]
    kind += [method.preference.loss] if method.preference else []
    kind += [f"{method.rounds} rounds"] if method.rounds > 1 else []
    values = _flat(method.model_dump(mode="json", exclude=set(COMPARED_APART)))
    lists = _supervisors(method, experiment)
    if of_texts:
        soft = (method.soft_labels or experiment.soft_labels).model_dump()
        lists["probability of"] = KNOWN_PROBABILITIES[soft.pop("rest")]
        values |= _flat(soft, "soft_labels.")
    if (pool := method.combine.pool) is not None:
        values[Setting("combine.beams", f"/{method.combine.type}")] = str(pool.beams or experiment.labelling.beams)
    self_training = method.self_training or experiment.self_training
    values |= _flat(self_training.model_dump(mode="json"), "self_training.")
    values |= _rewriting(method, experiment) | _trainings(method)
    return DescribedRow(MethodSettings(method.name, ", ".join(kind), {}, lists), values)


def _supervisors(method: Method, experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """Supervisors by their task."""
    sources = method.sources_among(experiment.supervisors)
    if (pool := method.combine.pool) is None:
        return {"teaching": sources}
    return {
        "generating": tuple(pool.writers or sources),
        "scoring": tuple(pool.scorers or sources),
    }


def _rewriting(method: Method, experiment: Experiment) -> Values:
    if method.refine is None:
        return {Setting("refine.type"): NONE}
    return _flat(_refine_tree(method.refine, experiment), "refine.")


def _refine_tree(refine: Refine, experiment: Experiment) -> dict[str, Any]:
    decoding = refine.decoding or experiment.labelling.greedy()
    return {**refine.model_dump(mode="json"), "decoding": decoding.model_dump(mode="json")}


def _trainings(method: Method) -> Values:
    """The student's trainings in words, and the settings of every selection."""
    parts = parts_of(method)
    words = ", then ".join("all labels" if part.select is None else part.select.type for part in parts)
    values = {Setting("stages"): words, Setting("shares", words): ", ".join(f"{part.share:g}" for part in parts)}
    losses = [part.loss.type for part in parts if part.loss.type != method.loss.type]
    values |= {Setting("stages.loss", words): ", ".join(losses) or NONE}
    chosen = [part.select for part in parts if part.select is not None]
    for place, select in enumerate(chosen, start=1):
        where = "select." if len(chosen) == 1 else f"select {place}."
        # Its type is among the words.
        values |= _flat(select.model_dump(mode="json"), where)
        del values[Setting(f"{where}type")]
    return values


def _flat(tree: Mapping[str, Any], above: str = "", within: str = "") -> Values:
    """`{"combine": {"beams": 3}}` as `combine.beams`; numbers by supervisor stay together."""
    return dict(_leaves(tree, above, within))


def _leaves(tree: Mapping[str, Any], above: str, within: str) -> Iterator[tuple[Setting, str]]:
    inside = f"{within}/{tree['type']}" if "type" in tree else within
    for key, value in tree.items():
        if key in ("writers", "scorers"):
            continue
        if key in TOGETHER and isinstance(value, Mapping):
            text = ", ".join(f"{name} {weight:g}" for name, weight in value.items())
        elif key in MODELS and (value is None or isinstance(value, Mapping)):
            text = "student" if value is None else str(value["model"])
        elif isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.", inside)
            continue
        else:
            text = NONE if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield Setting(above + key, within if key == "type" else inside), text


def _differing(siblings: list[DescribedRow]) -> Iterator[MethodSettings]:
    settings = dict.fromkeys(setting for sibling in siblings for setting in sibling.values)
    unlike = [
        setting.key
        for setting in settings
        if len({sibling.values[setting] for sibling in siblings if setting in sibling.values}) > 1
    ]
    lists = [key for key in siblings[0].row.lists if len({sibling.row.lists[key] for sibling in siblings}) > 1]
    if not unlike and not lists:
        return
    for row, values in siblings:
        by_key = {setting.key: value for setting, value in values.items()}
        plain = {key: by_key.get(key, NONE) for key in dict.fromkeys(unlike)}
        yield MethodSettings(row.method, row.kind, plain, {key: row.lists[key] for key in lists})


# ---- table ----------------------------------------------------------------------------------------------


def ablation_table(results: Results, found: Sequence[MethodSettings]) -> Table:
    """A line per method; or a line per setting, if one setting and the supervisors are all that differs."""
    by_supervisors = _grid(found) if len(results.about.variants) == 1 else None
    columns, lines = _side_by_side(results, *by_supervisors) if by_supervisors else _line_per_method(results, found)
    caption = f"Rows that combine and learn labels in the same way, and the settings that differ. {INTERVALS}"
    return results_table(results, "ablation", "What the settings do", caption, columns, lines)


def _line_per_method(results: Results, methods: Sequence[MethodSettings]) -> tuple[list[Column], list[Line]]:
    plain = list(dict.fromkeys(key for method in methods for key in method.plain))
    marks = _marks(methods)
    columns = [Column("method", ""), *(Column(key, key) for key in plain)]
    columns += [Column(f"{key} {name}", name, key) for key, name in marks]
    for variant in results.about.variants:
        group = VARIANT_TITLES[variant]
        columns += [Column(f"score_{variant}", results.about.metric_title, group, best="high")]
        columns += [Column(f"pgr_{variant}", "PGR", group, best="high")]
    several = len({method.kind for method in methods}) > 1
    bounds = {row.method for row in results.of("method") if row.oracle}
    lines = [
        Line(
            (
                settings.method,
                *(settings.plain.get(key, "") for key in plain),
                *(YES if name in settings.lists.get(key, ()) else "" for key, name in marks),
                *(cell for variant in results.about.variants for cell in _reached(results, settings.method, variant)),
            ),
            settings.kind if several else "",
            ranked=settings.method not in bounds,
        )
        for settings in methods
    ]
    return columns, lines


def _marks(methods: Sequence[MethodSettings]) -> list[tuple[str, str]]:
    """Names that are in the list of some methods and not of all."""
    keys = dict.fromkeys(key for method in methods for key in method.lists)
    pairs = dict.fromkeys((key, name) for key in keys for method in methods for name in method.lists.get(key, ()))
    return [(key, name) for key, name in pairs if not all(name in method.lists.get(key, ()) for method in methods)]


def _reached(results: Results, method: str, variant: str) -> tuple[Cell, Cell]:
    for row in results.of("method"):
        if (row.method, row.variant) == (method, variant):
            return row.score, row.pgr
    return None, None


Grid = dict[str, dict[tuple[str, ...], str]]
"""By the value of a setting and by supervisors, the method."""


def _grid(methods: Sequence[MethodSettings]) -> tuple[str, Grid] | None:
    """The one setting and the supervisors, if these two are all that differs and every combination is there."""
    keys = {key for method in methods for key in method.plain}
    if len(keys) != 1 or len({method.kind for method in methods}) != 1:
        return None
    (key,) = keys
    grid: Grid = {}
    for method in methods:
        supervisors = set(method.lists.values())
        if len(supervisors) != 1:
            return None
        grid.setdefault(method.plain[key], {})[next(iter(supervisors))] = method.method
    whole = len({frozenset(row) for row in grid.values()}) == 1
    cells = sum(len(row) for row in grid.values())
    return (key, grid) if whole and cells == len(methods) and len(grid) > 1 else None


def _side_by_side(results: Results, key: str, grid: Grid) -> tuple[list[Column], list[Line]]:
    groups = sorted(next(iter(grid.values())), key=len)
    columns, variant = [Column(key, key)], results.about.variants[0]
    for place, supervisors in enumerate(groups):
        title = f"weaks-to-strong-{len(supervisors)}"
        columns.append(Column(f"score_{place}", results.about.metric_title, title, best="high"))
        columns.append(Column(f"pgr_{place}", "PGR", title, best="high"))
    lines = [
        Line((value, *(cell for names in groups for cell in _reached(results, row[names], variant))), ranked=True)
        for value, row in grid.items()
    ]
    return columns, lines


ABLATION = TopicRecord(
    name="ablation",
    summary="Rows of one kind, and the settings in which they differ",
    heading="Results",
    measure=measure,
    tables=lambda results, found: [ablation_table(results, found)],
)
