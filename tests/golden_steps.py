"""Golden results: what tiny steps of most kinds wrote when their `version` was last raised.

`python tests/golden_steps.py` writes `golden_steps.json` again. Numbers are kept as a few sums, which are compared
with a tolerance, since another CPU rounds differently.
"""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from outgrow.config.load import read_experiment
from outgrow.extensions import function_of
from outgrow.graph.step import Job, Step
from outgrow.study.build import build_study

FILE = Path(__file__).with_suffix(".json")
TOLERANCE = 2e-3
PROBE = {"model": "bundled:wordllama", "dims": 32}
NOUNS = {"sea": ["boat", "wave", "fish", "harbour"], "sky": ["cloud", "bird", "star", "plane"]}
VOTES: dict[str, Any] = {
    "name": "votes",
    "task": {"name": "nouns", "sizes": {"half_a": 24, "half_b": 24, "test": 12}},
    "supervisors": {
        "words": {"type": "ngram"},
        "static": PROBE,
        "pattern": {"regex": "boat|fish", "says": "sea"},
        "ada": {"votes": "votes.csv"},
    },
    "student": {**PROBE, "dims": 64},
    "second_view": PROBE,
    "methods": [
        {"name": "voted", "combine": {"type": "vote"}, "sources": ["words", "static", "ada"], "noise": 0.25},
        {"name": "sure", "rounds": 2, "combine": {"type": "keep_all"}, "sources": ["words", "static"]},
        {"name": "half", "stages": [{"select": {"type": "confidence", "keep": {"fraction": 0.5}}}]},
    ],
    "variants": ["matching", "two_views"],
    "tune": {"l2": [0.01, 0.1], "epochs": [20], "folds": 2},
    "seeds": [0],
}
TEXTS: dict[str, Any] = {
    "name": "texts",
    "task": {"name": "additions", "kind": "generate", "sizes": {"half_a": 6, "half_b": 12, "test": 6}},
    "supervisors": {"ada": {"votes": "texts.csv"}, "ben": {"votes": "texts.csv"}},
    "student": {"model": "bundled:smollm2-135m@1", "adapt": "lora"},
    "methods": [
        "naive",
        {"name": "noisy", "noise": 0.5},
        {"name": "counted", "combine": {"type": "answer_vote", "metric": "exact_match"}},
    ],
    "variants": ["plain"],
    "untouched": False,
    "seeds": [0],
}
LANGUAGE_MODELS = (
    "outgrow.training.text_training_steps:train_text_student",
    "outgrow.supervise.writer_steps:write_texts",
)
"""Step functions that are not run: they would load a language model."""


Computed = tuple[Step, str, dict[str, Any]]


class Difference(NamedTuple):
    """A step whose results are not the recorded ones, though those of its inputs are."""

    function: str
    name: str
    problem: str


def studies(folder: Path) -> Iterator[list[Step]]:
    """The steps of both studies, with their files in `folder`."""
    rng = np.random.default_rng(0)
    rows, votes = ["item,text,label"], ["item,source,label"]
    for item in range(90):
        label = ("sea", "sky")[item % 2]
        nouns = rng.choice(NOUNS[label], 2).tolist() + rng.choice(NOUNS["sea"] + NOUNS["sky"], 1).tolist()
        rows.append(f"n{item},a {' and a '.join(nouns)},{label}")
        votes.append(f"n{item},ada,{label if item % 5 else 'sea'}")
    sums, texts = ["item,prompt,completion"], ["item,source,label"]
    for item in range(30):
        sums.append(f"s{item},{item} plus 1,{item + 1}")
        texts += [f"s{item},ada,{item + 1}", f"s{item},ben,{item + 1 + (item % 3 == 0)}"]
    for name, lines in {"nouns": rows, "votes": votes, "additions": sums, "texts": texts}.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    for study, columns in ((VOTES, {"id": "item"}), (TEXTS, {"id": "item"})):
        task = {**study["task"], "path": str(folder / f"{study['task']['name']}.csv"), "columns": columns}
        supervisors = {
            name: {**section, "votes": str(folder / section["votes"])} if "votes" in section else section
            for name, section in study["supervisors"].items()
        }
        yield build_study(read_experiment({**study, "task": task, "supervisors": supervisors})).steps


