"""The step `training_data`: makes the inputs of a student's training from votes and items.

Its folder has the files of several steps of a study: `task.json` and `items.parquet` (as `pool`), `split.json`,
`targets.parquet`, `half_b.parquet` (the combined label as the only source, for the evaluation on held-out items; not
for texts) and `combined.parquet` for users. Half B are the training items. The test items are those of `--test` and
the items without a vote, which the trained student answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.config.train import ItemColumns, TrainSettings
from outgrow.data.parse_cells import answer_text
from outgrow.data.task import Items, Split, Task
from outgrow.data.template import template_pieces
from outgrow.data.unlabelled_items import id_column, read_unlabelled
from outgrow.deliver.combined import COMBINED, Combined, combine_votes
from outgrow.deliver.combined_texts import CombinedTexts, combine_texts
from outgrow.deliver.training_data import TrainingData, text_training_data, vote_training_data
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels
from outgrow.readers.class_names import join
from outgrow.readers.item_texts import ID, item_table
from outgrow.readers.open_table import read_table
from outgrow.readers.platforms import is_export
from outgrow.readers.read_texts import read_texts
from outgrow.readers.read_votes import item_texts, read_votes
from outgrow.readers.row_numbers import RowNumbers, require_same_rows
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed
from outgrow.texts import WeakTexts
from outgrow.vote_table import VoteTable

SHOWN = 3
HELD_OUT = "held_out.json"
"""The ids of items with combined labels that are left out of the training."""


class TrainingFiles(NamedTuple):
    """The input files of a training."""

    labels: tuple[Path, ...]
    """The files of votes."""
    items: Path | None = None
    """The texts; None: they are in the files of votes."""
    gold: Path | None = None
    test: Path | None = None

    @property
    def paths(self) -> dict[str, Path]:
        """All files by a key: `labels`, `labels 2`, …, `items`, `gold`, `test`."""
        named = {"labels" + (f" {index}" if index > 1 else ""): path for index, path in enumerate(self.labels, 1)}
        others = {"items": self.items, "gold": self.gold, "test": self.test}
        return named | {key: path for key, path in others.items() if path is not None}

    @classmethod
    def of(cls, paths: Mapping[str, str]) -> "TrainingFiles":
        """The files by the keys of `paths`."""
        labels = tuple(Path(path) for key, path in paths.items() if key.startswith("labels"))
        return cls(labels, **{key: Path(path) for key, path in paths.items() if not key.startswith("labels")})

    @property
    def voted(self) -> str:
        """The files of votes, for messages."""
        return " and ".join(str(path) for path in self.labels)


def make_training_data(job: Job, *, settings: dict[str, Any], content: dict[str, str]) -> None:
    """Read the files of the hint `files` and write the files above. `content` only enters the step's identity."""
    options = TrainSettings.model_validate(settings)
    files = TrainingFiles.of(job.hints["files"])
    job.report("reading votes", 0.0)
    labels = read_labels(files, options)
    nameless = isinstance(labels.items, RowNumbers)
    items, ids = read_items(files, options, () if nameless else labels.items)
    if nameless or ids is None:
        require_same_rows(labels.items, files.voted, len(items), files.items or files.voted)
    if nameless:
        labels = replace(labels, items=list(items.ids))
    job.report("combining votes", 0.3)
    combined, data = combine_labels(labels, items, files, options)
    if isinstance(combined, Combined) and options.cascade.accuracy is not None and files.test is None:
        data = hold_out(combined, data, options.cascade.holdout)
    classes = combined.votes.classes if isinstance(combined, Combined) else None
    test = None if files.test is None else unseen(read_test(files.test, options, ids, classes), items, data)
    task, split = _task_of(items, test, data, combined)
    _save(job.out, task, split, data, combined)


