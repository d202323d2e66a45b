"""The step `taught`: votes and items become all that a student's training reads.

One folder in the shape that the steps of a study have together: `task.json` and `items.parquet` (as `pool`),
`split.json`, `targets.parquet`, `half_b.parquet` (the combined label as the one source that held-out items are judged
by) and, for people, `combined.parquet`. Half B are the items that are learned from; the test items are those with
gold that nobody learns from, and the items without a vote, which the student answers when it has learned. Of texts all
is the same but for the held-out labels, which nobody asks for.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.config.train import TrainSettings
from outgrow.data.parse_cells import answer_text
from outgrow.data.task import Items, Split, Task
from outgrow.data.user_data import id_column, read_unlabelled
from outgrow.deliver.combined import COMBINED, Combined, combine_votes
from outgrow.deliver.combined_texts import CombinedTexts, combine_texts
from outgrow.deliver.training_data import TrainingData, lesson_of, text_lesson_of
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.readers.class_names import join
from outgrow.readers.open_table import read_table
from outgrow.readers.read_texts import read_texts
from outgrow.readers.read_votes import read_votes
from outgrow.readers.row_numbers import RowNumbers, require_same_rows
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed
from outgrow.texts import WeakTexts
from outgrow.vote_table import VoteTable

SHOWN = 3


class TrainingFiles(NamedTuple):
    """What a student is taught from."""

    items: Path
    labels: Path
    gold: Path | None = None
    test: Path | None = None


def make_training_data(job: Job, *, settings: dict[str, Any], content: dict[str, str]) -> None:
    """Read the files of the hint `files`, whose `content` is identity only, and write what the module says."""
    wanted = TrainSettings.model_validate(settings)
    files = TrainingFiles(**{name: Path(path) for name, path in job.hints["files"].items()})
    job.report("reading votes", 0.0)
    heard = heard_of(files, wanted)
    table = read_table(files.items)
    nameless = isinstance(heard.items, RowNumbers)
    ids = wanted.items.id or id_column(table, () if nameless else heard.items)
    items = read_unlabelled(table, wanted.items.text, ids)
    if nameless or ids is None:
        require_same_rows(heard.items, files.labels, len(items), files.items)
    if nameless:
        heard = replace(heard, items=list(items.ids))
    job.report("combining votes", 0.3)
    combined, lesson = learned_of(heard, items, files, wanted)
    classes = combined.votes.classes if isinstance(combined, Combined) else None
    test = None if files.test is None else unseen(read_test(files.test, wanted, ids, classes), items, lesson)
    task, split = _task_of(items, test, lesson, combined)
    _save(job.out, task, split, lesson, combined)


def heard_of(files: TrainingFiles, wanted: TrainSettings) -> VoteTable | WeakTexts:
    """What the sources say."""
    if wanted.of_texts:
        return read_texts(files.labels, columns=wanted.votes)
    votes = read_votes(
        files.labels, columns=wanted.votes, classes=wanted.classes, gold=files.gold, renormalise=wanted.renormalise
    )
    # The notes go into the card, and where a file lies on this machine is nobody's business.
    return replace(votes, notes=tuple(note.replace(str(files.labels), files.labels.name) for note in votes.notes))


def learned_of(
    heard: VoteTable | WeakTexts, items: Items, files: TrainingFiles, wanted: TrainSettings
) -> tuple[Combined | CombinedTexts, TrainingData]:
    """What is made of it, and what of that is learned."""
    if isinstance(heard, WeakTexts):
        rows, notes = known_rows(heard.items, items, files)
        texts = heard.take([heard.items[row] for row in rows.tolist()])
        written = combine_texts(texts, wanted.combine, wanted.metric, notes)
        return written, text_lesson_of(written, wanted)
    combined = combine_votes(known_votes(heard, items, files), wanted.combine, calibrate=wanted.calibrate)
    return combined, lesson_of(combined, wanted)


def known_votes(votes: VoteTable, items: Items, files: TrainingFiles) -> VoteTable:
    """The votes on items that are there, with a note on the others. Raises `DataError` where none is."""
    rows, notes = known_rows(votes.items, items, files)
    return replace(votes.take(rows), notes=(*votes.notes, *notes)) if notes else votes


def known_rows(
    voted_on: Sequence[str], items: Items, files: TrainingFiles
) -> tuple[Int[np.ndarray, "known"], tuple[str, ...]]:
    """Which of the items that somebody spoke of are there, and a sentence on the others. Raises `DataError`."""
    known = set(items.ids)
    rows = np.asarray([number for number, name in enumerate(voted_on) if name in known], dtype=np.int64)
    if not len(rows):
        raise DataError(
            f"{files.labels} votes on items such as {listed(voted_on[:SHOWN])}, and {files.items} has items such as"
            f" {listed(items.ids[:SHOWN])}: none is in both; name the column of ids by `items.id=…` and `votes.item=…`"
        )
    strangers = len(voted_on) - len(rows)
    note = f"Items with votes that are not among the items: {strangers} of {len(voted_on)}; left out."
    return rows, (note,) if strangers else ()


def read_test(path: Path, wanted: TrainSettings, ids: str | None, classes: Sequence[str] | None) -> Items:
    """Items with gold that nobody learns from; without `classes` it is a text. `ids`: their column, if they have it.

    Gold is joined to the classes as the votes are.

    Raises `DataError` for a class that the votes do not know, and where there is no gold at all.
    """
    table = read_table(path)
    items = read_unlabelled(table, wanted.items.text, ids if ids in table.columns else None)
    column = wanted.items.gold or "label"
    if column not in table.columns:
        raise DataError(f"{path}: there is no column `{column}` of true answers; name it by `items.gold=…`")
    items = replace(items, ids=[f"test-{name}" for name in items.ids])
    if classes is None:
        return _with_texts(items, table, column)
    number = {name: place for place, name in enumerate(classes)}
    gold = np.empty(len(items), dtype=np.int64)
    told = [str(cells.get(column)) for cells in table.rows]
    for row, said in enumerate(join(told, classes) if wanted.votes.join_classes else told):
        if said not in number:
            raise DataError(f"{table.place(row)}: `{said}` is no class of the votes; there are {listed(classes)}")
        gold[row] = number[said]
    return replace(items, gold=gold)


def _with_texts(items: Items, table: SourceTable, column: str) -> Items:
    """The same with the right texts; an empty one is unknown."""
    answers = [answer_text(cells.get(column), column, table.place(row)) for row, cells in enumerate(table.rows)]
    if not any(answers):
        raise DataError(f"{table.origin}: `{column}` holds no text; name the column of right texts by `items.gold=…`")
    gold = np.asarray([0 if answer else -1 for answer in answers], dtype=np.int64)
    return replace(items, gold=gold, answers=answers, keys=answers)


def unseen(test: Items, items: Items, lesson: TrainingData) -> Items:
    """The test items whose text is not learned. Raises `DataError` where all of them are."""
    learned = set(lesson.targets.items)
    texts = {text for name, text in zip(items.ids, items.prompts, strict=True) if name in learned}
    fresh = np.asarray([row for row, text in enumerate(test.prompts) if text not in texts], dtype=np.int64)
    if not len(fresh):
        raise DataError("--test: every one of its texts is among those that are learned from; give others")
    lesson.about["test_left_out"] = len(test) - len(fresh)
    return test.take(fresh)


def _task_of(
    items: Items, test: Items | None, lesson: TrainingData, combined: Combined | CombinedTexts
) -> tuple[Task, Split]:
    """All items, and who is learned from; items whose label was not worth keeping are answered too."""
    row_of = {name: row for row, name in enumerate(items.ids)}
    learned = np.unique([row_of[name] for name in lesson.targets.items])
    others = np.setdiff1d(np.arange(len(items)), learned)
    held = 0 if test is None else len(test)
    pool = items if test is None else _joined(items, test)
    asked = np.concatenate([others, np.arange(len(items), len(items) + held)])
    split = Split(half_a=np.empty(0, dtype=np.int64), half_b=learned, test=asked)
    if isinstance(combined, CombinedTexts):
        answers = pool.answers or [""] * len(pool)
        pool = replace(pool, answers=answers, keys=answers)
        return Task("votes", "generate", (), pool, combined.notes, combined.metric), split
    return Task("votes", "classify", combined.votes.classes, pool, combined.votes.notes), split


def _joined(items: Items, test: Items) -> Items:
    return Items(
        ids=[*items.ids, *test.ids],
        prompts=[*items.prompts, *test.prompts],
        gold=np.concatenate([items.gold, test.gold]),
        answers=None if test.answers is None else [*([""] * len(items)), *test.answers],
        parts=["train"] * len(items) + ["test"] * len(test),
    )


def _save(folder: Path, task: Task, split: Split, lesson: TrainingData, combined: Combined | CombinedTexts) -> None:
    task.save(folder)
    split.save(folder)
    lesson.targets.save(folder / "targets.parquet")
    if isinstance(combined, Combined):
        WeakLabels(combined.votes.items, (COMBINED,), combined.posterior[:, None]).save(folder / "half_b.parquet")
    combined.save(folder / "combined.parquet")
    (folder / "lesson.json").write_text(json.dumps(lesson.about, ensure_ascii=False, indent=1))