def run(step: Step, done: dict[str, Path], folder: Path) -> Path:
    """The folder of a step's results, computed in this process."""
    out, scratch = folder / step.identity / "out", folder / step.identity / "scratch"
    out.mkdir(parents=True)
    scratch.mkdir()
    job = Job(out, {name: done[source.identity] for name, source in step.inputs.items()}, scratch, step.hints)
    function_of(step.function)(job, **step.settings)
    return out


def results(folder: Path) -> dict[str, Any]:
    """A hash of names and texts, and sums of numbers; of files that tables and arrays are in."""
    texts, sums = hashlib.sha256(), []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".parquet", ".npy")):
        texts.update(path.name.encode())
        columns = {"": np.load(path)} if path.suffix == ".npy" else pq.read_table(path).to_pydict()
        for name, column in sorted(columns.items()):
            values = np.asarray(list(_numbers(column)), dtype=np.float64)
            texts.update(f"{name}{list(_texts(column))}{len(values)}".encode())
            weights = 1 + np.random.default_rng(len(values)).random(len(values))
            sums.append(float(f"{values @ weights / max(1, len(values)):.6g}"))
    return {"texts": texts.hexdigest()[:12], "numbers": sums}


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, np.ndarray):
        yield from value.ravel().tolist()
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _numbers(entry)
    elif isinstance(value, dict):
        yield from _numbers(list(value.values()))
    elif isinstance(value, bool | int | float):
        yield float(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, str):
        yield value


def compute(folder: Path) -> Iterator[Computed]:
    """Every step with a name of its own and its results, inputs before users."""
    done: dict[str, Path] = {}
    names: Counter[tuple[str, str]] = Counter()
    for steps in studies(folder):
        for step in steps:
            ready = all(source.identity in done for source in step.inputs.values())
            if not ready or step.function in LANGUAGE_MODELS:
                continue
            names[step.function, step.label] += 1
            done[step.identity] = run(step, done, folder)
            yield step, f"{step.label} #{names[step.function, step.label]}", results(done[step.identity])


def differences(computed: Sequence[Computed], recorded: dict[str, Any]) -> list[Difference]:
    """The first steps on each way whose results are not the recorded ones."""
    found: list[Difference] = []
    changed: set[str] = set()
    for step, name, result in computed:
        if any(source.identity in changed for source in step.inputs.values()):
            changed.add(step.identity)
            continue
        entry = recorded.get(step.function, {}).get(name)
        problem = _problem(step, result, entry)
        if problem:
            changed.add(step.identity)
            found.append(Difference(step.function, name, problem))
    return found


def _problem(step: Step, result: dict[str, Any], entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "has no golden results"
    if entry["version"] != step.version:
        return f"has version {step.version}, and the golden results are of version {entry['version']}"
    if result["texts"] == entry["texts"] and _close(result["numbers"], entry["numbers"]):
        return ""
    if entry["code"] != step.code[:12]:
        return "has other results after an edit of its mathematics, which is part of its identity"
    return f"has other results, and its `version` is still {step.version}: raise it where the step is built"


def _close(numbers: list[float], recorded: list[float]) -> bool:
    return len(numbers) == len(recorded) and bool(np.allclose(numbers, recorded, rtol=TOLERANCE, atol=TOLERANCE))


def write() -> None:
    """Record the results of now."""
    recorded: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for step, name, result in compute(Path(folder)):
            entry = {"version": step.version, "code": step.code[:12], **result}
            recorded.setdefault(step.function, {})[name] = entry
    FILE.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write()
