"""A reward model that is a probe: its vectors and its rewards by definition, and what it is good for."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from tiny_texts import text_section
from transformers import AutoModelForCausalLM

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Task
from outgrow.data.tasks.tales import make_tales
from outgrow.errors import DataError
from outgrow.generation.chat import single_turn
from outgrow.generation.prompting import prompter_of
from outgrow.models.load_model import load_tokenizer
from outgrow.select.comparisons import Sample, compare, make_pairs
from outgrow.select.keep_rules import keep_rows, lots
from outgrow.select.row_scores import text_oracle
from outgrow.training.grid_search import fold_of
from outgrow.training.reward_plan import RewardData, RewardModelPlan, RewardSettings, samples_of
from outgrow.training.reward_probe import ProbeLearner, answer_vectors, penalties
from outgrow.training.reward_step import RewardOutcome, hear, rated
from simulated_labels import answers_of, job_in, mixture, targets_of

TEXTS = ["yes", "", "the grey house", "Köln, 東京!", "no no no"]
LAYERS = (0, 1, 2, -1, None)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_vector_is_the_mean_over_the_answer_and_its_end(tmp_path, writing, family, layer):
    """One text at a time, by transformers' own hidden states; the default is two thirds of two layers."""
    section = {**text_section(writing(family)), "system": "Be brief."}
    samples = [Sample(f"i{number}", text, "") for number, text in enumerate(TEXTS)]
    prompts = {
        one.item: single_turn(f"what is {one.item} " * (number + 1), "Be brief.") for number, one in enumerate(samples)
    }
    job = job_in(tmp_path, "vectors", {}, batch_tokens=64)
    read, vectors, found = answer_vectors(job, section, layer, samples, prompts)
    assert read.kept.tolist() == list(range(len(TEXTS)))
    assert found == {-1: 2, None: 1}.get(layer, layer)
    tokenizer = load_tokenizer(writing(family))
    prompter, model = prompter_of(tokenizer), AutoModelForCausalLM.from_pretrained(writing(family)).eval()
    for sample, vector in zip(samples, vectors, strict=True):
        ids, answer = prompter.ids(prompts[sample.item]), tokenizer(sample.text)["input_ids"]
        with torch.no_grad():
            output = model(torch.tensor([[*ids, *answer, tokenizer.eos_token_id]]), output_hidden_states=True)
        states = output.hidden_states[found][0, len(ids) :]
        assert len(states) == len(answer) + 1
        assert torch.allclose(vector, states.mean(dim=0), atol=1e-5)


def test_texts_that_cannot_be_read_are_named(tmp_path, writing):
    section = {**text_section(writing("llama")), "max_length": 40}
    samples = [Sample("i0", "fine", ""), Sample("i1", "very long " * 30, ""), Sample("i0", "fine too", "")]
    prompts = {name: single_turn("what") for name in ("i0", "i1")}
    read, vectors, _ = answer_vectors(job_in(tmp_path, "some", {}), section, 1, samples, prompts)
    assert (read.kept.tolist(), read.left_out["too_long"], len(vectors)) == ([0, 2], ["i1"], 2)
    with pytest.raises(DataError, match="longer than 40 tokens"):
        answer_vectors(job_in(tmp_path, "strict", {}), {**section, "unfit": "stop"}, 1, samples, prompts)
    with pytest.raises(DataError, match="item `i0` is not among the items to learn from"):
        answer_vectors(job_in(tmp_path, "others", {}), section, 1, samples, {"i1": single_turn("what")})


# ---- rewards --------------------------------------------------------------------------------------------


def cloud(seed, n=120, dim=5, names=("a", "b")):
    """Samples whose vectors tell good from bad, with noise; two samples per group."""
    rng = np.random.default_rng(seed)
    samples = [Sample(f"i{row // 2}", f"text {row}", names[row % len(names)]) for row in range(n)]
    sign = np.where(rng.random(n) < 0.5, 1, -1)
    vectors = rng.normal(size=(n, dim)) * 10.0 ** np.arange(dim) + 0.8 * sign[:, None]
    return samples, sign, torch.tensor(vectors, dtype=torch.float64)


def learner_of(samples, vectors, pairwise, l2, seed=0):
    return ProbeLearner(vectors, samples, [one.item for one in samples], pairwise, l2, seed)


def sides(sign):
    return np.flatnonzero(sign == 1), np.flatnonzero(sign == -1)


@pytest.mark.parametrize("seed", SEEDS)
def test_pointwise_rewards_are_log_odds(seed):
    samples, sign, vectors = cloud(seed)
    everybody = np.arange(len(samples))
    found = learner_of(samples, vectors, False, [0.2]).learn(0, *sides(sign), everybody)
    inputs = ((vectors - vectors.mean(0)) / vectors.std(0, correction=0)).numpy()
    # Two weight vectors w and −w are punished twice: half the penalty on their difference.
    model = LogisticRegression(C=1 / (0.1 * len(samples)), tol=1e-10, max_iter=10_000).fit(inputs, sign)
    expected = model.decision_function(inputs)
    assert np.corrcoef(found.reward, expected)[0, 1] > 0.999
    assert abs(found.reward - expected).max() < 0.1 * expected.std()
    assert found.about["held_out_loss"] is None, "one penalty is no choice"
    assert found.metrics[0]["loss"] == pytest.approx(np.log(2))
    assert found.metrics[-1]["loss"] < found.metrics[0]["loss"]


