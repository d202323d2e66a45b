"""SIGKILL at random instants: of a study, of `combine --update` (also beside another one), of `train -o`, of rules.

After every kill nothing that was started is alive, what is on the disk is whole, and the same command ends well with
the bytes of a run that nobody has disturbed. A kill cannot be made again from its seed, as the machine's load shifts
it; its message says what was found.
"""

import atexit
import hashlib
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from commands import Command
from failure import Failure

from orphans import alive_in
from outgrow.combiners.state_file import load_state
from outgrow.errors import OutgrowError
from small_study import FILE, events, finished, report_bytes, write

MODEL = "bundled:smollm2-135m@1"
UPDATE = ("--update", "s", "-o", "labels.csv", "--no-calibrate")
Problems = Iterator[str]


def run(count: int, seed: int) -> tuple[int, list[Failure]]:
    """So many kills, shared among the kinds; returns how many there were, and what was wrong after them."""
    draw, failures = random.Random(seed), []
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        kinds = [kind(Path(name)) for kind in KINDS]
        for number in range(count):
            kind = draw.choices(kinds, [one.weight for one in kinds])[0]
            failures += [Failure(f"kill of {kind.name}", seed, number, said) for said in kind.strike(draw)]
        for kind in kinds:
            failures += [Failure(f"kill of {kind.name}", seed, count, said) for said in kind.end()]
    return count, failures


class Study:
    """A study of seconds, killed again and again until it is finished."""

    name, weight = "a study", 3

    def __init__(self, room: Path) -> None:
        self.room, self.folder = room, room / "study"

    def strike(self, draw: random.Random) -> Problems:
        if not self.folder.exists():
            self.folder.mkdir()
            write(self.folder)
        run = Command(self.folder, "run", FILE, "-q", "--jobs", draw.choice("12"))
        told = len(events(self.folder)) + draw.randrange(8)
        run.wait_until(lambda: len(events(self.folder)) >= told)
        time.sleep(draw.choice([0, 0.02, 0.2, 1.0]) * draw.random())
        yield from run.kill()
        if run.code == 0:
            yield from self.end()

    def end(self) -> Problems:
        if not self.folder.exists():
            return
        yield from Command(self.folder, "run", FILE, "-q").end()
        if report_bytes(self.folder) != report_bytes(finished()[0]):
            yield "the report differs from that of an undisturbed run"
        ends = [one["folder"] for one in events(self.folder) if one["kind"] == "finished"]
        if len(set(ends)) < len(ends):
            yield "a finished step was made again"
        shutil.rmtree(self.folder)


class Update:
    """Votes that come to a state, at times beside others'."""

    name, weight = "combine --update", 4

    def __init__(self, room: Path) -> None:
        self.folder = room / "update"

    def strike(self, draw: random.Random) -> Problems:
        made = undisturbed_updates()
        if not self.folder.exists():
            shutil.copytree(made.folder, self.folder)
        shutil.copyfile(self.folder / "before", self.folder / "s")
        run = Command(self.folder, "combine", "more.csv", *UPDATE)
        rival = Command(self.folder, "combine", "mine.csv", *UPDATE) if draw.random() < 0.3 else None
        run.wait_until(lambda: any(self.folder.glob(".outgrow-*")))
        time.sleep(draw.random() * made.seconds)
        yield from run.kill()
        yield from self._whole()
        yield from [] if rival is None else rival.end()
        yield from Command(self.folder, "combine", "more.csv", *UPDATE).end()
        yield from leftovers(self.folder)
        if labels(self.folder) != (made.of_one if rival is None else made.of_both):
            yield "the labels differ from those of undisturbed updates"

    def _whole(self) -> Problems:
        try:
            if load_state(self.folder / "s").table.n_votes not in (900, 990, 1080):
                yield "the state has some of the votes of a file"
        except OutgrowError as error:
            yield str(error)

    def end(self) -> Problems:
        yield from ()


class Train:
    """A student that takes the place of another one; the trainings themselves are finished."""

    name, weight = "train -o", 2

    def __init__(self, room: Path) -> None:
        self.folder, self.now = room / "train", 0

    def strike(self, draw: random.Random) -> Problems:
        made = undisturbed_students()
        if not self.folder.exists():
            shutil.copytree(made.folder, self.folder)
        before, self.now = self.now, 1 - self.now
        run = Command(self.folder, *train_words(self.now))
        if draw.random() < 0.8:
            run.wait_until(lambda: any(self.folder.glob(".outgrow-*.new")))
        time.sleep(draw.random() * made.seconds)
        yield from run.kill()
        if contents(self.folder / "student") not in (made.students[before], made.students[self.now]):
            yield "the folder is neither the earlier student nor the new one"
        yield from Command(self.folder, *train_words(self.now)).end()
        if contents(self.folder / "student") != made.students[self.now]:
            yield "the same command again gives another student"
        yield from leftovers(self.folder)

    def end(self) -> Problems:
        yield from ()


