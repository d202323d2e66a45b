"""File locks: one holder at a time among processes and threads, free after any end of the holder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

import outgrow
from outgrow.errors import DataError
from outgrow.graph.file_lock import NoFileLocks, attempt, hold, try_lock

HOLD = """
import sys, time
from pathlib import Path
from outgrow.graph.file_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def held_elsewhere(path: Path) -> "subprocess.Popen[str]":
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def is_free(path: Path) -> bool:
    with attempt(path) as mine:
        return mine


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    process = held_elsewhere(path)
    assert not is_free(path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert path.exists()
    assert is_free(path)


def test_who_waits_is_told_once_after_a_while(tmp_path: Path) -> None:
    process = held_elsewhere(tmp_path / "lock")
    waited = []

    def end_it() -> None:
        waited.append(time.monotonic())
        process.kill()

    began = time.monotonic()
    with hold(tmp_path / "lock", end_it, patience=0.3):
        assert len(waited) == 1
    assert waited[0] - began >= 0.3
    process.communicate()
    with hold(tmp_path / "lock", end_it):
        assert len(waited) == 1, "nobody waits for a free lock"


def test_threads_exclude_one_another(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with hold(tmp_path / "lock", removed=True):
                inside += 1
                most = max(most, inside)
                time.sleep(0.002)
                inside -= 1

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_block_although_a_child_has_the_file_open(tmp_path: Path) -> None:
    with hold(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
    try:
        assert is_free(tmp_path / "lock")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_error_within_is_raised_and_the_lock_is_free(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), hold(tmp_path / "lock", refusal=lambda error: DataError("refused")):
        (tmp_path / "nowhere").read_text()
    assert is_free(tmp_path / "lock")


def test_a_place_without_locks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), hold(tmp_path / "file" / "lock"):
        pass
    with (
        pytest.raises(DataError, match="refused"),
        attempt(tmp_path / "file" / "lock", refusal=lambda error: DataError("refused")),
    ):
        pass
    reading, writing = os.pipe()
    os.close(writing)
    os.close(reading)
    with pytest.raises(NoFileLocks):
        try_lock(reading)


def test_no_other_module_locks_files() -> None:
    root = Path(outgrow.__file__).parent
    words = ("fcntl", "filelock", "flock(")
    users = {str(path.relative_to(root)) for path in root.rglob("*.py") if any(map(path.read_text().count, words))}
    assert users == {"graph/file_lock.py"}
