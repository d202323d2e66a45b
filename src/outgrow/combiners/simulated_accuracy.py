"""The accuracy of combined labels without gold: that of labels of simulated tables like this one.

A model's own probabilities hold if the model does. Sources that share errors, or that say one class nearly always,
agree as good ones do, and nothing in their votes tells by how much a model is too sure. So labels of simulated votes
with known truth (`simulate/juries.py`: dependent, one-sided, copying sources, items that mislead all) are kept in
`simulated_accuracy.npz`, a row each: what can be observed of a table of votes and of the labels that a combiner gives
(`table_measures.py`), and the share of right labels y. With the measures z in units of their standard deviation over
the rows,

    logit y = a + z · b + residual            b by ridge regression

and the prediction for a table is a + z · b plus the residuals of its `NEAREST` rows. Near is a small squared distance
in z, each measure weighted by how much y and the size of the residual depend on it. The mean of the predicted y is the
expected accuracy. The ends of the interval are quantiles, moved away from the median by the factor `widening`, at
which 95 % of the intervals hold in simulated tables that were left out. The same for recall and precision of a class.

Any combiner's labels are evaluated alike, the majority's and a model's. Posteriors must be those of the fit, before a
temperature, and without gold. `bench/simulated_accuracy.py` makes the file; `bench/trust_coverage.py` measures how
often the intervals hold in other simulations and in real sets.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.table_measures import (
    CLASS_MEASURES,
    OF_CLASSES,
    Posterior,
    class_columns,
    measures_of,
    table_columns,
)
from outgrow.lazy import special
from outgrow.vote_table import VoteTable

NEAREST = 150
TAILS = (0.025, 0.5, 0.975)
FARTHEST = 3.0
"""A measure counts as at most so many standard deviations away from the rows' mean."""
Target = Literal["accuracy", "recall", "precision"]


class SimulatedShare(NamedTuple):
    """A predicted share with its 95 % interval."""

    mean: float
    low: float
    high: float


class SimulatedQuality(NamedTuple):
    """Predictions for the labels of a table: over items with a vote, and class by class if asked for."""

    accuracy: SimulatedShare
    recall: tuple[SimulatedShare, ...]
    precision: tuple[SimulatedShare, ...]


class SimulatedRows(NamedTuple):
    """One regression and its rows; measures in their order."""

    mean: Float[np.ndarray, "measure"]
    deviation: Float[np.ndarray, "measure"]
    slope: Float[np.ndarray, "measure"]
    intercept: float
    importance: Float[np.ndarray, "measure"]
    """Weight of each measure in a distance."""
    rows: Float[np.ndarray, "row measure"]
    """In units of standard deviations."""
    residual: Float[np.ndarray, "row"]
    widening: float

    def predict(self, measures: Float[np.ndarray, "case measure"]) -> list[SimulatedShare]:
        """The share of right labels for each row of measures."""
        return [self._one(logits) for logits in self.logits(measures)]

    def logits(self, measures: Float[np.ndarray, "case measure"]) -> list[Float[np.ndarray, "near"]]:
        """Logits of the share, one for each of the nearest rows."""
        places = np.clip((measures - self.mean) / self.deviation, -FARTHEST, FARTHEST)
        return [self.intercept + float(place @ self.slope) + self._near(place) for place in places]

    def _near(self, place: Float[np.ndarray, "measure"]) -> Float[np.ndarray, "near"]:
        distance = (((self.rows - place) * self.importance) ** 2).sum(axis=1)
        n = min(NEAREST, len(distance))
        return self.residual[np.argpartition(distance, n - 1)[:n]]

    def _one(self, logits: Float[np.ndarray, "near"]) -> SimulatedShare:
        low, middle, high = np.quantile(logits, TAILS)
        low, high = (middle + (end - middle) * self.widening for end in (low, high))
        mean = float(special.expit(logits).mean())
        return SimulatedShare(mean, min(float(special.expit(low)), mean), max(float(special.expit(high)), mean))


def simulated_quality(table: VoteTable, posterior: Posterior, *, by_class: bool = True) -> SimulatedQuality:
    """Accuracy, recall and precision of a posterior's most probable classes, as in simulated tables like this one.

    `posterior` is a fit's without gold. The table needs a vote.
    """
    of_table, of_class = measures_of(table, posterior)
    rows = simulated_rows()
    classes = class_columns(of_table, of_class) if by_class else np.empty((0, len(OF_CLASSES) + len(CLASS_MEASURES)))
    return SimulatedQuality(
        rows["accuracy"].predict(table_columns(of_table))[0],
        tuple(rows["recall"].predict(classes)),
        tuple(rows["precision"].predict(classes)),
    )


@cache
def simulated_rows() -> Mapping[Target, SimulatedRows]:
    """The regressions of the file."""
    with (files("outgrow.combiners") / "simulated_accuracy.npz").open("rb") as file, np.load(file) as arrays:
        return {target: _rows_of(arrays, target) for target in ("accuracy", "recall", "precision")}


def _rows_of(arrays: Mapping[str, np.ndarray], target: Target) -> SimulatedRows:
    def array(name: str) -> np.ndarray:
        return np.asarray(arrays[f"{target}/{name}"], dtype=float)

    return SimulatedRows(
        mean=array("mean"),
        deviation=array("deviation"),
        slope=array("slope"),
        intercept=float(array("intercept")),
        importance=array("importance"),
        rows=array("rows"),
        residual=array("residual"),
        widening=float(array("widening")),
    )
