"""Which gold a method uses beyond its supervisors' labels."""

from typing import Literal

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.supervise.sources import SOURCES

GoldUse = Literal["none", "held_out", "half_a", "oracle"]
"""None; the supervisors' held-out answers to half A with its gold; all gold of half A; gold of half B."""


def uses_anchors(method: Method, experiment: Experiment) -> bool:
    """Whether the method's combiner gets the supervisors' held-out answers to half A with its gold."""
    if method.anchors is not None:
        return method.anchors == "half_a"
    sections = [experiment.supervisors[name] for name in method.teachers(experiment.supervisors)]
    return method.combine.needs_gold or not all(SOURCES.of(section).is_file for section in sections)


def gold_use(method: Method, experiment: Experiment) -> GoldUse:
    """The most that a method uses, without that of its selections (`row_provenance.chosen_by_gold`)."""
    select_by = method.select_by or experiment.tune.select_by
    if select_by == "gold_accuracy":
        return "oracle"
    if method.half_a_gold != "unused" or select_by == "half_a_log_loss":
        return "half_a"
    return "held_out" if uses_anchors(method, experiment) and method.combine.uses_gold else "none"
