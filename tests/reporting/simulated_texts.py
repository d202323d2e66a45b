"""A finished study of texts: slots filled with mistakes, stored as results of the real steps."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.align.pieces import PieceTable
from outgrow.config.load import read_experiment
from outgrow.data.task import Items, Split, Task
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.metrics.slu_f1 import Slot, write_slots
from outgrow.study.build import Row, Study, build_study
from outgrow.texts import Candidate, TextTargets, WeakTexts, join_texts

ITEMS, WEAK, STRONG, TEST = 260, 40, 60, 110
ABILITY = {"gpt": 0.45, "opt": 0.6, "pythia": 0.55}
FILLERS = {
    "person": ["ann", "my boss", "zoë", "uncle bob", "李 雷"],
    "time": ["half past three", "five", "noon", "ten thirty pm"],
    "date": ["tomorrow", "next friday", "the fourth of may"],
    "event_name": ["dentist", "team meeting", "yoga", "école"],
    "place_name": ["new york", "the office", "são paulo"],
    "media_type": ["radio", "podcast <b>& news</b>"],
}
MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
EXPERIMENT: dict[str, Any] = {
    "name": "slots",
    "task": {"name": "spoken", "kind": "generate", "metric": "slu_f1"},
    "supervisors": {
        name: {**MODEL, "training": {"lr": lr}} for name, lr in zip(ABILITY, (1e-4, 2e-4, 3e-4), strict=True)
    },
    "student": {**MODEL, "model": "bundled:smollm2-135m@4"},
    "methods": ["single", "naive", "joint_decoding", "bayesian", "bayesian_cdpo"],
    "variants": ["plain", "self_training"],
    "seeds": [0, 1, 2],
    "bootstrap": 200,
}


@dataclass(frozen=True)
class SimulatedTexts:
    """A study, its store, and how its steps ended."""

    study: Study
    store: Store
    outcomes: dict[str, StepOutcome]
    task: Task


class Writer:
    """Writes texts for a study's items: gold with some mistakes."""

    def __init__(self, study: Study, store: Store, metric: str, seed: int) -> None:
        self.study, self.store, self.rng = study, store, np.random.default_rng(seed)
        utterances = [self.slots() for _ in range(ITEMS)]
        prompts = [f'{number}: fill the slots of "{_spoken(slots)}"' for number, slots in enumerate(utterances)]
        gold = [write_slots(slots) for slots in utterances]
        # Some items of real data have no gold.
        known = np.where(np.arange(ITEMS) % 50 == 7, -1, 0)
        answers = [text if there == 0 else "" for text, there in zip(gold, known.tolist(), strict=True)]
        items = Items([f"u{number:03}" for number in range(ITEMS)], prompts, known, answers=answers)
        self.task = Task("spoken", "generate", (), items, ("2 utterances were left out.",), metric)

    def slots(self) -> list[Slot]:
        types = self.rng.choice(list(FILLERS), size=self.rng.integers(4), replace=True)
        return [Slot(str(name), str(self.rng.choice(FILLERS[str(name)]))) for name in types]

    def splits(self) -> list[Split]:
        orders = [self.rng.permutation(ITEMS) for _ in self.study.splits]
        ends = WEAK, WEAK + STRONG, WEAK + STRONG + TEST
        return [Split(order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] : ends[2]]) for order in orders]

    def texts(self, rows: np.ndarray, name: str, ability: float) -> WeakTexts:
        items = self.task.items
        return WeakTexts(
            [items.ids[row] for row in rows], (name,), [[self.candidates(items.answers[row], ability)] for row in rows]
        )

    def candidates(self, gold: str, ability: float) -> list[Candidate]:
        """Two texts, best first; seldom none at all."""
        if self.rng.random() < 0.02:
            return []
        return [self.candidate(self.answer(gold, ability)) for _ in range(2)]

    def answer(self, gold: str, ability: float) -> str:
        draw = self.rng.random()
        if draw < ability:
            return gold or "{}"
        if draw < ability + 0.05:
            return str(self.rng.choice(["", "no slots here", '{"time": 5', "\x00{}\u202e"]))
        kept = json.loads(gold or "{}")
        wrong = self.slots()
        return json.dumps({**dict(list(kept.items())[1:]), **{slot.type: slot.filler for slot in wrong}})

    def candidate(self, text: str) -> Candidate:
        """The text in random pieces of bytes with random probabilities; seldom without an end."""
        length = len(text.encode())
        cuts = np.unique(np.append(self.rng.integers(1, length + 1, size=length // 3 + 1), length)) if length else []
        table = PieceTable(np.asarray(cuts, dtype=np.int64), -self.rng.exponential(0.3, size=len(cuts)))
        return Candidate(text, table.close(-0.01, length) if self.rng.random() > 0.03 else table)


def _spoken(slots: list[Slot]) -> str:
    return " ".join(["please", *(slot.filler for slot in slots)])


def ability_of(row: Row) -> float:
    if row.role == "floor":
        return ABILITY[row.source or ""]
    if row.role == "ceiling":
        return 0.93
    if row.role == "untouched":
        return 0.05
    base = 0.1 + ABILITY[row.source] if row.source else 0.7 + 0.005 * len(row.method)
    return base + (0.04 if row.variant == "self_training" else 0.0)


def commit(store: Store, step: Step) -> Iterator[Path]:
    """Everything that is written while the iterator is held becomes the step's result."""
    if not store.path(step).exists():
        yield store.fresh_folder(step)
        store.commit(step, seconds=1.5)


def fill(writer: Writer, skip: set[str]) -> None:
    """Write the results of every step that the report reads, but those in `skip`."""
    study, store = writer.study, writer.store
    splits = writer.splits()
    for folder in commit(store, study.pool):
        writer.task.save(folder)
    for step, split, labels in zip(study.splits, splits, study.labels, strict=True):
        for folder in commit(store, step):
            split.save(folder)
        for folder in commit(store, labels):
            tables = [
                writer.texts(split.half_b, name, ability) for name, ability in ABILITY.items() if _has(study, name)
            ]
            join_texts(tables).save(folder / "half_b.parquet")
    for row in study.rows:
        for step, split in zip(row.steps, splits, strict=True):
            if step.identity not in skip:
                for folder in commit(store, step):
                    writer.texts(split.test, row.source or "student", ability_of(row)).save(folder / "test.parquet")
                    (folder / "written.json").write_text('{"tokens_read": 7, "tokens_written": 5}')
                fill_inputs(writer, row, step, split)


def _has(study: Study, name: str) -> bool:
    return name in study.experiment.supervisors


def fill_inputs(writer: Writer, row: Row, step: Step, split: Split) -> None:
    """What training says of itself, and the targets that it learned from."""
    model = step.inputs.get("model")
    if model is None:
        return
    for folder in commit(writer.store, model):
        (folder / "chosen.json").write_text(
            '{"epoch": 2, "held_out_loss": 0.25, "losses": [0.5, 0.25], "left_out": 0}'
        )
    student = model.inputs.get("student", model)
    targets = student.inputs.get("targets")
    if targets is None or row.role != "method":
        return
    for folder in commit(writer.store, targets):
        rounds = 1 if "joint" in row.method else 2
        table = writer.texts(split.half_b, "target", 0.8)
        found = [
            (item, cell[0][0]) for item, cell in zip(table.items, table.candidates, strict=True) if cell[0]
        ] * rounds
        texts, pieces = [one.text for _, one in found], [one.pieces for _, one in found]
        weight = np.full(len(found), 1 / rounds)
        made = TextTargets([item for item, _ in found], texts, pieces, weight, (f"made for {row.method}",))
        made.save(folder / "targets.parquet")


def simulate_texts(
    root: Path, skip_row: str = "", skip_all: bool = False, metric: str = "slu_f1", seed: int = 0, **changes: Any
) -> SimulatedTexts:
    """A whole study in `root`; the last seed of the row named `skip_row` fails, or every row."""
    root.mkdir(parents=True, exist_ok=True)
    data = root / "spoken.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": "{}"}) + "\n" for n in range(3)))
    task = {**EXPERIMENT["task"], "path": str(data), "metric": metric}
    study = build_study(read_experiment({**EXPERIMENT, **changes, "task": task, "store": str(root / "steps")}))
    store = Store(root / "steps")
    store.prepare()
    skip = {row.steps[-1].identity for row in study.rows if row.name == skip_row}
    if skip_all:
        skip = {step.identity for row in study.rows for step in row.steps}
    writer = Writer(study, store, metric, seed)
    fill(writer, skip)
    outcomes = {step.identity: StepOutcome("done", seconds=1.5) for step in study.steps if store.finished(step)}
    outcomes |= {identity: StepOutcome("failed", error="out of memory <&> on the first batch") for identity in skip}
    return SimulatedTexts(study, store, outcomes, writer.task)


SMALL: dict[str, Any] = {"methods": ["naive", "joint_decoding"], "variants": ["plain"], "seeds": [0], "bootstrap": 100}
Simulate = Callable[..., SimulatedTexts]


def simulate_small_texts(root: Path, **changes: Any) -> SimulatedTexts:
    """One seed and two methods, with changes."""
    return simulate_texts(root, **{**SMALL, **changes})
