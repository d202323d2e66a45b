"""Removing steps: what a kept study or a running process uses stays."""

from pathlib import Path

import pytest
from test_store_bundle import bytes_of, finish, some_steps

from outgrow.errors import DataError
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.store_tools.garbage import find_garbage, remove
from outgrow.store_tools.usage import StudySteps, other_sizes, stored_steps


def two_studies(root: Path) -> tuple[StudySteps, StudySteps]:
    """Two studies that share a step, and nothing else."""
    pool, first = some_steps(root)
    second = Step("student", "x:y", {"seed": 7}, {"pool": pool})
    finish(Store(root), second, {"a": b"12345"})
    return StudySteps("first", root, (pool, first)), StudySteps("second", root, (pool, second))


def test_every_step_is_listed_with_its_users(tmp_path: Path) -> None:
    first, second = two_studies(tmp_path)
    (tmp_path / "notes-12345678").mkdir()  # a folder of the user's
    (tmp_path / "events.jsonl").write_text("")
    listed = {step.folder: step for step in stored_steps(tmp_path, [first, second])}
    assert listed.keys() == first.folders | second.folders
    assert {step.users for step in listed.values()} == {("first", "second"), ("first",), ("second",)}
    own = listed[second.steps[1].folder]
    assert own.size == 5 + (tmp_path / own.folder / "done.json").stat().st_size


def test_only_what_no_kept_study_uses_is_removed(tmp_path: Path) -> None:
    first, second = two_studies(tmp_path)
    kept = {name: data for name, data in bytes_of(tmp_path).items() if name.split("/")[0] in first.folders}
    (tmp_path / "notes-12345678").mkdir()
    (tmp_path / ".scratch" / first.steps[1].folder).mkdir()
    (tmp_path / ".scratch" / "other-12345678").mkdir()
    (tmp_path / ".damaged" / f"{first.steps[1].folder}.1").mkdir()
    garbage = find_garbage(tmp_path, [first], [first, second])
    assert [(step.folder, step.users) for step in garbage.steps] == [(second.steps[1].folder, ("second",))]
    before = bytes_of(tmp_path)
    assert before.keys() > kept.keys()
    assert remove(garbage) == 1
    assert bytes_of(tmp_path) == kept
    assert (tmp_path / "notes-12345678").is_dir()
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == [first.steps[1].folder]
    assert other_sizes(tmp_path)["damaged results"] == 0
    assert not list((tmp_path / ".tmp").iterdir())


def test_nothing_is_removed_while_a_process_uses_the_store(tmp_path: Path) -> None:
    first, second = two_studies(tmp_path)
    garbage = find_garbage(tmp_path, [first])
    with Store(tmp_path).in_use(), pytest.raises(DataError, match="uses this store"):
        remove(garbage)
    with Store(tmp_path).lock(second.steps[1]):
        assert remove(garbage) == 0
    assert Store(tmp_path).inspect(second.steps[1]) is not None
    assert remove(garbage) == 1


def test_no_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no store here"):
        find_garbage(tmp_path / "none", [])


def test_a_store_of_several_machines_is_left_alone(tmp_path: Path) -> None:
    first, second = two_studies(tmp_path)
    Store(tmp_path).use_leases(30.0)
    with pytest.raises(DataError, match="leases"):
        remove(find_garbage(tmp_path, [first]))
    assert Store(tmp_path).inspect(second.steps[1]) is not None
