"""Several files of votes are read as one table, and every file says how its columns were read."""

import json

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import explain_columns, read_votes
from outgrow.readers.several_files import one_table


def rows_of(votes):
    return votes.to_pandas().sort_values(["item", "source"], ignore_index=True).astype({"label": str})


def drawn(seed, n=60):
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "item": draw.integers(9, size=n),
            "worker": draw.choice(["u", "v", "w"], n),
            "label": draw.choice(["a", "b", "c"], n),
            "seconds": draw.integers(1, 9, size=n),
        }
    ).drop_duplicates(["item", "worker"])
    rows["gold"] = rows["item"].map(lambda item: "abc"[item % 3] if item % 2 else "")
    return rows


@pytest.mark.parametrize("seed", SEEDS)
def test_any_split_of_a_file_is_read_as_the_file(tmp_path, seed):
    rows = drawn(seed)
    part = np.random.default_rng(seed + 1).integers(3, size=len(rows))
    part[:3] = range(3)
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"part{number}.csv")
        rows[part == number].to_csv(paths[-1], index=False)
    whole, apart = read_votes(rows), read_votes(paths, classes=["a", "b", "c"])
    pd.testing.assert_frame_equal(rows_of(whole), rows_of(apart))
    assert dict(zip(whole.items, whole.gold.tolist(), strict=True)) == dict(
        zip(apart.items, apart.gold.tolist(), strict=True)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_and_hard_votes_of_different_classes_join(tmp_path, seed):
    draw = np.random.default_rng(seed)
    probs = draw.dirichlet([1, 1], size=4)
    soft = pd.DataFrame({"item": range(4), "judge": "j", "p_b": probs[:, 0], "p_c": probs[:, 1]})
    hard = pd.DataFrame({"item": range(4), "judge": "k", "label": ["a", "b", "a", "b"]})
    soft.to_csv(tmp_path / "soft.csv", index=False)
    hard.to_csv(tmp_path / "hard.csv", index=False)
    found = read_votes([tmp_path / "soft.csv", tmp_path / "hard.csv"])
    assert found.classes == ("a", "b", "c")
    dense = found.dense()
    np.testing.assert_allclose(dense[:, found.sources.index("j")], np.c_[np.zeros(4), probs])
    np.testing.assert_allclose(dense[:, found.sources.index("k")], np.eye(3)[[0, 1, 0, 1]])
    assert any("alone: `c`" in note for note in found.notes)


def file(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def test_files_without_sources_are_sources(tmp_path):
    ada = file(tmp_path, "ada.csv", "id,label\n1,x\n2,y\n")
    bo = file(tmp_path, "bo.csv", "id,label\n2,x\n3,x\n")
    found = read_votes([ada, bo])
    assert found.sources == ("ada", "bo")
    again = file(tmp_path, "other/ada.csv", "id,label\n3,x\n")
    with pytest.raises(DataError, match="both files have the name `ada`; rename one"):
        read_votes([ada, again])


def test_what_does_not_belong_together_is_refused(tmp_path):
    words = file(tmp_path, "words.csv", "item,worker,label\n1,u,yes\n2,u,no\n")
    digits = file(tmp_path, "digits.csv", "item,worker,label\n1,v,1\n2,v,0\n")
    with pytest.raises(DataError, match="no class in common; give all classes"):
        read_votes([words, digits])
    assert read_votes([words, digits], classes=["yes", "no", "1", "0"]).n_votes == 4
    twice = file(tmp_path, "twice.csv", "item,worker,label\n1,u,no\n")
    with pytest.raises(DataError, match=r"twice.csv, line 2: source `u` votes for two classes on item `1`.*words.csv"):
        read_votes([words, twice])
    assert read_votes([words, twice], columns=VoteColumns(repeats="last")).label.tolist() == [0, 0]
    gold = [file(tmp_path, f"g{k}.csv", f"item,worker,label,gold\n1,{k},yes,{k}\n") for k in ("yes", "no")]
    with pytest.raises(DataError, match="gold of item `1` is `no`, but `yes`"):
        read_votes([*gold, words])
    wide = file(tmp_path, "wide.csv", "label_u,label_v\nyes,no\n")
    with pytest.raises(DataError, match="has no column of items"):
        read_votes([wide, file(tmp_path, "w.csv", "item,a,b\n1,yes,no\n")], columns=VoteColumns(layout="wide"))
    matrices = [file(tmp_path, f"m{n}.csv", "a,b\n" + "0,1\n" * n) for n in (2, 3)]
    with pytest.raises(DataError, match="3 rows"):
        read_votes(matrices, columns=VoteColumns(layout="matrix"))


def test_one_file_is_itself(tmp_path):
    path = file(tmp_path, "one.csv", "item,worker,label\n1,u,yes\n2,u,no\n")
    assert read_votes([path]).notes == read_votes(path).notes
    with pytest.raises(IndexError):
        one_table([])


def use_of(path, **columns):
    ((_, uses),) = explain_columns(path, VoteColumns(**columns))
    return {use.column: (use.role, use.reason, use.option) for use in uses}


def test_every_column_is_explained(tmp_path):
    header = "id,task,who,verdict,label,notes,state,truth,time"
    rows = "".join(f"{k},t{k},w{k % 2},{'ab'[k % 2]},{'ab'[k % 2]},n,ok,a,5\n" for k in range(4))
    path = file(tmp_path, "votes.csv", f"{header}\n{rows}")
    found = use_of(path, source="who", label="verdict", ignore=("notes",), where={"state": ("ok",)})
    assert list(found) == header.split(",")
    assert {name: role for name, (role, _, _) in found.items()} == {
        "id": "not used",
        "task": "item",
        "who": "source",
        "verdict": "label",
        "label": "not used",
        "notes": "not used",
        "state": "where",
        "truth": "gold",
        "time": "not used",
    }
    assert found["who"][1] == "named by `source`"
    assert found["task"][1] == "a usual name of the item"
    assert found["id"][1:] == ("another column is the item", "item=id")
    assert found["label"][1:] == ("another column is the label", "label=label")
    assert found["notes"][1] == "left out by `ignore`"
    for name in ("id", "label"):
        changed = use_of(path, **{"source": "who", "label": "verdict", **dict([found[name][2].split("=")])})
        assert changed[name][0] == found[name][2].split("=")[0]


def test_columns_of_wide_tables_and_of_exports_are_explained(tmp_path):
    wide = use_of(file(tmp_path, "wide.csv", "item,ann,bo,text,gold\n1,x,y,t,x\n2,y,y,t,y\n"))
    assert [role for role, _, _ in wide.values()] == ["item", "source", "source", "not used", "gold"]
    tasks = [
        {"id": k, "data": {"text": "t"}, "annotations": [{"completed_by": 1, "result": [_choice("xy"[k])]}]}
        for k in range(2)
    ]
    export = use_of(file(tmp_path, "export.json", json.dumps(tasks)))
    assert export["annotations[].completed_by"][0] == "source"
    assert "takes texts" in export["data"][1]
    assert use_of(np.asarray([[0, 1], [1, 1]])) == {}


def _choice(label):
    return {"from_name": "q", "type": "choices", "value": {"choices": [label]}}


def test_gold_is_a_column_or_a_file(tmp_path):
    path = file(tmp_path, "a.tsv", "item\tworker\tlabel\tGOLDEN:result\n1\tu\tx\tx\n2\tu\ty\t\n")
    assert read_votes(path, gold="GOLDEN:result").gold.tolist() == [0, -1]
    with pytest.raises(ConfigError, match="there is no column `GOLDEN:resul`; did you mean `GOLDEN:result`"):
        read_votes(path, gold="GOLDEN:resul")
    with pytest.raises(DataError, match=r"gold\.csv: there is no such file"):
        read_votes(path, gold=str(tmp_path / "gold.csv"))
