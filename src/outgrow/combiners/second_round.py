"""A second round: the trained student's predictions multiply the targets.

Targets and predictions are treated as two independent sources, q(c) ∝ t(c) · s(c), class by class. The student was
trained on these very items, so that its predictions are not independent: the product is sharper where both agree, and
the student can overrule an uncertain target. Ours, from no paper.
"""

import numpy as np

from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels

FLOOR = 1e-12
"""Least probability of a factor, so that a contradiction can be normalised."""


def multiply(targets: Targets, student: WeakLabels) -> Targets:
    """Each item's collapsed target times the one source's probabilities, normalised; weights stay."""
    if len(student.sources) != 1:
        raise DataError(f"a second round multiplies one student in, not the sources {student.sources}")
    targets = targets.collapse()
    row = {name: index for index, name in enumerate(student.items)}
    predicted = student.probs[[row[name] for name in targets.items], 0]
    product = np.maximum(targets.probs, FLOOR) * np.maximum(predicted, FLOOR)
    return Targets(targets.items, product / product.sum(axis=1, keepdims=True), targets.weight, targets.origin)


def multiply_in(job: Job) -> None:
    """The step: `targets` times `student`'s answers to the same items."""
    targets = Targets.load(job.inputs["targets"] / "targets.parquet")
    student = WeakLabels.load(job.inputs["student"] / "half_b.parquet")
    multiply(targets, student).save(job.out / "targets.parquet")
