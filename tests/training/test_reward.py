"""The step that trains reward models: who learns what, who scores what, and what is written about it."""

import json

import numpy as np
import pytest
from tiny_study import TRAINING
from tiny_texts import LORA, text_section

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.generation.chat import single_turn
from outgrow.labels import INSTEAD
from outgrow.select.comparisons import compare
from outgrow.select.rewards import Rewards
from outgrow.select.row_scores import text_confidence
from outgrow.select.select_step import select_texts
from outgrow.texts import TextTargets
from outgrow.training.grid_search import fold_of
from outgrow.training.reward_plan import RewardData, RewardSettings, gaps_of, plans_of
from outgrow.training.reward_step import judge, train_reward
from simulated_labels import answers_of, job_in, mixture, save_inputs, targets_of, wrong_or_right

PROBE = {"adapt": "probe", "loss": "pointwise", "separate": False, "folds": 1, "otherwise": None}
PROBE |= {"layer": None, "l2": [0.1]}


class World:
    """A mixture in groups of two, its weak labels and the strong model's answers."""

    def __init__(self, folder, seed, n=36, names=("sums", "tales", "words")):
        rng = np.random.default_rng(seed)
        self.folder = folder
        # Two items of one capability are a group.
        groups = [f"g{row % len(names)}-{row // (2 * len(names))}" for row in range(n)]
        self.task = mixture(n, names, groups)
        ids = self.task.items.ids
        texts = [wrong_or_right(self.task, 0.6, rng) for _ in range(2)]
        self.weak = targets_of([(item, source[row]) for row, item in enumerate(ids) for source in texts], rng)
        self.label = dict(zip(ids, wrong_or_right(self.task, 0.5, rng), strict=True))
        self.inputs = save_inputs(folder, self.task, self.weak, strong=answers_of(self.label))

    def answer(self, said):
        """Other answers of the strong model."""
        answers_of(said).save(self.inputs["strong"] / "half_b.parquet")

    def found(self):
        return compare(self.task, self.weak, answers_of(self.label))

    def rewarded(self, folder, name="reward", max_length=128, **changes):
        job = job_in(self.folder, name, self.inputs)
        model = {**text_section(folder), "max_length": max_length}
        train_reward(job, model=model, reward={**PROBE, **changes}, seed=0)
        return Rewards.load(job.out), json.loads((job.out / "reward.json").read_text()), job.out

    def rows_of(self, capability):
        """Which rows of the targets are of a capability."""
        whose = dict(zip(self.task.items.ids, self.task.items.capabilities, strict=True))
        return np.asarray([whose[item] == capability for item in self.weak.items])


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, SEEDS[0])


@pytest.mark.parametrize("loss", ["pointwise", "pairwise"])
def test_every_target_has_a_reward_and_the_examples_are_counted(world, writing, loss):
    rewards, record, out = world.rewarded(writing("llama"), loss=loss)
    assert (rewards.items, rewards.texts) == (world.weak.items, world.weak.texts)
    assert np.isfinite(rewards.reward).all()
    assert rewards.probability == pytest.approx(1 / (1 + np.exp(-rewards.reward)))
    assert set(rewards.fold.tolist()) == {0}
    found = world.found()
    assert (record["positives"], record["negatives"]) == (len(found.positives), len(found.negatives))
    for name in ("sums", "tales", "words"):
        sizes = [sum(one.capability == name for one in kind) for kind in found]
        assert [record["capabilities"][name][key] for key in ("positives", "negatives")] == sizes
    assert (record["held_out"], record["layer"], record["instead"]) == (False, 1, [])
    assert record["models"][0]["good"] == len(found.positives)
    assert record["models"][0]["l2"] == 0.1
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"] == pytest.approx(np.log(2))


