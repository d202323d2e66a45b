"""A full disk: one sentence, nothing lost, and the same command goes on once there is room."""

import shutil
import subprocess

import pytest
from step_functions import contents, step

from outgrow.graph.runner import Event, run_steps
from outgrow.graph.store import Store

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of four megabytes, and how to make it larger."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this test mounts a file system, which is not allowed here")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("way", ["plain", "numpy", "quiet"])
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(small_disk, way):
    folder, enlarge = small_disk
    store = Store(folder / "steps")
    small = step("small", "fill", size=MEGABYTE, way="plain")
    large = step("large", "fill", size=5 * MEGABYTE, way=way, inputs=(small,))
    after = step("after", "fill", size=10, way="plain", inputs=(large,))
    other = step("other", "fill", size=11, way="plain", inputs=(small,))
    steps = [small, large, after, other]
    outcomes = run_steps(steps, store)
    error = outcomes[large.identity].error
    assert error.startswith("disk full: ")
    assert str(folder) in error
    assert "free some space and run the same command again" in error
    assert [outcomes[one.identity].state for one in steps] == ["done", "failed", "skipped", "skipped"]
    assert "the disk is full" in outcomes[other.identity].error
    kept = contents(store)
    assert list((store.root / ".tmp").iterdir()) == []

    enlarge()
    outcomes = run_steps(steps, store)
    assert [outcomes[one.identity].state for one in steps] == ["cached", "done", "done", "done"]
    assert kept.items() <= contents(store).items()


def test_a_disk_without_a_free_byte_stops_a_run_with_a_sentence(small_disk):
    folder, _ = small_disk
    store = Store(folder / "steps")
    store.prepare()
    ballast = folder / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(5 * MEGABYTE))
    assert shutil.disk_usage(folder).free == 0
    one = step("one", "fill", size=100_000, way="plain")
    events: list[Event] = []
    outcome = run_steps([one], store, on_event=events.append)[one.identity]
    assert outcome.state == "failed"
    assert outcome.error.startswith("disk full: 0.0 MB free at")
    ballast.unlink()
    assert run_steps([one], store)[one.identity].state == "done"
