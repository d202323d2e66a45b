"""The cheapest supervisor: a logistic regression on TF-IDF weights of word or character n-grams.

    classify   p(class | prompt), multinomial
    choose     each option is a pair with its prompt: n-grams of the option, n-grams they share (the product of both
               TF-IDF vectors), and four numbers of overlap and length; a binary logistic regression scores "is this
               the right one?", and a softmax over the K scores answers the item

C, the inverse of the ridge penalty, is the one with the best held-out log loss on half A. The answers to half A are
out of fold as well: each item is answered by a model that has not seen it (nor its group), so they measure the
supervisor's accuracy. Half B and the test items are answered by one model fitted on all of half A.

Probabilities are mixed with one part in n + 1 of the uniform distribution, n being the training items: a class that
half A never shows is unlikely then, not impossible.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.metrics.accuracy import accuracy
from outgrow.metrics.calibration import log_loss

GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Values of C that are tried."""
MOST_ROWS = 3000

Answer = Callable[[Items], Float[np.ndarray, "item class"]]


class Ngrams(NamedTuple):
    """Which n-grams are counted."""

    unit: Literal["word", "char"]
    shortest: int
    longest: int

    def vectorizer(self) -> TfidfVectorizer:
        """Counts, damped and weighed by rarity; characters within words only."""
        analyzer = "word" if self.unit == "word" else "char_wb"
        # Unlike the default pattern, one-letter words and digits count.
        pattern = r"(?u)\b\w+\b" if self.unit == "word" else None
        return TfidfVectorizer(
            analyzer=analyzer,
            ngram_range=(self.shortest, self.longest),
            token_pattern=pattern,
            sublinear_tf=True,
        )


def train_ngram(
    job: Job,
    *,
    unit: Literal["word", "char"],
    shortest: int,
    longest: int,
    seed: int,
    source: str,
    folds: int = 5,
) -> None:
    """Write `anchors.parquet`, `half_b.parquet`, `test.parquet`, `chosen.json` and `metrics.jsonl`.

    Inputs `pool` and `split`. Raises `DataError` for a half A without gold, of one class only, or too small to fold.
    One thread does it all: the matrices are small, and threads of OpenBLAS that wait for each other spin, which on a
    busy machine takes ten times as long.
    """
    with threadpool_limits(1, user_api="blas"):
        _train(job, Ngrams(unit, shortest, longest), seed, source, folds)


def _train(job: Job, ngrams: Ngrams, seed: int, source: str, folds: int) -> None:
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    half_a = task.items.take(split.half_a)
    _check_gold(half_a, task.kind)
    fold = assign_folds(half_a.groups, folds, np.random.default_rng(seed))
    job.report(f"half A, {int(fold.max()) + 1} folds", 0.0)
    trials = out_of_fold(half_a, fold, ngrams, GRID, task.n_classes)
    losses = [float(log_loss(probs, half_a.gold).mean()) for probs in trials]
    best = int(np.argmin(losses))
    job.report("the other items", 0.8)
    answer = learn(half_a, ngrams, task.n_classes)(GRID[best])
    _save(job, "anchors", half_a, source, trials[best])
    _save(job, "half_b", half_b := task.items.take(split.half_b), source, answer(half_b))
    _save(job, "test", test := task.items.take(split.test), source, answer(test))
    lines = [
        {"C": c, "held_out_log_loss": loss, "held_out_accuracy": accuracy(probs, half_a.gold)}
        for c, loss, probs in zip(GRID, losses, trials, strict=True)
    ]
    (job.out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    chosen = {**lines[best], "folds": int(fold.max()) + 1}
    about = {"chosen": chosen, "select_by": "weak_log_loss", "oracle": False, "grid": lines}
    (job.out / "chosen.json").write_text(json.dumps(about) + "\n")


def assign_folds(groups: Sequence[str], folds: int, rng: np.random.Generator) -> Int[np.ndarray, "item"]:
    """A fold number for every item: groups are shuffled and dealt out in turn, and never separated.

    With fewer groups than `folds` there are as many folds as groups. Raises `DataError` for a single group.
    """
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"half A has {len(names)} independent items; at least 2 are needed to hold some out")
    dealt = np.empty(len(names), dtype=np.int64)
    dealt[rng.permutation(len(names))] = np.arange(len(names)) % min(folds, len(names))
    return np.asarray(dealt[group_of])


def out_of_fold(
    items: Items, fold: Int[np.ndarray, "item"], ngrams: Ngrams, grid: Sequence[float], n_classes: int
) -> Float[np.ndarray, "trial item class"]:
    """For each C of the grid, every item answered by a model fitted, vocabulary included, on the other folds."""
    probs = np.empty((len(grid), len(items), n_classes))
    for fold_index in range(int(fold.max()) + 1):
        held_out = np.flatnonzero(fold == fold_index)
        fit = learn(items.take(np.flatnonzero(fold != fold_index)), ngrams, n_classes)
        for trial, c in enumerate(grid):
            probs[trial, held_out] = fit(c)(items.take(held_out))
    return probs


