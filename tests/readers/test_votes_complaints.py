"""Votes that cannot be counted: one sentence that names the file, the line and what to do."""

import json

import numpy as np
import pandas as pd
import pytest

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, OutgrowError
from outgrow.readers.read_votes import read_votes

HEAD = "item,worker,label\n"
GOOD = HEAD + "1,a,x\n1,b,y\n2,a,y\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.csv", "", "v.csv: is empty"),
        ("v.csv", "\n\n", "is empty"),
        ("v.csv", HEAD, "has a header and no row"),
        ("v.csv", HEAD.strip(), "has a header and no row"),
        ("v.csv", '"item","worker","label"\n', "has a header and no row"),
        ("v.csv", GOOD + "3,a\n", "line 5: 2 cells for 3 columns"),
        ("v.csv", GOOD + "3,a,x,y\n", "line 5: 4 cells"),
        ("v.csv", GOOD + '3,a,"x\n', "quote.* not closed"),
        ("v.csv", GOOD + '3,"a,x\n4,a,x\n', "quote.* not closed"),
        ("v.csv", '"item,worker,label\n1,a,x\n', "line 1: not valid CSV"),
        ("v.csv", GOOD.replace(",", ";") + "3;a\n", "line 5: 2 cells for 3 columns"),
        ("v.tsv", GOOD.replace(",", ";"), "separated by a semicolon: give `delimiter=';'`"),
        ("v.tsv", GOOD, "separated by a comma"),
        ("v.csv", GOOD.replace(",", "|"), "separated by a bar"),
        ("v.csv", "item,item,worker,label\n1,1,a,x\n", "2 columns are called `item`"),
        ("v.csv", "1,2,0\n1,3,1\n", "line 1: has numbers instead of column names"),
        ("v.csv", GOOD + ",a,x\n", "line 5: the item is empty"),
        ("v.csv", GOOD + '"1\n1",a,x\n\n3,,x\n', "line 8: a vote without a source"),
        ("v.csv", GOOD + "2,a,x\n", "line 5: source `a` votes for two classes on item `2`, the other at .* line 4"),
        ("v.csv", HEAD + "1,a,x\n1,b,x\n", "only one class, `x`"),
        ("v.csv", HEAD + "1,a,\n1,b,\n", "2 rows and no vote"),
        ("v.csv", HEAD.replace("label", "label,gold") + "1,a,x,x\n1,b,y,y\n", "line 3: gold of item `1` is `y`"),
        ("v.csv", HEAD.replace("label", "label,seconds") + "1,a,x,1\n1,b,y,slow\n", "line 3: `slow` in column `sec"),
        ("v.csv", GOOD.encode() + b"3,a,\xff\n", "line 5: byte 40 .0xff. is not UTF-8"),
        ("v.csv", GOOD.encode("utf-16"), "UTF-16"),
        ("v.csv", GOOD.encode("utf-16-le"), "line 1: a NUL byte"),
        ("v.jsonl", '{"item": 1, "worker": "a", "label": "x"}\n{"item": 1\n', "line 2: not valid JSON"),
        ("v.jsonl", '{"item": 1, "worker": "a", "label": "x"}\n[1]\n', "line 2: needs an object"),
        ("v.jsonl", '\n{"item": 1, "worker": "a", "label": "x"}\n\n{"item": null, "worker": "a", "label": "y"}\n',
         "line 4: the item is empty"),
        ("v.jsonl", "\n", "is empty"),
        ("v.json", "[]", "has no column"),
        ("v.json", "3", "needs a list of objects"),
        ("v.json", "[1, 2]", "row 1: needs an object"),
        ("v.json", "[1, 2", "not valid JSON"),
        ("v.json", "[" * 100_000, "cannot be read|not valid JSON"),
        ("v.parquet", b"PAR1 nonsense PAR1", "not a readable parquet file"),
        ("v.arrow", b"nonsense", "not a readable arrow file"),
        ("v.npy", b"nonsense", "not a readable npy file"),
        ("v.csv.gz", b"nonsense", "cannot be read"),
        ("v.xlsx", b"PK", "`.xlsx` is an unknown format"),
        ("v.parquet.gz", b"PK", "`.parquet` is an unknown format"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OutgrowError, match=message) as caught:
        read_votes(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    (tmp_path / "votes.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"there is no such file; did you mean `votes.csv`"):
        read_votes(tmp_path / "vote.csv")


def test_an_unknown_class_is_named_with_its_line(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text(GOOD + "3,a,X\n")
    with pytest.raises(DataError, match=r"line 5: the label `X` is not a class; known: `x`, `y`|did you mean `x`"):
        read_votes(path, classes=["x", "y"])
    assert read_votes(path, classes=["x", "y", "X"]).n_votes == 4
    apart = read_votes(path, classes=["x", "y", "X"])
    assert any("differ only in case or white space: `X`, `x`" in note for note in apart.notes)


@pytest.mark.parametrize("classes", [["x"], ["x", "x"], []])
def test_classes_must_be_two_or_more(classes):
    with pytest.raises(ConfigError, match="`classes` must name two or more"):
        read_votes(pd.DataFrame({"item": [1], "worker": ["a"], "label": ["x"]}), classes=classes)


def test_equal_votes_are_counted_once_and_told():
    rows = {"item": [1, 1, 2, 1], "worker": ["a", "a", "a", "a"], "label": ["x", "x", "y", "x"]}
    table = read_votes(pd.DataFrame(rows))
    assert table.n_votes == 2
    assert "2 votes repeat another of the same source on the same item: left out." in table.notes
    assert any("one source" in note for note in table.notes)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.asarray([[0.5, 1]]), "row 0, source `0`: 0.5 is not a class number"),
        (np.asarray([[0, 1], [-2, 1]]), "row 1, source `0`: -2 is not a class number"),
        (np.asarray([[0, np.inf]]), "row 0, source `1`: inf is not a class number"),
        (np.asarray([[0, 2**60]]), "is not a class number"),
        (np.asarray([["a", "b"]]), "votes are numbers"),
        (np.asarray([0, 1]), r"an array of shape \(2,\)"),
        (np.zeros((0, 3)), r"an array of shape \(0, 3\)"),
        (np.full((2, 3), -1), "6 rows and no vote"),
    ],
)
def test_a_bad_matrix_is_told(matrix, message):
    with pytest.raises(DataError, match=message):
        read_votes(matrix)