class Rules:
    """Rules that hang, in processes of their own, at times with children of their own."""

    name, weight = "rules", 3

    def __init__(self, room: Path) -> None:
        self.folder = room / "rules"

    def strike(self, draw: random.Random) -> Problems:
        if not self.folder.exists():
            self._prepare()
        rules, jobs = draw.choice(["pattern.yaml", "spin.yaml", "child.yaml"]), draw.choice("12")
        run = Command(self.folder, "rules", rules, "items.csv", "-o", "votes.csv", "--jobs", jobs)
        run.wait_until(lambda: len(alive_in(run.pid)) > 1)
        time.sleep(draw.choice([0, 0.1, 0.5]) * draw.random())
        yield from run.kill()
        if (self.folder / "votes.csv").exists():
            yield "there are votes of rules that were not done"

    def end(self) -> Problems:
        if not self.folder.exists():
            return
        yield from Command(self.folder, "rules", "quick.yaml", "items.csv", "-o", "votes.csv").end()
        yield from leftovers(self.folder)

    def _prepare(self) -> None:
        self.folder.mkdir()
        (self.folder / "items.csv").write_text("item,text\n" + "".join(f"i{row},{'a' * 60}b\n" for row in range(40)))
        (self.folder / "mine.py").write_text(
            "import re, subprocess, sys\n"
            "def spin(row): re.search('^(a+)+$', row['text'])\n"
            "def child(row): subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        )
        each = {
            "pattern": '{regex: "^(a+)+$", says: ham, limit: 60}',
            "spin": '{function: "mine.py:spin", limit: 60}',
            "child": '{function: "mine.py:child", limit: 60}',
            "quick": '{regex: "a+", says: ham}',
        }
        for name, rule in each.items():
            (self.folder / f"{name}.yaml").write_text(f"classes: [ham, spam]\nrules:\n  it: {rule}\n")


KINDS = (Study, Update, Train, Rules)


# ---- what nobody has disturbed ---------------------------------------------------------------------------


class Updates(NamedTuple):
    """A state and two files of new votes, and the labels that they come to."""

    folder: Path
    seconds: float
    """From the lock to the end of one update."""
    of_one: list[tuple[object, ...]]
    """After `more.csv`."""
    of_both: list[tuple[object, ...]]


class Students(NamedTuple):
    """A folder with the store of two finished trainings and the first one's student."""

    folder: Path
    seconds: float
    """About as long as it takes to put a student in its place."""
    students: dict[int, dict[str, str]]


@cache
def undisturbed_updates() -> Updates:
    folder = _room()
    for name, first, n_items in (("old.csv", 0, 300), ("more.csv", 300, 30), ("mine.csv", 330, 30)):
        votes_of(first, n_items).to_csv(folder / name, index=False)
    _well(Command(folder, "combine", "old.csv", "--state", "before", "--method", "dawid_skene"))
    shutil.copyfile(folder / "before", folder / "s")
    run = Command(folder, "combine", "more.csv", *UPDATE)
    run.wait_until(lambda: any(folder.glob(".outgrow-*")))
    began = time.monotonic()
    _well(run)
    seconds, of_one = time.monotonic() - began, labels(folder)
    _well(Command(folder, "combine", "mine.csv", *UPDATE))
    return Updates(folder, seconds, of_one, labels(folder))


@cache
def undisturbed_students() -> Students:
    folder, students = _room(), {}
    (folder / "items.csv").write_text("id,text\n" + "".join(f"i{row},text {row}\n" for row in range(30)))
    votes_of(0, 30).to_csv(folder / "votes.csv", index=False)
    for seed in (1, 0):
        _well(Command(folder, *train_words(seed)))
        students[seed] = contents(folder / "student")
    began = time.monotonic()
    shutil.copytree(folder / "student", folder / "copy")
    seconds = time.monotonic() - began
    shutil.rmtree(folder / "copy")
    return Students(folder, 3 * seconds, students)


def _room() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="undisturbed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _well(run: Command) -> None:
    wrong = run.end()
    assert not wrong, wrong


def train_words(seed: int) -> tuple[str, ...]:
    """One of the two trainings."""
    asked = ("--items", "items.csv", "--labels", "votes.csv", "--model", MODEL, "--method", "vote")
    quick = ("student.training.epochs=1", "student.max_length=16", "threads=1", f"seed={seed}")
    return ("train", *asked, "-o", "student", "-q", *quick)


def votes_of(first: int, n_items: int) -> pd.DataFrame:
    """Three sources' votes on items from `first` on."""
    said = np.random.default_rng(first).integers(2, size=(n_items, 3))
    rows = [(f"i{first + item}", f"s{source}", f"c{said[item, source]}") for item, source in np.ndindex(said.shape)]
    return pd.DataFrame(rows, columns=["item", "source", "label"])


# ---- what is there ---------------------------------------------------------------------------------------


def labels(folder: Path) -> list[tuple[object, ...]]:
    """The labels, whatever their order; numbers to nine digits, as sums depend on the order of items."""
    frame = pd.read_csv(folder / "labels.csv").drop(columns="probabilities").round(9)
    return sorted(frame.itertuples(index=False, name=None))


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder by its digest; nothing where there is no folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def leftovers(folder: Path) -> Problems:
    """Our own temporary files; there are none after a command that ended well."""
    if found := sorted(path.name for path in folder.glob(".outgrow-*")):
        yield f"left behind: {found}"
