"""Labels that students learned, compared with gold; what selections kept of them; rewards.

The value of a label is the task's metric between it and gold (1 or 0 of a vote), as in a selection by gold. Labels of
items without gold are left out. Tables that are not finished are None.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.graph.step import Step
from outgrow.labels import Targets, WeakLabels
from outgrow.metrics.words import words
from outgrow.reporting.evidence.row_provenance import Comparison, LabelSource, whole_targets
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.evidence.texts import table_of
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import WHOLE
from outgrow.select.rewards import Rewards
from outgrow.select.row_scores import (
    one_source,
    text_agreement,
    text_confidence,
    text_oracle,
    vote_agreement,
    vote_confidence,
    vote_oracle,
)
from outgrow.texts import TextTargets, WeakTexts, certain

TARGETS, ANSWERS = "targets.parquet", "half_b.parquet"


@dataclass(frozen=True)
class LabelRows:
    """One seed's targets whose items have gold."""

    targets: TextTargets | Targets
    """All of them, with gold or without."""
    row: Int[np.ndarray, "label"]
    """The rows of `targets` that have gold."""
    item: Int[np.ndarray, "label"]
    """The index of their items in half B."""
    value: Float[np.ndarray, "label"]
    confidence: Float[np.ndarray, "label"]

    @cached_property
    def texts(self) -> list[str]:
        """The texts; empty for votes."""
        return [self.targets.texts[row] for row in self.row.tolist()] if isinstance(self.targets, TextTargets) else []

    @cached_property
    def words(self) -> list[list[str]]:
        """The words of every text."""
        return [words(text) for text in self.texts]


@dataclass(frozen=True)
class SelectionRecord:
    """A selection of labels."""

    labels: LabelRows
    """All labels that it chose from."""
    marked: Bool[np.ndarray, "row"]
    """Which rows of the targets it kept."""
    sizes: Mapping[str, tuple[int, int]]
    """In total and by capability: the numbers of labels and of kept labels, with gold or without."""

    @property
    def kept(self) -> Bool[np.ndarray, "label"]:
        return np.asarray(self.marked[self.labels.row])


@dataclass(frozen=True)
class LabelComparison:
    """Labels beside the strong model's own answers to their items; labels without such an answer are left out."""

    item: Int[np.ndarray, "label"]
    agree: Bool[np.ndarray, "label"]
    weak: Float[np.ndarray, "label"]
    strong: Float[np.ndarray, "label"]


