"""A finished mixture study with every kind of selection: steps that only combine and select are really run.

What models would write is drawn: supervisors, the strong model's own answers, rewards that know something of who is
right, and vectors in which right answers lie to one side.
"""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from simulated_mixture import JUNK, MixtureWriter
from simulated_texts import EXPERIMENT, SimulatedTexts

from outgrow.config.load import read_experiment
from outgrow.data.task import Split
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Job, Step, walk
from outgrow.graph.store import Store
from outgrow.select.rewards import Rewards
from outgrow.select.row_scores import text_oracle
from outgrow.study.build import Study, build_study
from outgrow.texts import TextTargets
from outgrow.training.principal_plane import save_plane

SIZES = {"slots": 40, "sums": 36, "science": 30}
"""Items of half B of each capability."""
TASK: dict[str, Any] = {
    "name": "three",
    "sizes": {"half_a": 10, "half_b": SIZES["slots"], "test": 30},
    "capabilities": {
        "slots": {"name": "errands", "template": "{text}"},
        "sums": {"name": "sums", "sizes": {"half_a": 8, "half_b": SIZES["sums"], "test": 24}},
        "science": {"name": "sciq", "sizes": {"half_a": 5, "half_b": SIZES["science"], "test": 18}},
    },
}
METHODS: list[Any] = [
    "naive",
    "alone",
    "icl",
    "self_bootstrap",
    "agreement",
    "confident",
    "rewarded",
    "two_stage",
    {"preset": "random_half", "stages": [{}, {"select": {"type": "random", "size_of": "two_stage"}}]},
    "oracle",
    {"preset": "naive", "name": "noise 30 %", "noise": 0.3},
    {"preset": "naive", "name": "noise 60 %", "noise": 0.6},
    *(
        {"preset": "naive", "name": f"{share} {budget}", "budget": budget, "stages": [
            {"select": {"type": "random", "keep": {"fraction": share}}}]}
        for share in (0.25, 0.5)
        for budget in ("examples", "epochs")
    ),
]  # fmt: skip
REALLY = ("gather_texts", "make_text_targets", "make_text_gold", "select_texts", "add_noise_to_texts")
"""Functions of steps that are run."""


class SelectionWriter(MixtureWriter):
    """Writes what models would write, and runs what is no model."""

    def run(self, step: Step, out: Path, split: Split) -> None:
        """One step's result."""
        function = step.function.rpartition(":")[2]
        if function in REALLY:
            module = import_module(step.function.rpartition(":")[0])
            inputs = {name: self.store.path(source) for name, source in step.inputs.items()}
            getattr(module, function)(Job(out, inputs, out), **step.params)
        elif step.name in ("texts", "refined"):
            part = step.params.get("part", "half_b")
            texts = self.texts(getattr(split, part), step.params["name"], self.rng.uniform(0.5, 0.8))
            texts.save(out / f"{part}.parquet")
            (out / "written.json").write_text('{"concepts": {}}')
        elif step.name == "reward":
            self.reward(step, out)
        else:
            (out / "chosen.json").write_text('{"epoch": 2, "held_out_loss": 0.25, "losses": [0.5], "left_out": 0}')

    def reward(self, step: Step, out: Path) -> None:
        """Rewards and vectors that know something of who is right; one label is not read."""
        targets = TextTargets.load(self.store.path(step.inputs["targets"]) / "targets.parquet")
        right = text_oracle(self.task, targets) >= 0.5
        reward = np.where(np.arange(len(targets)) == 3, np.nan, self.rng.normal(size=len(targets)) + 1.2 * right)
        fold = np.zeros(len(targets), dtype=np.int64)
        Rewards(targets.items, targets.texts, reward, 1 / (1 + np.exp(-reward)), fold).save(out)
        names = [item.split("/")[0] for item in targets.items]
        place = {name: self.rng.normal(size=8) * 4 for name in dict.fromkeys(names)}
        drawn = [place[name] + one + self.rng.normal(size=8) for name, one in zip(names, right.tolist(), strict=True)]
        vectors = [None if np.isnan(one) else vector for one, vector in zip(reward.tolist(), drawn, strict=True)]
        counts = {"positives": 30, "negatives": 20, "auroc": 0.8}
        blocks = {name: {"positives": 10, "negatives": 6, "auroc": None} for name in place}
        models = [{"capability": "", "fold": 0, "l2": 0.001, "held_out_loss": [0.7, 0.6, 0.5]}]
        about = {**counts, "models": models, "held_out": False, "capabilities": blocks, **save_plane(out, vectors)}
        (out / "reward.json").write_text(json.dumps(about))

    def answer(self, gold: str, ability: float) -> str:
        """Wrong answers are junk, or right ones of a few other items: they repeat themselves."""
        draw = self.rng.random()
        if draw < ability:
            return gold
        return str(self.rng.choice(JUNK if draw < ability + 0.1 else (self.task.items.answers or [])[:12]))


def seed_of(study: Study, step: Step) -> int:
    """Which seed of the study a step belongs to."""
    behind = {source.identity for source in walk([step])}
    return next((number for number, split in enumerate(study.splits) if split.identity in behind), 0)


def simulate_selections(
    root: Path, seed: int, skip: Callable[[Step], bool] = lambda step: False, **changes: Any
) -> SimulatedTexts:
    """A whole study in `root` but for the steps that are skipped, and those that need them."""
    settings: Mapping[str, Any] = {
        "task": TASK, "methods": METHODS, "variants": ["plain"], "gold_controls": False,
        "seeds": [0, 1], "bootstrap": 100, **changes,
    }  # fmt: skip
    two = {name: EXPERIMENT["supervisors"][name] for name in ("gpt", "opt")}
    study = build_study(read_experiment({**EXPERIMENT, "supervisors": two, **settings, "store": str(root / "steps")}))
    store = Store(root / "steps")
    store.prepare()
    writer = SelectionWriter(study, store, seed)
    splits = writer.splits()
    for step in study.steps:
        if skip(step) or not all(store.finished(source) for source in step.inputs.values()):
            continue
        out = store.fresh_folder(step)
        if step.name == "pool":
            writer.task.save(out)
        elif step.name == "split":
            splits[seed_of(study, step)].save(out)
        else:
            writer.run(step, out, splits[seed_of(study, step)])
        store.commit(step, seconds=1.5)
    outcomes = {step.identity: StepOutcome("done", seconds=1.5) for step in study.steps if store.finished(step)}
    return SimulatedTexts(study, store, outcomes, writer.task)
