"""The user's own parts: a file for each, a column of parts, groups, and a half B without gold."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.config.load import read_experiment
from outgrow.config.task import TaskSection
from outgrow.data.data_identity import data_identity
from outgrow.data.load_task import load_task
from outgrow.data.pool import UNLABELLED, cut
from outgrow.data.split import draw_split
from outgrow.data.task import Split, Task
from outgrow.data.user_data import half_b_has_gold
from outgrow.errors import ConfigError, DataError

N = {"weak": 40, "strong": 60, "test": 50}
TOPICS = {"tides": "sea moon water coast wave", "bread": "oven flour yeast crust dough"}


def rows(seed: int, parts: dict[str, int] = N) -> pd.DataFrame:
    """Two classes that their words tell apart, mostly."""
    generator = np.random.default_rng(seed)
    total = sum(parts.values())
    label = np.resize(list(TOPICS), total)
    words = [TOPICS[name if generator.random() < 0.8 else "tides"].split() for name in label]
    text = [" ".join([*generator.choice(own, 4), f"n{index}"]) for index, own in enumerate(words)]
    part = np.repeat(list(parts), list(parts.values()))
    return pd.DataFrame({"id": [f"i{index}" for index in range(total)], "text": text, "label": label, "part": part})


def write(folder: Path, table: pd.DataFrame, unlabelled: bool = False) -> dict[str, str]:
    """A file for each part; that of half B perhaps without the column of labels."""
    files = {}
    for part, own in table.groupby("part"):
        left_out = ["part", *(["label"] if unlabelled and part == "strong" else [])]
        own.drop(columns=left_out).to_csv(folder / f"{part}.csv", index=False)
        files[str(part)] = str(folder / f"{part}.csv")
    return files


def section(path: Any, **more: Any) -> TaskSection:
    return TaskSection.model_validate({"name": "mine", "path": path, "columns": {"id": "id"}, **more})


def split_of(task: TaskSection, seed: int = 0) -> tuple[Task, Split]:
    pool = cut(load_task(task), task.sizes, task.split_seed)
    return pool, draw_split(pool.items, task.sizes, seed)


def ids(pool: Task, index: np.ndarray) -> set[str]:
    return {pool.items.ids[row] for row in index.tolist()}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_file_for_each_part_is_that_part_under_every_seed(tmp_path: Path, seed: int) -> None:
    table = rows(seed)
    task = section(write(tmp_path, table))
    for split_seed in (0, seed):
        pool, split = split_of(task, split_seed)
        for part, index in zip(N, (split.half_a, split.half_b, split.test), strict=True):
            assert ids(pool, index) == set(table.id[table.part == part])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_column_of_parts_is_the_same_as_files(tmp_path: Path, seed: int) -> None:
    table = rows(seed)
    table.sample(frac=1, random_state=seed % 2**32).to_csv(tmp_path / "all.csv", index=False)
    pool, split = split_of(section(tmp_path / "all.csv", columns={"id": "id", "part": "part"}, sizes="all"))
    for part, index in zip(N, (split.half_a, split.half_b, split.test), strict=True):
        assert ids(pool, index) == set(table.id[table.part == part])


@pytest.mark.parametrize("own", list(N))
def test_any_one_part_may_be_given_and_the_others_are_drawn(tmp_path: Path, own: str) -> None:
    table = rows(0)
    table.loc[table.part != own, "part"] = "train"
    table.to_csv(tmp_path / "all.csv", index=False)
    sizes = {"half_a": 20, "half_b": 20, "test": 20}
    task = section(tmp_path / "all.csv", columns={"id": "id", "part": "part"}, sizes=sizes)
    drawn = [split_of(task, seed) for seed in (0, 1)]
    place = list(N).index(own)
    for pool, split in drawn:
        parts = [ids(pool, index) for index in (split.half_a, split.half_b, split.test)]
        assert [len(part) for part in parts] == [20, 20, 20]
        assert parts[place] <= set(table.id[table.part == own])
        assert not any(part & parts[place] for part in parts[:place] + parts[place + 1 :])


def test_a_smaller_part_is_in_the_larger_one(tmp_path: Path) -> None:
    files = write(tmp_path, rows(1))
    large_pool, large = split_of(section(files))
    small_pool, small = split_of(section(files, sizes={"half_b": 30}))
    assert len(small.half_b) == 30
    assert ids(small_pool, small.half_b) < ids(large_pool, large.half_b)
    assert ids(small_pool, small.test) == ids(large_pool, large.test)


def test_a_group_is_in_one_part_only(tmp_path: Path) -> None:
    table = rows(2)
    table["author"] = [f"a{index}" for index in range(len(table))]
    shared = {part: table.index[table.part == part][0] for part in N}
    table.loc[[shared["weak"], shared["strong"]], "author"] = "both halves"
    pool, split = split_of(section(write(tmp_path, table), columns={"id": "id", "group": "author"}))
    assert table.id[shared["weak"]] in ids(pool, split.half_a)
    assert table.id[shared["strong"]] not in ids(pool, split.half_b)
    assert any("other half: 1" in note for note in pool.notes)


def test_too_many_are_asked_for_by_the_name_of_the_part(tmp_path: Path) -> None:
    task = section(write(tmp_path, rows(3)), sizes={"half_b": 100})
    with pytest.raises(DataError, match=r"60 .*task\.sizes\.half_b"):
        split_of(task)


def test_an_unknown_part_and_a_known_task_are_refused(tmp_path: Path) -> None:
    table = rows(4)
    table.loc[3, "part"] = "middle"
    table.to_csv(tmp_path / "all.csv", index=False)
    with pytest.raises(DataError, match=r"all\.csv.*`weak`, `strong`"):
        load_task(section(tmp_path / "all.csv", columns={"part": "part"}))
    with pytest.raises(ConfigError, match=r"task\.path"):
        load_task(section(write(tmp_path, rows(4)), columns={}, name="sciq"))


def test_content_and_not_place_makes_the_identity(tmp_path: Path) -> None:
    table = rows(5)
    (tmp_path / "moved").mkdir()
    here, there = write(tmp_path, table), write(tmp_path / "moved", table)
    assert data_identity(section(here)) == data_identity(section(there))
    swapped = {**here, "weak": here["test"], "test": here["weak"]}
    assert data_identity(section(here)) != data_identity(section(swapped))


def test_gold_of_half_b_may_be_absent_and_is_then_absent_as_a_whole(tmp_path: Path) -> None:
    table = rows(6)
    unlabelled = section(write(tmp_path, table, unlabelled=True))
    pool, split = split_of(unlabelled)
    assert not half_b_has_gold(unlabelled)
    assert len(split.half_b) == N["strong"]
    assert UNLABELLED in pool.notes
    table.loc[table.index[table.part == "strong"][1:], "label"] = None
    table.to_csv(tmp_path / "some.csv", index=False)
    some = section(tmp_path / "some.csv", columns={"id": "id", "part": "part"}, sizes="all")
    assert half_b_has_gold(some)
    assert len(split_of(some)[1].half_b) == 1


STUDY: dict[str, Any] = {
    "name": "own",
    "supervisors": {"words": {"type": "ngram"}, "letters": {"type": "ngram", "unit": "char", "longest": 2}},
    "student": {"model": "bundled:wordllama"},
    "methods": ["naive"],
    "variants": ["plain"],
    "tune": {"l2": [0.1], "epochs": [20], "folds": 2},
    "gold_controls": False,
    "seeds": [0],
    "bootstrap": 100,
}


def test_a_study_without_gold_of_half_b_has_no_ceiling_and_says_so(tmp_path: Path) -> None:
    task = {"name": "mine", "path": write(tmp_path, rows(7), unlabelled=True), "columns": {"id": "id"}}
    places = {"store": str(tmp_path / "steps"), "output": str(tmp_path / "report")}
    result = outgrow.run({**STUDY, **places, "task": task})
    assert result.complete
    assert "ceiling" not in result.rows
    pgr = result["naive"].pgr
    assert pgr is not None
    assert not pgr.defined
    assert pgr.note in (result.folder / "report.html").read_text()
    learned = result.predictions("naive", part="half_b")
    assert len(learned) == N["strong"]
    assert learned.gold.isna().all()
    assert learned.target.notna().all()


def test_a_row_that_chooses_by_gold_is_refused_without_it(tmp_path: Path) -> None:
    task = {"name": "mine", "path": write(tmp_path, rows(8), unlabelled=True), "columns": {"id": "id"}}
    oracle = {"preset": "naive", "name": "by_gold", "select_by": "gold_accuracy"}
    with pytest.raises(ConfigError, match="by_gold"):
        outgrow.plan({**STUDY, "task": task, "methods": ["naive", oracle]})


def test_paths_by_part_are_relative_to_their_file(tmp_path: Path) -> None:
    write(tmp_path, rows(9))
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\ntask: {name: mine, path: {weak: weak.csv, strong: strong.csv, test: test.csv}}\n"
        "supervisors: {words: {type: ngram}}\nstudent: {model: 'bundled:wordllama'}\n"
    )
    assert set(read_experiment(path).task.places.values()) == {tmp_path / f"{part}.csv" for part in N}
