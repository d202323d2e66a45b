"""Which gold a method uses beyond its supervisors' labels."""

from typing import Literal

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import remote_model
from outgrow.config.presets import preset
from outgrow.config.tune import SelectBy
from outgrow.data.task_kind import kind_of
from outgrow.select import SELECTIONS
from outgrow.study.method_rows import for_kind, parts_of
from outgrow.supervise.sources import SOURCES

GoldUse = Literal["none", "held_out", "half_a", "half_b", "oracle"]
"""None; the supervisors' held-out answers to half A with its gold; all gold of half A; gold of half B that is learned;
gold of half B that chooses settings or weights."""
GOLD_ALONE = "gold_a"
"""The control whose student learns half A's gold and nothing else."""
CONTROLS = (GOLD_ALONE, "gold_a_and_votes")
"""Methods that a study adds where its supervisors learn half A's gold."""


def uses_anchors(method: Method, experiment: Experiment) -> bool:
    """Whether the method's combiner gets the supervisors' held-out answers to half A with its gold."""
    if method.anchors is not None:
        return method.anchors == "half_a"
    sections = [experiment.supervisors[name] for name in method.sources_among(experiment.supervisors)]
    return method.combine.needs_gold or not all(SOURCES.of(section).is_file for section in sections)


def weighs_by_gold(method: Method, experiment: Experiment) -> bool:
    """*generate*: whether the weights of the scorers are fitted to gold that no supervisor of the method learned.

    Every one that learns half A's gold must hold items out, and one at least must learn it.
    """
    if method.combine.pool is None or not method.combine.uses_gold or method.anchors == "none":
        return False
    sections = [experiment.supervisors[name] for name in method.sources_among(experiment.supervisors)]
    learn = [section for section in sections if SOURCES.of(section).trained(section)]
    return bool(learn) and all(SOURCES.of(section).holds_out(section) for section in learn)


def select_by_of(method: Method, experiment: Experiment) -> SelectBy:
    """What chooses the settings of a method's students; without anchors no gold of half A."""
    select_by = method.select_by or experiment.tune.select_by
    return "weak_accuracy" if select_by == "half_a_log_loss" and not uses_anchors(method, experiment) else select_by


def control_methods(experiment: Experiment) -> list[Method]:
    """The methods of `CONTROLS` that the study adds, as they are for its kind of task.

    None without `gold_controls`, if no supervisor learns gold, or if the student's provider would be paid for them.
    """
    if not experiment.gold_controls or remote_model(experiment.student) is not None:
        return []
    learns = any(SOURCES.of(section).trained(section) for section in experiment.supervisors.values())
    names = {method.name for method in experiment.methods}
    missing = [name for name in CONTROLS if name not in names]
    kind = kind_of(experiment.task)
    return [for_kind(preset(name), kind) for name in missing] if learns else []


def gold_use(method: Method, experiment: Experiment) -> GoldUse:
    """The most that a method uses, without that of its selections (`row_provenance.chosen_by_gold`)."""
    if method.evaluations is not None and method.evaluations.keep == "gold":
        return "oracle"
    if kind_of(experiment.task) == "generate":  # students of texts have no grid
        if method.half_a_gold != "unused":
            return "half_a"
        return "held_out" if weighs_by_gold(method, experiment) else "none"
    select_by = select_by_of(method, experiment)
    if select_by == "gold_accuracy":
        return "oracle"
    if method.half_a_gold != "unused" or select_by == "half_a_log_loss":
        return "half_a"
    combined = uses_anchors(method, experiment) and method.combine.uses_gold
    return "held_out" if combined or _learns_trust(method) else "none"


def _learns_trust(method: Method) -> bool:
    """Whether a selection learns from the supervisors' held-out answers which labels are right."""
    selections = [part.select for part in parts_of(method) if part.select is not None]
    return any(SELECTIONS.of(select).needs(select).states is not None for select in selections)
