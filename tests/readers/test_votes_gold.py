"""Gold beside votes: which column it is, that it was used, and that it is gold at all."""

import json

import numpy as np
import pandas as pd
import pytest

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import read_votes

VOTES = pd.DataFrame({"nr": [7, 7, 8, 9], "worker": ["a", "b", "a", "b"], "label": ["x", "y", "y", "x"]})
GOLD = pd.DataFrame({"nr": [7, 8, 9], "remark": ["first", "second", "third"], "klasse": ["x", "y", None]})
NAMED = VoteColumns(item="nr", gold="klasse")
MATRIX = np.asarray([[0, 1], [1, -1], [0, 0]])


def test_where_gold_comes_from_is_told(tmp_path):
    GOLD.to_csv(tmp_path / "gold.csv", index=False)
    table = read_votes(VOTES, columns=NAMED, gold=tmp_path / "gold.csv")
    assert table.gold.tolist() == [0, 1, -1]
    assert f"Gold of 2 items from `klasse` of {tmp_path / 'gold.csv'}." in table.notes
    beside = VOTES.assign(klasse=["x", "x", "y", None])
    for columns in (NAMED, NAMED.model_copy(update={"layout": "long"})):
        assert "Gold of 2 items from `klasse` of the DataFrame." in read_votes(beside, columns=columns).notes
    assert "Gold of 1 item from the given array." in read_votes(MATRIX, gold=np.asarray([-1, 1, -1])).notes
    assert read_votes(MATRIX, gold=np.asarray([-1, 1, -1])).classes == ("0", "1")
    assert not any(note.startswith("Gold") for note in read_votes(VOTES, columns=VoteColumns(item="nr")).notes)


def test_gold_of_exports_is_told(tmp_path):
    rows = {str(at): {"label": int(row[0]), "weak_labels": row.tolist()} for at, row in enumerate(MATRIX)}
    (tmp_path / "v.json").write_text(json.dumps(rows))
    assert f"Gold of 3 items from `label` of {tmp_path / 'v.json'}." in read_votes(tmp_path / "v.json").notes
    with pytest.raises(ConfigError, match="there is no `lable`; did you mean `label`"):
        read_votes(tmp_path / "v.json", columns=VoteColumns(gold="lable"))


def test_a_column_of_gold_that_does_not_exist_is_told(tmp_path):
    GOLD.to_csv(tmp_path / "gold.csv", index=False)
    with pytest.raises(ConfigError, match=r"gold.csv: there is no column `klase`; did you mean `klasse`\?"):
        read_votes(VOTES, columns=VoteColumns(item="nr", gold="klase"), gold=tmp_path / "gold.csv")


def test_items_may_be_called_otherwise_beside_gold():
    columns = VoteColumns(item="nr", gold="klasse")
    for name in ("id", "number"):
        assert read_votes(VOTES, columns=columns, gold=GOLD.rename(columns={"nr": name})).gold.tolist() == [0, 1, -1]
    gold = pd.DataFrame({"number": [0, 1, 2], "klasse": [0, 1, 0]})
    assert read_votes(MATRIX, columns=VoteColumns(item="number"), gold=gold).gold.tolist() == [0, 1, 0]
    with pytest.raises(ConfigError, match="there is no column `numbr`; did you mean `number`"):
        read_votes(MATRIX, columns=VoteColumns(item="numbr"), gold=gold)


def test_a_column_of_gold_may_be_ignored_among_the_votes():
    votes = VOTES.rename(columns={"label": "vote"}).assign(label="stale")
    gold = GOLD.rename(columns={"klasse": "label"})
    table = read_votes(votes, columns=VoteColumns(item="nr", ignore=("label",), gold="label"), gold=gold)
    assert table.gold.tolist() == [0, 1, -1]


def test_texts_taken_for_gold_are_refused():
    texts = VoteColumns(item="nr", gold="remark")
    with pytest.raises(DataError, match=r"`remark` of the DataFrame: no vote .*`first`.* `x`.*`gold=COLUMN`"):
        read_votes(VOTES, columns=texts, gold=GOLD)
    with pytest.raises(DataError, match=r"`remark` of the DataFrame: no vote .*`first`"):
        read_votes(VOTES.assign(remark=["first", "first", "second", "third"]), columns=texts)
    soft = VOTES.drop(columns="label").assign(probs=[{"x": 0.7, "y": 0.3}] * 4)
    with pytest.raises(DataError, match=r"no vote .*`first`"):
        read_votes(soft, columns=texts, gold=GOLD)
    with pytest.raises(DataError, match=r"the given array: no vote .*`7`"):
        read_votes(MATRIX, gold=np.asarray([-1, 7, 7]))


def test_some_unknown_classes_of_gold_are_no_error():
    gold = GOLD.assign(klasse=["x", "new", "newer"])
    table = read_votes(VOTES, columns=NAMED, gold=gold)
    assert table.classes == ("new", "newer", "x", "y")
    assert "Classes of gold without votes: `new`, `newer`." in table.notes
    alone = gold.assign(klasse=["new", None, None])
    assert read_votes(VOTES, columns=NAMED, gold=alone, classes=["x", "y", "new"]).gold.tolist() == [2, -1, -1]
    unknown = gold.assign(klasse=[None, None, None])
    assert "Gold of 0 items from `klasse` of the DataFrame." in read_votes(VOTES, columns=NAMED, gold=unknown).notes
