"""A run in a process of its own, to be killed or interrupted: `python drive.py STORE JOBS GRAPH`."""

import json
import sys
from pathlib import Path

import step_functions as steps

from outgrow.graph.runner import run_steps
from outgrow.graph.store import Store

GRAPHS = {
    "climbers": lambda: steps.climbers(width=3, rounds=3, pause=0.02),
    "long": lambda: [steps.step("quick", text="q"), steps.step("slow", "climb", rounds=1000, pause=0.05)],
}


def main(root: str, jobs: str, graph: str) -> None:
    def show(event):
        print(event.kind, event.step.name, flush=True)

    outcomes = run_steps(GRAPHS[graph](), Store(Path(root)), jobs=int(jobs), threads=1, on_event=show)
    print(json.dumps([outcome.state for outcome in outcomes.values()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