def read_items(files: TrainingFiles, settings: TrainSettings, voted_on: Sequence[str]) -> tuple[Items, str | None]:
    """The items with their texts, and the column of their ids: from the table of items, which may be the export of a
    platform, else from the files of votes. Raises `ConfigError` and `DataError`."""
    table = None if files.items is None else read_table(files.items)
    if table is not None and not is_export(table):
        ids = settings.items.id or id_column(table, voted_on)
        return read_unlabelled(table, settings.items.text, ids), ids
    parts = item_texts(list(files.labels) if files.items is None else files.items, settings.votes)
    origin = str(files.items or files.voted)
    known = list(dict.fromkeys(name for part in parts for name in part.columns))
    if not known:
        raise DataError(f"{origin}: has no texts of the items; name their table with `--items`")
    text = settings.items.text
    if text not in known and len(known) == 1 and text == ItemColumns().text:
        text = known[0]
    names = [name for _, name in template_pieces(text, "items.text") if name] if "{" in text else [text]
    return read_unlabelled(item_table(parts, origin, names), text, ID), ID


def read_labels(files: TrainingFiles, settings: TrainSettings) -> VoteTable | WeakTexts:
    """The sources' votes or texts."""
    if settings.of_texts:
        return read_texts(list(files.labels), columns=settings.votes)
    votes = read_votes(
        list(files.labels),
        columns=settings.votes,
        classes=settings.classes,
        gold=files.gold,
        renormalise=settings.renormalise,
    )
    # The notes go into the card, which must not contain paths of this machine.
    notes = votes.notes
    for path in files.labels:
        notes = tuple(note.replace(str(path), path.name) for note in notes)
    return replace(votes, notes=notes)


def combine_labels(
    labels: VoteTable | WeakTexts, items: Items, files: TrainingFiles, settings: TrainSettings
) -> tuple[Combined | CombinedTexts, TrainingData]:
    """The combined labels, and the training data from them."""
    if isinstance(labels, WeakTexts):
        rows, notes = known_rows(labels.items, items, files)
        texts = labels.take([labels.items[row] for row in rows.tolist()])
        combined_texts = combine_texts(texts, settings.combine, settings.metric, notes)
        return combined_texts, text_training_data(combined_texts, settings)
    combined = combine_votes(known_votes(labels, items, files), settings.combine, calibrate=settings.calibrate)
    return combined, vote_training_data(combined, settings)


def hold_out(combined: Combined, data: TrainingData, share: float) -> TrainingData:
    """The data without a random share of the items with votes, which the cascade is measured on."""
    voted = np.flatnonzero(combined.votes.n_per_item > 0)
    drawn = np.random.default_rng(0).permutation(voted)[: round(share * len(voted))]
    names = [combined.votes.items[row] for row in np.sort(drawn).tolist()]
    targets = data.targets
    assert isinstance(targets, Targets), "classes"
    rows = np.flatnonzero(~np.isin(np.asarray(targets.items, dtype=np.str_), np.asarray(names, dtype=np.str_)))
    if not len(rows):
        raise DataError("cascade.holdout: no item is left to learn from; give a smaller share, or `--test`")
    kept = replace(
        targets,
        items=[targets.items[row] for row in rows.tolist()],
        probs=targets.probs[rows],
        weight=targets.weight[rows],
    )
    about = {**data.about, "kept": len(set(kept.items)), "rows": len(rows), "held_out": len(names)}
    return TrainingData(kept, about, tuple(names))


def known_votes(votes: VoteTable, items: Items, files: TrainingFiles) -> VoteTable:
    """The votes on known items, with a note on the others. Raises `DataError` if no item is known."""
    rows, notes = known_rows(votes.items, items, files)
    return replace(votes.take(rows), notes=(*votes.notes, *notes)) if notes else votes


def known_rows(
    voted_on: Sequence[str], items: Items, files: TrainingFiles
) -> tuple[Int[np.ndarray, "known"], tuple[str, ...]]:
    """The rows of `voted_on` with a known item, and a note on the others. Raises `DataError` if there is none."""
    item_ids = set(items.ids)
    rows = np.asarray([row for row, name in enumerate(voted_on) if name in item_ids], dtype=np.int64)
    if not len(rows):
        raise DataError(
            f"{files.voted} has votes on items such as {listed(voted_on[:SHOWN])}, and {files.items} has items"
            f" such as {listed(items.ids[:SHOWN])}; no item is in both. Name the column of ids"
            " by `items.id=…` and `votes.item=…`"
        )
    unknown = len(voted_on) - len(rows)
    note = f"Votes on unknown items were left out: {unknown} of {len(voted_on)} items."
    return rows, (note,) if unknown else ()


