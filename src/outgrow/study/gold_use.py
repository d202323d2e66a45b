"""Which gold a method uses beyond its supervisors' labels."""

from typing import Literal

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.presets import preset
from outgrow.config.tune import SelectBy
from outgrow.data.task_kind import kind_of
from outgrow.select import SELECTIONS
from outgrow.study.method_rows import parts_of
from outgrow.supervise.sources import SOURCES

GoldUse = Literal["none", "held_out", "half_a", "half_b", "oracle"]
"""None; the supervisors' held-out answers to half A with its gold; all gold of half A; gold of half B that is learned;
gold of half B that chooses settings."""
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


def select_by_of(method: Method, experiment: Experiment) -> SelectBy:
    """What chooses the settings of a method's students; without anchors no gold of half A."""
    select_by = method.select_by or experiment.tune.select_by
    return "weak_accuracy" if select_by == "half_a_log_loss" and not uses_anchors(method, experiment) else select_by


def control_methods(experiment: Experiment) -> list[Method]:
    """The methods of `CONTROLS` that the study adds; none without `gold_controls`, or if no supervisor learns gold."""
    learns = any(SOURCES.of(section).trained(section) for section in experiment.supervisors.values())
    names = {method.name for method in experiment.methods}
    missing = [name for name in CONTROLS if name not in names]
    return [preset(name) for name in missing] if experiment.gold_controls and learns else []


def gold_use(method: Method, experiment: Experiment) -> GoldUse:
    """The most that a method uses, without that of its selections (`row_provenance.chosen_by_gold`)."""
    if kind_of(experiment.task) == "generate":  # students of texts have no grid, and combiners of texts no gold
        return "none"
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
