"""What a header is taken for, and that nothing is guessed where it does not tell."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import number_twice
from outgrow.readers.read_votes import read_votes

CELLS = {"item": [1, 1, 2], "source": ["a", "b", "a"], "label": ["x", "y", "y"]}


def frame(**names):
    return pd.DataFrame({names.get(part, part): cells for part, cells in CELLS.items()})


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"item": "Task ID", "source": "WorkerId", "label": "Answer"},
        {"item": "example-id", "source": "annotator", "label": "response"},
        {"item": "id", "source": "model", "label": "prediction"},
        {"item": "hit.id", "source": "user", "label": "value"},
    ],
)
def test_usual_names_are_known(names):
    table = read_votes(frame(**names))
    assert table.n_votes == 3
    assert all(f"`{name}`" in table.notes[0] for name in names.values())


def test_named_columns_win():
    odd = frame(item="a", source="b", label="c").assign(item="nonsense", label=["z", "z", "z"])
    table = read_votes(odd, columns=VoteColumns(item="a", source="b", label="c"))
    assert table.items == ["1", "2"]
    assert table.classes == ("x", "y")


def test_an_id_beside_an_item_is_left_out():
    table = read_votes(frame().assign(id=[5, 6, 7]))
    assert table.items == ["1", "2"]
    assert "left out: `id`" in table.notes[0]


def test_wide_columns_may_be_named_or_ignored():
    wide = pd.DataFrame({"id": [1, 2], "a": ["x", "y"], "b": ["y", None], "city": ["Rome", "Oslo"]})
    assert read_votes(wide, columns=VoteColumns(votes=("b", "a"))).sources == ("b", "a")
    assert read_votes(wide, columns=VoteColumns(ignore=("city",))).sources == ("a", "b")
    assert read_votes(wide.rename(columns={"city": "seconds"})).sources == ("a", "b")
    without = wide.drop(columns=["id", "city"])
    table = read_votes(without, columns=VoteColumns(layout="wide"))
    assert table.items == ["0", "1"]


def test_two_spellings_of_one_number_are_noted():
    rows = {"item": ["7", "7.0", "a", "007"], "source": ["1", "1.0", "b", "b"], "label": ["2", "2", "2.0", "x"]}
    table = read_votes(pd.DataFrame(rows))
    assert len(table.items) == 4
    told = [note for note in table.notes if "two spellings of one number" in note]
    pairs = ("items `7` and `7.0`", "sources `1` and `1.0`", "classes `2` and `2.0`")
    assert [pair in note for pair, note in zip(pairs, told, strict=True)] == [True] * 3
    assert "(3 such names)" in told[0]
    rows |= {"source": list("abcd"), "label": list("xyzx")}
    for fine in ([7.0, 8.0, 9.0, 7.5], ["7.0", "8.0", "9.00", "10.0"], ["7", "08", "a", "7.5"]):
        notes = read_votes(pd.DataFrame({**rows, "item": fine})).notes
        assert not any("two spellings" in note for note in notes)


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_compared_digit_by_digit(seed):
    rng = np.random.default_rng(seed)
    small = [
        f"{sign}{number}{end}" for sign in ("", "-", "+") for number in range(5) for end in ("", ".0", "e0", ".5")
    ]
    large = [f"{2**62 + number}{end}" for number in rng.integers(4, size=6) for end in ("", ".0")]
    drawn = [*dict.fromkeys(rng.permutation([*small, *large, "x", "1.2.3", "e5", "9" * 60])[:14].tolist())]
    of_number = {}
    for name in drawn:
        if not name.startswith(("x", "1.2.3", "e5", "9")):
            of_number.setdefault(Fraction(name), []).append(name)
    several = [names for names in of_number.values() if len(names) > 1]
    found = number_twice(drawn)
    assert (found is None) == (not several)
    if found is not None:
        assert [found.first, found.second] in [names[:2] for names in several]
        assert found.n_names == sum(map(len, several))


def test_a_class_that_only_gold_names_is_told():
    rows = frame().assign(gold=["x", "x", "z"])
    assert "Classes of gold without votes: `z`." in read_votes(rows).notes
    soft = frame().drop(columns="label").assign(probs=[{"x": 0.7, "y": 0.2, "z": 0.1}] * 3, gold=["x", "x", "z"])
    assert not any("Classes of gold" in note for note in read_votes(soft).notes)
    assert not any("Classes of gold" in note for note in read_votes(frame(), classes=["x", "y", "z"]).notes)


def test_a_wide_source_that_never_votes_is_kept_and_told():
    table = read_votes(pd.DataFrame({"id": [1, 2, 3], "a": ["x", "y", ""], "b": [None, None, None]}))
    assert table.sources == ("a", "b")
    assert table.n_per_source.tolist() == [2, 0]
    assert "Sources without votes: `b`." in table.notes
    assert "1 of 3 items has no vote." in table.notes


def test_abstentions_are_no_votes_but_their_items_stay():
    rows = frame().assign(label=["x", "skip", "y"])
    table = read_votes(rows, columns=VoteColumns(abstain=("skip",)))
    assert table.n_votes == 2
    assert table.sources == ("a", "b")
    assert table.classes == ("x", "y")


def test_minus_one_must_be_explained_outside_of_a_matrix():
    rows = frame().assign(label=[0, -1, 1])
    with pytest.raises(DataError, match=r"row 2.*is `-1` a class, or no vote"):
        read_votes(rows)
    assert read_votes(rows, columns=VoteColumns(abstain=())).classes == ("-1", "0", "1")
    assert read_votes(rows, columns=VoteColumns(abstain=("-1",))).n_votes == 2
    assert read_votes(rows, classes=[-1, 0, 1]).n_votes == 3
    with pytest.raises(DataError, match="if it means no vote"):
        read_votes(rows, classes=[0, 1])


def test_a_class_that_other_programs_write_for_nothing_is_told():
    rows = pd.DataFrame({"item": range(4), "worker": "a", "label": ["x", "N/A", "none", "y"]})
    told = "`N/A`, `none` are classes here; `abstain=['N/A', 'none']` if there is no vote where they stand."
    assert told in read_votes(rows).notes
    assert told not in read_votes(rows, classes=["x", "y", "N/A", "none"]).notes
    kept, left_out = (read_votes(rows, columns=VoteColumns(abstain=one)) for one in ((), ("N/A", "none")))
    assert (kept.n_votes, left_out.n_votes) == (4, 2)
    assert not any("abstain" in note for note in (*kept.notes, *left_out.notes))


def test_a_file_without_header_is_named():
    assert read_votes(frame(), classes=["y", "x"]).label.tolist() == [1, 0, 0]


def test_header_and_delimiter_are_for_files_of_cells(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text("1;a;x\n1;b;y\n2;a;y\n")
    columns = VoteColumns(header=("item", "source", "label"), delimiter=";")
    assert read_votes(path, columns=columns).label.tolist() == [0, 1, 1]
    frame().to_parquet(tmp_path / "votes.parquet")
    with pytest.raises(ConfigError, match="`header` and `delimiter` are for"):
        read_votes(tmp_path / "votes.parquet", columns=columns)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"foo": [1], "bar": [2]}, "no column is known to be the source; there are `foo`, `bar`"),
        ({"item": [1], "label": ["x"]}, "to be the source"),
        ({"item": [1], "worker": ["x"]}, "to be the label"),
        ({"worker": ["a"], "label": ["x"]}, "to be the item"),
        ({"item": [1], "worker": ["a"], "user": ["b"], "label": ["x"]}, "both `worker`, `user` may be the source"),
        ({"item": [1], "text": ["b"]}, "to be the source"),
    ],
)
def test_a_header_that_does_not_tell_is_an_error(table, message):
    with pytest.raises(ConfigError, match=message):
        read_votes(pd.DataFrame(table))


@pytest.mark.parametrize("part", ["item", "source", "label", "gold", "probability", "ignore", "votes"])
def test_a_column_that_does_not_exist_is_told(part):
    value = ("lable",) if part in ("ignore", "votes") else "lable"
    with pytest.raises(ConfigError, match="there is no column `lable`; did you mean `label`"):
        read_votes(frame(), columns=VoteColumns(**{part: value}))


def test_sources_are_left_out_by_name() -> None:
    rows = pd.DataFrame({"item": [0, 0, 1, 1], "worker": ["a", "turker 8", "a", "turker 8"], "label": list("xyxx")})
    table = read_votes(rows, columns=VoteColumns(drop=("turker 8",)))
    assert (table.sources, table.n_votes) == (("a",), 2)
    assert any("`drop` leaves out: 2 of 4" in note for note in table.notes)
    with pytest.raises(DataError, match=r"drop.*`turker 9`.*did you mean `turker 8`"):
        read_votes(rows, columns=VoteColumns(drop=("turker 9",)))
    with pytest.raises(DataError, match="no vote is left"):
        read_votes(rows, columns=VoteColumns(drop=("a", "turker 8")))