@pytest.mark.parametrize("folds", [1, 3])
def test_the_auroc_is_that_of_the_examples_rewards(world, writing, folds):
    folder, found = writing("llama"), world.found()
    settings = RewardSettings(**{**PROBE, "folds": folds})
    material = RewardData.of(world.task, world.weak, found, settings)
    prompts = {
        item: single_turn(text) for item, text in zip(world.task.items.ids, world.task.items.prompts, strict=True)
    }
    verdict = judge(job_in(world.folder, "judge", {}), settings, text_section(folder), material, prompts, 0)
    _, record, _ = world.rewarded(folder, folds=folds)
    for name, about in {None: record, **record["capabilities"]}.items():
        good, bad = ([verdict.reward[one] for one in kind if name in (None, one.capability)] for kind in found)
        pairs = [(one > other) + (one == other) / 2 for one in good for other in bad]
        assert about["auroc"] == pytest.approx(np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize("loss", ["pointwise", "pairwise"])
def test_held_out_rewards_do_not_depend_on_what_is_held_out(world, writing, loss):
    """The strong model changes its mind about everything in fold 1: its labels' rewards stay as they were."""
    folder, folds = writing("llama"), 3
    before, record, _ = world.rewarded(folder, "before", folds=folds, loss=loss)
    assert record["held_out"] is True
    assert len(record["models"]) == folds
    place = {item: row for row, item in enumerate(world.task.items.ids)}
    group = [world.task.items.groups[place[item]] for item in world.weak.items]
    assert before.fold.tolist() == fold_of(group, folds).tolist()
    held = {item for item, fold in zip(before.items, before.fold.tolist(), strict=True) if fold == 1}
    world.answer({item: "neither" if item in held else text for item, text in world.label.items()})
    after, _, _ = world.rewarded(folder, "after", folds=folds, loss=loss)
    same = before.fold == 1
    assert np.allclose(after.reward[same], before.reward[same], atol=1e-5)
    assert abs(after.reward[~same] - before.reward[~same]).max() > 1e-3


def test_separate_models_know_their_capability_alone(world, writing):
    folder = writing("llama")
    before, record, _ = world.rewarded(folder, "before", separate=True)
    assert record["auroc"] is None, "separate models have scales of their own"
    assert [one["capability"] for one in record["models"]] == ["sums", "tales", "words"]
    capability = {one.item: one.capability for kind in world.found() for one in kind}
    world.answer({item: "no" if capability[item] == "tales" else text for item, text in world.label.items()})
    with pytest.raises(DataError, match="of the capability `tales` needs labels that the strong model agrees with"):
        world.rewarded(folder, "refused", separate=True)
    after, record, _ = world.rewarded(folder, "after", separate=True, otherwise="confidence")
    others = ~world.rows_of("tales")
    assert after.reward[others] == pytest.approx(before.reward[others], abs=1e-5)
    assert after.reward[~others] == pytest.approx(text_confidence(world.weak)[~others])
    assert np.isnan(after.probability).tolist() == (~others).tolist()
    assert [one["capability"] for one in record["models"]] == ["sums", "words"]
    assert len(after.origin) == len(record["instead"]) == 1
    assert "`tales`" in after.origin[0]
    assert after.origin[0].endswith(INSTEAD)


def test_without_one_kind_of_example_there_is_nothing_to_learn(world, writing):
    """No model is even loaded: the name of the folder is none."""
    right = dict(zip(world.weak.items, world.weak.texts, strict=True))
    for said, sizes in ((right, r"\d+ and 0"), (dict.fromkeys(right, "never"), r"0 and \d+")):
        world.answer(said)
        with pytest.raises(DataError, match=f"there are {sizes}; change `select.strong`, or say `otherwise: conf"):
            world.rewarded("/nowhere", f"refused {sizes}")
        rewards, record, _ = world.rewarded("/nowhere", f"otherwise {sizes}", otherwise="confidence")
        assert rewards.reward == pytest.approx(text_confidence(world.weak))
        assert (record["models"], record["auroc"]) == ([], None)
    world.answer(dict.fromkeys(right))
    with pytest.raises(DataError, match="there are 0 and 0"):
        world.rewarded("/nowhere", "silent")


def test_texts_that_cannot_be_read_have_no_reward(world, writing):
    weak = world.weak
    texts = ["very " * 60 if row in (3, 8) else text for row, text in enumerate(weak.texts)]
    long = targets_of(list(zip(weak.items, texts, strict=True)), np.random.default_rng(0))
    long.save(world.inputs["targets"] / "targets.parquet")
    rewards, record, out = world.rewarded(writing("llama"))
    assert np.flatnonzero(np.isnan(rewards.reward)).tolist() == [3, 8]
    assert np.flatnonzero(np.isnan(np.load(out / "vectors.npy")).any(axis=1)).tolist() == [3, 8]
    assert record["too_long"] == 2
    assert record["left_out"] == {"too_long": [weak.items[3], weak.items[8]]}
    world.inputs["reward"] = world.folder / "reward" / "out"
    job = job_in(world.folder, "selected", world.inputs)
    keep = {"threshold": None, "fraction": 1.0, "quota": None, "within": "all"}
    select_texts(job, select={"type": "reward_model", "keep": keep}, seed=0)
    kept = TextTargets.load(job.out / "targets.parquet")
    assert len(kept) == len(weak) - 2
    assert "Labels without a score, not kept: 2." in kept.origin


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize(("adapt", "loss", "folds"), [("full", "pairwise", 2), ("lora", "pointwise", 1)])
def test_whole_models_judge_like_probes(world, writing, adapt, loss, folds):
    training = {**TRAINING, "epochs": 2.0, "lr": 1e-3}
    settings = {"adapt": adapt, "loss": loss, "folds": folds, "training": training, "lora": LORA}
    rewards, record, out = world.rewarded(writing("llama"), **settings)
    assert np.isfinite(rewards.reward).all()
    assert record["held_out"] is (folds > 1)
    assert len(record["models"]) == folds
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {line["fold"] for line in lines} == set(range(folds))
    again, _, _ = world.rewarded(writing("llama"), "again", **settings)
    assert again.reward.tolist() == rewards.reward.tolist()


def test_folds_that_cannot_be_made_are_refused(world, writing):
    with pytest.raises(ConfigError, match=r"select\.folds: 40 folds cannot be made of 18 separate items"):
        world.rewarded(writing("llama"), folds=40)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("folds", [1, 4])
def test_every_sample_is_scored_once_by_a_model_that_may_score_it(tmp_path, seed, separate, folds):
    world = World(tmp_path, seed)
    settings = RewardSettings("probe", "pointwise", separate, folds)
    material = RewardData.of(world.task, world.weak, world.found(), settings)
    plans = plans_of(material, folds)
    asked = np.concatenate([plan.asked for plan in plans])
    assert sorted(asked.tolist()) == list(range(len(material.samples)))
    for plan in plans:
        learned = np.concatenate([plan.good, plan.bad])
        assert set(material.sign[plan.good]) <= {1}
        assert set(material.sign[plan.bad]) <= {-1}
        groups = [{material.group[row] for row in rows.tolist()} for rows in (learned, plan.asked)]
        names = {material.samples[row].capability for row in (*learned.tolist(), *plan.asked.tolist())}
        assert not groups[0] & groups[1] or folds == 1
        assert len(names) == 1 or not separate
        for rows, kind in ((plan.good, 1), (plan.bad, -1)):
            fits = [
                row
                for row, one in enumerate(material.samples)
                if material.sign[row] == kind
                and (folds == 1 or material.fold[row] != plan.fold)
                and (not separate or one.capability == plan.block)
            ]
            assert rows.tolist() == fits, "all that it may learn"


def test_a_fold_without_examples_closes_its_whole_capability(tmp_path):
    """One group has all agreements: the model that must not see it has none."""
    world = World(tmp_path, 0, n=12, names=("tales",))
    world.task.items.groups[:] = ["g0"] * 6 + ["g1"] * 6
    gold = world.task.items.answers
    weak = targets_of(list(zip(world.task.items.ids, gold, strict=True)), np.random.default_rng(0))
    said = {item: gold[row] if row < 5 else "no" for row, item in enumerate(world.task.items.ids)}
    settings = RewardSettings("probe", "pointwise", False, 2, "confidence")
    material = RewardData.of(world.task, weak, compare(world.task, weak, answers_of(said)), settings)
    (why,) = gaps_of(material, settings).values()
    assert "without fold" in why
    assert why.endswith("it has 0 and 6")


def test_a_probe_tells_where_the_answers_lie(world, writing):
    """Row by row of the targets; equal labels of one item lie in one place, and nothing was learned for it."""
    _, record, out = world.rewarded(writing("llama"))
    places = np.load(out / "vectors.npy")
    assert places.shape == (len(world.weak), 2)
    assert np.isfinite(places).all()
    assert 0 < record["explained"][1] <= record["explained"][0] < 1
    rows = list(zip(world.weak.items, world.weak.texts, strict=True))
    for row, same in enumerate(rows):
        assert (places[row] == places[rows.index(same)]).all()
    _, _, other = world.rewarded(writing("llama"), name="again", loss="pairwise", l2=[3.0])
    assert (np.load(other / "vectors.npy") == places).all()
