"""Where a study's seconds go, what a second method costs a finished study, and what a rerun costs.

python bench/study.py                                   the quickstart, in a store of its own
python bench/study.py --jobs 2 seeds=0 task.sizes.test=500
"""

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import outgrow
from outgrow.graph.event import Event

EXAMPLE = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
FIRST = "methods=[naive,vote]"
SECOND = "methods=[naive,vote,bayesian]"


class Clock:
    """Adds up the seconds of the steps that are executed, by kind."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def __call__(self, event: Event) -> None:
        if event.kind == "finished":
            self.seconds[event.step.name].append(event.seconds)


def timed(words: list[str], jobs: int) -> tuple[float, dict[str, list[float]]]:
    """Wall seconds of a run, and the seconds of its executed steps by kind."""
    clock, started = Clock(), time.perf_counter()
    result = outgrow.run(EXAMPLE, *words, jobs=jobs, on_event=clock)
    if result.failed:
        raise SystemExit(result.failed[0].error)
    return time.perf_counter() - started, clock.seconds


def show(title: str, wall: float, seconds: dict[str, list[float]]) -> None:
    """One block of the table."""
    print(f"{title:<44}{'steps':>7}{'seconds':>10}")
    for name, each in sorted(seconds.items(), key=lambda pair: -sum(pair[1])):
        print(f"  {name:<42}{len(each):>7}{sum(each):>10.1f}")
    print(f"  {'wall':<42}{sum(map(len, seconds.values())):>7}{wall:>10.1f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("words", nargs="*", help="key=value overrides")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        places = [f"store={folder}/steps", f"output={folder}/report"]
        runs = (("a study with two methods", FIRST), ("a third method added", SECOND), ("the same again", SECOND))
        for title, methods in runs:
            show(title, *timed([*asked.words, methods, *places], asked.jobs))


if __name__ == "__main__":
    main()
