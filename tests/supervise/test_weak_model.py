"""The supervisor step with a probe, and which items are kept aside for an accuracy estimate."""

import json

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.training.classifier_steps import train_supervisor
from outgrow.training.sampling import holdout_rows

TUNE = {"l2": [1.0, 0.1, 0.01], "lr": None, "epochs": [50], "folds": 3}
MODEL = {"model": "bundled:none", "revision": None, "layer": None}


def supervised(folder, name="out", tune=TUNE):
    out, scratch = folder / name, folder / "scratch"
    out.mkdir()
    scratch.mkdir(exist_ok=True)
    inputs = {key: folder / key for key in ("pool", "split", "features")}
    job = Job(out, inputs, scratch, {"device": "cpu"})
    train_supervisor(job, adapt="probe", model=MODEL, tune=tune, seed=0, source="small")
    return out


@pytest.fixture
def study(tmp_path):
    """A pool whose features know the answer a little; every second item of half A shares a group."""
    rng = np.random.default_rng(7)
    gold = rng.integers(0, 2, 120)
    groups = [f"g{i // 2}" for i in range(120)]
    items = Items([f"i{i}" for i in range(120)], ["text"] * 120, gold, parts=[], groups=groups)
    for name in ("pool", "split", "features"):
        (tmp_path / name).mkdir()
    Task("toy", "classify", ("no", "yes"), items).save(tmp_path / "pool")
    Split(np.arange(60), np.arange(60, 90), np.arange(90, 120)).save(tmp_path / "split")
    features = rng.normal(size=(120, 1, 6)).astype(np.float32)
    features[:, 0, 0] += 2 * gold
    np.save(tmp_path / "features" / "features.npy", features)
    (tmp_path / "features" / "features.json").write_text(json.dumps({"layers": [0]}))
    return tmp_path


def test_it_answers_all_three_sets_under_its_name(study):
    out = supervised(study)
    gold = Task.load(study / "pool").items.gold
    for part, rows in (("anchors", range(60)), ("half_b", range(60, 90)), ("test", range(90, 120))):
        table = WeakLabels.load(out / f"{part}.parquet")
        assert table.sources == ("small",)
        assert table.items == [f"i{row}" for row in rows]
        assert (table.hard[:, 0] == gold[list(rows)]).mean() > 0.7
    assert {"chosen.json", "metrics.jsonl", "model"} <= {path.name for path in out.iterdir()}
    assert json.loads((out / "chosen.json").read_text())["oracle"] is False


def test_answers_to_half_a_are_by_heads_that_did_not_see_the_item(study):
    """Features that are noise: a head that had seen the items would know them, one that had not is at chance."""
    rng = np.random.default_rng(0)
    np.save(study / "features" / "features.npy", rng.normal(size=(120, 1, 200)).astype(np.float32))
    out = supervised(study, tune={**TUNE, "l2": [1e-4]})
    gold = Task.load(study / "pool").items.gold[:60]
    accuracy = (WeakLabels.load(out / "anchors.parquet").hard[:, 0] == gold).mean()
    assert accuracy < 0.75
    assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["loss"] < 0.05


def test_a_grid_of_one_still_gives_held_out_answers(study):
    out = supervised(study, tune={**TUNE, "l2": [0.1]})
    assert len(WeakLabels.load(out / "anchors.parquet").items) == 60


def test_the_same_inputs_give_the_same_bytes(study):
    one, two = supervised(study, "one"), supervised(study, "two")
    for file in ("anchors.parquet", "half_b.parquet", "test.parquet", "chosen.json", "metrics.jsonl"):
        assert (one / file).read_bytes() == (two / file).read_bytes()


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_groups_are_kept_aside(seed):
    groups = [f"g{i}" for i in np.random.default_rng(seed).integers(0, 40, 200)]
    aside = holdout_rows(groups, 0.2, seed)
    assert 0 < aside.mean() <= 0.2
    assert not {g for g, a in zip(groups, aside, strict=True) if a} & {
        g for g, a in zip(groups, aside, strict=True) if not a
    }


def test_extreme_shares():
    assert not holdout_rows(["a", "b", "c"], 0.0, 0).any()
    assert holdout_rows(["a", "b", "c"], 0.01, 0).sum() == 1, "a share above 0 keeps something"
    assert holdout_rows(["a", "b", "c"], 0.999, 0).sum() == 2, "something is left to learn from"
