"""One row's predictions under one seed as a data frame: items, the supervisors' votes, target, answer, gold.

part          half_b: the items whose labels the student learned · test
item, text
vote.NAME     what each supervisor gave: a class, an option or a text; None: nothing
target        half_b: what the row learned, the class of the highest probability; None: nothing
answer        the row's own; None: no answer (students of texts answer the test items alone)
confidence    of the answer; votes only
gold          None where it is unknown
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from outgrow.graph.step import Step
from outgrow.labels import Targets
from outgrow.reporting.evidence.row_answers import EvaluatedItems, PartName, read_answers, read_part
from outgrow.reporting.evidence.row_provenance import learned_last
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.evidence.texts import TextAnswers, read_labels
from outgrow.reporting.frame import Frame, row_index
from outgrow.texts import TextTargets

if TYPE_CHECKING:
    import pandas as pd

Column = list[Any]


def predictions(frame: Frame, name: str, seed: int, part: PartName | None = None) -> "pd.DataFrame":
    """The table above for the row `name` under the seed with the index `seed`; by default both parts."""
    import pandas as pd

    place = row_index(frame, name)
    # The report's half B lacks items without gold.
    half_b = read_part(frame.task, frame.splits, "half_b", unlabelled=True)
    parts = [items for items in (half_b, frame.test) if part in (None, items.name)]
    return pd.concat([pd.DataFrame(_columns(frame, place, seed, items)) for items in parts], ignore_index=True)


def _columns(frame: Frame, place: int, seed: int, items: EvaluatedItems) -> dict[str, Any]:
    mine = np.flatnonzero(items.of_seed[seed])
    ids = [items.ids[index] for index in mine]
    columns: dict[str, Any] = {
        "part": items.name,
        "item": ids,
        "text": [items.prompts[index] for index in mine],
    }
    columns |= dict(_votes(frame, seed, items, mine))
    columns["target"] = _targets(frame, frame.study.rows[place].steps[seed], ids) if items.name == "half_b" else None
    columns |= _answers(frame, place, seed, items, mine)
    columns["gold"] = _gold(frame, items, mine)
    return columns


def _gold(frame: Frame, items: EvaluatedItems, mine: Int[np.ndarray, "item"]) -> Column:
    if not frame.of_texts:
        return _named(frame, items.gold[mine])
    return [items.answers[index] if items.gold[index] >= 0 else None for index in mine]


def _named(frame: Frame, classes: Int[np.ndarray, "item"]) -> Column:
    return [frame.task.classes[index] if index >= 0 else None for index in classes.tolist()]


def _votes(
    frame: Frame, seed: int, items: EvaluatedItems, mine: Int[np.ndarray, "item"]
) -> Iterator[tuple[str, Column]]:
    if frame.of_texts:
        names = [row.source or row.name for row in frame.floor]
        texts = frame.of_floor(frame.texts)
        if items.name == "half_b":
            texts = read_labels(frame.store, frame.study.labels, names, items)
        for name, given in zip(names, texts, strict=True):
            yield f"vote.{name}", _texts(given, seed, mine)
        return
    for row in frame.floor:
        yield f"vote.{row.name}", _named(frame, read_answers(frame.store, row.steps, items).hard[seed, mine])


def _answers(
    frame: Frame, place: int, seed: int, items: EvaluatedItems, mine: Int[np.ndarray, "item"]
) -> Mapping[str, Any]:
    if frame.of_texts:
        return {"answer": _texts(frame.texts[place], seed, mine) if items.name == "test" else None}
    answers = read_answers(frame.store, frame.study.rows[place].steps, items)
    confidence = np.where(answers.answered, answers.confidence, np.nan)
    return {"answer": _named(frame, answers.hard[seed, mine]), "confidence": confidence[seed, mine]}


def _texts(given: TextAnswers, seed: int, mine: Int[np.ndarray, "item"]) -> Column:
    return [str(given.text[seed, index]) if given.answered[seed, index] else None for index in mine]


def _targets(frame: Frame, answers: Step, ids: list[str]) -> Column:
    """Of several targets for an item, the one with the highest weight (texts), or their mean (votes)."""
    step = learned_last(answers)
    if step is None or record(frame.store, step) is None:
        return [None] * len(ids)
    path = frame.store.path(step) / "targets.parquet"
    learned: dict[str, Any] = {}
    if frame.of_texts:
        texts = TextTargets.load(path)
        for row in np.argsort(texts.weight, kind="stable").tolist():
            learned[texts.items[row]] = texts.texts[row]
    else:
        votes = Targets.load(path).collapse()
        learned = dict(zip(votes.items, _named(frame, votes.probs.argmax(axis=1)), strict=True))
    return [learned.get(item) for item in ids]
