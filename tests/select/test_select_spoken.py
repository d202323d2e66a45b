"""Votes as texts: what is asked, what is said, and a reward model that reads them."""

import json

import numpy as np
import pytest
from scipy import stats

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Split, Task
from outgrow.labels import Targets, WeakLabels
from outgrow.select.select_step import select_votes
from outgrow.select.votes_as_text import labels_as_texts, targets_as_texts, task_as_texts
from outgrow.training.reward_step import train_reward
from simulated_labels import job_in

COLOURS = ("red", "green", "blue")
SETTINGS = {"adapt": "probe", "loss": "pointwise", "separate": False, "folds": 1, "otherwise": None, "layer": 8}
SMOLLM = {
    "type": "model", "model": "bundled:smollm2-135m@8", "revision": None, "identity": "none", "dtype": "float32",
    "max_length": 128, "chat": False, "system": None, "unfit": "skip", "trust_remote_code": False,
}  # fmt: skip


def asked(kind: str, gold: np.ndarray) -> Task:
    """Which colour is the thing? With the colours as classes, or in an order of their own as options."""
    options = [list(np.roll(COLOURS, row)) for row in range(len(gold))] if kind == "choose" else None
    prompts = [f"The {thing} is {COLOURS[int(k)]}." for thing, k in zip(names(len(gold)), gold, strict=True)]
    place = gold if kind == "classify" else np.asarray([options[row].index(COLOURS[k]) for row, k in enumerate(gold)])
    return Task("colours", kind, COLOURS, Items([f"i{row}" for row in range(len(gold))], prompts, place, options))


def names(n: int) -> list[str]:
    return [f"{first} {second}" for first in ("old", "new", "big", "tiny", "wet", "odd") for second in
            ("car", "door", "ball", "coat", "house", "chair", "boat", "lamp", "ring", "shoe")][:n]  # fmt: skip


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_a_vote_says_what_it_chose(kind):
    task = asked(kind, np.asarray([0, 1, 2]))
    probs = np.asarray([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.0, 1.0, 0.0]])
    options = task.items.options or [list(COLOURS)] * 3
    wanted = [options[row][k] for row, k in enumerate((0, 2, 1))]
    said = targets_as_texts(task, Targets(task.items.ids, probs, np.ones(3)))
    assert said.texts == wanted
    assert [np.exp(one.logprob.sum()) for one in said.pieces] == pytest.approx([0.7, 0.8, 1.0])
    labels = WeakLabels(task.items.ids, ("a", "b"), np.stack([probs, np.zeros((3, 3))], axis=1))
    assert labels_as_texts(task, labels).texts == [[text, None] for text in wanted]
    prompts = task_as_texts(task).items.prompts
    listed = "- red\n- green\n- blue" if kind == "choose" else "red, green, blue"
    assert listed in prompts[0]
    assert all(prompt.endswith("Answer:") for prompt in prompts)


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_rewards_of_votes_choose_better_than_chance(tmp_path, kind):
    """60 % of the votes are right, 70 % of the strong model's; the kept half against a random half, over 5 draws."""
    gains = []
    for seed in np.random.default_rng(SEEDS[0]).integers(0, 2**31, 5).tolist():
        rng = np.random.default_rng(seed)
        task = asked(kind, rng.integers(0, 3, 60))
        targets = Targets(task.items.ids, voted(task.items.gold, 0.6, rng), np.ones(60))
        strong = WeakLabels(task.items.ids, ("student",), voted(task.items.gold, 0.7, rng)[:, None])
        inputs = {name: tmp_path / str(seed) / name for name in ("pool", "split", "targets", "strong")}
        for folder in inputs.values():
            folder.mkdir(parents=True)
        task.save(inputs["pool"])
        Split(np.arange(0), np.arange(60), np.arange(0)).save(inputs["split"])
        targets.save(inputs["targets"] / "targets.parquet")
        strong.save(inputs["strong"] / "half_b.parquet")
        job = job_in(tmp_path / str(seed), "reward", inputs)
        train_reward(job, model=SMOLLM, reward={**SETTINGS, "l2": [0.1]}, seed=seed)
        chosen = job_in(tmp_path / str(seed), "selected", {**inputs, "reward": job.out})
        keep = {"threshold": None, "fraction": 0.5, "quota": None, "within": "capability"}
        select_votes(chosen, select={"type": "reward_model", "keep": keep}, seed=seed)
        kept = np.asarray([row["kept"] for row in json.loads((chosen.out / "kept.json").read_text())["rows"]])
        right = targets.probs.argmax(axis=1) == task.items.gold
        gains.append(right[kept].mean() - right.mean())
        assert kept.sum() == 30 == len(Targets.load(chosen.out / "targets.parquet").items)
    low = np.mean(gains) - stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)
    assert low > 0, gains


def voted(gold: np.ndarray, right: float, rng: np.random.Generator) -> np.ndarray:
    """Votes of .8 for a class: gold with this probability, else another one."""
    hit = rng.random(len(gold)) < right
    chosen = np.where(hit, gold, (gold + rng.integers(1, 3, len(gold))) % 3)
    return 0.7 * np.eye(3)[chosen] + 0.1
