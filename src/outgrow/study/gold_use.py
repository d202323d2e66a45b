"""Which gold a method uses beyond its supervisors' labels."""

from typing import Literal

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.presets import preset
from outgrow.data.task_kind import kind_of
from outgrow.supervise.sources import SOURCES

GoldUse = Literal["none", "held_out", "half_a", "half_b", "oracle"]
"""None; the supervisors' held-out answers to half A with its gold; all gold of half A; gold of half B that is learned;
gold of half B that chooses settings."""
CONTROLS = ("gold_a", "gold_a_and_votes")
"""Methods that a study adds where its supervisors learn half A's gold."""


def uses_anchors(method: Method, experiment: Experiment) -> bool:
    """Whether the method's combiner gets the supervisors' held-out answers to half A with its gold."""
    if method.anchors is not None:
        return method.anchors == "half_a"
    sections = [experiment.supervisors[name] for name in method.sources_among(experiment.supervisors)]
    return method.combine.needs_gold or not all(SOURCES.of(section).is_file for section in sections)


def control_methods(experiment: Experiment) -> list[Method]:
    """The methods of `CONTROLS` that the study adds; none if it is told not to, or if no supervisor learns gold."""
    learns = any(SOURCES.of(section).trained(section) for section in experiment.supervisors.values())
    names = {method.name for method in experiment.methods}
    missing = [name for name in CONTROLS if name not in names]
    return [preset(name) for name in missing] if experiment.gold_controls and learns else []


def gold_use(method: Method, experiment: Experiment) -> GoldUse:
    """The most that a method uses, without that of its selections (`row_provenance.chosen_by_gold`)."""
    if kind_of(experiment.task) == "generate":  # students of texts have no grid, and combiners of texts no gold
        return "none"
    select_by = method.select_by or experiment.tune.select_by
    if select_by == "gold_accuracy":
        return "oracle"
    if method.half_a_gold != "unused" or select_by == "half_a_log_loss":
        return "half_a"
    return "held_out" if uses_anchors(method, experiment) and method.combine.uses_gold else "none"
