"""What may still be done to a trained student, without new labels: match class shares, average two views.

**Marginal matching.** Averaged weak labels are under-confident, and the *answers* of a student trained on them, its
most probable classes, drift to the frequent classes. (Its mean probabilities do not: a free bias in the head makes
them equal to the targets' mean.) One bias b per class, added to the log-probabilities, brings the answers on the
weak-labelled inputs back to the class shares m of the weak labels. With a sharpness s,

    mean_i softmax(s (log p_i + b)) = m,

which for s = 1 matches mean probabilities and for large s the shares of answers. That is where the convex function
mean_i logsumexp(s (log p_i + b)) − s m · b  is least; Newton's method finds it in a few rounds (the same point that
alternate rescaling of rows and columns, Sinkhorn 1964, creeps up to). The bias is fitted on the inputs that carry weak
labels and then applied to the test predictions, never fitted on them. Much of what self-training gains on K-class
tasks is this correction, so a matched row belongs next to it. It makes no sense for *choose*, where a class is no more
than a position.

**Two views.** The mean of the probabilities of two students that look at different layers or models.
"""

import json

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, softmax

from outgrow.errors import DataError, StepFailed
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels

CLOSE_ENOUGH = 1e-12
MOST_ROUNDS = 200
SOFTENING = (64, 32, 16, 8, 4, 2, 1)
RIDGE = 1e-11
SHARPNESS = {"answers": 32.0, "probabilities": 1.0}
"""What is matched: at 32, a class that is 10 % more probable than the next counts as 95 % of an answer."""
LEAST_PROBABILITY = 1e-12
"""Stands in for a smaller probability: what rounds to zero no bias could lift."""


def marginal_bias(
    probs: Float[np.ndarray, "item class"], marginals: Float[np.ndarray, "class"], sharpness: float = 1.0
) -> Float[np.ndarray, "class"]:
    """The bias per class under which the mean of `softmax(sharpness * (log probs + bias))` is `marginals`.

    Its mean over the classes with a share is 0; a class without a share gets −inf: it is not predicted any more.

    Raises:
        StepFailed: no bias reaches the shares within rounding, as when two classes are never both possible.
    """
    has_share = marginals > 0
    logs = sharpness * np.log(np.maximum(probs[:, has_share], LEAST_PROBABILITY))
    share = marginals[has_share] / marginals[has_share].sum()
    bias = np.zeros(len(share))
    # Confident predictions make the function a polyhedron on which Newton's method gets lost. So it is first solved
    # for softened predictions, whose answer is near the next, half as soft.
    for softness in SOFTENING:
        bias = _newton(logs / softness, share, bias / softness) * softness
    full = np.full(len(marginals), -np.inf)
    full[has_share] = (bias - bias.mean()) / sharpness
    return full


def apply_bias(
    probs: Float[np.ndarray, "*item class"], bias: Float[np.ndarray, "class"]
) -> Float[np.ndarray, "*item class"]:
    """`softmax(log probs + bias)`."""
    shifted: Float[np.ndarray, "*item class"] = softmax(np.log(np.maximum(probs, LEAST_PROBABILITY)) + bias, axis=-1)
    return shifted


def match_marginals(job: Job, *, name: str, of: str) -> None:
    """The step `matched`: inputs `student` and `targets`; writes its predictions anew, and `bias.json`.

    `of`: match the shares of its `answers` or its mean `probabilities`.
    """
    targets = Targets.load(job.inputs["targets"] / "targets.parquet").collapse()
    student = {part: WeakLabels.load(job.inputs["student"] / f"{part}.parquet") for part in ("half_b", "test")}
    row = {item: index for index, item in enumerate(student["half_b"].items)}
    missing = [item for item in targets.items if item not in row]
    if missing:
        raise DataError(f"{job.inputs['student'] / 'half_b.parquet'}: no prediction for item `{missing[0]}`")
    labelled = [row[item] for item in targets.items]
    bias = marginal_bias(student["half_b"].probs[labelled, 0], targets.class_shares, SHARPNESS[of])
    for part, labels in student.items():
        WeakLabels(labels.items, (name,), apply_bias(labels.probs, bias)).save(job.out / f"{part}.parquet")
    finite = [float(value) if np.isfinite(value) else None for value in bias]
    (job.out / "bias.json").write_text(json.dumps({"bias": finite}))


def average_views(job: Job, *, name: str) -> None:
    """The step `views`: inputs `first` and `second`, two students of the same items; writes their mean."""
    for part in ("half_b", "test"):
        first, second = (WeakLabels.load(job.inputs[key] / f"{part}.parquet") for key in ("first", "second"))
        if first.items != second.items or first.probs.shape != second.probs.shape:
            raise DataError(f"two views: {job.inputs['first']} and {job.inputs['second']} answered different items")
        WeakLabels(first.items, (name,), (first.probs + second.probs) / 2).save(job.out / f"{part}.parquet")


def _newton(
    logs: Float[np.ndarray, "item class"], share: Float[np.ndarray, "class"], bias: Float[np.ndarray, "class"]
) -> Float[np.ndarray, "class"]:
    """Newton's method on the convex function, each step halved until the function falls enough."""
    for _ in range(MOST_ROUNDS):
        q = softmax(logs + bias, axis=1)
        gap = share - q.mean(axis=0)
        if abs(gap).max() < CLOSE_ENOUGH:
            return bias
        curvature = np.diag(q.mean(axis=0)) - q.T @ q / len(q)
        # Adding a constant to all biases changes nothing: the 1 closes that direction. The ridge keeps others finite.
        direction = np.linalg.solve(curvature + 1 + RIDGE * np.eye(len(gap)), gap)
        bias = bias + direction * _shortening(logs, share, bias, direction, gap)
    raise StepFailed(f"marginal matching missed the weak labels' class shares by {abs(gap).max():.1e}")


def _shortening(
    logs: Float[np.ndarray, "item class"],
    share: Float[np.ndarray, "class"],
    bias: Float[np.ndarray, "class"],
    direction: Float[np.ndarray, "class"],
    gap: Float[np.ndarray, "class"],
) -> float:
    """The part of the step to take (Armijo's rule)."""
    if abs(gap).max() < 1e-6:  # near the answer whole steps are right, and rounding hides the fall
        return 1.0
    height, slope, part = _height(logs, share, bias), float(direction @ gap), 1.0
    while part > 1e-12 and _height(logs, share, bias + part * direction) > height - 1e-4 * part * slope:
        part /= 2
    return part


def _height(
    logs: Float[np.ndarray, "item class"], share: Float[np.ndarray, "class"], bias: Float[np.ndarray, "class"]
) -> float:
    return float(logsumexp(logs + bias, axis=1).mean() - share @ bias)
