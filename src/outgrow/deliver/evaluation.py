"""How good a finished student is: its answers against gold of test items, and against what it learned.

Of classes the accuracy has Wilson's interval, and so has a metric of texts that is right or wrong for every item; any
other metric of texts is resampled over items (percentiles of 2,000 draws from a fixed seed).
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float
from scipy.stats import binomtest

from outgrow.combiners.fit import LEVEL
from outgrow.data.task import Split, Task
from outgrow.labels import WeakLabels
from outgrow.metrics.bootstrap import draw_items, resampled_sums
from outgrow.metrics.calibration import log_loss
from outgrow.metrics.text_score import TEXT_METRICS, TextScore
from outgrow.texts import WeakTexts

DRAWS = 2000


def answers_of(taught: Path, answered: Path) -> dict[str, Any]:
    """What a card tells of the answers in the folder `answered`; `test` is None without test items with gold."""
    task = Task.load(taught)
    return of_texts(task, taught, answered) if task.kind == "generate" else of_classes(task, taught, answered)


def of_classes(task: Task, taught: Path, answered: Path) -> dict[str, Any]:
    """Agreement with the combined labels on what was learned; accuracy and log-loss on test items."""
    learned = WeakLabels.load(answered / "half_b.parquet")
    labels = pq.read_table(taught / "combined.parquet", columns=["item", "label"])
    label_of = dict(zip(labels["item"].to_pylist(), labels["label"].to_pylist(), strict=True))
    said = [task.classes[number] for number in learned.hard[:, 0].tolist()]
    same = [label_of.get(name) == word for name, word in zip(learned.items, said, strict=True)]
    gold = task.items.gold[Split.load(taught).test]
    known = np.flatnonzero(gold >= 0)
    test = None
    if len(known):
        probs = WeakLabels.load(answered / "test.parquet").probs[known, 0]
        right = int((probs.argmax(axis=1) == gold[known]).sum())
        low, high = wilson(right, len(known))
        test = {
            "n": len(known),
            "accuracy": right / len(known),
            "low": low,
            "high": high,
            "log_loss": float(log_loss(probs, gold[known]).mean()),
        }
    return {"agreement": float(np.mean(same)), "test": test}


def of_texts(task: Task, taught: Path, answered: Path) -> dict[str, Any]:
    """The task's metric on test items; an item without an answer has an empty one. Nobody wrote what was learned."""
    rows = Split.load(taught).test
    known = np.flatnonzero(task.items.gold[rows] >= 0).tolist()
    if not known or task.items.answers is None:
        return {"agreement": None, "test": None}
    written = WeakTexts.load(answered / "test.parquet").texts
    said = [written[number][0] for number in known]
    gold = [task.items.answers[row] for row in rows[known].tolist()]
    score = TEXT_METRICS[task.metric].score
    counts = score.counts([text or "" for text in said], gold)
    low, high = interval_of(score, counts)
    test = {
        "n": len(known),
        "metric": score.title,
        "score": float(score.value(counts.sum(axis=0))),
        "low": low,
        "high": high,
        "unanswered": sum(text is None for text in said),
    }
    return {"agreement": None, "test": test}


def interval_of(score: TextScore, counts: Float[np.ndarray, "item part"]) -> tuple[float, float]:
    """The `LEVEL` interval of a score; see the module."""
    right = counts[:, 0]
    if counts.shape[1] == 2 and np.isin(right, (0, 1)).all() and (counts[:, 1] == 1).all():
        return wilson(int(right.sum()), len(right))
    draws = draw_items(len(counts), DRAWS, np.random.default_rng(0))[1:]
    values = score.value(resampled_sums(draws, counts))
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(right: int, n: int) -> tuple[float, float]:
    """The `LEVEL` interval of a share."""
    interval = binomtest(right, n).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
