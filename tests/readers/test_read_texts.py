"""Texts from files: long and wide tables against plain dictionaries, and one sentence for what cannot be read."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, OutgrowError
from outgrow.readers.read_texts import read_texts
from outgrow.texts import WeakTexts, certain

WORDS = ["18 - 5 = 13\n#### 13", 'say "no", or not', "=1+1", "{}", "7", "ünïcode ☃", "13"]


def drawn(seed: int) -> list[tuple[str, str, str]]:
    """(item, source, text): several texts of one item and source, in any order, some of them empty."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"i{rng.integers(12)}", str(rng.choice(["ada", "ben", "cleo"])), str(rng.choice([*WORDS, "", "  "])))
        for _ in range(80)
    ]
    return [("i0", "ada", "7"), *rows]


def expected(rows: list[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for item, source, text in rows:
        found.setdefault((item, source), []).extend([text] if text.strip() else [])
    return found


def as_dictionary(table: WeakTexts) -> dict[tuple[str, str], list[str]]:
    return {
        (item, source): [one.text for one in cell]
        for item, row in zip(table.items, table.candidates, strict=True)
        for source, cell in zip(table.sources, row, strict=True)
    }


def saved(folder: Path, suffix: str, frame: pd.DataFrame) -> Any:
    path = folder / f"texts{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif suffix == ".json":
        frame.to_json(path, orient="records", force_ascii=False)
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        return frame if suffix == "frame" else pa.Table.from_pandas(frame)
    return path


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet", "frame", "arrow"])
def test_a_long_table_keeps_candidates_in_order(tmp_path: Path, suffix: str, seed: int) -> None:
    rows = drawn(seed)
    table = read_texts(saved(tmp_path, suffix, pd.DataFrame(rows, columns=["item", "model", "answer"])))
    wanted = expected(rows)
    assert table.items == list(dict.fromkeys(item for item, _, _ in rows))
    assert table.sources == tuple(dict.fromkeys(source for _, source, _ in rows))
    assert as_dictionary(table) == {key: wanted.get(key, []) for key in as_dictionary(table)}
    assert sum(map(len, as_dictionary(table).values())) == sum(map(len, wanted.values()))
    for *_, candidate in table.rows():
        np.testing.assert_array_equal(candidate.pieces.end, certain(candidate.text).end)
        assert candidate.logprob == 0
        assert candidate.has_end


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wide_table_is_the_long_one(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.choice([*WORDS, ""], (30, 3)), columns=["ada", "ben", "cleo"])
    frame.insert(0, "item", [f"i{number}" for number in range(30)])
    long = frame.melt("item", var_name="source", value_name="answer")
    assert as_dictionary(read_texts(saved(tmp_path, ".csv", frame))) == as_dictionary(read_texts(long))


def test_a_column_of_other_texts_than_all_others_is_a_source_like_any(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": range(50), "a": [f"a {n}" for n in range(50)], "b": [f"b {n}" for n in range(50)]})
    assert read_texts(frame).texts[7] == ["a 7", "b 7"]
    named = VoteColumns(item="item", votes=("b",))
    assert read_texts(frame, columns=named).sources == ("b",)


def test_numbers_are_texts_and_what_means_nothing_is_silence() -> None:
    frame = pd.DataFrame({"item": [1, 1, 2], "who": ["a", "b", "a"], "n": [7.0, 8.0, None]})
    columns = VoteColumns(source="who", label="n")
    assert read_texts(frame, columns=columns).texts == [["7", "8"], [None, None]]
    frame["n"] = ["7", "I do not know", "8"]
    silent = columns.model_copy(update={"abstain": ("I do not know",)})
    assert read_texts(frame, columns=silent).texts == [["7", None], ["8", None]]


def test_ten_thousand_rows_of_a_file_come_back(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [{"item": n // 5, "source": f"s{n % 5}", "answer": f"way {n % 77} #### {n}"} for n in range(10_000)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = read_texts(path)
    assert len(table.items) == 2000
    assert table.texts[1234][3] == f"way {6173 % 77} #### 6173"


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("item,source,answer\n1,a,\n2,b,\n", {}, "2 rows and no text in any of them"),
        ("item,source,answer\n1,a,x\n2,,y\n", {}, "line 3: the source is empty"),
        ("item,source,answer\n1,a,x\n,a,y\n", {}, "line 3: the item is empty"),
        ("item,source,words\n1,a,x\n", {}, "no column is known to be the label"),
        ("item,source,words\n1,a,x\n", {"label": "word"}, "there is no column `word`; did you mean `words`"),
        ("item,source,answer,sure\n1,a,x,1\n", {"confidence": "sure"}, "columns.confidence: texts of a file count"),
        ("item,a,b\n1,0,1\n", {"layout": "matrix"}, "a matrix has class numbers"),
        ("item,source,answer\n1,a\n", {}, "line 2: 2 cells"),
        ("item,source,p_x,p_y\n1,a,0.5,0.5\n", {}, "has probabilities and no text"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, content: str, columns: dict[str, Any], message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(OutgrowError, match=message):
        read_texts(path, columns=VoteColumns(**columns))


def test_arrays_and_lists_are_no_tables_of_texts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a matrix has class numbers"):
        read_texts(np.zeros((2, 2), dtype=np.int64))
    np.save(tmp_path / "t.npy", np.zeros((2, 2)))
    with pytest.raises(ConfigError, match=r"t\.npy: an array has no named columns"):
        read_texts(tmp_path / "t.npy")