def read_test(path: Path, settings: TrainSettings, ids: str | None, classes: Sequence[str] | None) -> Items:
    """Test items with gold, which is a text if `classes` is None. `ids`: the column of ids, if there is one.

    With `join_classes` the classes of gold get the spelling of the votes. Raises `DataError` for a class that the
    votes do not have, and without gold.
    """
    table = read_table(path)
    items = read_unlabelled(table, settings.items.text, ids if ids in table.columns else None)
    column = settings.items.gold or "label"
    if column not in table.columns:
        raise DataError(f"{path}: there is no column `{column}` with gold; name it by `items.gold=…`")
    items = replace(items, ids=[f"test-{name}" for name in items.ids])
    if classes is None:
        return _with_texts(items, table, column)
    class_of = {name: index for index, name in enumerate(classes)}
    gold = np.empty(len(items), dtype=np.int64)
    names = [str(cells.get(column)) for cells in table.rows]
    for row, name in enumerate(join(names, classes) if settings.votes.join_classes else names):
        if name not in class_of:
            raise DataError(f"{table.place(row)}: `{name}` is not a class of the votes; known: {listed(classes)}")
        gold[row] = class_of[name]
    return replace(items, gold=gold)


def _with_texts(items: Items, table: SourceTable, column: str) -> Items:
    """The items with gold texts; an empty text is unknown."""
    answers = [answer_text(cells.get(column), column, table.place(row)) for row, cells in enumerate(table.rows)]
    if not any(answers):
        raise DataError(f"{table.origin}: `{column}` has no text; name the column of gold texts by `items.gold=…`")
    gold = np.asarray([0 if answer else -1 for answer in answers], dtype=np.int64)
    return replace(items, gold=gold, answers=answers, keys=answers)


def unseen(test: Items, items: Items, data: TrainingData) -> Items:
    """The test items whose text is not a training text. Raises `DataError` if there is none."""
    learned = set(data.targets.items)
    texts = {text for name, text in zip(items.ids, items.prompts, strict=True) if name in learned}
    new_rows = np.asarray([row for row, text in enumerate(test.prompts) if text not in texts], dtype=np.int64)
    if not len(new_rows):
        raise DataError("--test: all its texts are training texts; give other items")
    data.about["test_left_out"] = len(test) - len(new_rows)
    return test.take(new_rows)


def _task_of(
    items: Items, test: Items | None, data: TrainingData, combined: Combined | CombinedTexts
) -> tuple[Task, Split]:
    """All items and their split. Items whose label was not kept are test items, too."""
    row_of = {name: row for row, name in enumerate(items.ids)}
    learned = np.unique([row_of[name] for name in data.targets.items])
    not_learned = np.setdiff1d(np.arange(len(items)), learned)
    n_test = 0 if test is None else len(test)
    pool = items if test is None else _joined(items, test)
    to_answer = np.concatenate([not_learned, np.arange(len(items), len(items) + n_test)])
    split = Split(half_a=np.empty(0, dtype=np.int64), half_b=learned, test=to_answer)
    if isinstance(combined, CombinedTexts):
        answers = pool.answers or [""] * len(pool)
        pool = replace(pool, answers=answers, keys=answers)
        return Task("votes", "generate", (), pool, combined.text_notes, combined.metric), split
    return Task("votes", "classify", combined.votes.classes, pool, combined.votes.notes), split


def _joined(items: Items, test: Items) -> Items:
    return Items(
        ids=[*items.ids, *test.ids],
        prompts=[*items.prompts, *test.prompts],
        gold=np.concatenate([items.gold, test.gold]),
        answers=None if test.answers is None else [*([""] * len(items)), *test.answers],
        parts=["train"] * len(items) + ["test"] * len(test),
    )


def _save(folder: Path, task: Task, split: Split, data: TrainingData, combined: Combined | CombinedTexts) -> None:
    task.save(folder)
    split.save(folder)
    data.targets.save(folder / "targets.parquet")
    if isinstance(combined, Combined):
        WeakLabels(combined.votes.items, (COMBINED,), combined.posterior[:, None]).save(folder / "half_b.parquet")
    combined.save(folder / "combined.parquet")
    if data.held_out:
        (folder / HELD_OUT).write_text(json.dumps(data.held_out, ensure_ascii=False))
    (folder / "training_data.json").write_text(json.dumps(data.about, ensure_ascii=False, indent=1))
