"""The step that selects: what it writes is what was asked for, and what it refuses it explains."""

import json

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.labels import Targets, WeakLabels
from outgrow.select.rewards import Rewards
from outgrow.select.row_scores import text_agreement, text_confidence, text_oracle
from outgrow.select.select_step import select_texts, select_votes
from outgrow.texts import Candidate, TextTargets, WeakTexts
from simulated_labels import answers_of, believed, job_in, mixture, save_inputs, targets_of, wrong_or_right

HALF = {"threshold": None, "fraction": 0.5, "quota": None, "within": "capability"}
ALL = {**HALF, "fraction": 1.0}


def at_least(threshold):
    return {**HALF, "fraction": None, "threshold": threshold}


class Labels:
    """Half right, half wrong labels of a mixture, two sources, and what a selection may go by."""

    def __init__(self, folder, seed, n=24, names=("sums", "tales", "words")):
        rng = np.random.default_rng(seed)
        self.folder, self.task = folder, mixture(n, names)
        ids = self.task.items.ids
        texts = [wrong_or_right(self.task, right, rng) for right in (0.5, 0.6)]
        self.weak = targets_of([(item, source[row]) for row, item in enumerate(ids) for source in texts], rng)
        self.strong = answers_of(dict(zip(ids, wrong_or_right(self.task, 0.6, rng), strict=True)))
        read = [[[Candidate(text, believed(text, rng)) for text in {s[row] for s in texts}]] for row in range(n)]
        self.scores = WeakTexts(list(ids), ("student",), read)
        self.inputs = save_inputs(folder, self.task, self.weak, strong=self.strong, scores=self.scores)
        self.reward = rng.normal(size=len(self.weak))
        self.save_rewards(self.reward)

    def save_rewards(self, reward, **changes):
        (self.folder / "reward").mkdir(exist_ok=True)
        columns = {"items": self.weak.items, "texts": self.weak.texts, "fold": np.zeros(len(reward), dtype=np.int64)}
        probability = 1 / (1 + np.exp(-reward))
        Rewards(**{**columns, "reward": reward, "probability": probability, **changes}).save(self.folder / "reward")
        self.inputs["reward"] = self.folder / "reward"

    def selected(self, name, seed=0, like=None, **select):
        inputs = {**self.inputs, **({} if like is None else {"like": like})}
        job = job_in(self.folder, name, inputs)
        select_texts(job, select=select, seed=seed)
        return job.out


def kept_rows(out):
    found = json.loads((out / "kept.json").read_text())
    return found, [row["kept"] for row in found["rows"]]


