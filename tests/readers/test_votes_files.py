"""Whatever format the same votes come in, the same `VoteTable` comes out."""

import gzip
import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawn_seeds import SEEDS
from outgrow.combiners.votes import Votes
from outgrow.config.votes import VoteColumns
from outgrow.readers.read_votes import read_votes

DATA = Path(__file__).parents[3] / "shared" / "data"


def drawn(seed, n_items=40, n_sources=6, n_classes=3):
    """Votes in a random order with gaps, and gold of some items."""
    draw = np.random.default_rng(seed)
    names = [f"class {number}" for number in range(n_classes)]
    truth = [names[number] if draw.random() < 0.6 else None for number in draw.integers(n_classes, size=n_items)]
    rows = [
        {
            "item": f"ü{item}",
            "worker": f"w,{source}",
            "label": None if draw.random() < 0.1 else names[draw.integers(n_classes)],
            "seconds": round(float(draw.uniform(0, 9)), 3),
            "gold": truth[item],
        }
        for item in range(n_items)
        for source in range(n_sources)
        if draw.random() < 0.7
    ]
    draw.shuffle(rows)
    return rows


def as_rows(table):
    """A `VoteTable` as a set of plain rows: what it says, whatever its numbers."""
    seconds = [None] * table.n_votes if table.seconds is None else table.seconds.tolist()
    gold = [None if number < 0 else table.classes[number] for number in table.gold.tolist()]
    return {
        (table.items[i], table.sources[s], table.classes[c], took, gold[i])
        for i, s, c, took in zip(
            table.item.tolist(), table.source.tolist(), table.label.tolist(), seconds, strict=True
        )
    }