@pytest.mark.parametrize("seed", SEEDS)
def test_pairwise_rewards_are_bradley_terry(seed):
    samples, sign, vectors = cloud(seed)
    good, bad = sides(sign)
    found = learner_of(samples, vectors, True, [0.2], seed).learn(0, good, bad, np.arange(len(samples)))
    passes = max(1, 500 // max(len(good), len(bad)))
    named = ([samples[row] for row in rows.tolist()] for rows in (good, bad))
    pairs = make_pairs(*named, seed, passes)
    shown = torch.cat([vectors[good[pairs[:, 0]]], vectors[bad[pairs[:, 1]]]])
    inputs = (vectors / shown.std(0, correction=0)).numpy()
    difference = inputs[good[pairs[:, 0]]] - inputs[bad[pairs[:, 1]]]
    both, kind = np.concatenate([difference, -difference]), np.repeat([1, -1], len(difference))
    model = LogisticRegression(C=1 / (0.2 * len(both)), fit_intercept=False, tol=1e-10, max_iter=10_000)
    expected = inputs @ model.fit(both, kind).coef_[0]
    assert np.corrcoef(found.reward, expected)[0, 1] > 0.999
    gaps = np.subtract.outer(found.reward, found.reward) - np.subtract.outer(expected, expected)
    assert abs(gaps).max() < 0.06 * np.ptp(expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pairwise", [False, True])
def test_the_penalty_is_the_best_on_held_out_groups(seed, pairwise):
    """Each penalty and fold by itself, with a learner that has no choice."""
    samples, sign, vectors = cloud(seed, n=60)
    good, bad = sides(sign)
    grid = [3.0, 0.1, 0.001]
    learner = learner_of(samples, vectors, pairwise, grid)
    found = learner.learn(0, good, bad, np.arange(60))
    both = np.concatenate([good, bad])
    fold = np.zeros(60, dtype=int)
    fold[both] = fold_of([samples[row].item for row in both.tolist()], 3)
    assert all(len({fold[row] for row in both if samples[row].item == one.item}) == 1 for one in samples)
    losses = []
    for l2 in grid:
        alone, each = learner_of(samples, vectors, pairwise, [l2]), []
        for held in range(3):
            reward = alone.learn(0, good[fold[good] != held], bad[fold[bad] != held], np.arange(60)).reward
            inside, outside = good[fold[good] == held], bad[fold[bad] == held]
            if pairwise:
                named = ([samples[row] for row in rows.tolist()] for rows in (inside, outside))
                margins = [reward[inside[i]] - reward[outside[j]] for i, j in make_pairs(*named, 0).tolist()]
            else:
                margins = [*reward[inside], *-reward[outside]]
            each += np.log1p(np.exp(-np.asarray(margins))).tolist()
        losses.append(np.mean(each))
    assert found.about["held_out_loss"] == pytest.approx(losses, rel=1e-6)
    assert found.about["l2"] == grid[int(np.argmin(losses))]


@pytest.mark.parametrize("pairwise", [False, True])
def test_where_nothing_can_be_held_out_the_strongest_penalty_is_taken(pairwise):
    samples, _, vectors = cloud(0, n=4)
    one_group = ProbeLearner(vectors, samples, ["same"] * 4, pairwise, penalties(None), 0)
    found = one_group.learn(0, np.asarray([0, 1]), np.asarray([2, 3]), np.arange(4))
    assert found.about == {"l2": max(penalties(None)), "held_out_loss": None}
    assert penalties([0.1, 3.0, 1.0]) == [3.0, 1.0, 0.1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pairwise", [False, True])
def test_the_order_of_the_samples_does_not_matter(seed, pairwise):
    samples, sign, vectors = cloud(seed, n=50)
    order = np.random.default_rng(seed).permutation(50)
    rewards = []
    for rows in (np.arange(50), order):
        mixed = learner_of([samples[row] for row in rows.tolist()], vectors[rows], pairwise, [0.3, 0.01])
        rewards.append(mixed.learn(0, *sides(sign[rows]), np.arange(50)).reward)
    assert np.allclose(rewards[1], rewards[0][order], atol=1e-9)


def test_a_pairwise_constant_puts_good_and_bad_around_zero():
    samples, sign, vectors = cloud(SEEDS[0])
    good, bad = sides(sign)
    plan = RewardModelPlan("", 0, good, bad, np.arange(len(samples))[::-1].copy())
    found = rated(learner_of(samples, vectors + 100, True, [0.1]), 0, plan, True).reward[::-1]
    assert found[good].mean() == pytest.approx(-found[bad].mean(), rel=1e-6)
    assert found[good].mean() > 0


# ---- what it is good for --------------------------------------------------------------------------------


def gain(task, weak, strong, vectors_of, settings, seed, l2=None):
    """Accuracy of the half that the rewards keep, less that of a random half of the same size."""
    material = RewardData.of(task, weak, compare(task, weak, strong), settings)
    learner = ProbeLearner(
        vectors_of(material.samples), material.samples, material.group, settings.pairwise, penalties(l2), seed
    )
    verdict = RewardOutcome({}, {})
    hear(verdict, learner, material, settings)
    reward = np.asarray([verdict.reward[one] for one in samples_of(task, weak)])
    right, n = text_oracle(task, weak), len(weak)
    lot = lots(seed, [(item,) for item in weak.items])
    kept, control = (keep_rows(score, lot, [""] * n, fraction=0.5) for score in (reward, lot))
    assert kept.sum() == control.sum() == (n + 1) // 2
    return float(right[kept].mean() - right[control].mean())


def assert_positive(gains):
    """The 95% interval of the mean gain over seeds, paired by seed, lies above 0."""
    low = stats.t.interval(0.95, len(gains) - 1, np.mean(gains), stats.sem(gains))[0]
    assert low > 0, gains


WAYS = list(itertools.product(["pointwise", "pairwise"], [1, 3]))


@pytest.mark.parametrize(("loss", "folds"), WAYS)
def test_simulated_rewards_beat_chance(loss, folds):
    """Vectors that know something of who is right; comparisons that mistake right answers for bad ones."""
    gains = []
    for seed in range(6):
        rng = np.random.default_rng([SEEDS[0], seed])
        task = mixture(80, ("tales",))
        gold, direction = dict(zip(task.items.ids, task.items.answers, strict=True)), rng.normal(size=8)

        def said(right, wrong, gold=gold, rng=rng):
            return {item: text if rng.random() < right else wrong for item, text in gold.items()}

        def vectors_of(samples, gold=gold, rng=rng, direction=direction):
            right = np.asarray([one.text == gold[one.item] for one in samples])
            return torch.tensor(rng.normal(size=(len(samples), 8)) + np.outer(right, direction))

        weak, strong = targets_of(list(said(0.6, "a shed").items()), rng), answers_of(said(0.5, "a tent"))
        settings = RewardSettings("probe", loss, separate=False, folds=folds)
        gains.append(gain(task, weak, strong, vectors_of, settings, seed, [1.0]))
    assert_positive(gains)


@pytest.mark.slow
def test_a_real_models_rewards_beat_chance(tmp_path):
    """SmolLM2 on tales: weak labels are wrong for two of five items, its own answers for half of them."""
    task, choices = tales(56, SEEDS[0])
    samples = [Sample(item, text, "") for item, texts in choices.items() for text in dict.fromkeys(texts)]
    prompts = {item: single_turn(text) for item, text in zip(task.items.ids, task.items.prompts, strict=True)}
    section = {**text_section("bundled:smollm2-135m"), "max_length": 256}
    read, vectors, layer = answer_vectors(job_in(tmp_path, "vectors", {}, threads=1), section, 10, samples, prompts)
    assert (len(read.kept), layer) == (len(samples), 10)
    place = {sample: number for number, sample in enumerate(samples)}
    gains = {way: [] for way in [("pointwise", 1), ("pairwise", 3)]}
    for seed in range(16):
        rng = np.random.default_rng([SEEDS[1], seed])

        def said(right, rng=rng):
            return {
                item: texts[0] if rng.random() < right else texts[int(rng.integers(1, 3))]
                for item, texts in choices.items()
            }

        weak, strong = targets_of(list(said(0.6).items()), rng), answers_of(said(0.5))
        for loss, folds in gains:
            settings = RewardSettings("probe", loss, separate=False, folds=folds)
            l2 = None if folds == 1 else [1.0]
            found = gain(task, weak, strong, lambda some: vectors[[place[one] for one in some]], settings, seed, l2)
            gains[loss, folds].append(found)
    for found in gains.values():
        assert_positive(found)


def tales(n, seed):
    """A task of tales and, by item, its gold and the gold of two others."""
    _, table = next(make_tales())
    rng = np.random.default_rng(seed)
    rows = [table.rows[row] for row in rng.choice(len(table.rows), n, replace=False).tolist()]
    prompts, gold = [f"{row['story']}\n{row['question']}" for row in rows], [row["answer"] for row in rows]
    items = Items([f"i{row}" for row in range(n)], prompts, np.zeros(n, dtype=np.int64), answers=gold)
    choices = {}
    for item, answer in zip(items.ids, gold, strict=True):
        others = sorted({other for other in gold if other.casefold() != answer.casefold()})
        choices[item] = [answer, *rng.choice(others, 2, replace=False).tolist()]
    return Task("tales", "generate", (), items, metric="exact_match"), choices
