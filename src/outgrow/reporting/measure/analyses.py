"""All that is found of labels, selections and capabilities beside the rows' scores: one line per analysis."""

from outgrow.reporting.evidence.labels import LabelReader
from outgrow.reporting.measure.cloud import find_clouds
from outgrow.reporting.measure.consistency import find_consistency
from outgrow.reporting.measure.curves import find_curves
from outgrow.reporting.measure.frame import Frame
from outgrow.reporting.measure.labels import find_labels
from outgrow.reporting.measure.rewards import find_rewards
from outgrow.reporting.measure.selection import find_selections
from outgrow.reporting.measure.transfer import learned_alone
from outgrow.reporting.results_analyses import Analyses


def analyse(frame: Frame) -> Analyses:
    """From finished steps; what a study lacks is empty."""
    reader = LabelReader(frame)
    return Analyses(
        selections=find_selections(reader),
        clouds=find_clouds(reader),
        rewards=find_rewards(reader),
        consistency=find_consistency(reader),
        labels=find_labels(reader),
        curves=find_curves(reader),
        alone=learned_alone(frame.study),
    )
