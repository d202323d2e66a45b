"""Labels by coherence: the utility against its definition, a planted solution, and the step with a real model."""

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from drawn_seeds import SEEDS
from outgrow.config.load import read_experiment
from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.models.zero_shot import option_logprobs, per_character, softmax
from outgrow.study.build import build_study
from outgrow.study.checks import complaints
from outgrow.supervise.coherence import Coherence, Question, label_coherently, orders, search, temperature

SMOL = "bundled:smollm2-135m@2"


class Affine:
    """A model whose scores of an item's labels are sums over its examples; counts what it is asked."""

    def __init__(self, own: np.ndarray, pull: np.ndarray) -> None:
        self.own, self.pull, self.asked = own, pull, 0

    def __call__(self, questions: Sequence[Question]) -> np.ndarray:
        self.asked += len(questions)
        scores = self.own[[item for item, _ in questions]].copy()
        for row, (item, examples) in enumerate(questions):
            for other, label in examples:
                scores[row, label] += self.pull[item, other]
        return np.asarray(log_softmax(scores, axis=1))


def some_model(seed: int, n: int, labels: int = 3) -> Affine:
    rng = np.random.default_rng(seed)
    return Affine(rng.normal(size=(n, labels)), rng.normal(size=(n, n)))


def coherence_of(
    model: Affine, seed: int, *, context: int = 3, alpha: float = 2.0, texts: Sequence[str] = ()
) -> Coherence:
    n = len(model.own)
    different = texts or [f"text {item}" for item in range(n)]
    return Coherence(model, orders(np.random.default_rng(seed), n), different, alpha=alpha, context=context)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("context", [1, 3, 100])
def test_the_utility_is_its_definition(context: int, seed: int) -> None:
    n, rng = 12, np.random.default_rng(seed)
    model, texts = some_model(seed, n), [f"text {item % 5}" for item in range(n)]
    coherence = coherence_of(model, seed, context=context, texts=texts)
    order = orders(np.random.default_rng(seed), n)
    for _ in range(5):
        labels = rng.integers(-1, 3, n)
        labels[0] = 1
        margins = []
        for item in np.flatnonzero(labels >= 0).tolist():
            shown = [other for other in order[item].tolist() if labels[other] >= 0][:context]
            scores = [float(one) for one in model.own[item]]
            for other in shown:
                scores[labels[other]] += model.pull[item, other]
            logs = [one - math.log(sum(map(math.exp, scores))) for one in scores]
            margins.append(logs[labels[item]] - max(one for y, one in enumerate(logs) if y != labels[item]))
        pairs = itertools.combinations(np.flatnonzero(labels >= 0).tolist(), 2)
        broken = sum(texts[a] == texts[b] and labels[a] != labels[b] for a, b in pairs)
        assert coherence.inconsistencies(labels) == broken
        assert coherence.utility(labels) == pytest.approx(2.0 * np.mean(margins) - broken, rel=1e-10)


def test_every_item_has_a_random_order_of_the_others() -> None:
    found = orders(np.random.default_rng(SEEDS[0]), 9)
    for item, row in enumerate(found.tolist()):
        assert sorted(row) == [other for other in range(9) if other != item]
    assert orders(np.random.default_rng(0), 1).shape == (1, 0)


def test_the_temperature_falls_to_its_least() -> None:
    assert temperature(1) == pytest.approx(10 / (1 + 2 * math.log(2)))
    assert all(temperature(step) >= temperature(step + 1) >= 0.01 for step in range(1, 2000))


def test_what_was_computed_is_not_asked_again() -> None:
    model = some_model(SEEDS[0], 30)
    coherence = coherence_of(model, 1)
    labels = np.random.default_rng(2).integers(0, 3, 30)
    first = coherence.utility(labels)
    asked = model.asked
    assert coherence.utility(labels) == first
    assert model.asked == asked == 30
    labels[4] = (labels[4] + 1) % 3
    coherence.utility(labels)
    assert model.asked - asked < 15, "only items with the changed one among their examples"


def planted(seed: int, n: int = 40) -> tuple[Affine, np.ndarray]:
    """Items of two kinds; a model that expects one label of each kind."""
    kind = np.random.default_rng(seed).integers(0, 2, n)
    return Affine(np.zeros((n, 2)), np.where(kind[:, None] == kind, 1.0, -1.0)), kind


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_finds_labels_that_predict_each_other(seed: int) -> None:
    model, kind = planted(seed)
    coherence = coherence_of(model, seed, context=8, alpha=50.0)
    rng = np.random.default_rng(seed)
    found = search(coherence, 40, 2, rng, start=8, passes=15.0)
    agree = (found.labels == kind).mean()
    assert max(agree, 1 - agree) >= 0.95
    assert found.utility == pytest.approx(coherence.utility(found.labels))
    assert found.utility >= 0.85 * max(coherence.utility(kind), coherence.utility(1 - kind))


