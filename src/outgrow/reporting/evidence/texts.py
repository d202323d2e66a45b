"""The texts of a *generate* study: every row's answers, and every supervisor's labels.

Answers to the test items are in the steps of the rows, supervisors' labels in the study's label tables. An abstention
is read as an empty text, which is a wrong answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Shaped

from outgrow.errors import DataError
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.metrics.text_score import TaskScore
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.evidence.steps import record
from outgrow.texts import Candidate, WeakTexts


@dataclass(frozen=True)
class TextAnswers:
    """One source's best texts under every seed."""

    there: Bool[np.ndarray, "seed item"]
    """Where the seed has the item and the source a result."""
    text: Shaped[np.ndarray, "seed item"]
    """Of `str`; empty where the source abstained, or where nothing is there."""
    answered: Bool[np.ndarray, "seed item"]
    """Where there is an answer, maybe an empty one, and no abstention."""
    ended: Bool[np.ndarray, "seed item"]
    """Where the text has an end; one that became too long was cut off."""

    @property
    def seeds(self) -> Bool[np.ndarray, "seed"]:
        """Which seeds have a result."""
        return np.asarray(self.there.any(axis=1))

    def of_seed(self, seed: int) -> list[str]:
        """The texts of one seed's items, in the order of the part."""
        return [str(text) for text in self.text[seed, self.there[seed]]]


def read_answers_of_row(store: Store, steps: Sequence[Step], part: EvaluatedItems) -> TextAnswers:
    """A row's answers to the test items: one step per seed, one that is not finished leaves its seed empty."""
    return _read([table_of(store, step, part.name) for step in steps], part)


def read_labels(
    store: Store, steps: Sequence[Step], sources: Sequence[str], part: EvaluatedItems
) -> list[TextAnswers]:
    """The labels of each of `sources`, from the study's label tables."""
    tables = [table_of(store, step, part.name) for step in steps]
    return [_read([_only(table, name) for table in tables], part) for name in sources]


@dataclass(frozen=True)
class TextTable:
    """A table of texts, and where it lies."""

    path: Path
    texts: WeakTexts

    def candidates(self, items: Sequence[str], source: int = 0) -> Iterator[list[Candidate]]:
        """The texts of one source for these items. Raises `DataError` for an item that is not in the table."""
        place = {name: index for index, name in enumerate(self.texts.items)}
        for item in items:
            if item not in place:
                raise DataError(
                    f"{self.path}: has no answer for item `{item}`; delete the folder to have it made again"
                )
            yield self.texts.candidates[place[item]][source]


def table_of(store: Store, step: Step, part: str) -> TextTable | None:
    """A step's table of texts for a part, if the step is finished."""
    path = store.path(step) / f"{part}.parquet"
    return TextTable(path, WeakTexts.load(path)) if record(store, step) and path.is_file() else None


def _only(table: TextTable | None, source: str) -> TextTable | None:
    return TextTable(table.path, table.texts.only([source])) if table else None


def _read(tables: Sequence[TextTable | None], part: EvaluatedItems) -> TextAnswers:
    shape = part.of_seed.shape
    text = np.full(shape, "", dtype=object)
    has_result, answered, ended = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    for seed, table in enumerate(tables):
        if table is None:
            continue
        mine = np.flatnonzero(part.of_seed[seed])
        has_result[seed, mine] = True
        for item, candidates in zip(mine, table.candidates([part.ids[index] for index in mine]), strict=True):
            if candidates:
                text[seed, item] = candidates[0].text
                answered[seed, item] = True
                ended[seed, item] = candidates[0].has_end
    return TextAnswers(has_result, text, answered, ended)


def score_counts(
    found: TextAnswers, gold: Sequence[str], score: TaskScore, capabilities: Sequence[str] | None = None
) -> Float[np.ndarray, "seed item part"]:
    """A source's counts per item against gold texts; zeros where nothing is there."""
    n_parts = score.counts([], []).shape[1]
    counts = np.zeros((*found.there.shape, n_parts))
    for seed, has_result in enumerate(found.there):
        items = np.flatnonzero(has_result).tolist()
        item_capabilities = None if capabilities is None else [capabilities[item] for item in items]
        counts[seed, has_result] = score.counts(found.of_seed(seed), [gold[item] for item in items], item_capabilities)
    return counts
