"""Votes or texts in a file, as a supervisor of a study.

    supervisors:
      ada: {votes: votes.csv, columns: {item: ticket}}        the votes of `ada`
      crowd: {votes: votes.csv, source: worker 17}            those of `worker 17`, under another name

Each section takes one source of a file; items are matched by their ids, and an item without a vote of the
source is an abstention. In a *choose* task a vote is A for the option in the first column, B in the second, and so on.
The source has learned no gold, so its votes on all of half A are its anchors. All else in the file (gold, seconds,
other sources, items that the study does not use) is ignored. A study depends on the file's content, not on its path.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from outgrow.config.votes import VotesSection
from outgrow.data.data_identity import content_hash
from outgrow.data.task import Items, Kind, Split, Task
from outgrow.errors import DataError, OutgrowError
from outgrow.graph.step import Job, Json
from outgrow.labels import ANSWER_FILES, WeakLabels
from outgrow.readers.read_texts import read_texts
from outgrow.readers.read_votes import read_votes, sources_of
from outgrow.readers.row_numbers import RowNumbers, require_same_rows
from outgrow.text_format import listed
from outgrow.texts import WeakTexts
from outgrow.vote_table import VoteTable

log = logging.getLogger(__name__)
EXAMPLES = 3


def take_votes(job: Job, *, reading: dict[str, Any], content: str, file_source: str, source: str) -> None:
    """The step `supervisor` for votes in a file: inputs `pool` and `split`; writes `anchors.parquet`,
    `half_b.parquet`, `test.parquet` and, with the number of votes in each, `counts.json`.

    Args:
        reading: `columns` and `renormalise` of its section; the file is the hint `file`.
        content: hash of that file when the study was planned.
        file_source: whose votes of the file are taken.
        source: under which name they are known in the study.

    Raises `DataError` for a file that changed or cannot be read, an unknown source or class, and items of which none
    is known.
    """
    section = section_of(job, reading, content)
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    if task.shuffled:
        raise DataError(
            f"supervisors.{source}: the right option was always in the same place, so the options were shuffled, and"
            f" A, B and so on in {section.votes} are no longer theirs; write the options in a random order"
        )
    table = read_votes(
        section.votes,
        columns=section.columns,
        classes=task.classes,
        renormalise=section.renormalise,
        alone=file_source,
    )
    require_source(file_source, table.sources, section.votes, source)
    for note in table.notes:
        log.info("%s", note)
    require_rows_of(task, table.items, section, job.hints.get("items"), source)
    votes = table.only([file_source])
    probs = on_items(votes, task.items)
    counts = {part: int(probs[getattr(split, part)].any(axis=1).sum()) for part in ANSWER_FILES}
    require_known(
        counts, [table.items[row] for row in np.unique(votes.item)[:EXAMPLES].tolist()], task, section, source
    )
    (job.out / "counts.json").write_text(json.dumps(counts))
    for part, file in ANSWER_FILES.items():
        rows: Int[np.ndarray, item] = getattr(split, part)
        names = [task.items.ids[row] for row in rows.tolist()]
        WeakLabels(names, (source,), probs[rows][:, None]).save(job.out / file)


def take_texts(job: Job, *, reading: dict[str, Any], content: str, file_source: str, part: str, name: str) -> None:
    """The step `texts` for texts in a file: inputs `pool` and `split`; writes `half_b.parquet` or `test.parquet`.

    `part` is `half_b` (half B) or `test`, `name` under which they are known; all else as above. A source that wrote
    nothing for half B is a `DataError`; without answers to the test items it merely has no score.
    """
    section = section_of(job, reading, content)
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    table = read_texts(section.votes, columns=section.columns)
    require_source(file_source, table.sources, section.votes, name)
    require_rows_of(task, table.items, section, job.hints.get("items"), name)
    texts = table.only([file_source])
    texts_of = {item: row[0] for item, row in zip(texts.items, texts.candidates, strict=True) if row[0]}
    item_ids = {
        part_name: [task.items.ids[row] for row in getattr(split, part_name).tolist()]
        for part_name in ("half_b", "test")
    }
    counts = {part_name: sum(item in texts_of for item in items) for part_name, items in item_ids.items()}
    require_known(counts, list(texts_of)[:EXAMPLES], task, section, name)
    (job.out / "counts.json").write_text(json.dumps(counts))
    candidates = [[texts_of.get(item, [])] for item in item_ids[part]]
    WeakTexts(item_ids[part], (name,), candidates).save(job.out / f"{part}.parquet")


def unreadable(where: str, section: VotesSection, kind: Kind | None) -> Iterator[str]:
    """Why a supervisor's file cannot be read, or does not know its source; nothing for a task of unknown kind."""
    try:
        if kind is not None:
            require_readable(where.removeprefix("supervisors."), section, kind)
    except OutgrowError as error:
        yield from (f"{where}.votes: {line}" for line in str(error).split("\n"))


