"""A run in a process of its own, to be killed or interrupted: `python drive.py STORE JOBS GRAPH [RAY-ADDRESS]`."""

import json
import sys
from pathlib import Path

import step_functions as steps

from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.ray_launcher import RayLauncher
from outgrow.graph.runner import run_steps
from outgrow.graph.store import Store

GRAPHS = {
    "climbers": lambda: steps.climbers(width=3, rounds=3, pause=0.02),
    "slow": lambda: steps.climbers(width=3, rounds=15, pause=0.1),
    "mixed": lambda: steps.mixed(),
    "long": lambda: [steps.step("quick", text="q"), steps.step("slow", "climb", rounds=1000, pause=0.05)],
}


def main(root: str, jobs: str, graph: str, address: str = "") -> None:
    def show(event):
        print(event.kind, event.step.name, flush=True)

    launcher = RayLauncher(address, int(jobs), 1) if address else LocalLauncher(int(jobs), 1)
    made = GRAPHS[graph]()
    outcomes = run_steps(made, Store(Path(root)), launcher=launcher, on_event=show)
    print(json.dumps([outcomes[one.identity].state for one in made if one.identity in outcomes]))


if __name__ == "__main__":
    main(*sys.argv[1:])