@pytest.fixture
def labels(tmp_path):
    return Labels(tmp_path, SEEDS[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_type_keeps_what_its_scores_say(tmp_path, seed):
    labels = Labels(tmp_path, seed)
    scores = {
        "agreement": text_agreement(labels.task, labels.weak, labels.strong),
        "oracle": text_oracle(labels.task, labels.weak),
        "confidence": text_confidence(labels.weak),
        "reward_model": labels.reward,
    }
    for kind, score in scores.items():
        for keep in (HALF, {**HALF, "within": "all", "fraction": 0.3}, {**HALF, "fraction": None, "quota": 2}):
            name = f"{kind}-{keep['within']}-{keep['quota']}"
            out = labels.selected(name, seed, type=kind, keep=keep, by="supervisors")
            record, kept = kept_rows(out)
            assert_best(score, kept, labels, keep)
            assert [row["score"] for row in record["rows"]] == pytest.approx(score.tolist())
            assert record["oracle"] is (kind == "oracle")
            assert_same_rows(out, labels.weak, kept, record)


def assert_best(score, kept, labels, keep):
    """The wanted number of every group, none of them worse than one that is left."""
    capability = dict(zip(labels.task.items.ids, labels.task.items.capabilities, strict=True))
    apart = keep["within"] == "capability"
    group = np.asarray([capability[item] if apart else "all" for item in labels.weak.items])
    for name in set(group.tolist()):
        here, n = np.asarray(kept) & (group == name), int((group == name).sum())
        left = (group == name) & ~here
        wanted = keep["quota"] or {0.5: n // 2, 0.3: -(-n * 3 // 10)}[keep["fraction"]]
        assert here.sum() == wanted
        assert score[here].min() >= score[left].max()


def assert_same_rows(out, weak, kept, record):
    found = TextTargets.load(out / "targets.parquet")
    rows = np.flatnonzero(kept).tolist()
    assert found.items == [weak.items[row] for row in rows]
    assert found.texts == [weak.texts[row] for row in rows]
    assert all(
        np.array_equal(table.logprob, weak.pieces[row].logprob) for table, row in zip(found.pieces, rows, strict=True)
    )
    assert found.weight.tolist() == weak.weight[rows].tolist()
    assert found.origin[0] == "Made up."
    assert found.origin[1].startswith(f"Kept {len(rows)} of {len(weak)} labels by ")
    assert (record["n"], record["kept"]) == (len(weak), len(rows))
    assert sum(one["kept"] for one in record["capabilities"].values()) == len(rows)
    assert sum(one["n"] for one in record["capabilities"].values()) == len(weak)


def test_thresholds_are_of_values_that_mean_something(labels):
    exact = labels.selected("a", type="agreement", keep=at_least(1.0))
    assert kept_rows(exact)[1] == (text_agreement(labels.task, labels.weak, labels.strong) >= 1).tolist()
    likely = labels.selected("b", type="reward_model", keep=at_least(0.5))
    assert kept_rows(likely)[1] == (labels.reward >= 0).tolist()
    sure = labels.selected("c", type="confidence", by="student", keep=at_least(0.4))
    assert kept_rows(sure)[1] == (text_confidence(labels.weak, labels.scores) >= 0.4).tolist()


def test_a_capability_is_kept_whole(labels):
    record, kept = kept_rows(labels.selected("tales", type="capability", only=["tales", "sums"]))
    assert record["capabilities"] == {
        "sums": {"n": 16, "kept": 16},
        "tales": {"n": 16, "kept": 16},
        "words": {"n": 16, "kept": 0},
    }
    assert sum(kept) == 32


def test_random_rows_are_drawn_by_the_seed_in_the_size_of_another(labels):
    other = labels.selected("agreement", type="agreement", keep=at_least(1.0))
    sizes = kept_rows(other)[0]["capabilities"]
    if len({one["kept"] for one in sizes.values()}) == 1:
        pytest.skip("the labels drawn agree equally often in every capability")
    drawn = [labels.selected(f"{seed}", seed, other, type="random", keep=HALF) for seed in range(20)]
    assert all(kept_rows(out)[0]["capabilities"] == sizes for out in drawn)
    assert len({tuple(kept_rows(out)[1]) for out in drawn}) == 20
    again = labels.selected("again", 3, other, type="random", keep=HALF)
    assert kept_rows(again) == kept_rows(drawn[3])
    tales = labels.selected("tales", type="capability", only=["tales"])
    record, _ = kept_rows(labels.selected("as many tales", 3, tales, type="random", keep=HALF))
    assert {name: one["kept"] for name, one in record["capabilities"].items()} == {"sums": 0, "tales": 16, "words": 0}
    half = labels.selected("half", 3, type="random", keep=HALF)
    assert {one["kept"] for one in kept_rows(half)[0]["capabilities"].values()} == {8}


def test_a_plain_task_has_no_capabilities(tmp_path):
    labels = Labels(tmp_path, SEEDS[1], names=("sums",))
    other = labels.selected("agreement", type="agreement", keep=at_least(1.0))
    record, _ = kept_rows(other)
    assert record["capabilities"] == {}
    copied, _ = kept_rows(labels.selected("random", 0, other, type="random", keep=HALF))
    assert (
        copied["kept"] == record["kept"] == int((text_agreement(labels.task, labels.weak, labels.strong) >= 1).sum())
    )


def test_the_order_of_the_targets_does_not_matter(tmp_path):
    """Ties too: an oracle's scores are all 0 or 1."""
    labels = Labels(tmp_path, SEEDS[2])
    weak, order = labels.weak, np.random.default_rng(SEEDS[2]).permutation(len(labels.weak)).tolist()
    mixed = TextTargets(
        *([column[row] for row in order] for column in (weak.items, weak.texts, weak.pieces)), weak.weight
    )
    for kind in ("oracle", "random", "confidence"):
        _, first = kept_rows(labels.selected(f"{kind}-first", 5, type=kind, keep=HALF, by="supervisors"))
        mixed.save(labels.inputs["targets"] / "targets.parquet")
        _, second = kept_rows(labels.selected(f"{kind}-second", 5, type=kind, keep=HALF, by="supervisors"))
        assert second == [first[row] for row in order]
        weak.save(labels.inputs["targets"] / "targets.parquet")


def test_what_could_not_be_scored_is_told_and_not_kept(labels):
    labels.save_rewards(np.where(np.arange(len(labels.weak)) % 4 == 0, np.nan, labels.reward))
    out = labels.selected("rest", type="reward_model", keep=ALL)
    record, kept = kept_rows(out)
    assert kept == [row % 4 != 0 for row in range(len(kept))]
    assert record["rows"][0] == {"item": "i0", "kept": False, "score": None}
    assert "Labels without a score, not kept: 12." in TextTargets.load(out / "targets.parquet").origin


def test_what_a_reward_model_did_otherwise_is_handed_on(labels):
    labels.save_rewards(labels.reward, origin=("Nothing to learn; confidence instead.",))
    out = labels.selected("otherwise", type="reward_model", keep=HALF)
    assert "Nothing to learn; confidence instead." in TextTargets.load(out / "targets.parquet").origin


def test_keeping_nothing_is_an_error_that_says_why(labels):
    n = len(labels.weak)
    with pytest.raises(DataError, match=rf"confidence keeps none of {n} labels: the best scores 0\..*, and 1\.5 is"):
        labels.selected("a", type="confidence", by="supervisors", keep=at_least(1.5))
    answers_of(dict.fromkeys(labels.task.items.ids)).save(labels.inputs["strong"] / "half_b.parquet")
    with pytest.raises(DataError, match="the strong model has an answer to none of their items"):
        labels.selected("b", type="agreement", keep=HALF)
    with pytest.raises(DataError, match=r"none is of these capabilities; correct `select\.only`"):
        labels.selected("c", type="capability", only=["verses"])
    with pytest.raises(DataError, match="no label is of a capability `verses`"):
        labels.selected("d", type="oracle", keep={**HALF, "fraction": None, "quota": {"verses": 3}})
    with pytest.raises(DataError, match="asks for none of the capabilities that have any"):
        labels.selected("e", type="oracle", keep={**HALF, "fraction": None, "quota": {"tales": 0}})


def test_a_capability_of_which_nothing_is_kept_is_named(labels):
    quota = {**HALF, "fraction": None, "quota": {"tales": 2, "sums": 100}}
    out = labels.selected("some", type="oracle", keep=quota)
    assert "Of the capability `words` nothing was kept." in TextTargets.load(out / "targets.parquet").origin
    assert kept_rows(out)[0]["capabilities"]["sums"]["kept"] == 16, "all there are"


def test_rewards_of_other_targets_are_refused(labels):
    labels.save_rewards(labels.reward, texts=["another text", *labels.weak.texts[1:]])
    with pytest.raises(DataError, match=r"targets\.parquet"):
        labels.selected("a", type="reward_model", keep=HALF)
    (labels.folder / "reward" / "rewards.parquet").write_text("no table")
    with pytest.raises(DataError, match="not a readable table of rewards"):
        labels.selected("b", type="reward_model", keep=HALF)


# ---- votes ----------------------------------------------------------------------------------------------


@pytest.fixture
def votes(tmp_path):
    """Targets over three classes, two rows for each item, and the strong model's votes."""
    rng, n = np.random.default_rng(SEEDS[0]), 20
    task = mixture(n, ("tales",))
    task.items.gold[:] = rng.integers(0, 3, n)
    weak = Targets(
        [item for item in task.items.ids for _ in range(2)], rng.dirichlet(np.ones(3), 2 * n), np.ones(2 * n)
    )
    inputs = save_inputs(tmp_path, task, targets_of([("i0", "replaced")], rng))
    weak.save(inputs["targets"] / "targets.parquet")
    inputs["strong"] = tmp_path / "strong"
    inputs["strong"].mkdir()
    strong = np.eye(3)[rng.integers(0, 3, n)]
    WeakLabels(list(task.items.ids), ("student",), strong[:, None]).save(inputs["strong"] / "half_b.parquet")

    def selected(name, like=None, **select):
        job = job_in(tmp_path, name, {**inputs, **({} if like is None else {"like": like})})
        select_votes(job, select=select, seed=0)
        return job.out

    return task, weak, strong, selected


def test_votes_are_selected_like_texts(votes):
    task, weak, strong, selected = votes
    said = weak.probs.argmax(axis=1)
    place = np.repeat(np.arange(20), 2)
    right, same = said == task.items.gold[place], said == strong.argmax(axis=1)[place]
    for kind, expected in {"oracle": right, "agreement": same}.items():
        out = selected(kind, type=kind, keep=at_least(1.0))
        found = Targets.load(out / "targets.parquet")
        assert kept_rows(out)[1] == expected.tolist()
        assert np.array_equal(found.probs, weak.probs[expected])
        assert found.items == weak.keep(expected).items
    entropy = -(weak.probs * np.log(weak.probs)).sum(axis=1)
    sure = selected("sure", type="confidence", by="supervisors", keep=HALF)
    assert kept_rows(sure)[1] == (entropy <= np.median(entropy)).tolist()
    copied = selected("copied", selected("agreed", type="agreement", keep=at_least(1.0)), type="random", keep=HALF)
    assert kept_rows(copied)[0]["kept"] == int(same.sum())


def test_votes_have_no_reader(votes):
    *_, selected = votes
    with pytest.raises(ConfigError, match="a student reads texts"):
        selected("b", type="confidence", by="student", keep=HALF)
