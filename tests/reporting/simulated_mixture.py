"""A finished study of three capabilities: real items, answers with mistakes, stored as results of the real steps."""

from pathlib import Path
from typing import Any

import numpy as np
from simulated_texts import EXPERIMENT, SimulatedTexts, Writer, fill

from outgrow.config.load import read_experiment
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.split import make_split
from outgrow.data.task import Split
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Job
from outgrow.graph.store import Store
from outgrow.study.build import Study, build_study

SIZES = {"slots": 30, "sums": 24, "science": 18}
"""Test items of each capability."""
TASK: dict[str, Any] = {
    "name": "three",
    "sizes": {"half_a": 10, "half_b": 12, "test": SIZES["slots"]},
    "capabilities": {
        "slots": {"name": "errands", "template": "{text}"},
        "sums": {"name": "sums", "sizes": {"half_a": 8, "half_b": 10, "test": SIZES["sums"]}},
        "science": {"name": "sciq", "sizes": {"half_a": 5, "half_b": 9, "test": SIZES["science"]}},
    },
}
JUNK = ("", "I cannot say.", '{"time": 5', "####")


class MixtureWriter(Writer):
    """Writes for the items of every capability; what is wrong is another item's answer, or junk."""

    def __init__(self, study: Study, store: Store, seed: int) -> None:
        self.study, self.store, self.rng = study, store, np.random.default_rng(seed)
        section = study.experiment.task
        self.task = cut(load_task(section), section.sizes_by_capability, section.split_seed)

    def splits(self) -> list[Split]:
        room = self.store.root.parent / "room"
        for name in ("pool", *map(str, range(len(self.study.splits)))):
            (room / name).mkdir(parents=True)
        self.task.save(room / "pool")
        splits = []
        for number, step in enumerate(self.study.splits):
            folder = room / str(number)
            make_split(Job(folder, {"pool": room / "pool"}, folder), **step.params)
            splits.append(Split.load(folder))
        return splits

    def answer(self, gold: str, ability: float) -> str:
        draw = self.rng.random()
        if draw < ability:
            return gold
        return str(self.rng.choice(JUNK if draw < ability + 0.1 else self.task.items.answers or []))


def simulate_mixture(root: Path, seed: int, **changes: Any) -> SimulatedTexts:
    """A whole study in `root`; nothing is missing."""
    small = {"methods": ["single", "naive", "joint_decoding"], "variants": ["plain"], "seeds": [0, 1]}
    study = build_study(
        read_experiment({**EXPERIMENT, "task": TASK, **small, **changes, "store": str(root / "steps")})
    )
    store = Store(root / "steps")
    store.prepare()
    writer = MixtureWriter(study, store, seed)
    fill(writer, set())
    outcomes = {step.identity: StepOutcome("done", seconds=1.5) for step in study.steps if store.finished(step)}
    return SimulatedTexts(study, store, outcomes, writer.task)
