"""The attacks, for as long as one likes: `python tests/attack/run.py [ATTACK …] [--count N] [--minutes M] [--seed S]`.

An attack is a module of this folder with `run(count, seed) -> (tried, failures)`. It is asked for a part at a time,
each with a seed of its own, until its count or its share of the minutes is used up. What failed is written to
`--output`, with the command that tries it again, and the exit code is 1.
"""

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault("OUTGROW_TEST_SEED", "0")  # of the tests' own draws, which the attacks do not use

from failure import Failure  # noqa: E402 - its folder is on the path only now

COUNTS = {
    "kills": 1_000,
    "damaged_files": 50_000,
    "damaged_studies": 40_000,
    "damaged_stores": 10_000,
    "faulty_servers": 1_000,
}
OTHERS = 1_000
FIRST_PART, SECONDS_OF_A_PART = 8, 30.0
MOST_KEPT = 100
"""Failures of one attack that are written down."""


class Tally(NamedTuple):
    """How an attack went."""

    attack: str
    tried: int
    failures: list[Failure]
    seconds: float


def attacks() -> list[str]:
    """The modules of this folder that have a `run`, in order."""
    own = (Path(__file__).name, "failure.py")
    paths = [path for path in HERE.glob("*.py") if path.name not in own and not path.name.startswith("test_")]
    return sorted(path.stem for path in paths if "\ndef run(" in path.read_text(encoding="utf-8"))


def attack(name: str, count: int, seconds: float, seed: int) -> Tally:
    """One attack, a part at a time, at most for so long (but for the last part)."""
    run = importlib.import_module(name).run
    began, tried, part = time.monotonic(), 0, FIRST_PART
    failures: list[Failure] = []
    while tried < count and (spent := time.monotonic() - began) < seconds:
        part_seed = seed + tried
        some = min(part, count - tried)
        try:
            some, found = run(some, part_seed)
        except Exception:
            # What escaped may be the attack's own fault or the finding itself: somebody has to look.
            found = [Failure("escaped from the attack", part_seed, some - 1, traceback.format_exc()[-3000:])]
        tried += some
        failures += found
        taken = time.monotonic() - began - spent
        part = max(1, min(4 * part, int(part * SECONDS_OF_A_PART / max(taken, 0.01))))
    return Tally(name, tried, failures, time.monotonic() - began)


def write_failures(tally: Tally, folder: Path) -> None:
    """Each as JSON with the command to try it again; its input, where it is a file, beside it."""
    for number, one in enumerate(tally.failures[:MOST_KEPT]):
        place = folder / f"{tally.attack}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        again = f"python tests/attack/run.py {tally.attack} --seed {one.seed} --count {one.index + 1}"
        told = {name: value for name, value in asdict(one).items() if name != "content"}
        about = {"again": again, "failure": told}
        (place / "failure.json").write_text(json.dumps(about, ensure_ascii=True, indent=1), encoding="utf-8")
        if one.content:
            (place / (Path(one.name).name or "input")).write_bytes(one.content)


def table(tallies: Sequence[Tally]) -> str:
    """One row per attack, as Markdown."""
    rows = [("attack", "tried", "failures", "seconds"), ("---", "---:", "---:", "---:")]
    rows += [(one.attack, f"{one.tried:,}", f"{len(one.failures):,}", f"{one.seconds:,.0f}") for one in tallies]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(words: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", nargs="*", help=f"by default all: {', '.join(attacks())}")
    parser.add_argument("--count", type=int, help="inputs, answers or kills of each")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of all together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/attack"), help="where failing inputs go")
    asked = parser.parse_args(words)
    unknown = set(asked.attack) - set(attacks())
    if unknown:
        parser.error(f"no attack named {', '.join(sorted(unknown))}; there are {', '.join(attacks())}")
    names, until, tallies = asked.attack or attacks(), time.monotonic() + 60 * asked.minutes, []
    for number, name in enumerate(names):
        count = COUNTS.get(name, OTHERS) if asked.count is None else asked.count
        share = (until - time.monotonic()) / (len(names) - number)
        tallies.append(attack(name, count, share, asked.seed))
        write_failures(tallies[-1], asked.output)
        sys.stderr.write(table(tallies[-1:]).splitlines()[-1] + "\n")
    print(table(tallies))
    return int(any(one.failures for one in tallies))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