def test_the_search_depends_on_its_seed_alone_and_labels_every_item() -> None:
    model = some_model(SEEDS[1], 25)
    found = [search(coherence_of(model, 3), 25, 3, np.random.default_rng(7), start=4, passes=0.5) for _ in range(2)]
    assert found[0].labels.tolist() == found[1].labels.tolist()
    assert (found[0].labels >= 0).all()


# ---- the step -------------------------------------------------------------------------------------------

OPTIONS = {"alpha": 50.0, "context": 2, "start": 2, "passes": 1.0}
MODEL = {"model": SMOL, "revision": None, "dtype": "float32", "max_length": 128, "trust_remote_code": False}


def labelled(folder: Path, gold: np.ndarray) -> dict[str, WeakLabels]:
    texts = [
        "The soup was wonderful.",
        "I hated every minute.",
        "What a joy!",
        "Never again.",
        "Lovely people.",
        "Awful noise.",
    ]
    items = Items([f"i{row}" for row in range(12)], [f"{texts[row % 6]} ({row}) It was" for row in range(12)], gold)
    for name in ("pool", "split", "out", "scratch"):
        (folder / name).mkdir(parents=True)
    Task("toy", "classify", ("good", "bad_thing"), items).save(folder / "pool")
    Split(np.arange(3), np.arange(3, 9), np.arange(9, 12)).save(folder / "split")
    inputs = {name: folder / name for name in ("pool", "split")}
    job = Job(folder / "out", inputs, folder / "scratch", {"device": "cpu"})
    label_coherently(job, model=MODEL, search_options=OPTIONS, seed=1, source="base")
    return {part: WeakLabels.load(job.out / f"{part}.parquet") for part in ("anchors", "half_b", "test")}


def test_the_step_labels_all_parts_and_sees_no_gold(tmp_path: Path) -> None:
    gold = np.arange(12) % 2
    found, other = labelled(tmp_path / "a", gold), labelled(tmp_path / "b", 1 - gold)
    for part, rows in (("anchors", range(3)), ("half_b", range(3, 9)), ("test", range(9, 12))):
        assert found[part].items == [f"i{row}" for row in rows]
        assert found[part].sources == ("base",)
        np.testing.assert_allclose(found[part].probs.sum(axis=2), 1)
        np.testing.assert_array_equal(found[part].probs, other[part].probs)
    about = json.loads((tmp_path / "a" / "out" / "coherence.json").read_text())
    assert sum(about["labels"]) == 6


def test_votes_are_the_models_after_labelled_examples(tmp_path: Path) -> None:
    """One item of half B: its label is shown before every test item."""
    prompts = ["One plus one is", "Two plus two is", "The sky is"]
    for name in ("pool", "split", "out", "scratch"):
        (tmp_path / name).mkdir()
    items = Items(["a", "b", "c"], prompts, np.zeros(3, dtype=np.int64))
    Task("toy", "classify", ("two", "four_of_them"), items).save(tmp_path / "pool")
    Split(*(np.asarray([row]) for row in range(3))).save(tmp_path / "split")
    job = Job(
        tmp_path / "out",
        {name: tmp_path / name for name in ("pool", "split")},
        tmp_path / "scratch",
        {"device": "cpu"},
    )
    label_coherently(job, model=MODEL, search_options={**OPTIONS, "start": 2}, seed=0, source="base")
    labels = json.loads((job.out / "coherence.json").read_text())["labels"]
    names = ["two", "four of them"]
    shown = f"Two plus two is {names[labels.index(1)]}\n\nThe sky is"
    lm, tokenizer = load_causal_lm(SMOL), load_tokenizer(SMOL)
    scored = option_logprobs(lm, tokenizer, [shown], [names], max_length=128)
    counts = np.asarray([[len(tokenizer(f" {name}")["input_ids"]) for name in names]])
    wanted = softmax(per_character(scored.total, [names], counts))
    np.testing.assert_allclose(WeakLabels.load(job.out / "test.parquet").probs[:, 0], wanted, atol=1e-5)


# ---- studies --------------------------------------------------------------------------------------------


def study(model: str) -> dict[str, Any]:
    return {
        "name": "coherent",
        "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 10, "half_b": 20, "test": 30}},
        "supervisors": {"base": {"type": "coherence", "by": {"model": model}}},
        "student": {"model": "bundled:wordllama"},
        "methods": ["naive"],
        "seeds": [0],
    }


def test_it_is_a_supervisor_like_others() -> None:
    steps = build_study(read_experiment(study(SMOL))).steps
    (step,) = (step for step in steps if step.function.endswith(":label_coherently"))
    assert step.params["search_options"] == {"alpha": 50.0, "context": 16, "start": 8, "passes": 2.0}
    assert step.params["model"]["model"] == SMOL


def test_a_model_that_cannot_say_how_probable_a_text_is_is_refused() -> None:
    found = list(complaints(read_experiment(study("bundled:minilm-l6"))))
    assert [line for line in found if "supervisors.base.by.model" in line and "minilm-l6" in line]
    assert not list(complaints(read_experiment(study(SMOL))))
