"""Classes of votes that differ only in case or white space: refused, joined where that is asked for, or kept apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from outgrow.config.train import TrainSettings
from outgrow.config.votes import VoteColumns
from outgrow.deliver.training_data_step import read_test
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_texts import read_texts
from outgrow.readers.read_votes import read_votes

JOIN = VoteColumns(join_classes=True)
SAID = {"ann": ["yes", "Yes", "no"], "bo": ["yes", "no", "NO"], "cy": ["yes", " Yes\u200b", "no"]}
"""Three items; `yes` is said three times, `Yes` once, `Yes` with an invisible letter once; `no` three times."""
ROWS = [(item, who, said[item]) for item in range(3) for who, said in SAID.items()]


def long_table(folder: Path) -> Path:
    path = folder / "votes.csv"
    pd.DataFrame(ROWS, columns=["item", "worker", "label"]).to_csv(path, index=False)
    return path


def wide_table(folder: Path) -> Path:
    path = folder / "votes.parquet"
    pd.DataFrame({"item": range(3), **SAID}).to_parquet(path)
    return path


def label_studio(folder: Path) -> Path:
    def annotation(who: str, choice: str) -> dict[str, Any]:
        chosen = {"from_name": "q", "type": "choices", "value": {"choices": [choice]}}
        return {"completed_by": {"email": who}, "result": [chosen]}

    path = folder / "votes.json"
    tasks = [
        {"id": item, "annotations": [annotation(who, said[item]) for who, said in SAID.items()]} for item in range(3)
    ]
    path.write_text(json.dumps(tasks))
    return path


def argilla(folder: Path) -> Path:
    path = folder / "votes.json"
    records = [
        {
            "id": item,
            "fields": {"text": "t"},
            "responses": {"label": [{"value": said[item], "user_id": who} for who, said in SAID.items()]},
        }
        for item in range(3)
    ]
    path.write_text(json.dumps(records))
    return path


@pytest.mark.parametrize("written", [long_table, wide_table, label_studio, argilla])
def test_every_kind_of_file_is_refused_or_joined(tmp_path: Path, written: Callable[[Path], Path]) -> None:
    path = written(tmp_path)
    with pytest.raises(DataError) as caught:
        read_votes(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: classes that differ only in case or white space: ")
    assert "'NO' (1 vote) and 'no' (3 votes)" in said
    assert "'Yes' (1 vote) and 'Yes\\u200b' (1 vote) and 'yes' (3 votes)" in said
    assert "`join_classes=true`" in said
    assert "--classes" in said
    joined = read_votes(path, columns=JOIN)
    assert joined.classes == ("no", "yes")
    assert joined.dense().tolist() == [[1, 1, 1], [1, 0, 1], [0, 0, 0]]
    assert any("white space" in note and "`NO` as `no`" in note for note in joined.notes)


def test_classes_that_the_user_names_stay_apart_and_lend_their_spelling(tmp_path: Path) -> None:
    path = long_table(tmp_path)
    names = ["yes", "Yes", "Yes\u200b", "no", "NO"]
    apart = read_votes(path, classes=names)
    assert apart.dense().tolist() == [[0, 0, 0], [1, 3, 2], [3, 4, 3]]
    assert any("differ only in case" in note for note in apart.notes)
    assert read_votes(path, classes=names, columns=JOIN).dense().tolist() == apart.dense().tolist()
    assert read_votes(path, classes=["YES", "No"], columns=JOIN).dense().tolist() == [[0] * 3, [0, 1, 0], [1] * 3]
    with pytest.raises(DataError, match=r"the label `Yes` is not a class; .*`yes`.*; `join_classes=true` joins"):
        read_votes(path, classes=["yes", "no"])


def test_gold_is_looked_at_and_joined_with_the_votes(tmp_path: Path) -> None:
    votes = pd.DataFrame({"item": [1, 1, 2, 2], "worker": ["a", "b"] * 2, "label": ["yes", "yes", "no", "yes"]})
    gold = tmp_path / "gold.csv"
    gold.write_text("item,gold\n1,Yes\n2,No\n")
    with pytest.raises(DataError) as caught:
        read_votes(votes, gold=gold)
    assert f"and `gold` of {gold}: classes" in str(caught.value)
    assert "'No' (1 true class) and 'no' (1 vote)" in str(caught.value)
    joined = read_votes(votes, gold=gold, columns=JOIN)
    assert joined.classes == ("No", "yes"), "of equally frequent ones the first in the alphabet"
    assert joined.gold.tolist() == [1, 0]
    beside = votes.assign(gold=["YES", "YES", "no", "no"])
    with pytest.raises(DataError, match=r"'YES' \(1 true class\) and 'yes' \(3 votes\)"):
        read_votes(beside)
    assert read_votes(beside, columns=JOIN).gold.tolist() == [1, 0]


def test_soft_votes_of_such_classes_are_added_up(tmp_path: Path) -> None:
    columns = pd.DataFrame({"item": [1, 2], "worker": ["a", "a"], "p_Yes": [0.2, 0.0], "p_no": [0.7, 1.0]})
    columns = columns.assign(p_yes=[0.1, 0.0])
    mappings = tmp_path / "votes.jsonl"
    mappings.write_text(
        '{"item": 1, "worker": "a", "probs": {"Yes": 0.2, "no": 0.7, " yes": 0.1}}\n'
        '{"item": 2, "worker": "a", "probs": {"no": 1.0}}\n'
        '{"item": 3, "worker": "a", "probs": null}\n'
    )
    for source, other in ((columns, "'yes'"), (mappings, "' yes'")):
        with pytest.raises(DataError) as caught:
            read_votes(source)
        assert "'Yes' (1 vote)" in str(caught.value)
        assert f"{other} (1 vote)" in str(caught.value)
        joined = read_votes(source, columns=JOIN, classes=["yes", "no"])
        np.testing.assert_allclose(joined.probs, [[0.3, 0.7], [0.0, 1.0]], rtol=0, atol=1e-12)
    labels = columns.drop(columns="p_yes").assign(label=["yes", "no"])
    with pytest.raises(DataError, match=r"'Yes' \(1 vote\) and 'yes' \(1 vote\)"):
        read_votes(labels)


def test_a_label_like_an_abstention_is_asked_too() -> None:
    votes = pd.DataFrame({"item": [1, 1, 2, 2], "worker": ["a", "b"] * 2, "label": ["x", "None", "y", "none"]})
    with pytest.raises(DataError, match=r"'None' \(1 vote\) and 'none' \(no vote\)"):
        read_votes(votes, columns=VoteColumns(abstain=["none"]))
    assert read_votes(votes, columns=VoteColumns(abstain=["none", "None"])).classes == ("x", "y")
    both = read_votes(votes, columns=VoteColumns(abstain=["none"], join_classes=True))
    assert both.classes == ("x", "y")
    assert both.n_votes == 2
    named = read_votes(votes, columns=VoteColumns(abstain=["none"]), classes=["x", "y", "None"])
    assert named.n_votes == 3


def test_the_word_of_the_command_line_and_a_kept_state(tmp_path: Path) -> None:
    path = long_table(tmp_path)
    votes = outgrow.read_labels(path, "join_classes=true")
    assert votes.classes == ("no", "yes")
    outgrow.combine(votes, "dawid_skene", state=tmp_path / "kept.state")
    more = tmp_path / "more.csv"
    more.write_text("item,worker,label\n7,ann,YES\n7,bo,No\n")
    with pytest.raises(DataError, match="`join_classes=true` joins both"):
        outgrow.update(tmp_path / "kept.state", more)
    found = outgrow.update(tmp_path / "kept.state", more, "join_classes=true")
    assert found.votes.classes == ("no", "yes")
    assert found.votes.dense()[3].tolist() == [1, 0, -1]


def test_test_items_are_joined_as_the_votes_are(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("text,label\na,YES\nb,no\nc,yes\n")
    plain = TrainSettings.model_validate({"student": {"model": "-"}})
    wanted = plain.model_copy(update={"votes": JOIN})
    assert read_test(path, wanted, None, ("no", "yes")).gold.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="`YES` is not a class of the votes"):
        read_test(path, plain, None, ("no", "yes"))


def test_texts_have_no_classes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns\.join_classes"):
        read_texts(long_table(tmp_path), columns=JOIN)


def test_a_rare_class_that_is_spelt_like_a_common_one_is_named() -> None:
    names = ["positive", "negative", "B-PER", "I-PER", "rank1"] * 25 + ["negatvie", "negatvie", "rank12", "other"]
    rows = [(index, "ann", name) for index, name in enumerate(names)]
    table = read_votes(pd.DataFrame(rows, columns=["item", "worker", "label"]))
    (note,) = (note for note in table.notes if "misspelt" in note)
    assert "`negatvie` (2 votes; is it `negative`?)" in note
    assert not any(name in note for name in ("rank12", "other", "B-PER"))
    assert set(table.classes) == set(names), "each is still a class"


def test_a_class_of_gold_that_nobody_votes_for_is_named_with_the_one_that_is_meant() -> None:
    votes = pd.DataFrame(
        {"item": [0, 1], "worker": "ann", "label": ["Norwich", "Ipswich"], "confidence": [0.9, 0.8],
         "gold": ["Norwhich", "Ipswich"]}
    )  # fmt: skip
    for table in (read_votes(votes), read_votes(votes.drop(columns="confidence"))):
        assert any("`Norwhich` (is it `Norwich`?)" in note for note in table.notes), table.notes
