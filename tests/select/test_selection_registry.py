"""What every row of `SELECTIONS` must pass: order of rows, duplicated rows, equal scores; targets of both kinds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Task
from outgrow.errors import ConfigError
from outgrow.labels import Targets, WeakLabels
from outgrow.select import SELECTIONS, SelectorRecord, SelectorSection
from outgrow.select.rewards import Rewards
from outgrow.select.select_step import select_texts, select_votes
from outgrow.select.selection import Scores, SelectionInputs
from outgrow.select.votes_as_text import targets_as_texts
from outgrow.texts import TextTargets, WeakTexts
from simulated_labels import answers_of, job_in, mixture, save_inputs, targets_of, wrong_or_right

KEEP = {"threshold": None, "fraction": 0.5, "quota": None, "within": "capability"}
OPTIONS: dict[str, Any] = {"keep": KEEP, "by": "supervisors", "only": ["tales"]}
every_selection = pytest.mark.parametrize("name", SELECTIONS)
of_texts = pytest.mark.parametrize("name", [name for name, record in SELECTIONS.items() if record.text_scores])


def save_rewards(folder: Path, targets: TextTargets) -> None:
    """A reward for each text that depends on the text alone, so that there are ties."""
    reward = np.asarray([float(len(text)) for text in targets.texts])
    fold = np.zeros(len(reward), dtype=np.int64)
    folder.mkdir(exist_ok=True)
    Rewards(targets.items, targets.texts, reward, 1 / (1 + np.exp(-reward)), fold).save(folder)


def kept_texts(folder: Path, name: str, task: Task, weak: TextTargets, strong: WeakTexts) -> list[tuple[str, str]]:
    """Item and text of the targets that stay, in their order."""
    inputs = save_inputs(folder, task, weak, strong=strong)
    save_rewards(folder / "reward", weak)
    job = job_in(folder, "selected", {**inputs, "reward": folder / "reward"})
    select_texts(job, select={"type": name, **OPTIONS}, seed=SEEDS[0])
    kept = TextTargets.load(job.out / "targets.parquet")
    assert json.loads((job.out / "kept.json").read_text())["oracle"] is SELECTIONS[name].sees_gold
    return list(zip(kept.items, kept.texts, strict=True))


def reordered(targets: TextTargets, order: list[int]) -> TextTargets:
    columns = ([column[row] for row in order] for column in (targets.items, targets.texts, targets.pieces))
    return TextTargets(*columns, targets.weight[order], targets.origin)


@pytest.fixture
def texts() -> tuple[Task, TextTargets, WeakTexts]:
    rng, task = np.random.default_rng(SEEDS[0]), mixture(24)
    columns = [wrong_or_right(task, right, rng) for right in (0.5, 0.7)]
    rows = [(item, column[row]) for row, item in enumerate(task.items.ids) for column in columns]
    strong = answers_of(dict(zip(task.items.ids, wrong_or_right(task, 0.6, rng), strict=True)))
    return task, targets_of(rows, rng), strong


@of_texts
def test_texts_in_any_order(name: str, texts: tuple[Task, TextTargets, WeakTexts], tmp_path: Path) -> None:
    task, weak, strong = texts
    kept = kept_texts(tmp_path / "a", name, task, weak, strong)
    order = np.random.default_rng(SEEDS[1]).permutation(len(weak)).tolist()
    assert sorted(kept_texts(tmp_path / "b", name, task, reordered(weak, order), strong)) == sorted(kept)


@of_texts
def test_duplicated_texts_are_kept_by_the_same_scores(
    name: str, texts: tuple[Task, TextTargets, WeakTexts], tmp_path: Path
) -> None:
    task, weak, strong = texts
    once = kept_texts(tmp_path / "a", name, task, weak, strong)
    doubled = reordered(weak, [row for row in range(len(weak)) for _ in range(2)])
    twice = kept_texts(tmp_path / "b", name, task, doubled, strong)
    assert sorted(set(once)) == sorted(set(twice))
    if not SELECTIONS[name].by_content:
        assert len(twice) == 2 * len(once)


@pytest.fixture
def votes() -> tuple[Task, Targets, WeakLabels]:
    rng = np.random.default_rng(SEEDS[2])
    everything = [f"i{row}" for row in range(50)]  # half B, then half A
    ids, capabilities = everything[:30], [("sums", "tales")[row % 2] for row in range(50)]
    gold = rng.integers(0, 3, 50)
    items = Items(everything, [f"text {row}" for row in range(50)], gold, capabilities=capabilities)
    task, gold = Task("made", "classify", ("x", "y", "z"), items), gold[:30]
    targets = Targets(ids, np.round(rng.dirichlet(np.ones(3), 30), 1) * 0.9 + 1 / 30, np.ones(30))
    targets = Targets(ids, targets.probs / targets.probs.sum(1, keepdims=True), targets.weight)
    strong = np.eye(3)[np.where(rng.random(30) < 0.6, gold, (gold + 1) % 3)]
    return task, targets, WeakLabels(ids, ("student",), strong[:, None])


def save_source(folder: Path, task: Task, targets: Targets) -> dict[str, Path]:
    """The targets as the labels of one source, its answers on half A, and hidden states of all items."""
    inputs = {"labels": folder / "labels", "states.a": folder / "features"}
    for path in inputs.values():
        path.mkdir()
    WeakLabels(targets.items, ("a",), targets.probs[:, None]).save(inputs["labels"] / "half_b.parquet")
    rng = np.random.default_rng(SEEDS[1])
    anchors = np.eye(3)[np.where(rng.random(20) < 0.6, task.items.gold[30:], rng.integers(0, 3, 20))]
    WeakLabels(task.items.ids[30:], ("a",), anchors[:, None]).save(inputs["labels"] / "anchors.parquet")
    np.save(inputs["states.a"] / "features.npy", rng.normal(size=(50, 2, 4)).astype(np.float32))
    (inputs["states.a"] / "features.json").write_text(json.dumps({"layers": [3, 7]}))
    return inputs


def kept_votes(folder: Path, name: str, task: Task, targets: Targets, strong: WeakLabels) -> list[str]:
    inputs = {key: folder / key for key in ("pool", "targets", "strong", "reward")}
    for path in inputs.values():
        path.mkdir(parents=True)
    task.save(inputs["pool"])
    targets.save(inputs["targets"] / "targets.parquet")
    strong.save(inputs["strong"] / "half_b.parquet")
    save_rewards(inputs["reward"], targets_as_texts(task, targets))
    inputs |= save_source(folder, task, targets)
    job = job_in(folder, "selected", inputs)
    select_votes(job, select={"type": name, **OPTIONS}, seed=SEEDS[0])
    return Targets.load(job.out / "targets.parquet").items


@every_selection
def test_votes_in_any_order(name: str, votes: tuple[Task, Targets, WeakLabels], tmp_path: Path) -> None:
    task, targets, strong = votes
    kept = kept_votes(tmp_path / "a", name, task, targets, strong)
    order = np.random.default_rng(SEEDS[1]).permutation(30).tolist()
    mixed = Targets([targets.items[row] for row in order], targets.probs[order], targets.weight[order])
    assert sorted(kept_votes(tmp_path / "b", name, task, mixed, strong)) == sorted(kept)
    assert kept == [item for item in targets.items if item in kept]


@every_selection
def test_the_record_says_what_its_options_need(name: str) -> None:
    record = SELECTIONS[name]
    needs = record.needs(record.section(type=name))
    assert set(record.asked_before) <= set(record.section.model_fields)
    assert needs.strong is None or "strong" in record.asked_before
    assert record.by
    assert record.summary


# ---- plug-ins -------------------------------------------------------------------------------------------


class Longest(SelectorSection):
    """The longest texts."""

    type: Literal["longest"]


def lengths(inputs: SelectionInputs) -> Scores:
    return np.asarray([float(len(text)) for text in inputs.texts.texts])


def one_number(inputs: SelectionInputs) -> Scores:
    return np.zeros(1)


@pytest.fixture
def added(request: pytest.FixtureRequest) -> Iterator[str]:
    SELECTIONS.add(SelectorRecord(Longest, by="length", text_scores=request.param, vote_scores=None))
    yield "longest"
    SELECTIONS.remove("longest")


@pytest.mark.parametrize("added", [lengths], indirect=True)
def test_a_selection_from_outside_selects(
    added: str, texts: tuple[Task, TextTargets, WeakTexts], votes: tuple[Task, Targets, WeakLabels], tmp_path: Path
) -> None:
    task, weak, strong = texts
    kept = kept_texts(tmp_path / "a", added, task, weak, strong)
    assert kept
    assert set(kept) <= set(zip(weak.items, weak.texts, strict=True))
    with pytest.raises(ConfigError, match="`longest`"):
        kept_votes(tmp_path / "b", added, *votes)


@pytest.mark.parametrize("added", [one_number], indirect=True)
def test_scores_of_a_wrong_shape_are_named(
    added: str, texts: tuple[Task, TextTargets, WeakTexts], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"`longest`.*\[1\] for 48"):
        kept_texts(tmp_path, added, *texts)
