"""The evaluation of a finished student: against gold of test items, and against its training labels.

Accuracy has Wilson's interval, and so has a metric of texts that is 0 or 1 for every item. Other metrics of texts are
resampled over items (percentiles of 2,000 draws from a fixed seed).
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
from outgrow.metrics.text_score import TEXT_SCORES, TextScore
from outgrow.texts import WeakTexts

DRAWS = 2000


def answers_of(data: Path, answered: Path) -> dict[str, Any]:
    """The card's numbers of the answers in the folder `answered`; `test` is None without test items with gold."""
    task = Task.load(data)
    return of_texts(task, data, answered) if task.kind == "generate" else of_classes(task, data, answered)


def of_classes(task: Task, data: Path, answered: Path) -> dict[str, Any]:
    """Agreement with the combined labels on what was learned; accuracy and log-loss on test items."""
    learned = WeakLabels.load(answered / "half_b.parquet")
    labels = pq.read_table(data / "combined.parquet", columns=["item", "label"])
    label_of = dict(zip(labels["item"].to_pylist(), labels["label"].to_pylist(), strict=True))
    predicted = [task.classes[index] for index in learned.hard[:, 0].tolist()]
    same = [label_of.get(name) == label for name, label in zip(learned.items, predicted, strict=True)]
    gold = task.items.gold[Split.load(data).test]
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


def of_texts(task: Task, data: Path, answered: Path) -> dict[str, Any]:
    """The task's metric on test items; a missing answer counts as an empty one. Training items are not answered."""
    rows = Split.load(data).test
    known = np.flatnonzero(task.items.gold[rows] >= 0).tolist()
    if not known or task.items.answers is None:
        return {"agreement": None, "test": None}
    written = WeakTexts.load(answered / "test.parquet").texts
    texts = [written[row][0] for row in known]
    gold = [task.items.answers[row] for row in rows[known].tolist()]
    score = TEXT_SCORES[task.metric]
    counts = score.counts([text or "" for text in texts], gold)
    low, high = interval_of(score, counts)
    test = {
        "n": len(known),
        "metric": score.title,
        "score": float(score.value(counts.sum(axis=0))),
        "low": low,
        "high": high,
        "unanswered": sum(text is None for text in texts),
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
