"""The n-gram supervisor on real questions, and on made-up ones whose answer is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.supervise.ngram import Ngrams, assign_folds, learn, out_of_fold, row_space, train_ngram

Report = Callable[[str, float], None]

PARAMS: dict[str, Any] = {"unit": "word", "shortest": 1, "longest": 2, "seed": 0, "source": "words"}
WORDS = Ngrams("word", 1, 1)


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def train(folder: Path, task: Task, split: Split, report: Report = lambda *_: None, **params: Any) -> Path:
    for name in ("pool", "split", "out", "scratch"):
        (folder / name).mkdir(parents=True)
    task.save(folder / "pool")
    split.save(folder / "split")
    inputs = {name: folder / name for name in ("pool", "split")}
    train_ngram(Job(folder / "out", inputs, folder / "scratch", report=report), **{**PARAMS, **params})
    return folder / "out"


def shuffled(task: Task, rng: np.random.Generator, sizes: tuple[int, int, int]) -> Split:
    rows = rng.permutation(len(task.items))
    weak, strong, test = np.split(rows[: sum(sizes)], np.cumsum(sizes)[:2])
    return Split(weak, strong, test)


def hits(folder: Path, part: str, task: Task, rows: np.ndarray) -> float:
    """Accuracy of a written table, whose items must be those of the split in its order."""
    labels = WeakLabels.load(folder / f"{part}.parquet")
    items = task.items.take(rows)
    assert labels.items == items.ids
    assert labels.voted.all()
    return float((labels.hard[:, 0] == items.gold).mean())


@pytest.mark.parametrize(("unit", "longest"), [("word", 2), ("char", 4)])
def test_topics_of_real_questions_are_learnt(
    tmp_path: Path, rng: np.random.Generator, unit: str, longest: int
) -> None:
    task = load_task(TaskSection(name="mmlu_topic"))
    split = shuffled(task, rng, (300, 200, 600))
    out = train(tmp_path, task, split, unit=unit, longest=longest)
    commonest = np.bincount(task.items.gold).max() / len(task.items)
    held_out, test = hits(out, "anchors", task, split.half_a), hits(out, "test", task, split.test)
    assert test > commonest + 0.08
    assert abs(held_out - test) < 0.15  # Honest: not the accuracy on its own training items, which is near 1.
    hits(out, "half_b", task, split.half_b)
    chosen = json.loads((out / "chosen.json").read_text())
    trials = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert chosen["chosen"]["C"] == min(trials, key=lambda trial: trial["held_out_log_loss"])["C"]
    assert (chosen["select_by"], chosen["grid"]) == ("weak_log_loss", trials)
    assert chosen["chosen"]["folds"] == 5


def overlap_task(rng: np.random.Generator, n: int) -> Task:
    """Choose the option that repeats a word of the prompt; no word tells anything on its own."""
    words = np.asarray([f"w{number}" for number in range(200)])
    prompts, options, gold = [], [], rng.integers(0, 4, size=n)
    for right in gold.tolist():
        picked = rng.choice(words, size=9, replace=False).tolist()
        prompts.append(" ".join(picked[:6]))
        texts = picked[5:9]
        texts[0], texts[right] = texts[right], texts[0]
        options.append(texts)
    ids = [f"q{number}" for number in range(n)]
    return Task("overlap", "choose", ("1", "2", "3", "4"), Items(ids, prompts, gold, options))


def test_overlap_with_the_prompt_is_seen(tmp_path: Path, rng: np.random.Generator) -> None:
    task = overlap_task(rng, 300)
    split = shuffled(task, rng, (150, 50, 100))
    out = train(tmp_path, task, split)
    assert hits(out, "test", task, split.test) > 0.95
    assert hits(out, "anchors", task, split.half_a) > 0.95


def test_the_order_of_options_does_not_matter(rng: np.random.Generator) -> None:
    task = overlap_task(rng, 60)
    answer = learn(task.items, WORDS, 4)(1.0)
    order = rng.permutation(4)
    options = task.items.options
    assert options is not None
    mixed = Items(task.items.ids, task.items.prompts, task.items.gold, [[row[i] for i in order] for row in options])
    np.testing.assert_allclose(answer(mixed), answer(task.items)[:, order])


def labelled(rng: np.random.Generator, n: int, n_classes: int) -> Items:
    """Texts that each hold one word nobody else has, and labels that mean nothing."""
    prompts = [f"word{number} the same text" for number in range(n)]
    return Items([str(number) for number in range(n)], prompts, rng.integers(0, n_classes, size=n))


def test_held_out_answers_know_nothing_of_their_gold(rng: np.random.Generator) -> None:
    items = labelled(rng, 400, 2)
    fold = assign_folds(items.groups, 5, rng)
    answers = out_of_fold(items, fold, WORDS, [100.0], 2)[0].argmax(axis=1)
    assert (answers == items.gold).mean() < 0.6
    assert (learn(items, WORDS, 2)(100.0)(items).argmax(axis=1) == items.gold).mean() > 0.95


def test_classes_that_half_a_never_shows_stay_possible(rng: np.random.Generator) -> None:
    items = labelled(rng, 30, 2)
    probs = learn(items, WORDS, 5)(1.0)(items)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    np.testing.assert_allclose(probs[:, 2:], 1 / (31 * 5))


def test_the_row_space_changes_no_answer(rng: np.random.Generator) -> None:
    task = load_task(TaskSection(name="mmlu_topic"))
    rows = rng.permutation(len(task.items))
    learnt, others = task.items.take(rows[:120]), task.items.take(rows[120:160])
    vectorizer = Ngrams("word", 1, 2).vectorizer()
    counts, new = vectorizer.fit_transform(learnt.prompts), vectorizer.transform(others.prompts)
    compact = row_space(counts)
    assert compact(new).shape[1] <= 120 < counts.shape[1]
    plain = LogisticRegression(C=3.0, tol=1e-8, max_iter=1000).fit(counts, learnt.gold)
    ours = LogisticRegression(C=3.0, tol=1e-8, max_iter=1000).fit(compact(counts), learnt.gold)
    np.testing.assert_allclose(ours.predict_proba(compact(new)), plain.predict_proba(new), atol=1e-5)


def test_groups_stay_together_and_folds_are_even(rng: np.random.Generator) -> None:
    groups = [f"g{number % 23}" for number in range(92)]
    fold = assign_folds(groups, 5, rng)
    for group in set(groups):
        assert len(set(fold[[name == group for name in groups]])) == 1
    sizes = np.bincount(fold)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 4
    assert assign_folds(["a", "b", "a"], 5, rng).max() == 1


def test_one_thread_does_it_all(tmp_path: Path) -> None:
    """Threads of BLAS that wait for each other spin: on a busy machine ten times as long."""
    task = Task("x", "classify", ("a", "b"), labelled(np.random.default_rng(0), 60, 2))
    counts: list[int] = []

    def look(message: str, share: float) -> None:
        counts.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")

    with threadpool_limits(2, user_api="blas"):
        train(tmp_path, task, Split(*np.split(np.arange(60), 3)), look)
        assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} == {2}
    assert set(counts) == {1}


def test_the_same_twice_is_the_same_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    task = overlap_task(rng, 60)
    split = shuffled(task, rng, (30, 10, 20))
    one, other = (train(tmp_path / name, task, split) for name in ("one", "other"))
    files = sorted(path.name for path in one.iterdir())
    assert files == ["anchors.parquet", "chosen.json", "half_b.parquet", "metrics.jsonl", "test.parquet"]
    for name in files:
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.parametrize(
    ("gold", "prompts", "words"),
    [
        ([0, 1, -1, 0], None, "item `2` has no gold"),
        ([1, 1, 1, 1], None, "the same class"),
        ([0, 1, 0, 1], ["…", "?!", "-", "–"], "no n-gram"),
    ],
)
def test_unusable_halves_are_refused(tmp_path: Path, gold: list[int], prompts: list[str] | None, words: str) -> None:
    items = Items(list("0123"), prompts or list("abcd"), np.asarray(gold))
    task = Task("bad", "classify", ("no", "yes"), items)
    rows = np.arange(4)
    with pytest.raises(DataError, match=words):
        train(tmp_path, task, Split(rows, rows[:0], rows[:0]))


def test_one_group_cannot_be_held_out(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="at least 2"):
        assign_folds(["a", "a"], 5, rng)


def test_a_fold_of_one_class_answers_with_it() -> None:
    items = Items(list("01"), ["a cat", "a dog"], np.asarray([0, 1]))
    probs = out_of_fold(items, np.asarray([0, 1]), WORDS, [1.0], 2)[0]
    assert probs.argmax(axis=1).tolist() == [1, 0]
