"""A piece of work that is killed at every instant at which it touches the disk: `python instants.py WORK FOLDER`.

A forked child does the work and kills itself at its n-th call of the system, for n = 1, 2, … (Python tells of each
before it is made). Then WORK's checks say whether what is there is whole, and whether the work succeeds the next time.
Prints how many instants there were.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from outgrow.graph.output import alone, place_folder, recover, whole_file

CALLS = ("open", "os.", "shutil.", "fcntl.", "ctypes.call_function")
OLD, NEW = "old " * 100, "new " * 100


class File:
    """A file is replaced."""

    def prepare(self, folder: Path) -> None:
        (folder / "x").write_text(OLD)

    def do(self, folder: Path) -> None:
        with alone(folder / "x", print), whole_file(folder / "x") as unfinished:
            unfinished.write_text(NEW)

    def look(self, folder: Path) -> None:
        assert (folder / "x").read_text() in (OLD, NEW)

    def finished(self, folder: Path) -> None:
        assert (folder / "x").read_text() == NEW
        assert [path.name for path in folder.iterdir()] == ["x"]


class Folder:
    """A folder is replaced by one with other files."""

    exchanging = True

    def prepare(self, folder: Path) -> None:
        for name, text in (("old", OLD), ("new", NEW)):
            place = folder / ("out" if name == "old" else "made")
            (place / "deep").mkdir(parents=True)
            for path in (place / f"{name}.txt", place / "deep" / "same.txt", place / "left out"):
                path.write_text(text)
        (folder / "out" / "left out").unlink()

    def do(self, folder: Path) -> None:
        with alone(folder / "out"):
            recover(folder / "out")
            assert whole(folder / "out") is not None, "it is there while the new one is made"
            place_folder(folder / "made", folder / "out", "left out", exchanging=self.exchanging)

    def look(self, folder: Path) -> None:
        assert whole(folder / "out") is not None

    def finished(self, folder: Path) -> None:
        assert whole(folder / "out") == "new"
        assert sorted(path.name for path in folder.iterdir()) == ["made", "out"]


class FolderByTheWay(Folder):
    """The same on a disk that cannot exchange names: the place may be empty until the next start."""

    exchanging = False

    def look(self, folder: Path) -> None:
        assert not (folder / "out").exists() or whole(folder / "out") is not None


def whole(folder: Path) -> str | None:
    """`old` or `new` for one of the two with every file."""
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    for name, text in (("old", OLD), ("new", NEW)):
        if files == {f"{name}.txt": text, "deep/same.txt": text}:
            return name
    return None


WORKS = {"file": File(), "folder": Folder(), "folder by the way": FolderByTheWay()}


def killed_at(instant: int, work: File | Folder, folder: Path) -> bool:
    """Whether the child has come so far."""
    child = os.fork()
    if child == 0:
        left = instant

        def count(event: str, arguments: object) -> None:
            nonlocal left
            if event.startswith(CALLS):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work.do(folder)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def main(name: str, folder: Path) -> None:
    work, instant, killed = WORKS[name], 0, True
    while killed:
        instant += 1
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        work.prepare(folder)
        killed = killed_at(instant, work, folder)
        work.look(folder)
        killed_at(1 << 60, work, folder)
        work.finished(folder)
    print(instant)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
