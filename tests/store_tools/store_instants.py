"""Packing, unpacking and removing steps, killed at every instant: `python store_instants.py WORK FOLDER`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "graph"))

import instants

from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.store_tools.garbage import find_garbage, remove
from outgrow.store_tools.pack import pack
from outgrow.store_tools.unpack import unpack
from outgrow.store_tools.usage import StudySteps

KEPT = Step("pool", "x:y", {"seed": 0})
STEPS = (KEPT, Step("student", "x:y", {"seed": 0}, {"pool": KEPT}))


def study_in(root: Path) -> StudySteps:
    """The two steps, finished."""
    store = Store(root)
    store.prepare()
    for step in STEPS:
        folder = store.fresh_folder(step)
        for name in ("a.txt", *(["deep/b.txt"] if step.inputs else [])):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"{step.name} {name}" * 100)
        store.commit(step, 0.5)
    return StudySteps("x", root, STEPS)


def whole(root: Path) -> list[str]:
    """The finished steps by name; raises `Damaged` if one is there in part."""
    return [step.name for step in STEPS if Store(root).inspect(step) is not None]


class Pack:
    """A bundle is written: whole or not at all."""

    def prepare(self, folder: Path) -> None:
        study_in(folder / "one")

    def do(self, folder: Path) -> None:
        pack([StudySteps("x", folder / "one", STEPS)], folder / "one", folder / "x.tar.zst")

    def look(self, folder: Path) -> None:
        if (folder / "x.tar.zst").exists():
            unpack(folder / "x.tar.zst", folder / "two")
            assert whole(folder / "two") == ["pool", "student"]

    def finished(self, folder: Path) -> None:
        self.look(folder)
        assert not list(folder.glob(".outgrow-*"))


class Unpack:
    """A bundle becomes steps: each is whole or absent, and the same command adds the rest."""

    def prepare(self, folder: Path) -> None:
        Pack().prepare(folder)
        Pack().do(folder)

    def do(self, folder: Path) -> None:
        unpack(folder / "x.tar.zst", folder / "two")

    def look(self, folder: Path) -> None:
        whole(folder / "two")

    def finished(self, folder: Path) -> None:
        assert whole(folder / "two") == ["pool", "student"]
        assert not list((folder / "two" / ".tmp").iterdir())


class Remove:
    """A step that no study uses is removed: it is whole or gone, and the kept one stays."""

    def prepare(self, folder: Path) -> None:
        study_in(folder / "one")

    def do(self, folder: Path) -> None:
        remove(find_garbage(folder / "one", [StudySteps("x", folder / "one", (KEPT,))]))
        Store(folder / "one").sweep()

    def look(self, folder: Path) -> None:
        assert "pool" in whole(folder / "one")

    def finished(self, folder: Path) -> None:
        assert whole(folder / "one") == ["pool"]
        assert not list((folder / "one" / ".tmp").iterdir())


if __name__ == "__main__":
    instants.WORKS.update(pack=Pack(), unpack=Unpack(), remove=Remove())
    instants.main(sys.argv[1], Path(sys.argv[2]))
