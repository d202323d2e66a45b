"""The step that takes votes or texts from a file: against the file read row by row, and what it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VotesSection
from outgrow.data.data_identity import content_hash
from outgrow.data.task import Items, Split, Task
from outgrow.data.task_forms import choose_task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import ANSWER_FILES, WeakLabels
from outgrow.readers.read_votes import sources_of
from outgrow.supervise.votes_step import require_readable, take_texts, take_votes
from outgrow.texts import WeakTexts

CLASSES = ("no", "perhaps", "yes")
PARTS = ("half_a", "half_b", "test")
READING: dict[str, Any] = {"columns": {}, "renormalise": False}


def job_of(folder: Path, kind: str, file: Path, ids: list[str], rows: int = 0) -> Job:
    """A pool of the items, which may be named by their rows, split into three about equal parts."""
    for name in ("pool", "split", "out", "scratch"):
        (folder / name).mkdir(exist_ok=True)
    n = len(ids)
    items = Items(ids, [f"text {name}" for name in ids], np.zeros(n, dtype=np.int64))
    Task("mine", kind, CLASSES if kind == "classify" else (), items, rows=rows).save(folder / "pool")
    Split(np.arange(0, n, 3), np.arange(1, n, 3), np.arange(2, n, 3)).save(folder / "split")
    return Job(
        folder / "out", {name: folder / name for name in ("pool", "split")}, folder / "scratch", {"file": str(file)}
    )


def written(path: Path, rows: list[tuple[Any, ...]], header: str = "item,source,label") -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def taken(job: Job, file_source: str, source: str = "mine", **reading: Any) -> dict[str, WeakLabels]:
    content = content_hash(Path(job.hints["file"]))
    take_votes(job, reading={**READING, **reading}, content=content, file_source=file_source, source=source)
    return {part: WeakLabels.load(job.out / ANSWER_FILES[part]) for part in PARTS}


@pytest.mark.parametrize("seed", SEEDS)
def test_votes_are_those_of_one_source_on_the_items_of_each_part(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"t{number}" for number in rng.permutation(60).tolist()]
    votes = {
        (item, source): str(rng.choice(CLASSES))
        for item in [*names[:50], "stranger"]
        for source in ("a", "b")
        if rng.random() < 0.7
    }
    rows = [(*key, label) for key, label in votes.items()]
    rng.shuffle(rows)
    job = job_of(tmp_path, "classify", written(tmp_path / "v.csv", rows), names)
    tables = taken(job, "b")
    assert sorted(item for table in tables.values() for item in table.items) == sorted(names)
    for part, table in tables.items():
        assert table.sources == ("mine",)
        assert table.items == names[PARTS.index(part) :: 3]
        for item, code in zip(table.items, table.hard[:, 0].tolist(), strict=True):
            assert votes.get((item, "b")) == (None if code < 0 else CLASSES[code])
    counts = json.loads((job.out / "counts.json").read_text())
    assert counts == {part: int(table.voted.sum()) for part, table in tables.items()}


def test_soft_votes_stay_soft(tmp_path: Path) -> None:
    names = [str(number) for number in range(9)]
    rows = [(name, "a", "yes", 0.8) for name in names]
    file = written(tmp_path / "v.csv", rows, "item,source,label,confidence")
    table = taken(job_of(tmp_path, "classify", file, names), "a")["half_b"]
    np.testing.assert_allclose(table.probs[:, 0], np.tile([0.1, 0.1, 0.8], (3, 1)))


@pytest.mark.parametrize("kind", ["v.csv", "v.npy"])
def test_a_file_that_names_no_source_is_all_of_the_supervisors(tmp_path: Path, kind: str) -> None:
    names, file = [str(number) for number in range(9)], tmp_path / kind
    probs = np.random.default_rng(SEEDS[0]).dirichlet(np.ones(3), size=9)
    if kind == "v.npy":
        np.save(file, probs)
    else:
        header = ",".join(["uid", *(f"p_{name}" for name in CLASSES)])
        written(file, [(name, *row) for name, row in zip(names, probs.tolist(), strict=True)], header)
    assert sources_of(file) is None
    section = VotesSection(votes=file)
    for name in ("ada", "ben"):
        require_readable(name, section, "classify")
    job = job_of(tmp_path, "classify", file, names, rows=9 if kind == "v.npy" else 0)
    tables = taken(job, "ada")
    for part, table in tables.items():
        np.testing.assert_allclose(table.probs[:, 0], probs[PARTS.index(part) :: 3], atol=1e-12)


def test_columns_are_as_named(tmp_path: Path) -> None:
    names = [str(number) for number in range(9)]
    file = written(tmp_path / "v.csv", [(name, "a", "yes") for name in names], "ticket,who,team")
    columns = {"item": "ticket", "source": "who", "label": "team"}
    assert taken(job_of(tmp_path, "classify", file, names), "a", columns=columns)["test"].voted.all()


def test_options_are_named_by_their_place_unless_they_were_shuffled(tmp_path: Path) -> None:
    names = [str(number) for number in range(9)]
    letters = np.random.default_rng(SEEDS[0]).choice(["A", "B"], 9).tolist()
    file = written(tmp_path / "v.csv", [(name, "ada", letter) for name, letter in zip(names, letters, strict=True)])
    job = job_of(tmp_path, "choose", file, names)
    options = [[f"one {name}", f"other {name}"] for name in names]
    for gold, is_shuffled in (([0, 1, 1, 0, 1, 0, 0, 1, 0], False), ([0] * 9, True)):
        task = choose_task("mine", Items(names, ["which?"] * 9, np.asarray(gold), options=options), ())
        assert task.shuffled is is_shuffled
        task.save(job.inputs["pool"])
        assert Task.load(job.inputs["pool"]).shuffled is is_shuffled
        if is_shuffled:
            with pytest.raises(DataError, match=r"supervisors\.mine: .*shuffled"):
                taken(job, "ada")
        else:
            labels = taken(job, "ada")["half_b"]
            wanted = [[letter == "A", letter == "B"] for letter in letters[1::3]]
            assert labels.probs[:, 0].tolist() == wanted


def test_what_cannot_be_taken_is_told(tmp_path: Path) -> None:
    names = [str(number) for number in range(9)]
    file = written(tmp_path / "v.csv", [(name, "ada", "yes") for name in names])
    job = job_of(tmp_path, "classify", file, names)
    with pytest.raises(DataError, match=r"supervisors\.mine: .*v\.csv has no source `eve`; there are `ada`"):
        taken(job, "eve")
    with pytest.raises(DataError, match="has changed since the study was planned"):
        take_votes(job, reading=READING, content="other", file_source="ada", source="mine")
    written(file, [(name, "ada", "maybe") for name in names])
    with pytest.raises(
        DataError, match=r"v\.csv, line 2: the label `maybe` is not a class; known: `no`, `perhaps`, `yes`"
    ):
        taken(job, "ada")
    written(file, [(f"T{name}", "ada", "yes") for name in names])
    about = r"items such as `T0`, `T1`, `T2`, and the task has items such as `0`, `1`, `2`: none is in both"
    with pytest.raises(DataError, match=about):
        taken(job, "ada")
    written(file, [("0", "ada", "yes"), ("3", "ada", "no"), ("1", "ben", "no")])
    with pytest.raises(DataError, match="says nothing of the items that the student is to learn from"):
        taken(job, "ada")


def texts_of(job: Job, file_source: str, part: str) -> WeakTexts:
    content = content_hash(Path(job.hints["file"]))
    take_texts(job, reading=READING, content=content, file_source=file_source, part=part, name="mine")
    return WeakTexts.load(job.out / f"{part}.parquet")


def test_texts_are_those_of_one_source_in_the_order_of_the_part(tmp_path: Path) -> None:
    names = [str(number) for number in range(12)]
    rows = [(name, source, f"{source} says {name}") for name in reversed(names[:9]) for source in ("b", "a")]
    job = job_of(tmp_path, "generate", written(tmp_path / "t.csv", [*rows, ("1", "a", "or else")]), names)
    strong, test = (texts_of(job, "a", part) for part in ("half_b", "test"))
    assert strong.sources == ("mine",)
    assert strong.items == ["1", "4", "7", "10"]
    assert strong.texts == [["a says 1"], ["a says 4"], ["a says 7"], [None]]
    assert [one.text for one in strong.candidates[0][0]] == ["a says 1", "or else"]
    assert test.texts == [["a says 2"], ["a says 5"], ["a says 8"], [None]]
    with pytest.raises(DataError, match=r"supervisors\.mine: .* has no source `c`"):
        texts_of(job, "c", "half_b")
    written(tmp_path / "t.csv", [("2", "a", "x")])
    with pytest.raises(DataError, match="says nothing of the items that the student is to learn from"):
        texts_of(job, "a", "test")
