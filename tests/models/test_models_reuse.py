"""A study with more items computes hidden states of the new ones only, and ends with the same bytes as without."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.config.load import read_experiment
from outgrow.graph.runner import run_steps
from outgrow.graph.store import Store
from outgrow.models.feature_reuse import BLOCK, blocks_of
from outgrow.study.build import build_study

STUDY: dict[str, Any] = {
    "name": "swept",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 40, "half_b": 80, "test": 120}},
    "supervisors": {"a": {"model": "bundled:wordllama"}},
    "student": {"model": "bundled:minilm-l6@1", "max_length": 64},
    "methods": ["naive"],
    "seeds": [0],
    "threads": 1,
}


def features_of(store: Path, strong: int, **student: Any) -> tuple[np.ndarray, int, int]:
    """The student's hidden states, how many items there are, and how many of them were computed now."""
    changed = {**STUDY, "student": {**STUDY["student"], **student}}
    study = build_study(read_experiment(changed, [f"task.sizes.half_b={strong}"]))
    (step,) = (step for step in study.steps if step.name == "features" and "minilm" in step.label)
    told: list[str] = []
    outcome = run_steps([step], Store(store), jobs=1, threads=1, on_event=lambda event: told.append(event.message))[
        step.identity
    ]
    assert outcome.state == "done", outcome.error
    values = np.load(store / step.folder / "features.npy")
    known = re.findall(r"(\d+) items are known from earlier results", " ".join(told))
    return values, len(values), len(values) - sum(map(int, known))


def test_blocks_hold_every_item_once_and_one_part_each() -> None:
    parts = ["train"] * 300 + ["test"] * 130 + ["train"] * 5
    blocks = blocks_of(parts)
    assert np.concatenate(blocks).tolist() == list(range(435))
    assert [len(block) for block in blocks] == [128, 128, 44, 128, 2, 5]
    assert blocks_of([]) == []


def test_a_sweep_of_sizes_computes_what_is_new(tmp_path: Path) -> None:
    swept = [features_of(tmp_path / "swept", strong) for strong in (80, 160, 320)]
    sizes = [n for _, n, _ in swept]
    assert sizes == sorted(set(sizes))
    assert swept[0][2] == sizes[0]
    before = 0
    for n, computed in ((n, computed) for _, n, computed in swept):
        assert computed == n - before // BLOCK * BLOCK
        before = n
    alone = features_of(tmp_path / "alone", 320)
    assert alone[2] == alone[1]
    assert alone[0].tobytes() == swept[-1][0].tobytes()


def test_what_is_damaged_or_of_another_model_is_not_taken(tmp_path: Path) -> None:
    _, n, _ = features_of(tmp_path, 80)
    (folder,) = (path.parent for path in tmp_path.glob("features-*/done.json") if is_minilm(path))
    _, larger, computed = features_of(tmp_path, 160, max_length=32)
    assert computed == larger
    values = np.load(folder / "features.npy")
    assert len(values) == n
    values[0] += 1
    np.save(folder / "features.npy", values)
    _, larger, computed = features_of(tmp_path, 160)
    assert computed == larger


def is_minilm(done: Path) -> bool:
    return "minilm" in json.loads(done.read_text())["params"]["model"]
