"""A second round: the trained student joins the sources that taught it.

Targets and the student's own predictions are treated as two independent opinions and multiplied,
q(c) ∝ t(c) · s(c), class by class. The student was trained on these very items, so its opinion is not independent:
the product sharpens where both agree and lets the student overrule a hesitant target. Ours, from no paper.
"""

import numpy as np

from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels

FLOOR = 1e-12
"""No opinion is quite zero, or a contradiction would leave nothing to normalise."""


def multiply(targets: Targets, student: WeakLabels) -> Targets:
    """Each item's collapsed target times the one source's probabilities, normalised; weights stay."""
    if len(student.sources) != 1:
        raise DataError(f"a second round multiplies one student in, not the sources {student.sources}")
    targets = targets.collapse()
    row = {name: number for number, name in enumerate(student.items)}
    opinion = student.probs[[row[name] for name in targets.items], 0]
    product = np.maximum(targets.probs, FLOOR) * np.maximum(opinion, FLOOR)
    return Targets(targets.items, product / product.sum(axis=1, keepdims=True), targets.weight, targets.origin)


def multiply_in(job: Job) -> None:
    """The step: `targets` times `student`'s answers to the same items."""
    targets = Targets.load(job.inputs["targets"] / "targets.parquet")
    student = WeakLabels.load(job.inputs["student"] / "half_b.parquet")
    multiply(targets, student).save(job.out / "targets.parquet")
