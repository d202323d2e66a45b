"""`Evaluations`: how well a student agreed with weak labels and with gold during its training.

At every evaluation each item of half B and each test item has two numbers, NaN where there is nothing to compare with:

    classes   weak: the mean vote's probability of the class answered      gold: 1 if the answer is right, else 0
    texts     weak, gold: the mean log-probability of a token of the weak texts, of the gold text

Some items of half B are held out: the student does not learn them. Only their numbers choose which weights are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float

from outgrow.errors import DataError

EvaluatedPart = Literal["learned", "held_out", "test"]
PARTS: tuple[EvaluatedPart, ...] = get_args(EvaluatedPart)
FILE = "evaluations.parquet"
HALF_B: tuple[EvaluatedPart, ...] = ("learned", "held_out")
MEANS: Mapping[str, tuple[Literal["weak", "gold"], tuple[EvaluatedPart, ...]]] = {
    "weak_learned": ("weak", ("learned",)),
    "weak_held_out": ("weak", ("held_out",)),
    "gold_held_out": ("gold", ("held_out",)),
    "gold_half_b": ("gold", HALF_B),
    "gold_test": ("gold", ("test",)),
}
"""By name, a mean over items: of which number, and of which parts."""


class Evaluation(NamedTuple):
    """One evaluation: the numbers of all items after so many updates."""

    update: int
    weak: Float[np.ndarray, "item"]
    gold: Float[np.ndarray, "item"]


@dataclass(frozen=True)
class Evaluations:
    """The evaluations of one training, in their order."""

    items: Sequence[str]
    part: Sequence[EvaluatedPart]
    """Of each item."""
    each: list[Evaluation] = field(default_factory=list)

    def among(self, parts: Sequence[EvaluatedPart]) -> Bool[np.ndarray, "item"]:
        """The items of some parts."""
        return np.isin(np.asarray(self.part, dtype=object), parts)

    def means(self, evaluation: Evaluation) -> dict[str, float | None]:
        """The means of `MEANS`; None where no item has a number."""
        return {
            name: _mean((evaluation.weak if number == "weak" else evaluation.gold)[self.among(parts)])
            for name, (number, parts) in MEANS.items()
        }

    def score(self, evaluation: Evaluation, keep: str) -> float:
        """By which the weights are kept, the highest: `last`, `weak` or `gold`. `DataError` without a number."""
        if keep == "last":
            return float(evaluation.update)
        mean = self.means(evaluation)[f"{keep}_held_out"]
        if mean is None:
            what = "weak label" if keep == "weak" else "gold"
            raise DataError(f"evaluations: no held-out item has a {what}; use another `keep`, or a larger `holdout`")
        return mean

    def save(self, path: Path) -> None:
        """One line per evaluation and item."""
        rounds = len(self.each)
        numbers = {
            name: np.concatenate([getattr(one, name) for one in self.each] or [np.zeros(0)])
            for name in ("weak", "gold")
        }
        table = {
            "update": np.repeat([one.update for one in self.each], len(self.items)).astype(np.int64),
            "item": pa.array([*self.items] * rounds, pa.string()).dictionary_encode(),
            "part": pa.array([*self.part] * rounds, pa.string()).dictionary_encode(),
            **{name: values.astype(np.float64) for name, values in numbers.items()},
        }
        pq.write_table(pa.table(table), path)

    @staticmethod
    def load(path: Path) -> "Evaluations":
        """Read what `save` wrote."""
        table = pq.read_table(path)
        update, weak, gold = (table[name].to_numpy() for name in ("update", "weak", "gold"))
        rounds = len(np.unique(update))
        size = len(update) // max(1, rounds)
        items, part = (table[name].to_pylist()[:size] for name in ("item", "part"))
        spans = [slice(start, start + size) for start in range(0, len(update), max(1, size))]
        return Evaluations(items, part, [Evaluation(int(update[at][0]), weak[at], gold[at]) for at in spans])


def is_due(update: int, updates: int, number: int) -> bool:
    """Whether one of `number` evaluations, at equal distances over all `updates`, comes after this update.

    >>> [update for update in range(1, 11) if is_due(update, 10, 4)]
    [3, 5, 8, 10]
    """
    return update * number // updates > (update - 1) * number // updates


def best_evaluation(scores: Mapping[int, float]) -> int:
    """The update with the highest score, the first one on a tie."""
    return max(scores, key=lambda update: scores[update])


def _mean(values: Float[np.ndarray, "item"]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
