"""All that is found of labels, selections and capabilities beside the rows' scores: one line per analysis."""

from outgrow.report.evidence_labels import LabelReader
from outgrow.report.frame import Frame
from outgrow.report.measure_cloud import find_clouds
from outgrow.report.measure_consistency import find_consistency
from outgrow.report.measure_curves import find_curves
from outgrow.report.measure_labels import find_labels
from outgrow.report.measure_rewards import find_rewards
from outgrow.report.measure_selection import find_selections
from outgrow.report.measure_transfer import learned_alone
from outgrow.report.results_analyses import Analyses


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