def learn(items: Items, ngrams: Ngrams, n_classes: int) -> Callable[[float], Answer]:
    """Count the n-grams of `items`; the result fits a model at a C, which answers with all classes' probabilities."""
    fit_raw = _learn_texts(items, ngrams, n_classes) if items.options is None else _learn_options(items, ngrams)
    share = 1 / (len(items) + 1)

    def fit(c: float) -> Answer:
        raw = fit_raw(c)
        return lambda others: (1 - share) * raw(others) + share / n_classes

    return fit


def _learn_texts(items: Items, ngrams: Ngrams, n_classes: int) -> Callable[[float], Answer]:
    vectorizer = ngrams.vectorizer()
    counts = _count(vectorizer, items.prompts)
    compact = row_space(counts)
    features, seen = compact(counts), np.unique(items.gold)

    def fit(c: float) -> Answer:
        if len(seen) == 1:  # One fold may lack all other classes; half A as a whole may not.
            return lambda others: np.tile(np.eye(n_classes)[seen[0]], (len(others), 1))
        model = LogisticRegression(C=c, max_iter=1000).fit(features, items.gold)

        def answer(others: Items) -> Float[np.ndarray, "item class"]:
            probs = np.zeros((len(others), n_classes))
            probs[:, seen] = model.predict_proba(compact(vectorizer.transform(others.prompts)))
            return probs

        return answer

    return fit


def row_space(counts: sp.csr_matrix) -> Callable[[sp.csr_matrix], Any]:
    """New coordinates for rows of n-gram weights: as many as there are training rows, not as there are n-grams.

    The ridge-penalised weights are a combination of the training rows, so in an orthonormal basis of these the same
    model is found, some fifteen times faster (the basis comes from the rows' inner products). Beyond `MOST_ROWS` the
    basis costs more than it saves, and rows stay as they are.
    """
    if counts.shape[0] > min(counts.shape[1], MOST_ROWS):
        return lambda rows: rows
    strength, axes = np.linalg.eigh((counts @ counts.T).toarray())
    kept = strength > 1e-10 * strength.max()
    basis = axes[:, kept] / np.sqrt(strength[kept])
    return lambda rows: (rows @ counts.T).toarray() @ basis


def _learn_options(items: Items, ngrams: Ngrams) -> Callable[[float], Answer]:
    vectorizer, rows = ngrams.vectorizer(), items.options or []
    _count(vectorizer, items.prompts + [text for texts in rows for text in texts])
    features = pair_features(vectorizer, items)
    right = np.arange(len(rows[0])) == items.gold[:, None]

    def fit(c: float) -> Answer:
        model = LogisticRegression(C=c, max_iter=1000).fit(features, right.ravel())

        def answer(others: Items) -> Float[np.ndarray, "item class"]:
            scores = model.decision_function(pair_features(vectorizer, others)).reshape(len(others), -1)
            weight = np.exp(scores - scores.max(axis=1, keepdims=True))
            return np.asarray(weight / weight.sum(axis=1, keepdims=True))

        return answer

    return fit


def pair_features(vectorizer: TfidfVectorizer, items: Items) -> sp.csr_matrix:
    """One row per (item, option): the option's n-grams, those it shares with its prompt, and four numbers.

    The numbers: cosine of prompt and option, share of the option's n-grams that are in the prompt, log of the option's
    length, and of its length over the mean of the item's options. What is the same for all options of an item, such
    as the prompt's own n-grams, cannot move a softmax and is left out.
    """
    rows = items.options or []
    option = vectorizer.transform([text for texts in rows for text in texts])
    repeats = np.repeat(np.arange(len(rows)), [len(texts) for texts in rows])
    prompt = vectorizer.transform(items.prompts)[repeats]
    shared = option.multiply(prompt).tocsr()
    lengths = np.asarray([[len(text) for text in texts] for texts in rows], dtype=float)
    numbers = np.column_stack(
        [
            np.asarray(shared.sum(axis=1)).ravel(),
            shared.getnnz(axis=1) / np.maximum(1, option.getnnz(axis=1)),
            np.log1p(lengths).ravel() / 5,
            np.log((lengths + 1) / (lengths.mean(axis=1, keepdims=True) + 1)).ravel(),
        ]
    )
    return sp.csr_matrix(sp.hstack([option, shared, sp.csr_matrix(numbers)]))


def _count(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> sp.csr_matrix:
    try:
        return vectorizer.fit_transform(texts)
    except ValueError as error:
        raise DataError(f"half A: no n-gram can be counted in its {len(texts)} texts ({error})") from error


def _check_gold(half_a: Items, kind: str) -> None:
    unknown = np.flatnonzero(half_a.gold < 0)
    if len(unknown):
        raise DataError(f"half A: item `{half_a.ids[unknown[0]]}` has no gold label, but supervisors learn from gold")
    if kind == "classify" and len(np.unique(half_a.gold)) < 2:
        raise DataError("half A: all items have the same class; draw more items, or another `task.split_seed`")


def _save(job: Job, part: str, items: Items, source: str, probs: Float[np.ndarray, "item class"]) -> None:
    WeakLabels(items.ids, (source,), probs[:, None]).save(job.out / f"{part}.parquet")
