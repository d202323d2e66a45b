"""Made tasks with weak labels and strong answers of which it is known whether they are right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from outgrow.align.pieces import PieceTable
from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain

METRICS = {"sums": "answer_match", "tales": "contains", "words": "token_f1"}


def mixture(n: int = 12, names: Sequence[str] = ("sums", "tales", "words"), groups: list[str] | None = None) -> Task:
    """Items of several capabilities in turns; with one name, a plain task. Gold is a number or a few words."""
    whose = [names[item % len(names)] for item in range(n)]
    gold = [f"so it is {item}" if name == "sums" else f"the grey house {item}" for item, name in enumerate(whose)]
    items = Items(
        ids=[f"i{item}" for item in range(n)],
        prompts=[f"what is asked about number {item}" for item in range(n)],
        gold=np.zeros(n, dtype=np.int64),
        answers=gold,
        groups=groups or [],
        capabilities=whose if len(names) > 1 else None,
    )
    metrics: Mapping[str, str] = {name: METRICS[name] for name in names} if len(names) > 1 else {}
    return Task("made", "generate", (), items, metric="macro" if metrics else METRICS[names[0]], metrics=metrics)


def believed(text: str, rng: np.random.Generator) -> PieceTable:
    """The text as one piece and an end, with log-probabilities at random."""
    n_bytes = len(text.encode())
    return PieceTable(np.asarray([n_bytes]), -rng.exponential(size=1)).close(-float(rng.exponential()), n_bytes)


def targets_of(rows: Sequence[tuple[str, str]], rng: np.random.Generator) -> TextTargets:
    """A target of weight 1 for every (item, text)."""
    items, texts = [item for item, _ in rows], [text for _, text in rows]
    return TextTargets(items, texts, [believed(text, rng) for text in texts], np.ones(len(rows)), ("Made up.",))


def answers_of(texts: Mapping[str, str | None], name: str = "student") -> WeakTexts:
    """One source's texts by item; `None` = no answer."""
    found = [[[] if text is None else [Candidate(text, certain(text))]] for text in texts.values()]
    return WeakTexts(list(texts), (name,), found)


def wrong_or_right(task: Task, right: float, rng: np.random.Generator) -> list[str]:
    """A text for every item: its gold with this probability, else that of a random other item."""
    gold, n = task.items.answers, len(task.items)
    others = (np.arange(n) + rng.integers(1, n, n)) % n
    return [gold[item] if rng.random() < right else gold[int(other)] for item, other in enumerate(others)]


def job_in(folder: Path, name: str, inputs: Mapping[str, Path], **hints: object) -> Job:
    """A job that may be run again under the same name: its scratch folder stays, its output starts empty."""
    out, scratch = folder / name / "out", folder / name / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    out.mkdir()
    return Job(out, inputs, scratch, {"device": "cpu", **hints})


def save_inputs(folder: Path, task: Task, targets: TextTargets, **texts: WeakTexts) -> dict[str, Path]:
    """Folders of the steps before: `pool`, `split` (all items are half B), `targets`, and tables of texts by name."""
    found = {name: folder / name for name in ("pool", "split", "targets", *texts)}
    for path in found.values():
        path.mkdir(parents=True)
    task.save(found["pool"])
    none = np.zeros(0, dtype=np.int64)
    Split(none, np.arange(len(task.items)), none).save(found["split"])
    targets.save(found["targets"] / "targets.parquet")
    for name, table in texts.items():
        table.save(found[name] / "half_b.parquet")
    return found
