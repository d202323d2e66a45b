"""The items of a training come from a table, from a platform's export, or from the files of votes themselves."""

import json

import pytest

from outgrow.config.train import TrainSettings
from outgrow.deliver.training_data_step import TrainingFiles, read_items, read_labels
from outgrow.errors import DataError


def settings(**more):
    """As the step has them: every setting is given."""
    given = TrainSettings.model_validate({"student": {"model": "-"}, **more})
    return TrainSettings.model_validate(given.model_dump(mode="json"))


def tasks(field, labels):
    return [
        {
            "id": number,
            "data": {field: f"words of {number}"},
            "annotations": [{"completed_by": who, "result": [choice(label)]} for who, label in by.items()],
        }
        for number, by in labels.items()
    ]


def choice(label):
    return {"from_name": "q", "type": "choices", "value": {"choices": [label]}}


def written(path, content):
    path.write_text(content)
    return path


@pytest.mark.parametrize("field", ["text", "review"])
def test_texts_of_an_export_need_no_other_file(tmp_path, field):
    one = written(tmp_path / "one.json", json.dumps(tasks(field, {1: {"u": "a"}, 2: {"u": "b"}})))
    two = written(tmp_path / "two.json", json.dumps(tasks(field, {2: {"v": "b"}, 3: {"v": "a"}})))
    files = TrainingFiles((one, two))
    votes = read_labels(files, settings())
    items, ids = read_items(files, settings(), votes.items)
    assert items.ids == votes.items == ["1", "2", "3"]
    assert items.prompts == [f"words of {number}" for number in (1, 2, 3)]
    assert ids == "item"
    beside = TrainingFiles((one,), items=two)
    assert read_items(beside, settings(), ["1"])[0].ids == ["2", "3"]


def test_texts_beside_votes_in_a_table(tmp_path):
    path = written(
        tmp_path / "votes.csv",
        "item,worker,label,title,text,at\n1,u,a,One,first,9:00\n1,v,b,One,first,9:05\n2,u,a,Two,,9:10\n2,v,a,Two,second,9:11\n",
    )
    files = TrainingFiles((path,))
    items, _ = read_items(files, settings(items={"text": "{title}: {text}"}), [])
    assert dict(zip(items.ids, items.prompts, strict=True)) == {"1": "One: first", "2": "Two: second"}
    with pytest.raises(DataError, match=r"line 3: `at` of item `1` is not that at .*line 2"):
        read_items(files, settings(items={"text": "at"}), [])
    bare = written(tmp_path / "bare.csv", "item,worker,label\n1,u,a\n2,u,b\n")
    with pytest.raises(DataError, match=r"bare\.csv: has no texts of the items.*--items"):
        read_items(TrainingFiles((bare,)), settings(), [])


def test_the_files_of_a_training_have_keys(tmp_path):
    files = TrainingFiles((tmp_path / "a", tmp_path / "b"), items=tmp_path / "i", test=tmp_path / "t")
    assert list(files.paths) == ["labels", "labels 2", "items", "test"]
    assert TrainingFiles.of({key: str(path) for key, path in files.paths.items()}) == files
