"""A finished study whose answers are drawn from a simulation and stored as real results of its real steps."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_texts import SimulatedTexts, simulate_texts

from outgrow.config.load import read_experiment
from outgrow.data.task import Items, Split, Task
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.labels import Targets, WeakLabels
from outgrow.reporting.collect import collect, write_report
from outgrow.reporting.results import Results
from outgrow.study.build import Row, Study, build_study

CLASSES = 6
ITEMS, WEAK, STRONG, TEST = 1400, 200, 300, 600
ABILITY = {"words": 0.6, "characters": 0.8, "static": 1.3, "layer-4": 1.0}
GAIN = {"plain": 0.0, "self_training": 0.25, "matching": 0.35, "two_views": 0.3}
EXPERIMENT: dict[str, Any] = {
    "name": "simulated",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": WEAK, "half_b": STRONG, "test": TEST}},
    "supervisors": {
        "words": {"type": "ngram"},
        "characters": {"type": "ngram", "unit": "char", "longest": 4},
        "static": {"model": "bundled:wordllama", "dims": 64},
        "layer-4": {"model": "bundled:smollm2-135m", "layer": 4},
    },
    "student": {"model": "bundled:minilm-l6"},
    "second_view": {"model": "bundled:minilm-l6", "layer": 4},
    "methods": ["single", "naive", "vote", "bayesian"],
    "variants": ["plain", "self_training", "matching", "two_views"],
    "seeds": [0, 1, 2],
    "bootstrap": 200,
}


@dataclass(frozen=True)
class Simulated:
    """A study, its store, and how its steps ended."""

    study: Study
    store: Store
    outcomes: Mapping[str, StepOutcome]


class World:
    """Draws answers: every voice sees gold through noise, part of which all voices share.

    The supervisor named `bare` answers as a server may: it names a class or, for a third of the items, none.
    """

    def __init__(self, study: Study, store: Store, seed: int, bare: str) -> None:
        self.study, self.store, self.bare = study, store, bare
        self.rng = np.random.default_rng(seed)
        gold = self.rng.integers(CLASSES, size=ITEMS)
        prompts = [f"Question {number}: which of the topics?" for number in range(ITEMS)]
        items = Items([f"q{number:04}" for number in range(ITEMS)], prompts, gold)
        classes = tuple(f"topic {letter}" for letter in "ABCDEF")
        notes = ("3 items with the text of another were left out.",)
        self.task = Task("mmlu_topic", "classify", classes, items, notes)
        self.shared = self.rng.normal(size=(ITEMS, CLASSES))

    def splits(self) -> list[Split]:
        orders = [self.rng.permutation(ITEMS) for _ in self.study.splits]
        ends = WEAK, WEAK + STRONG, WEAK + STRONG + TEST
        return [Split(order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] : ends[2]]) for order in orders]

    def answers(self, ability: float, rows: np.ndarray, source: str) -> WeakLabels:
        own = self.rng.normal(size=(len(rows), CLASSES))
        logits = 0.6 * self.shared[rows] + own
        logits[np.arange(len(rows)), self.task.items.gold[rows]] += ability
        probs = np.exp(1.2 * logits)
        probs /= probs.sum(axis=1, keepdims=True)
        if source == self.bare:
            probs = np.eye(CLASSES)[probs.argmax(axis=1)]
            probs[self.rng.random(len(rows)) < 1 / 3] = 0.0
        return WeakLabels([self.task.items.ids[row] for row in rows], (source,), probs[:, None])


def ability(row: Row) -> float:
    """How well a row sees gold; students are better than the mean of their supervisors."""
    if row.role == "floor":
        return ABILITY[row.source or ""]
    if row.role == "ceiling":
        return 2.6 if row.view == "main" else 2.7
    if row.role == "untouched":
        return 0.3
    base = 0.4 + ABILITY[row.source] if row.source else 1.6 + 0.05 * len(row.method)
    return base + GAIN[row.variant]


def commit(store: Store, step: Step) -> Iterator[Path]:
    """Everything that is written while the iterator is held becomes the step's result."""
    if not store.path(step).exists():
        yield store.fresh_folder(step)
        store.commit(step, seconds=1.5)


