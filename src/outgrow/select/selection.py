"""What a selection decides, and what it says of it: rows, their scores, a rule, and the record for people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from outgrow.data.task import Task
from outgrow.errors import DataError
from outgrow.graph.step import Json
from outgrow.select.keep_rules import keep_rows, lots, sizes
from outgrow.select.row_scores import capabilities_of

BY = {
    "agreement": "agreement with the strong model's own answers",
    "capability": "capability",
    "confidence": "confidence",
    "oracle": "gold (oracle selection, an upper bound)",
    "random": "lot",
    "reward_model": "a reward model",
}
UNKNOWN = {
    "agreement": "the strong model has an answer to none of their items",
    "confidence": "the student could read none of them",
    "oracle": "none of their items has gold",
    "reward_model": "the reward model could read none of them",
}
"""Why no label may have a score."""


@dataclass(frozen=True)
class TargetRows:
    """Targets of either kind, as far as every selection looks at them."""

    items: list[str]
    capability: list[str]
    lot: Float[np.ndarray, "row"]

    @staticmethod
    def of(task: Task, items: list[str], words: Iterable[Sequence[str]], seed: int) -> "TargetRows":
        """`words`: what each row says, by which equal scores are told apart."""
        return TargetRows(items, capabilities_of(task, items), lots(seed, words))

    def capabilities(self, kept: Bool[np.ndarray, "row"]) -> dict[str, int]:
        """By capability, how many rows are kept; none that keeps nothing."""
        return sizes([name for name, one in zip(self.capability, kept.tolist(), strict=True) if one])


@dataclass(frozen=True)
class Selection:
    """A selection; `kept` says which rows, `sentences` and `record` what there is to say of it."""

    type: str
    rows: TargetRows
    score: Float[np.ndarray, "row"]
    rule: Mapping[str, Json]
    """Arguments of `keep_rows`."""
    origin: tuple[str, ...] = ()
    """What had to be done otherwise."""

    def kept(self) -> Bool[np.ndarray, "row"]:
        """The rows that stay. `DataError` if there is none."""
        kept = keep_rows(self.score, self.rows.lot, self.rows.capability, **self.rule)
        if not kept.any():
            raise DataError(f"select: {BY[self.type]} keeps none of {len(kept)} labels: {self._why_none()}")
        return kept

    def _why_none(self) -> str:
        if np.isnan(self.score).all():
            return f"{UNKNOWN[self.type]}; select by something else"
        if self.type == "capability":
            return "none is of these capabilities; correct `select.only`"
        if self.rule.get("threshold") is None:
            return "it asks for none of the capabilities that have any; raise `select.keep.quota`"
        best, wanted = np.nanmax(self.score), self.rule["threshold"]
        return f"the best scores {best:g}, and {wanted:g} is asked for; lower `select.keep.threshold`"

    def sentences(self, kept: Bool[np.ndarray, "row"]) -> tuple[str, ...]:
        """What to say of the kept targets from now on."""
        found = [f"Kept {int(kept.sum())} of {len(kept)} labels by {BY[self.type]}."]
        unknown = int(np.isnan(self.score).sum())
        found += [f"Labels without a score, not kept: {unknown}."] if unknown else []
        left = self.rows.capabilities(kept)
        if self.type != "capability":
            lost = [name for name in sizes(self.rows.capability) if name not in left]
            found += [f"Of the capability `{name}` nothing was kept." for name in lost]
        return (*self.origin, *found)

    def record(self, kept: Bool[np.ndarray, "row"]) -> dict[str, Json]:
        """What `kept.json` says; a row without a score has none."""
        left = self.rows.capabilities(kept)
        columns = zip(self.rows.items, kept.tolist(), self.score.tolist(), strict=True)
        return {
            "type": self.type,
            "oracle": self.type == "oracle",
            "n": len(kept),
            "kept": int(kept.sum()),
            "capabilities": {
                name: {"n": n, "kept": left.get(name, 0)} for name, n in sizes(self.rows.capability).items() if name
            },
            "rows": [
                {"item": item, "kept": one, "score": None if np.isnan(score) else score}
                for item, one, score in columns
            ],
        }