def same(one, other):
    parts = ("items", "sources", "classes")
    arrays = ("item", "source", "label", "gold", "seconds", "probs")
    for part in parts:
        assert getattr(one, part) == getattr(other, part), part
    for part in arrays:
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def write_all(rows, folder):
    """The same rows in every format."""
    frame = pd.DataFrame(rows)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, folder / "votes.parquet")
    with pa.ipc.new_file(folder / "votes.arrow", table.schema) as writer:
        writer.write_table(table)
    frame.to_csv(folder / "votes.csv", index=False)
    frame.to_csv(folder / "bom.csv", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    frame.to_csv(folder / "votes.tsv", index=False, sep="\t")
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "votes.jsonl").write_text(lines + "\n", encoding="utf-8")
    (folder / "lines.json").write_text(lines, encoding="utf-8")
    (folder / "list.json").write_text(json.dumps(rows), encoding="utf-8")
    for name in ("votes.csv", "votes.jsonl"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    return sorted(folder.iterdir())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_format_and_every_kind_of_table_says_the_same(tmp_path, seed):
    rows = drawn(seed)
    expected = {
        (row["item"], row["worker"], row["label"], row["seconds"], row["gold"]) for row in rows if row["label"]
    }
    files = write_all(rows, tmp_path)
    assert len(files) == 10
    first = read_votes(files[0])
    assert as_rows(first) == expected
    assert first.items == list(dict.fromkeys(row["item"] for row in rows))
    assert first.sources == tuple(dict.fromkeys(row["worker"] for row in rows))
    for source in (*files[1:], str(files[0]), pd.DataFrame(rows), pa.Table.from_pylist(rows)):
        same(read_votes(source), first)
    same(read_votes(datasets.Dataset.from_list(rows)), first)


@pytest.mark.parametrize("seed", SEEDS)
def test_wide_and_long_say_the_same(tmp_path, seed):
    rows = [{**row, "seconds": 1.0} for row in drawn(seed)]
    long = read_votes(pd.DataFrame(rows).drop(columns="seconds"))
    wide = pd.DataFrame(rows).pivot(index="item", columns="worker", values="label").reset_index()
    wide["gold"] = wide["item"].map({row["item"]: row["gold"] for row in rows})
    wide["text"] = "anything, at all"
    wide.to_csv(tmp_path / "wide.csv", index=False)
    for source in (tmp_path / "wide.csv", wide):
        table = read_votes(source)
        assert as_rows(table) == as_rows(long)
        assert set(table.sources) == set(long.sources)
        assert "left out: `text`" in table.notes[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_matrix_is_read_from_memory_and_from_files(tmp_path, seed):
    draw = np.random.default_rng(seed)
    matrix = draw.integers(-1, 3, size=(30, 4))
    matrix[:3, 0] = [0, 1, 2]
    table = read_votes(matrix)
    np.testing.assert_array_equal(table.dense(), matrix)
    assert table.classes == ("0", "1", "2")
    assert table.items == [str(row) for row in range(30)]
    np.save(tmp_path / "m.npy", matrix)
    same(read_votes(tmp_path / "m.npy"), table)
    same(read_votes(np.where(matrix < 0, np.nan, matrix)), table)
    np.savetxt(tmp_path / "m.csv", matrix, fmt="%d", delimiter=",")
    same(read_votes(tmp_path / "m.csv", columns=VoteColumns(layout="matrix")), table)
    named = pd.DataFrame(matrix, columns=list("abcd"))
    assert read_votes(named, columns=VoteColumns(layout="matrix")).sources == ("a", "b", "c", "d")
    gold = draw.integers(-1, 3, size=30)
    np.testing.assert_array_equal(read_votes(matrix, gold=gold, classes=list("xyz")).gold, gold)
    assert read_votes(matrix, classes=list("xyz")).classes == ("x", "y", "z")
    np.testing.assert_array_equal(read_votes(matrix, classes=list("xyz")).label, table.label)


def test_class_numbers_given_in_another_order_are_names():
    table = read_votes(np.asarray([[0, 1], [1, -1]]), classes=["1", "0"])
    np.testing.assert_array_equal(table.dense(), [[1, 0], [0, -1]])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_rows_changes_numbers_only(seed):
    rows = drawn(seed)
    turned = [rows[at] for at in np.random.default_rng(seed + 1).permutation(len(rows)).tolist()]
    one, other = read_votes(pa.Table.from_pylist(rows)), read_votes(pa.Table.from_pylist(turned))
    assert as_rows(one) == as_rows(other)
    assert one.classes == other.classes
    assert set(one.items) == set(other.items)


def test_ids_match_whatever_type_they_have(tmp_path):
    (tmp_path / "votes.csv").write_text("item,worker,label\n7,a,x\n8,a,y\n9,b,x\n")
    (tmp_path / "floats.csv").write_text("item,worker,label\n7.0,a,x\n8.0,a,y\n9.0,b,x\n")
    numbers = pd.DataFrame({"item": [9, 7], "gold": ["y", "x"]})
    gold = [numbers, numbers.astype({"item": float}), numbers.astype({"item": str})]
    for votes in ("votes.csv", "floats.csv"):
        for truth in gold:
            table = read_votes(tmp_path / votes, gold=truth)
            assert table.items == ["7", "8", "9"]
            assert table.gold.tolist() == [0, -1, 1]


def test_gold_of_items_without_votes_is_told():
    votes = pd.DataFrame({"item": [1, 2], "worker": ["a", "a"], "label": ["x", "y"]})
    gold = pd.DataFrame({"id": [1, 5, 6], "label": ["x", "x", "x"]})
    table = read_votes(votes, gold=gold)
    assert table.gold.tolist() == [0, -1]
    assert any("that have no votes: 2 of 3" in note for note in table.notes)


def test_numeric_labels_sort_as_numbers_and_keep_their_look():
    rows = pd.DataFrame({"item": range(4), "worker": "a", "label": [10, 2, np.nan, 1]})
    assert read_votes(rows).classes == ("1", "2", "10")
    assert read_votes(rows.assign(label=["10", "b", "2", "a"])).classes == ("2", "10", "a", "b")


def test_a_data_set_keeps_the_names_of_its_classes():
    features = datasets.Features(
        {
            "item": datasets.Value("int64"),
            "worker": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["no", "yes"]),
        }
    )
    rows = {"item": [1, 2, 3], "worker": ["a"] * 3, "label": [1, 0, -1]}
    table = read_votes(datasets.Dataset.from_dict(rows, features=features))
    assert table.classes == ("no", "yes")
    assert table.label.tolist() == [1, 0]
    assert len(table.items) == 3


def test_json_lines_may_mix_types_and_hold_long_lines(tmp_path):
    path = tmp_path / "votes.jsonl"
    rows = [{"item": 7, "worker": "a", "label": 1}, {"item": "7", "worker": "b", "label": "0"}]
    rows.append({"item": "2021-01-01", "worker": "b", "label": "0", "text": "x" * 10_000_000})
    path.write_text("\n".join(json.dumps(row) for row in rows))
    table = read_votes(path)
    assert table.items == ["7", "2021-01-01"]
    assert table.n_votes == 3
    assert "left out: `text`" in table.notes[0]


def test_csv_may_hold_quoted_lines_and_long_cells(tmp_path):
    path = tmp_path / "votes.csv"
    long = "y\n" * 9_000_000
    path.write_text(f'item,worker,label,comment\n"a\nb",w,"x, ""y""","{long}"\nc,w,z,5" wide\n')
    table = read_votes(path)
    assert table.items == ["a\nb", "c"]
    assert table.classes == ('x, "y"', "z")


def test_a_table_of_votes_reads_its_own_arrow_table():
    rows = drawn(SEEDS[0])
    table = read_votes(pa.Table.from_pylist(rows))
    again = read_votes(table.to_arrow(), classes=table.classes)
    assert as_rows(again) == as_rows(table)


@pytest.mark.parametrize(("name", "shape"), [("SP", (4999, 203, 2, 27746)), ("CF_amt", (300, 110, 5, 6025))])
def test_real_crowds(name, shape):
    path = DATA / "crowd" / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"needs the development data {path}")
    names = ("worker", "item", "label", "gold", "seconds")
    table = read_votes(path, columns=VoteColumns(header=names[: 5 if name == "CF_amt" else 4]))
    assert (len(table.items), len(table.sources), table.n_classes, table.n_votes) == shape
    frame = pd.read_csv(path, header=None, dtype=str).iloc[:, :4]
    right = (frame[2] == frame[3]).groupby(frame[0]).size()
    assert dict(zip(table.sources, table.n_per_source.tolist(), strict=True)).keys() == right.to_dict().keys()
    known = table.gold[table.item] == table.label
    assert known.mean() == pytest.approx((frame.drop_duplicates([0, 1])[2] == frame.drop_duplicates([0, 1])[3]).mean())
    assert isinstance(Votes.of_table(table), Votes)


def test_real_labelling_functions():
    path = DATA / "youtube" / "train.json"
    if not path.is_file():
        pytest.skip(f"needs the development data {path}")
    table = read_votes(path, classes=["HAM", "SPAM"])
    raw = list(json.loads(path.read_text()).values())
    np.testing.assert_array_equal(table.dense(), [row["weak_labels"] for row in raw])
    assert table.gold.tolist() == [row["label"] for row in raw]
    assert table.classes == ("HAM", "SPAM")