def fill(study: Study, store: Store, seed: int, skip: set[str], bare: str) -> None:
    """Write every row's answers but those of the steps in `skip`."""
    world = World(study, store, seed, bare)
    splits = world.splits()
    for folder in commit(store, study.pool):
        world.task.save(folder)
    for step, split in zip(study.splits, splits, strict=True):
        for folder in commit(store, step):
            split.save(folder)
    for row in study.rows:
        for step, split in zip(row.steps, splits, strict=True):
            if step.identity not in skip:
                write_row(world, row, step, split, splits)


def write_row(world: World, row: Row, step: Step, split: Split, splits: list[Split]) -> None:
    for folder in commit(world.store, step):
        source = row.source if row.role == "floor" and row.source else "student"
        test = np.unique(np.concatenate([one.test for one in splits])) if row.role == "untouched" else split.test
        world.answers(ability(row), test, source).save(folder / "test.parquet")
        if row.role != "untouched":
            world.answers(ability(row), split.half_b, source).save(folder / "half_b.parquet")
            (folder / "chosen.json").write_text(
                '{"chosen": {"l2": 0.01, "lr": 0.05, "epochs": 200}, "select_by": "weak_accuracy", "oracle": false,'
                ' "grid": [{"l2": 0.01}, {"l2": 0.1}]}'
            )
    targets = step.inputs.get("targets")
    if targets is not None and row.role == "method":
        for folder in commit(world.store, targets):
            made = Targets(["q0000"], np.full((1, CLASSES), 1 / CLASSES), np.ones(1), (f"made for {row.method}",))
            made.save(folder / "targets.parquet")


def simulate(
    root: Path, skip_row: str = "", skip_all: bool = False, seed: int = 0, bare: str = "", **changes: Any
) -> Simulated:
    """A whole study in `root`; the last seed of the row named `skip_row` fails, or every row."""
    study = build_study(read_experiment({**EXPERIMENT, **changes, "store": str(root)}))
    store = Store(root)
    store.prepare()
    skip = {row.steps[-1].identity for row in study.rows if row.name == skip_row}
    if skip_all:
        skip = {step.identity for row in study.rows for step in row.steps}
    fill(study, store, seed, skip, bare)
    outcomes = {step.identity: StepOutcome("done", seconds=1.5) for step in study.steps if store.finished(step)}
    outcomes |= {identity: StepOutcome("failed", error="out of memory <&> on the first batch") for identity in skip}
    return Simulated(study, store, outcomes)


SMALL: dict[str, Any] = {
    "methods": ["naive", "bayesian"],
    "variants": ["plain"],
    "second_view": None,
    "seeds": [0],
    "bootstrap": 100,
}


@pytest.fixture(scope="session")
def simulate_small() -> Callable[..., Simulated]:
    """Make a study of one seed and two methods, with changes."""
    return lambda root, **changes: simulate(root, **{**SMALL, **changes})


@pytest.fixture(scope="session")
def results(simulated: Simulated) -> Results:
    """What `collect` makes of the simulated study."""
    return collect(simulated.study, simulated.store, simulated.outcomes)


@pytest.fixture(scope="session")
def report_folder(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated study's report."""
    folder = tmp_path_factory.mktemp("report")
    write_report(simulated.study, simulated.store, simulated.outcomes, folder)
    return folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Everything finished but one seed of `vote`."""
    return simulate(tmp_path_factory.mktemp("store"), skip_row="vote")


@pytest.fixture(scope="session")
def simulated_texts(tmp_path_factory: pytest.TempPathFactory) -> SimulatedTexts:
    """A study of texts: everything finished but one seed of `joint_decoding`."""
    return simulate_texts(tmp_path_factory.mktemp("texts"), skip_row="joint_decoding")


@pytest.fixture(scope="session")
def text_report(simulated_texts: SimulatedTexts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    """What the study of texts found, and the folder of its report."""
    folder = tmp_path_factory.mktemp("text_report")
    world = simulated_texts
    return write_report(world.study, world.store, world.outcomes, folder), folder


@pytest.fixture(scope="session")
def text_results(text_report: tuple[Results, Path]) -> Results:
    """What the study of texts found."""
    return text_report[0]


@pytest.fixture(scope="session")
def text_report_folder(text_report: tuple[Results, Path]) -> Path:
    """The report of the study of texts."""
    return text_report[1]