@pytest.mark.parametrize("thing", [3, {"a": 1}, [1, 2], None, b"votes"])
def test_what_is_no_table_is_told(thing):
    with pytest.raises(ConfigError, match="is not a table"):
        read_votes(thing)


def test_gold_that_fits_nothing_shows_both(tmp_path):
    votes = pd.DataFrame({"item": ["q1", "q2"], "worker": ["a", "a"], "label": ["x", "y"]})
    with pytest.raises(DataError, match=r"such as `1`, `2`.* such as `q1`, `q2`"):
        read_votes(votes, gold=pd.DataFrame({"item": [1, 2], "gold": ["x", "y"]}))
    with pytest.raises(ConfigError, match="gold has shape"):
        read_votes(votes, gold=np.zeros(3, int))
    with pytest.raises(DataError, match="row 2: gold of item `q1` is `y`"):
        read_votes(votes, gold=pd.DataFrame({"item": ["q1", "q1"], "gold": ["x", "y"]}))
    with pytest.raises(DataError, match="the true class `z` is not a class"):
        read_votes(votes, gold=pd.DataFrame({"item": ["q1"], "gold": ["z"]}), classes=["x", "y"])


def test_text_in_a_wide_table_is_no_source():
    rows = 60
    wide = pd.DataFrame(
        {"id": range(rows), "a": ["x", "y"] * (rows // 2), "said": [f"words {at}" for at in range(rows)]}
    )
    with pytest.raises(DataError, match=r"column `remark` contains values such as `words 0`, .* with `ignore=remark`"):
        read_votes(wide.rename(columns={"said": "remark"}))


def test_every_option_that_a_table_of_scores_is_sent_to_leads_on():
    rng = np.random.default_rng(0)
    scores = pd.DataFrame({"id": range(40), **{name: rng.random(40).round(3) for name in ("one", "two")}})
    with pytest.raises(DataError, match="name the sources with `votes=one,two`"):
        read_votes(scores)
    with pytest.raises(DataError, match="scale=nominal"):
        read_votes(scores, columns=VoteColumns(votes=("one", "two")))
    assert read_votes(scores, columns=VoteColumns(votes=("one", "two"), scale="nominal")).n_votes == 80


def test_a_type_of_many_fields_is_shortened(tmp_path):
    columns = {name: {str(row): "x" for row in range(120)} for name in ("item", "worker", "label")}
    (tmp_path / "v.json").write_text(json.dumps(columns))
    with pytest.raises(DataError, match=r"column `item`: contains struct<0: string.*a text or a number") as told:
        read_votes(tmp_path / "v.json")
    assert len(str(told.value).replace(str(tmp_path), "")) < 250


def test_a_column_of_the_wrong_kind_is_told():
    rows = pd.DataFrame({"item": range(3000), "worker": "a", "label": [f"{at} is unlike all" for at in range(3000)]})
    with pytest.raises(DataError, match="3000 different labels"):
        read_votes(rows)
    with pytest.raises(DataError, match=r"row 1: .* has 2 labels"):
        read_votes(pd.DataFrame({"item": [1], "worker": ["a"], "label": [["x", "y"]]}))
    with pytest.raises(DataError, match="an infinite number"):
        read_votes(pd.DataFrame({"item": [1.0, np.inf], "worker": ["a", "a"], "label": ["x", "y"]}))


def test_delimiters_must_be_one_character(tmp_path):
    (tmp_path / "v.csv").write_text(GOOD)
    with pytest.raises(ConfigError, match="`delimiter` is one character"):
        read_votes(tmp_path / "v.csv", columns=VoteColumns(delimiter=",,"))
    with pytest.raises(ConfigError, match="`header` names 2 columns, but line 1 has 3 cells"):
        read_votes(tmp_path / "v.csv", columns=VoteColumns(header=("item", "label")))
