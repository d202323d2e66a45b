"""Classes that differ only in case or white space: refused, or joined where that is asked for."""

from pathlib import Path

import pytest

from outgrow.cli.items_text import items_text, look_at_items
from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.errors import ConfigError, DataError
from outgrow.readers.class_names import alike, join, plain

LABELS = ["science", "Science", "science", "arts", "arts ", "sci fi", "sci  fi", "arts"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "topics.csv"
    path.write_text("\n".join(["text,label", *(f"text {n},{label}" for n, label in enumerate(LABELS))]))
    return path


def test_they_are_named_with_their_counts_and_the_option(path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_task(TaskSection(name="topics", path=path))
    said = str(caught.value)
    assert said.startswith(f"{path}: the column `label` has classes that differ only in case or white space: ")
    assert "'Science' (1 row) and 'science' (2 rows)" in said
    assert "'sci  fi' (1 row) and 'sci fi' (1 row)" in said
    assert "arts" not in said, "white space around a cell is none of it"
    assert "`task.join_classes: true`" in said


def test_joined_they_have_the_most_frequent_name_or_that_of_the_file(path: Path) -> None:
    task = load_task(TaskSection(name="topics", path=path, join_classes=True))
    assert task.classes == ("arts", "sci  fi", "science")
    assert task.items.gold.tolist() == [2, 2, 2, 0, 0, 1, 1, 0]
    named = load_task(TaskSection(name="topics", path=path, join_classes=True, classes=["Science", "Sci Fi", "Arts"]))
    assert named.items.gold.tolist() == [0, 0, 0, 2, 2, 1, 1, 2]
    apart = load_task(
        TaskSection(name="topics", path=path, classes=["science", "Science", "arts", "sci fi", "sci  fi"])
    )
    assert apart.items.gold.tolist() == [0, 1, 0, 2, 2, 3, 4, 2]


def test_names_are_the_same_to_the_eye() -> None:
    assert plain("Ｓcience\u200b") == plain(" science") == "science"
    assert plain("SCI\u00a0FI") == "sci fi"
    assert alike(["a", "b", None, "a", "c d"]) == []
    assert join(["b", "B", "a", None, "B"]) == ["B", "B", "a", None, "B"]
    assert join(["b", "x"], ["B"]) == ["B", "x"]


def test_a_look_at_the_data_counts_classes(path: Path) -> None:
    (path.parent / "x.yaml").write_text(
        "name: x\ntask: {name: topics, path: topics.csv, join_classes: true}\nsupervisors: {words: {type: ngram}}\n"
        "student: {model: 'bundled:wordllama'}\nmethods: [naive]\n"
    )
    seen = look_at_items(str(path.parent / "x.yaml"), [], 1, None)
    assert seen["counts"] == {"arts": 3, "sci  fi": 2, "science": 3}
    assert "\narts 3, sci  fi 2, science 3\n" in items_text(seen)


def test_other_kinds_have_no_classes_to_join(path: Path) -> None:
    for section in ({"kind": "generate"}, {"columns": {"options": ["text", "label"]}}):
        with pytest.raises(ConfigError, match=r"task\.join_classes is (for|about) the classes"):
            load_task(TaskSection(name="topics", path=path, join_classes=True, **section))
    with pytest.raises(ConfigError, match=r"task\.join_classes is for your own data"):
        load_task(TaskSection(name="sciq", join_classes=True))
