"""Tables written for others: every format reads as it was, no cell runs as a formula."""

import csv
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.data.write_table import write_table
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import read_votes

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]
PLAIN = ["a=1", " =1", "'=1", "x-1", "", 'say "so", twice\nat least', "ü"]


def written(table, path, **options):
    write_table(table, path, **options)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_formulas_are_disarmed_and_nothing_else_is_touched(tmp_path, name):
    texts = FORMULAS + PLAIN
    table = pa.table({"=text": texts, "number": -np.arange(len(texts)), "coded": pa.array(texts).dictionary_encode()})
    header, *rows = written(table, tmp_path / name)
    assert header == ["'=text", "number", "coded"]
    expected = [f"'{text}" for text in FORMULAS] + PLAIN
    assert [row[0] for row in rows] == expected
    assert [row[2] for row in rows] == expected
    assert [int(row[1]) for row in rows] == (-np.arange(len(texts))).tolist()
    header, *rows = written(table, tmp_path / name, spreadsheet_safe=False)
    assert header == ["=text", "number", "coded"]
    assert [row[0] for row in rows] == texts


def test_lists_and_mappings_are_json_in_csv(tmp_path):
    table = pa.table({"list": [[0.5, 0.25], None, [float("nan")]], "mapping": [{"ä": 1, "b": None}, {"ä": 2}, None]})
    header, *rows = written(table, tmp_path / "t.csv")
    assert header == ["list", "mapping"]
    assert [cell and json.loads(cell) for cell in rows[0]] == [[0.5, 0.25], {"ä": 1, "b": None}]
    assert [cell and json.loads(cell) for cell in rows[1]] == ["", {"ä": 2, "b": None}]
    assert [cell and json.loads(cell) for cell in rows[2]] == [[None], ""]


def test_json_lines_hold_every_row_exactly(tmp_path):
    rows = [{"a": "=1", "b": [1.5, float("inf")], "c": None}, {"a": "line\nbreak", "b": [], "c": float("nan")}]
    write_table(pa.Table.from_pylist(rows), tmp_path / "t.jsonl")
    lines = (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"a": "=1", "b": [1.5, None], "c": None},
        {"a": "line\nbreak", "b": [], "c": None},
    ]


def test_parquet_is_the_table_itself(tmp_path):
    table = pa.table({"text": ["=1"], "probs": pa.array([[0.5, 0.5]], pa.list_(pa.float64(), 2))})
    write_table(table, str(tmp_path / "deep" / "t.parquet"))
    assert pq.read_table(tmp_path / "deep" / "t.parquet").equals(table)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_votes_that_were_written_are_read_again(tmp_path, suffix, seed):
    draw = np.random.default_rng(seed)
    rows = {
        "item": np.repeat(np.arange(20), 3),
        "worker": np.tile(["a", 'b, "c"', "d\ne"], 20),
        "probs": [{"x": float(p), "y": float(1 - p)} for p in draw.random(60)],
        "seconds": draw.random(60),
    }
    table = pa.table(rows)
    write_table(table, tmp_path / f"v{suffix}")
    one, other = read_votes(table), read_votes(tmp_path / f"v{suffix}", columns=VoteColumns())
    np.testing.assert_array_equal(one.probs, other.probs)
    np.testing.assert_array_equal(one.seconds, other.seconds)
    assert one.items == other.items
    assert one.sources == other.sources


def test_the_same_table_is_the_same_bytes(tmp_path):
    table = pa.Table.from_pandas(pd.DataFrame({"a": ["x", None], "b": [0.1, np.nan]}))
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        for name in ("one", "two"):
            write_table(table, tmp_path / f"{name}{suffix}")
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match=r"`\.xlsx` is no format that can be written"):
        write_table(pa.table({"a": [1]}), tmp_path / "new" / "t.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.csv"
    path.mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        write_table(pa.table({"a": [1]}), path)
    assert os.listdir(tmp_path) == ["t.csv"]
    (tmp_path / "file").write_text("old")
    with pytest.raises(DataError, match="cannot be written"):
        write_table(pa.table({"a": [1]}), tmp_path / "file" / "t.csv")
    assert (tmp_path / "file").read_text() == "old"
