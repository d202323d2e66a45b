"""The result of a selection: rows, their scores, a rule, and the record of what was kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from outgrow.data.task import Task
from outgrow.errors import DataError
from outgrow.graph.step import Json
from outgrow.labels import Targets
from outgrow.select.keep_rules import keep_rows, lots, sizes
from outgrow.select.selector_record import SelectorRecord
from outgrow.texts import TextTargets

Scores = Float[np.ndarray, "row"]


def rows_of(task: Task, items: Sequence[str]) -> list[int]:
    """The row of each item in the task. `DataError` for an item that is not there."""
    place = {name: row for row, name in enumerate(task.items.ids)}
    unknown = [name for name in items if name not in place]
    if unknown:
        raise DataError(f"targets.parquet: item `{unknown[0]}` is not in the task `{task.name}`")
    return [place[name] for name in items]


def capabilities_of(task: Task, items: Sequence[str]) -> list[str]:
    """The capability of each item; the empty name in a task that is no mixture."""
    names = task.items.capabilities
    return [""] * len(items) if names is None else [names[row] for row in rows_of(task, items)]


@dataclass(frozen=True)
class TargetRows:
    """Targets of either kind, as far as every selection looks at them."""

    items: list[str]
    capability: list[str]
    lot: Float[np.ndarray, "row"]

    @staticmethod
    def of(task: Task, items: list[str], words: Iterable[Sequence[str]], seed: int) -> "TargetRows":
        """`words`: the content of each row, which orders rows of equal score."""
        return TargetRows(items, capabilities_of(task, items), lots(seed, words))

    def capabilities(self, kept: Bool[np.ndarray, "row"]) -> dict[str, int]:
        """By capability, how many rows are kept; without those of which none is kept."""
        return sizes([name for name, stays in zip(self.capability, kept.tolist(), strict=True) if stays])


@dataclass(frozen=True)
class SelectionInputs:
    """The arguments of a selection's scores."""

    task: Task
    targets: Targets | TextTargets
    rows: TargetRows
    options: Mapping[str, Json]
    folders: Mapping[str, Path]
    """The step's inputs."""
    notes: list[str] = field(default_factory=list)
    """Deviations from what was asked for, one sentence each; scores may add some."""

    @property
    def texts(self) -> TextTargets:
        assert isinstance(self.targets, TextTargets), "`text_scores` are called for texts only"
        return self.targets

    @property
    def votes(self) -> Targets:
        assert isinstance(self.targets, Targets), "`vote_scores` are called for classes only"
        return self.targets


@dataclass(frozen=True)
class Selection:
    """A selection with its scores: `kept` are the rows that stay, `sentences` and `record` describe it."""

    selector: SelectorRecord
    rows: TargetRows
    score: Float[np.ndarray, "row"]
    rule: Mapping[str, Json]
    """Arguments of `keep_rows`."""
    origin: tuple[str, ...] = ()
    """Deviations from what was asked for."""

    def kept(self) -> Bool[np.ndarray, "row"]:
        """The rows that stay. `DataError` if there is none."""
        kept = keep_rows(self.score, self.rows.lot, self.rows.capability, **self.rule)
        if not kept.any():
            raise DataError(f"select: {self.selector.by} keeps none of {len(kept)} labels: {self._why_none()}")
        return kept

    def _why_none(self) -> str:
        if np.isnan(self.score).all():
            return f"{self.selector.why_unscored}; select by something else"
        if self.selector.why_empty:
            return self.selector.why_empty
        if self.rule.get("threshold") is None:
            return "it asks for none of the capabilities that have any; raise `select.keep.quota`"
        best, threshold = np.nanmax(self.score), self.rule["threshold"]
        return f"the best scores {best:g}, and {threshold:g} is asked for; lower `select.keep.threshold`"

    def sentences(self, kept: Bool[np.ndarray, "row"]) -> tuple[str, ...]:
        """Notes that the kept targets carry from now on."""
        sentences = [f"Kept {int(kept.sum())} of {len(kept)} labels by {self.selector.by}."]
        unknown = int(np.isnan(self.score).sum())
        sentences += [f"Labels without a score, not kept: {unknown}."] if unknown else []
        left = self.rows.capabilities(kept)
        if self.selector.by_content:
            lost = [name for name in sizes(self.rows.capability) if name not in left]
            sentences += [f"Of the capability `{name}` nothing was kept." for name in lost]
        return (*self.origin, *sentences)

    def record(self, kept: Bool[np.ndarray, "row"]) -> dict[str, Json]:
        """The content of `kept.json`."""
        left = self.rows.capabilities(kept)
        columns = zip(self.rows.items, kept.tolist(), self.score.tolist(), strict=True)
        return {
            "type": self.selector.name,
            "oracle": self.selector.sees_gold,
            "n": len(kept),
            "kept": int(kept.sum()),
            "capabilities": {
                name: {"n": n, "kept": left.get(name, 0)} for name, n in sizes(self.rows.capability).items() if name
            },
            "rows": [
                {"item": item, "kept": stays, "score": None if np.isnan(score) else score}
                for item, stays, score in columns
            ],
        }
