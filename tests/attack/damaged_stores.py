"""Finished studies whose files are damaged in every way that a disk, a person or another program can think of.

In a try, some places of a finished small study (its store and its report) are damaged; then `plan`, `report`, `show`,
`run` and `show` go over it. Each of them has to end without a traceback, with a code of its own and at most one
sentence per trouble. Whatever is damaged within a step's folder is noticed and made again: the run ends well, and the
report is the one of before to the last byte. What lies elsewhere may be refused.
"""

import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

from failure import Failure

import small_study
from outgrow.cli import main as command

VERBS = (["plan"], ["report"], ["show"], ["run", "-q"], ["show"])
REFUSALS = (1, 2)
OWN = (".tmp", ".scratch", ".locks", ".logs", ".damaged", "events.jsonl")
"""Of the store itself: no step's folder."""

# ---- damages ------------------------------------------------------------------------------------------------


def flip(path: Path, draw: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 20])):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(raw)


def truncate(path: Path, draw: random.Random) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: draw.choice([0, draw.randrange(len(raw))])])


def extend(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes() + draw.randbytes(draw.choice([1, 4096])))


def zero(path: Path, draw: random.Random) -> None:
    """As after a power cut: the size is right, the content is not there."""
    path.write_bytes(bytes(path.stat().st_size))


def say_something_else(path: Path, draw: random.Random) -> None:
    """Valid JSON, YAML and text, but not what is expected."""
    texts = ["[]", "{}", "null", "3", '"x"', '{"files": 3}', "[" * 100_000, '{"a": 1e999}', "ä: [", "\x00", "NaN"]
    path.write_text(draw.choice(texts))


def change_a_value(path: Path, draw: random.Random) -> None:
    """Another value of the right or a wrong type behind one of the colons."""
    text = path.read_text(errors="replace")
    places = [number for number, letter in enumerate(text) if letter == ":"]
    if places:
        at = draw.choice(places) + 1
        end = at + len(text[at:].split("\n", 1)[0].rstrip(","))
        value = draw.choice(["null", "-1", "[]", '"\\ud800"', '"\\u0000"', "1e999", "true", "{}", '"../../x"'])
        path.write_text(f"{text[:at]} {value}{text[end:]}")


def remove(path: Path, draw: random.Random) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def become_a_folder(path: Path, draw: random.Random) -> None:
    remove(path, draw)
    path.mkdir()
    if draw.random() < 0.5:
        (path / "inside").write_text("x")


def become_a_file(path: Path, draw: random.Random) -> None:
    remove(path, draw)
    path.write_text(draw.choice(["", "{}"]))


def become_a_link(path: Path, draw: random.Random) -> None:
    """To nowhere, to itself, or to a folder."""
    remove(path, draw)
    path.symlink_to(draw.choice(["nowhere", path.name, "/usr", ".."]))


OF_FILES: Sequence[Callable[[Path, random.Random], None]] = (
    *(flip, flip, truncate, extend, zero, say_something_else, change_a_value),
    *(remove, become_a_folder, become_a_link),
)
OF_FOLDERS: Sequence[Callable[[Path, random.Random], None]] = (remove, become_a_file, become_a_link)


def damage(folder: Path, draw: random.Random) -> tuple[str, bool]:
    """Damage one place below `runs/`: what and where, and whether it is part of a step."""
    runs = folder / "runs"
    paths = sorted(path for path in runs.rglob("*") if path.is_symlink() or path.exists())
    records = [path for path in paths if path.name in ("done.json", "manifest.json", "resolved.yaml", "results.json")]
    path = draw.choice(records if records and draw.random() < 0.4 else paths)
    if not path.is_symlink() and path.is_dir():
        what = draw.choice(OF_FOLDERS)
    else:
        what = draw.choice([remove, become_a_folder] if path.is_symlink() or not path.stat().st_size else OF_FILES)
    what(path, draw)
    place = path.relative_to(runs)
    of_step = place.parts[0] == "steps" and len(place.parts) > 1 and place.parts[1] not in OWN
    return f"{what.__name__} {place}", of_step


# ---- tries --------------------------------------------------------------------------------------------------


def call(words: Sequence[str]) -> tuple[int, str, str]:
    """The command within this process: its exit code, and what it printed. Whatever it raises is its failure."""
    out, err = io.StringIO(), io.StringIO()
    sys_out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(err),
        contextlib.redirect_stdout(sys_out),
        patch.object(sys, "argv", ["o", *words]),
    ):
        warnings.simplefilter("always")  # as in a program of its own; pytest makes errors of them
        try:
            command()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    sys_out.seek(0)
    out.write(sys_out.read())
    return code, out.getvalue(), err.getvalue()


def attempt(seed: int, index: int, folder: Path) -> list[Failure]:
    """One finished study, damaged and gone over."""
    draw = random.Random(f"{seed}/{index}")
    small_study.copy(folder)
    done = [damage(folder, draw) for _ in range(draw.choice([1, 1, 2, 4]))]
    what, wrong = "; ".join(words for words, _ in done), []
    before = os.getcwd()
    os.chdir(folder)
    try:
        for verb, *words in VERBS:
            code, out, err = call([verb, small_study.FILE, *words])
            wrong += [f"{verb}: {problem}" for problem in odd(code, out, err)]
            if verb == "run":
                wrong += healed(folder, code, err, all(of_step for _, of_step in done))
    except Exception:
        wrong.append(traceback.format_exc()[-3000:])
    finally:
        os.chdir(before)
    return [Failure(what, seed, index, one) for one in wrong]


def odd(code: int, out: str, err: str) -> list[str]:
    """What no verb may do."""
    problems = [f"exit code {code}"] if code not in (0, *REFUSALS) else []
    problems += ["a traceback"] if "Traceback" in out + err else []
    told = any(line.startswith("outgrow: ") for line in err.splitlines())
    problems += ["no word of what is wrong"] if code in REFUSALS and not told else []
    return problems + (["an object's address"] if " at 0x" in out + err else [])


def healed(folder: Path, code: int, err: str, must: bool) -> list[str]:
    """What is wrong after a run, which has to have made the same report again where only steps were damaged."""
    if code == 0:
        same = small_study.report_bytes(folder) == small_study.report_bytes(small_study.finished()[0])
        return [] if same else ["run: another report than before"]
    return [f"run: not healed, code {code}: {err}"] if must else []


def run(count: int, seed: int) -> tuple[int, list[Failure]]:
    """`count` damaged studies; how many, and what was wrong."""
    found = []
    for index in range(count):
        with tempfile.TemporaryDirectory(prefix="outgrow-attack-") as folder:
            found += attempt(seed, index, Path(folder))
    return count, found