def require_readable(name: str, section: VotesSection, kind: Kind) -> None:
    """Raise `DataError` or `ConfigError` if the file cannot be read, or does not know the source."""
    file, source = section.votes, section.source or name
    texts = kind == "generate"
    sources = read_texts(file, columns=section.columns).sources if texts else sources_of(file, section.columns, source)
    require_source(source, sources, file, name)


def section_of(job: Job, reading: dict[str, Json], content: str) -> VotesSection:
    """The section to read. Raises `DataError` if the file has changed since the study was planned."""
    file = Path(job.hints["file"])
    if content_hash(file, "votes") != content:
        raise DataError(f"{file}: has changed since the study was planned; run the study again")
    return VotesSection.model_validate({**reading, "votes": file})


def on_items(votes: VoteTable, items: Items) -> Float[np.ndarray, "item class"]:
    """One source's votes as distributions over all of a task's items; zeros where it did not vote."""
    row = {name: index for index, name in enumerate(items.ids)}
    place = np.asarray([row.get(name, -1) for name in votes.items], dtype=np.int64)[votes.item]
    in_task = place >= 0
    vote_probs = np.eye(votes.n_classes)[votes.label] if votes.probs is None else votes.probs
    probs = np.zeros((len(items), votes.n_classes))
    probs[place[in_task]] = vote_probs[in_task]
    return probs


def require_source(file_source: str, sources: Sequence[str] | None, file: Path, name: str) -> None:
    """Raises `DataError` where the file knows no such source; None = it names none, and is all of one."""
    if sources is not None and file_source not in sources:
        raise DataError(
            f"supervisors.{name}: {file} has no source `{file_source}`; there are {listed(sources)}."
            " Name it by `source`"
        )


def require_rows_of(task: Task, voted_on: Sequence[str], section: VotesSection, items: str | None, name: str) -> None:
    """Raises `DataError` where one of votes and task has no names of items, and the other one's rows do not fit."""
    if task.rows:
        require_same_rows(voted_on, section.votes, task.rows, items or "the task's file")
    elif isinstance(voted_on, RowNumbers):
        raise DataError(
            f"supervisors.{name}: {section.votes} names no items, and the task's have names such as"
            f" {listed(task.items.ids[:EXAMPLES])}; give the votes a column of these names or, where row k of one is"
            " row k of the other, leave out task.columns.id"
        )


def require_known(
    counts: dict[str, int], voted_on: Sequence[str], task: Task, section: VotesSection, name: str
) -> None:
    """Raises `DataError` if no vote is on the items that the student learns from."""
    if counts["half_b"]:
        return
    item_ids = set(task.items.ids)
    if any(item in item_ids for item in voted_on) or any(counts.values()):
        raise DataError(
            f"supervisors.{name}: {section.votes} says nothing of the items that the student is to learn from"
            f" (answers by part: {counts}); leave the source out, or raise `task.sizes.half_b`"
        )
    raise DataError(
        f"supervisors.{name}: {section.votes} is about items such as {listed(voted_on) or 'none'}, and the task has"
        f" items such as {listed(task.items.ids[:EXAMPLES])}: none is in both. Name the columns of ids by"
        " `columns: {item: …}` here and by `task.columns.id`"
    )
