"""Files whose cells are separated by semicolons or tabs, as votes, as gold and as items."""

import csv
import gzip
import io

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import DataError
from outgrow.readers.open_table import read_columns, read_table
from outgrow.readers.read_votes import read_votes

SIGNS = [";", "\t"]
TOLD = {";": "Cells are separated by `;`.", "\t": "Cells are separated by a tab."}


def written(rows, delimiter=",", quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    return text.getvalue()


def votes_and_gold():
    """A row per vote, and a row per item, of awkward names."""
    draw = np.random.default_rng(SEEDS[0])
    items = [f"item {at}; a,b\tc" for at in range(9)]
    classes = ["yes, sir", "no; sir", "a\tb"]
    votes = [[item, source, classes[draw.integers(3)]] for item in items for source in ("ada", "ben")]
    votes[:3] = [[items[0], f"s{at}", label] for at, label in enumerate(classes)]
    return [["item", "worker", "label"], *votes], [["item", "gold"], *([item, classes[0]] for item in items)]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\n\r\n"])
def test_votes_and_gold_are_the_same_whatever_separates_them(tmp_path, sign, quoting, mark):
    votes, gold = votes_and_gold()
    (tmp_path / "commas.csv").write_text(written(votes), encoding="utf-8", newline="")
    (tmp_path / "signs.csv").write_text(mark + written(votes, sign, quoting), encoding="utf-8", newline="")
    (tmp_path / "signs.csv.gz").write_bytes(gzip.compress(written(votes, sign).encode()))
    (tmp_path / "gold.csv").write_text(written(gold), encoding="utf-8", newline="")
    (tmp_path / "gold_signs.csv").write_text(mark + written(gold, sign, quoting), encoding="utf-8", newline="")
    expected = read_votes(tmp_path / "commas.csv", gold=tmp_path / "gold.csv")
    for name in ("commas.csv", "signs.csv", "signs.csv.gz"):
        for truth in ("gold.csv", "gold_signs.csv"):
            table = read_votes(tmp_path / name, gold=tmp_path / truth)
            assert (table.items, table.sources, table.classes) == (expected.items, expected.sources, expected.classes)
            for part in ("item", "source", "label", "gold"):
                np.testing.assert_array_equal(getattr(table, part), getattr(expected, part))
            assert (TOLD[sign] in table.notes) == (name != "commas.csv")


def test_the_delimiter_of_the_votes_is_not_that_of_the_gold(tmp_path):
    votes, gold = votes_and_gold()
    (tmp_path / "v.csv").write_text(written(votes, "|"), encoding="utf-8", newline="")
    for sign in (",", *SIGNS):
        (tmp_path / "g.csv").write_text(written(gold, sign), encoding="utf-8", newline="")
        table = read_votes(tmp_path / "v.csv", columns=VoteColumns(delimiter="|"), gold=tmp_path / "g.csv")
        assert (table.gold >= 0).all()
        assert not any(note.startswith("Cells are") for note in table.notes)


def test_a_delimiter_that_is_named_wins(tmp_path):
    (tmp_path / "v.csv").write_text("item,x;worker;label\n1,1;a;x\n2,5;a;y\n")
    assert read_votes(tmp_path / "v.csv", columns=VoteColumns(delimiter=";", item="item,x")).items == ["1,1", "2,5"]
    (tmp_path / "v.csv").write_text("item;worker;label\n1;a;x\n2;a;y\n")
    with pytest.raises(DataError, match="separated by a semicolon: give `delimiter=';'`"):
        read_votes(tmp_path / "v.csv", columns=VoteColumns(delimiter=","))


@pytest.mark.parametrize("sign", SIGNS)
def test_rows_without_a_header_are_separated_too(tmp_path, sign):
    draw = np.random.default_rng(SEEDS[0])
    matrix = draw.integers(0, 3, size=(20, 4))
    np.savetxt(tmp_path / "m.csv", matrix, fmt="%d", delimiter=sign)
    table = read_votes(tmp_path / "m.csv", columns=VoteColumns(layout="matrix"), classes=[0, 1, 2])
    np.testing.assert_array_equal(table.label.reshape(20, 4), matrix)
    (tmp_path / "v.csv").write_text(written([["1", "a", "x"], ["2", "a", "y"]], sign))
    assert read_votes(tmp_path / "v.csv", columns=VoteColumns(header=("item", "source", "label"))).n_votes == 2


@pytest.mark.parametrize("sign", SIGNS)
def test_items_are_read_whatever_separates_them(tmp_path, sign):
    rows = [["id", "text", "remark"], ["1", "a, b; c\td", 'says "no"'], ["2", "two\nlines", ""]]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        (tmp_path / "items.csv").write_text("\n" + written(rows, sign, quoting), encoding="utf-8", newline="")
        table = read_table(tmp_path / "items.csv")
        assert [list(row.values()) for row in table.rows] == rows[1:]
        assert table.columns == rows[0]
        assert [table.place(row).rpartition(" ")[2] for row in (0, 1)] == ["3", "4"]
    (tmp_path / "items.csv").write_text(written(rows, sign), encoding="utf-8", newline="")
    assert read_columns(tmp_path / "items.csv").columns == rows[0]
    (tmp_path / "items.csv").write_text(written([*rows, ["3"]], sign), encoding="utf-8", newline="")
    with pytest.raises(DataError, match=r"1 cell for 3 columns; cells are separated by a"):
        _ = read_table(tmp_path / "items.csv").rows


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("text\na; b\n", ["text"]),
        ('"first; last"\nada\n', ["first; last"]),
        ('"a\tb"\nada; x\n', ["a\tb"]),
        ('"a ""so; called"" b"\nada\n', ['a "so; called" b']),
        ('"a,b";c\n1;2\n', ["a,b", "c"]),
        ('"a;b",c\n1,2\n', ["a;b", "c"]),
        ('"a\n;b"\n1\n', ["a\n;b"]),
        ("a;b,c\n1,2\n", ["a;b", "c"]),
        ('5" disk;label\n1;x\n', ['5" disk', "label"]),
        ("a;b\tc\td\n1\t2\t3\n", ["a;b", "c", "d"]),
        ("\tindex\n1\t2\n", ["", "index"]),
    ],
)
def test_only_what_stands_outside_quotes_separates(tmp_path, text, columns):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8", newline="")
    assert read_table(tmp_path / "x.csv").columns == columns
