"""What is most likely no vote is asked, with the columns and the option that settles it; what is clear is read."""

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, OutgrowError
from outgrow.readers.read_votes import read_votes

GOOD = "item,worker,label\n1,a,x\n1,b,y\n2,a,y\n2,b,y\n"


def long(labels, n_workers=3):
    """One vote after another, item by item."""
    rows = range(len(labels))
    return pd.DataFrame(
        {
            "item": [row // n_workers for row in rows],
            "worker": [f"w{row % n_workers}" for row in rows],
            "label": labels,
        }
    )


@pytest.mark.parametrize(
    "second", ["item,worker,label", "\ufeffitem,worker,label", "Item, Worker,LABEL", '"item","worker","label"']
)
def test_a_second_header_is_left_out_and_told(tmp_path, second):
    path = tmp_path / "v.csv"
    path.write_text(GOOD + second + "\n3,a,x\n3,b,x\n")
    table = read_votes(path)
    assert table.items == ["1", "2", "3"]
    assert table.classes == ("x", "y")
    assert table.n_votes == 6
    assert any(f"headers were left out: {path}, line 6" in note for note in table.notes)
    path.write_text(GOOD + second + "\n3,a,x\n3,,x\n")
    with pytest.raises(DataError, match="line 8: a vote without a source"):
        read_votes(path)


@pytest.mark.parametrize("second", ["label,item,worker", "worker,item,label", "task_id,annotator,answer"])
def test_a_second_header_of_other_columns_is_an_error(tmp_path, second):
    path = tmp_path / "v.csv"
    path.write_text(GOOD + second + "\nx,3,a\n")
    with pytest.raises(DataError, match="line 6: a second header with other columns"):
        read_votes(path)


def test_rows_of_a_matrix_are_no_headers_though_its_columns_are_called_by_numbers(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("3,1,2,3\n1,2,0,-1\n0,1,2,3\n2,2,3,0\n")
    table = read_votes(path, columns=VoteColumns(layout="matrix"))
    assert table.dense().tolist() == [[3, 1, 2, 3], [1, 2, 0, -1], [0, 1, 2, 3], [2, 2, 3, 0]]


def test_a_second_header_among_numbers_and_in_a_wide_table(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("item,worker,label,confidence\n1,a,x,.9\n1,b,y,.8\nitem,worker,label,confidence\n2,a,x,.7\n")
    assert read_votes(path).n_votes == 3
    path.write_text("id,ann,bo\n1,x,y\n2,y,y\nid,ann,bo\n3,x,x\n4,y,x\n")
    assert read_votes(path).items == ["1", "2", "3", "4"]


WIDE = {"id": range(8), "ann": list("xyxyxyxy"), "bo": list("xxyyxxyy"), "cy": list("yxyxyxyx")}
STRANGE = {
    "annotated_at": ["2026-07-15T10:00:00Z"] * 8,
    "day": ["04/03/2024", "05/03/2024"] * 4,
    "field": ["tone"] * 8,
    "checked_by": ["ann", "", "bo", "", "", "ann", "", ""],
    "when": pd.to_datetime(["2024-03-04", "2024-03-05"] * 4),
    "epoch": range(1_700_000_000, 1_700_000_008),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_column_that_is_no_source_is_asked(name):
    wide = pd.DataFrame({**WIDE, name: STRANGE[name]})
    with pytest.raises(
        DataError, match=rf"column `{name}` contains .* leave it out with `ignore={name}`.*`votes=ann,bo,cy"
    ):
        read_votes(wide)
    assert read_votes(wide, columns=VoteColumns(ignore=(name,))).sources == ("ann", "bo", "cy")
    assert read_votes(wide, columns=VoteColumns(votes=("ann", "bo", "cy"))).n_votes == 24
    assert name in read_votes(wide, columns=VoteColumns(votes=("ann", name), scale="nominal")).sources


def test_rules_that_know_one_class_each_are_sources():
    wide = pd.DataFrame(
        {
            "id": range(8),
            "links": ["spam", *[""] * 7],
            "thanks": ["", "ham", "ham", *[""] * 5],
            "mad": [""] * 7 + ["odd"],
        }
    )
    assert read_votes(wide).sources == ("links", "thanks", "mad")


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_that_may_be_counts_of_votes_are_asked(seed):
    draw = np.random.default_rng(seed)
    classes = ["hate", "offensive", "neither"]
    counts = np.stack([draw.multinomial(7, draw.dirichlet(np.ones(3))) for _ in range(40)])
    wide = pd.DataFrame({"id": range(40), **dict(zip(classes, counts.T, strict=True))})
    listed = ",".join(classes)
    with pytest.raises(DataError, match=rf"`probability={listed}` with `--renormalise`.*`votes={listed}`"):
        read_votes(wide)
    table = read_votes(wide, columns=VoteColumns(probability=tuple(classes)), renormalise=True)
    assert table.probs is not None
    order = [list(table.classes).index(name) for name in classes]
    np.testing.assert_allclose(table.probs[:, order], counts / counts.sum(axis=1, keepdims=True))
    assert read_votes(wide, columns=VoteColumns(votes=tuple(classes))).sources == tuple(classes)


def scores(draw):
    return draw.integers(0, 101, size=300)


DOUBTFUL = {
    "scores up to 100": (scores, "scores on a scale"),
    "steps of five": (lambda draw: 5 * draw.integers(0, 21, size=300), "scores on a scale"),
    "fractions": (lambda draw: draw.random(300).round(3), "scores on a scale"),
    "preferences": (
        lambda draw: draw.choice([1.00021, 1.0, 1.5, 2.0, 1.9983], 300),
        "`1.00021`: scores|`1.9983`: scores",
    ),
    "dates": (lambda draw: [f"2024-03-{day:02d}" for day in draw.integers(1, 29, size=300)], "labels are dates"),
    "free answers": (lambda draw: [f"answer {number}" for number in draw.integers(0, 200, size=300)], "free answers"),
    "few free answers": (lambda draw: [f"answer {number}" for number in range(12)], "free answers"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", DOUBTFUL)
def test_labels_that_are_no_classes_are_asked(seed, kind):
    made, message = DOUBTFUL[kind]
    rows = long(made(np.random.default_rng(seed)))
    with pytest.raises(DataError, match=rf"({message}).*`scale=nominal`"):
        read_votes(rows)
    whole = read_votes(rows, columns=VoteColumns(scale="nominal"))
    assert whole.n_votes == len(rows)
    assert read_votes(rows, classes=whole.classes).label.tolist() == whole.label.tolist()
    wide = rows.pivot(index="item", columns="worker", values="label").reset_index()
    # Independent numbers may by chance be correlated as counts are: that is asked, too.
    with pytest.raises(DataError, match=f"{message}|which no other column has|counts of votes"):
        read_votes(wide)


def crowd(draw, n_classes, n_items, right=0.7):
    """Votes of three on items that have a class."""
    gold = np.repeat(draw.integers(n_classes, size=n_items), 3)
    return np.where(draw.random(3 * n_items) < right, gold, draw.integers(n_classes, size=3 * n_items))


CLEAR = {
    "two": lambda draw: draw.permutation([0, 1] * 5),
    "ratings": lambda draw: draw.integers(1, 6, size=30),
    "ratings up to ten": lambda draw: draw.integers(0, 11, size=60),
    "half steps": lambda draw: draw.integers(2, 11, size=60) / 2,
    "ties": lambda draw: draw.choice([1.0, 1.5, 2.0], 30),
    "a hundred classes": lambda draw: crowd(draw, 100, 300),
    "numbers of hospitals": lambda draw: np.asarray([101, 2050, 77, 4012])[draw.integers(4, size=30)],
    "eighty words": lambda draw: [f"word{number}" for number in crowd(draw, 80, 200)],
    "years": lambda draw: draw.integers(2019, 2024, size=30),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", CLEAR)
def test_classes_that_are_clear_are_read(seed, kind):
    labels = CLEAR[kind](np.random.default_rng(seed))
    assert read_votes(long(labels)).n_votes == len(labels)


def test_two_verdicts_on_two_turns_are_no_repeat():
    turns = pd.DataFrame(
        {"question_id": [1, 1, 2, 2, 3, 3], "turn": [1, 2] * 3, "judge": ["g"] * 6, "winner": list("aabbab")}
    )
    with pytest.raises(
        DataError, match=r"row 6: source `g` votes for two classes on item `3`.*`item=question_id,turn`"
    ):
        read_votes(turns)
    with pytest.raises(DataError, match=r"row 2: source `g` votes twice on item `1`.*they differ in `turn`"):
        read_votes(turns[:4])
    table = read_votes(turns, columns=VoteColumns(item="question_id,turn"))
    assert table.items == ["1,1", "1,2", "2,1", "2,2", "3,1", "3,2"]
    gold = pd.DataFrame({"question_id": [1, 1], "turn": [1, 2], "gold": ["a", "b"]})
    named = VoteColumns(item="question_id,turn")
    assert read_votes(turns, columns=named, gold=gold).gold.tolist() == [0, 1, -1, -1, -1, -1]
    with pytest.raises(OutgrowError, match="there is no column `question_id,trun`"):
        read_votes(turns, columns=VoteColumns(item="question_id,trun"))


def test_a_file_that_stands_twice_is_read_once():
    rows = long(list("xyxyyx")).assign(worktime=range(6))
    twice = pd.concat([rows, rows.assign(worktime=range(10, 16))])
    assert "6 votes repeat another of the same source on the same item: left out." in read_votes(twice).notes


@pytest.mark.parametrize("seed", SEEDS)
def test_repeats_count_as_they_are_told_to(seed):
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "item": draw.integers(6, size=60),
            "worker": draw.choice(["u", "v"], 60),
            "label": draw.choice(["a", "b", "c"], 60),
        }
    )
    with pytest.raises(DataError, match="`repeats=first`, `repeats=last`, `repeats=average`"):
        read_votes(rows)
    groups = rows.assign(item=rows["item"].astype(str)).groupby(["item", "worker"])["label"]
    for how in ("first", "last"):
        table = read_votes(rows, columns=VoteColumns(repeats=how))
        found = table.to_pandas().set_index(["item", "worker" if "worker" in table.to_pandas() else "source"])["label"]
        assert found.to_dict() == getattr(groups, how)().to_dict()
        assert any(f"the {how} one counts" in note for note in table.notes)
    table = read_votes(rows, columns=VoteColumns(repeats="average"))
    assert table.probs is not None
    shares = groups.value_counts(normalize=True)
    for item, source, probs in zip(table.item, table.source, table.probs, strict=True):
        share = shares[table.items[item], table.sources[source]]
        np.testing.assert_allclose(probs, [share.get(name, 0.0) for name in table.classes])
    assert (table.label == table.probs.argmax(axis=1)).all()


@pytest.mark.parametrize("rejected", ["Rejected", "REJECTED", "discarded"])
def test_rejected_answers_are_asked(tmp_path, rejected):
    path = tmp_path / "hits.csv"
    path.write_text(f"HITId,WorkerId,AssignmentStatus,answer\n1,a,Approved,x\n1,b,{rejected},y\n2,a,Submitted,y\n")
    with pytest.raises(
        ConfigError, match=f"1 of 3 rows is `{rejected}` in column `AssignmentStatus`.*Approved,Submitted"
    ):
        read_votes(path)
    kept = VoteColumns(where={"AssignmentStatus": ("Approved", "Submitted")})
    assert read_votes(path, columns=kept).n_votes == 2
    assert read_votes(path, columns=VoteColumns(ignore=("AssignmentStatus",))).n_votes == 3
    with pytest.raises(
        ConfigError, match="column `AssignmentStatus` does not contain `approved`; it contains `Approved`"
    ):
        read_votes(path, columns=VoteColumns(where={"AssignmentStatus": ("approved",)}))
    with pytest.raises(ConfigError, match="there is no column `Status`"):
        read_votes(path, columns=VoteColumns(where={"Status": ("Approved",)}))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"labels": [["y", "n"]] * 4, "places": [["a", "b"]] * 4}, "`labels`, `places` .*lists or mappings"),
        ({"facts": [{"a": "y", "b": "n"}] * 4}, "`facts` has lists or mappings that are not probabilities"),
        ({"jury": [{"tie": False, "votes": [{"place": "m", "size": True}]}] * 4}, "`jury` has lists or mappings"),
        ({"shares": [{"e": 5, "n": 90}] * 4, "old": ["e", "n"] * 2}, "`probability=shares` reads it as"),
    ],
)
def test_lists_and_mappings_that_are_no_distributions_are_told(cells, message):
    with pytest.raises(DataError, match=message):
        read_votes(pd.DataFrame({"id": range(4), **cells}))


def test_a_label_in_a_list_of_one_is_a_label():
    rows = pd.DataFrame({"id": [1, 1, 2], "annotator": ["a", "b", "a"], "label": [["x"], ["y"], []]})
    table = read_votes(rows)
    assert table.n_votes == 2
    assert table.classes == ("x", "y")


def test_marks_of_classes_are_votes():
    rows = pd.DataFrame(
        {"user": list("uvu"), "item": [1, 1, 2], "q:::good": ["true", "", None], "q:::bad": ["", "true", None]}
    )
    table = read_votes(rows, columns=VoteColumns(probability=("q:::good", "q:::bad")))
    assert table.n_votes == 2
    assert [table.classes[said] for said in table.label] == ["good", "bad"]


@pytest.mark.parametrize("seed", SEEDS)
def test_all_repeats_count_as_sources_of_their_own(seed):
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "item": draw.integers(6, size=40).astype(str),
            "worker": draw.choice(["u", "v"], 40),
            "label": draw.choice(["a", "b"], 40),
        }
    )
    once = pd.DataFrame({"item": [str(k) for k in range(6)], "worker": "w", "label": "a"})
    table = read_votes(pd.concat([rows, once]), columns=VoteColumns(repeats="all"))
    expected = {
        (row.item, f"{row.worker}#{number + 1}"): row.label
        for row, number in zip(rows.itertuples(), rows.groupby(["item", "worker"]).cumcount(), strict=True)
    } | {(row.item, "w"): "a" for row in once.itertuples()}
    found = table.to_pandas()
    assert dict(zip(zip(found["item"], found["source"], strict=True), found["label"], strict=True)) == expected
    assert any("`repeats=average`" in note for note in table.notes)
    taken = pd.concat([rows, once.assign(worker="u#1")])
    with pytest.raises(DataError, match="two sources are called `u#1`"):
        read_votes(taken, columns=VoteColumns(repeats="all"))


@pytest.mark.parametrize(
    ("word", "where"),
    [
        ("where=state=ok", {"state": ("ok",)}),
        ("where=state=ok,late", {"state": ("ok", "late")}),
        ("where=state=ok,round=2", {"state": ("ok",), "round": ("2",)}),
        ("where='a:b=c d'", {"a:b": ("c d",)}),
        ("where.state=ok", {"state": ("ok",)}),
    ],
)
def test_conditions_are_written_as_column_and_value(word, where):
    assert read_section(VoteColumns, {}, (word,), FileLocation("columns")).where == where
    with pytest.raises(ConfigError, match="COLUMN=VALUE"):
        read_section(VoteColumns, {}, ("where=state",), FileLocation("columns"))