@dataclass(frozen=True)
class LabelReader:
    """Reads the label tables of a study, each once (`Frame.label_tables`)."""

    frame: Frame

    @property
    def of_texts(self) -> bool:
        return self.frame.task.kind == "generate"

    def rows(self, step: Step) -> LabelRows | None:
        """The targets that a step has written."""
        tables: dict[str, LabelRows | None] = self.frame.label_tables
        if step.identity not in tables:
            tables[step.identity] = self._read(step) if self._has_file(step, TARGETS) else None
        return tables[step.identity]

    def kept(self, selected: Step) -> SelectionRecord | None:
        """What a selection kept of its targets."""
        labels = self.rows(selected.inputs["targets"])
        if labels is None or not self._has_file(selected, "kept.json"):
            return None
        kept = self._json(selected, "kept.json")
        sizes = {name: (counts["n"], counts["kept"]) for name, counts in {WHOLE: kept, **kept["capabilities"]}.items()}
        return SelectionRecord(labels, np.asarray([row["kept"] for row in kept["rows"]], dtype=np.bool_), sizes)

    def compared(self, comparison: Comparison) -> LabelComparison | None:
        """Labels and the strong model's own answers."""
        labels = self.rows(comparison.targets)
        if labels is None or not self._has_file(comparison.strong, ANSWERS):
            return None
        agreement, own = self._strong(labels, comparison.strong)
        ids = self.frame.half_b.ids
        strong = np.asarray([own.get(ids[item], np.nan) for item in labels.item.tolist()], dtype=np.float64)
        both = np.isfinite(agreement) & np.isfinite(strong)
        return LabelComparison(
            labels.item[both], (agreement >= comparison.agreed)[both], labels.value[both], strong[both]
        )

    def rewards(self, step: Step) -> tuple[LabelRows, Float[np.ndarray, "label"]] | None:
        """The labels that a reward model scored, and their rewards; NaN where it gave none."""
        labels = self.rows(whole_targets(step))
        if labels is None or not self._has_file(step, "rewards.parquet"):
            return None
        return labels, Rewards.load(self.frame.store.path(step)).reward[labels.row]

    def reward_record(self, step: Step) -> Mapping[str, Any]:
        """The record that a finished reward model wrote."""
        return self._json(step, "reward.json")

    def vectors(self, step: Step) -> Float[np.ndarray, "row 2"] | None:
        """All rows of a probe's targets on the plane of two principal components; None of other models."""
        path = self.frame.store.path(step) / "vectors.npy"
        return np.load(path).astype(np.float64) if self._has_file(step, path.name) else None

    def written(self, source: LabelSource) -> LabelRows | None:
        """The best texts of one source, as methods learn them."""
        table = table_of(self.frame.store, source.step, "half_b")
        return None if table is None else self._with_values(TextTargets(*best_of(table.texts.only([source.name]))))

    def gold(self, seed: int) -> LabelRows:
        """The gold of half B as labels."""
        part = self.frame.half_b
        rows = np.flatnonzero(part.of_seed[seed]).tolist()
        texts = [part.answers[row] for row in rows]
        return self._with_values(
            TextTargets([part.ids[row] for row in rows], texts, [certain(text) for text in texts], np.ones(len(rows)))
        )

    def _has_file(self, step: Step, name: str) -> bool:
        return record(self.frame.store, step) is not None and (self.frame.store.path(step) / name).is_file()

    def _json(self, step: Step, name: str) -> dict[str, Any]:
        return dict(json.loads((self.frame.store.path(step) / name).read_text(encoding="utf-8")))

    def _read(self, step: Step) -> LabelRows:
        path = self.frame.store.path(step) / TARGETS
        return self._with_values(TextTargets.load(path) if self.of_texts else Targets.load(path))

    def _with_values(self, targets: TextTargets | Targets) -> LabelRows:
        """Compared with gold."""
        task = self.frame.task
        if isinstance(targets, TextTargets):
            value, confidence = text_oracle(task, targets), text_confidence(targets)
        else:
            value, confidence = vote_oracle(task, targets), vote_confidence(targets)
        place = {name: index for index, name in enumerate(self.frame.half_b.ids)}
        item = np.asarray([place.get(name, -1) for name in targets.items], dtype=np.int64)
        row = np.flatnonzero(item >= 0)
        return LabelRows(targets, row, item[row], value[row], confidence[row])

    def _strong(self, labels: LabelRows, step: Step) -> tuple[Float[np.ndarray, "label"], dict[str, float]]:
        """How far each label agrees with the strong model, and the value of the strong model's answers by item."""
        path, task = self.frame.store.path(step) / ANSWERS, self.frame.task
        if isinstance(labels.targets, TextTargets):
            texts = one_source(WeakTexts.load(path))
            own = TextTargets(*best_of(texts))
            return text_agreement(task, labels.targets, texts)[labels.row], _by_item(own.items, text_oracle(task, own))
        votes = WeakLabels.load(path)
        answers = Targets(votes.items, votes.probs[:, 0], np.ones(len(votes.items)))
        return vote_agreement(labels.targets, votes)[labels.row], _by_item(answers.items, vote_oracle(task, answers))


def best_of(texts: WeakTexts) -> tuple[list[str], list[str], list[Any], Float[np.ndarray, "row"]]:
    """The best texts of the one source in `texts`, as columns of `TextTargets`."""
    rows = [(item, cell[0]) for item, (cell,) in zip(texts.items, texts.candidates, strict=True) if cell]
    best = [candidate for _, candidate in rows]
    columns = [candidate.text for candidate in best], [candidate.pieces for candidate in best]
    return [item for item, _ in rows], *columns, np.ones(len(best))


def _by_item(items: list[str], value: Float[np.ndarray, "row"]) -> dict[str, float]:
    return dict(zip(items, value.tolist(), strict=True))
