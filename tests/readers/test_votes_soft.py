"""Soft votes: distributions in every shape, confidences, and what does not sum to one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import read_votes

NAMES = ("ham", "maybe", "spam")


def drawn(seed, n=30):
    draw = np.random.default_rng(seed)
    probs = draw.dirichlet(np.ones(len(NAMES)), size=n)
    probs[draw.random(n) < 0.2] = np.nan
    probs[0] = [0.2, 0.3, 0.5]
    return {"item": list(range(n)), "worker": [f"w{at % 3}" for at in range(n)]}, probs


@pytest.mark.parametrize("seed", SEEDS)
def test_every_shape_of_distributions_says_the_same(tmp_path, seed):
    rows, probs = drawn(seed)
    said = ~np.isnan(probs[:, 0])
    lists = [row.tolist() if there else None for row, there in zip(probs, said, strict=True)]
    mappings = [None if row is None else dict(zip(NAMES, row, strict=True)) for row in lists]
    columns = {f"p_{name}": probs[:, at] for at, name in enumerate(NAMES)}
    jsons = [None if row is None else json.dumps(row) for row in mappings]
    pd.DataFrame({**rows, **columns}).to_csv(tmp_path / "columns.csv", index=False)
    pd.DataFrame({**rows, "probs": jsons}).to_csv(tmp_path / "mappings.csv", index=False)
    mixed = [
        json.dumps({**{key: cells[at] for key, cells in rows.items()}, "probs": mappings[at]}) for at in range(30)
    ]
    (tmp_path / "mappings.jsonl").write_text("\n".join(mixed))
    sources = [
        pd.DataFrame({**rows, **columns}),
        pa.table({**rows, "probability": lists}),
        pa.table({**rows, "probability": pa.array(lists, pa.list_(pa.float64(), 3))}),
        pa.table({**rows, "distribution": mappings}),
        pd.DataFrame({**rows, "probs": [None if row is None else json.dumps(row) for row in lists]}),
        *(tmp_path / name for name in ("columns.csv", "mappings.csv", "mappings.jsonl")),
    ]
    for source in sources:
        table = read_votes(source, classes=NAMES)
        np.testing.assert_allclose(table.probs, probs[said], atol=1e-12)
        np.testing.assert_array_equal(table.label, probs[said].argmax(axis=1))
        np.testing.assert_array_equal(table.item, np.flatnonzero(said))
        assert len(table.items) == 30


def test_lists_without_names_are_of_numbered_classes_only():
    rows = pa.table({"item": [1, 2], "worker": ["a", "a"], "probs": [[0.2, 0.8], [1.0, 0.0]]})
    assert read_votes(rows).classes == ("0", "1")
    with pytest.raises(ConfigError, match="give `classes` in the order of the lists"):
        read_votes(rows.append_column("label", [["x", "y"]]))
    with pytest.raises(ConfigError, match="3 classes are given, but distributions have 2"):
        read_votes(rows, classes=NAMES)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_confidence_is_what_the_class_said_gets(seed):
    draw = np.random.default_rng(seed)
    labels, sure = draw.integers(3, size=20), draw.uniform(0.34, 1, size=20)
    labels[:3] = [0, 1, 2]
    sure[0] = np.nan
    rows = pd.DataFrame({"item": range(20), "worker": "a", "label": [NAMES[at] for at in labels], "confidence": sure})
    table = read_votes(rows)
    expected = np.empty((20, 3))
    for row, (label, p) in enumerate(zip(labels, np.nan_to_num(sure, nan=1.0), strict=True)):
        expected[row] = [p if at == label else (1 - p) / 2 for at in range(3)]
    np.testing.assert_allclose(table.probs, expected, atol=1e-12)
    np.testing.assert_array_equal(table.label, labels)
    assert read_votes(rows.rename(columns={"confidence": "probability"})).probs.tolist() == table.probs.tolist()


def test_hard_votes_and_distributions_may_stand_together():
    rows = {"item": [1, 2, 3], "worker": "a", "label": ["ham", "spam", "ham"]}
    rows |= {"p_ham": [np.nan, 0.1, 0.2], "p_spam": [np.nan, 0.9, 0.8]}
    table = read_votes(pd.DataFrame(rows))
    assert table.probs.tolist() == [[1, 0], [0.1, 0.9], [0.2, 0.8]]
    assert table.label.tolist() == [0, 1, 1]
    assert any(note.startswith("1 vote gives another class a higher probability") for note in table.notes)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_array_of_distributions(seed):
    draw = np.random.default_rng(seed)
    probs = draw.dirichlet(np.ones(4), size=(10, 3))
    probs[draw.random((10, 3)) < 0.3] = 0
    probs[0, 0] = [1, 0, 0, 0]
    np.testing.assert_allclose(read_votes(probs).dense(), probs, atol=1e-12)


def test_wide_tables_of_distributions():
    a, b = [[0.5, 0.5], [1.0, 0.0]], [None, [0.25, 0.75]]
    table = read_votes(pa.table({"id": [1, 2], "a": a, "b": b}), classes=["x", "y"])
    assert table.dense().tolist() == [[[0.5, 0.5], [0, 0]], [[1, 0], [0.25, 0.75]]]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_does_not_sum_to_one_is_told_and_repaired_only_when_asked(seed):
    rows, probs = drawn(seed)
    probs = np.nan_to_num(probs, nan=1 / 3)
    bad = int(np.random.default_rng(seed).integers(30))
    probs[bad] *= 1.3
    frame = pd.DataFrame({**rows, **{f"p_{name}": probs[:, at] for at, name in enumerate(NAMES)}})
    with pytest.raises(DataError, match=rf"row {bad + 1}: the probabilities sum to 1.3, not to 1; .*renormalise"):
        read_votes(frame)
    table = read_votes(frame, renormalise=True)
    np.testing.assert_allclose(table.probs, probs / probs.sum(axis=1, keepdims=True), atol=1e-12)
    assert any(note.startswith("The probabilities of 1 vote did not sum to 1") for note in table.notes)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"p_a": [0.5, -0.5], "p_b": [0.5, 1.5]}, "row 2: -0.5 is not a probability"),
        ({"p_a": [0.5, np.nan], "p_b": [0.5, 1.0]}, "row 2: some of the probabilities are missing"),
        ({"p_a": [0.5, np.inf], "p_b": [0.5, 0]}, "row 2: an infinite number in column `p_a`"),
        (
            {"p_a": ["0.5", "0,5"], "p_b": [0.5, 0.5]},
            "row 2: `0,5` in column `p_a` is not a number; decimals need a point",
        ),
        ({"probs": ["[0.5, 0.5]", "[0.5, 0.5"]}, "row 2: `.0.5, 0.5` in column `probs`"),
        ({"probs": ["[0.5, 0.5]", "[1]"]}, "row 2: column `probs` has 1 number, other rows have 2"),
        ({"probs": ["[0.5, null]", "[1, 0]"]}, "row 1: a probability is missing"),
        ({"label": ["x", "y"], "confidence": [0.9, 80]}, "row 2: a confidence of 80; .*divide it by 100"),
        ({"label": ["x", "y"], "confidence": ["high", 1]}, "row 1: `high` in column `confidence` is not a number"),
        ({"probs": [[0.0, 0.0], [1.0, 0.0]]}, "row 1: the probabilities sum to 0, not to 1"),
    ],
)
def test_bad_probabilities_are_named_with_their_row(cells, message):
    with pytest.raises(DataError, match=message):
        read_votes(pd.DataFrame({"item": [1, 2], "worker": ["a", "b"], **cells}))


def test_probability_columns_may_be_named():
    rows = pd.DataFrame({"item": [1, 2], "worker": ["a", "b"], "yes": [0.9, 0.1], "no": [0.1, 0.9]})
    table = read_votes(rows, columns=VoteColumns(probability=("yes", "no")))
    assert table.classes == ("no", "yes")
    assert table.label.tolist() == [1, 0]
    with pytest.raises(DataError, match="`yes` has probabilities and is not a class"):
        read_votes(rows, columns=VoteColumns(probability=("yes", "no")), classes=["no", "maybe"])


def test_confidences_with_a_percent_sign_are_percentages(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("item,worker,label,confidence\n0,a,yes,80%\n1,a,no,5 %\n2,a,no,\n")
    table = read_votes(path)
    assert table.probs is not None
    assert table.probs[np.arange(2), table.label[:2]] == pytest.approx([0.8, 0.95]), "5 % for no is 95 % for yes"
    assert any("percentages" in note for note in table.notes)
    path.write_text("item,worker,label,confidence\n0,a,yes,80%\n1,a,no,0.5\n")
    with pytest.raises(DataError, match="80%"):
        read_votes(path)


def test_empty_rows_are_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("item,worker,label\n0,a,yes\n,,\n1,a,no\n,,\n")
    table = read_votes(path)
    assert (table.items, table.n_votes) == (["0", "1"], 2)
    assert any("Empty rows" in note and "line 3 and 1 more" in note for note in table.notes)
    path.write_text("ann,ben\nx,y\n,\ny,y\n")
    sheet = read_votes(path, columns=VoteColumns(layout="wide"))
    assert (len(sheet.items), sheet.item.tolist()) == (3, [0, 0, 2, 2]), "without ids an item is the number of its row"
    path.write_text("item,worker,label\n0,a,yes\n,b,no\n")
    with pytest.raises(DataError, match="the item is empty"):
        read_votes(path)
