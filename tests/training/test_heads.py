"""Heads reach the optimum that scikit-learn finds; the grid's members do not see each other."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from drawn_seeds import SEEDS
from outgrow.losses.objective import make_objective
from outgrow.training.heads import fit_heads

CROSS_ENTROPY = make_objective({"type": "cross_entropy"}, None)
SELF_TRAINED = make_objective({"type": "cross_entropy"}, {"gamma_max": 0.5, "ramp": 1.0, "harden": "argmax"})


def blobs(seed, n=200, dim=6, classes=3, dtype=torch.float64):
    """Overlapping classes: features of unequal scales, and soft targets."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(classes, (n,), generator=generator)
    centres = torch.randn(classes, dim, generator=generator)
    features = (centres[truth] + 1.5 * torch.randn(n, dim, generator=generator)) * torch.logspace(-2, 2, dim) + 7
    noise = torch.rand(n, classes, generator=generator)
    targets = torch.nn.functional.one_hot(truth, classes) + noise
    return features.to(dtype), (targets / targets.sum(1, keepdim=True)).to(dtype), truth


def grid_of(*values, like):
    return torch.tensor(values, dtype=like.dtype)


def risk(heads, features, targets, weight, l2):
    """The regularised risk of each head, by its definition."""
    log_probs = heads.logits(features).log_softmax(-1)
    mean_loss = -(weight / weight.sum() * (targets * log_probs).sum(-1)).sum(-1)
    return mean_loss + l2 / 2 * heads.weight.square().sum((0, 2))


def sklearn_risk(features, targets, weight, l2):
    """The optimum by L-BFGS: soft targets as one weighted row per class."""
    n, classes = targets.shape
    inputs = ((features - features.mean(0)) / features.std(0, correction=0)).numpy()
    rows = np.repeat(np.arange(n), classes)
    importance = (weight[:, None] * targets).flatten().numpy()
    importance = importance / importance.sum()
    model = LogisticRegression(C=1 / (l2 * len(rows)), tol=1e-10, max_iter=10_000)
    model.fit(inputs[rows], np.tile(np.arange(classes), n), sample_weight=importance * len(rows))
    log_probs = model.predict_log_proba(inputs)
    mean_loss = -(importance.reshape(n, classes) * log_probs).sum()
    return mean_loss + l2 / 2 * (model.coef_**2).sum(), model.predict_proba(inputs)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_optimum_is_scikit_learns(seed, dtype):
    features, targets, _ = blobs(seed)
    weight = torch.rand(len(features), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
    penalties = [1.0, 0.1, 0.01]
    l2 = grid_of(*penalties, like=features)
    single = [tensor.to(dtype) for tensor in (features, targets, weight, l2)]
    heads = fit_heads(*single[:3], CROSS_ENTROPY, single[3], 0 * single[3] + 0.05, 400)
    found = risk(heads, *single)
    for number, penalty in enumerate(penalties):
        best, probs = sklearn_risk(features, targets, weight, penalty)
        assert found[number].item() == pytest.approx(best, abs=1e-5)
        assert np.allclose(heads.probs(single[0])[number].numpy(), probs, atol=5e-3)


def test_two_classes_too():
    features, targets, _ = blobs(5, classes=2)
    weight, l2 = torch.ones(len(features), dtype=torch.float64), grid_of(0.1, like=features)
    heads = fit_heads(features, targets, weight, CROSS_ENTROPY, l2, l2 * 0 + 0.05, 400)
    # Two mirrored vectors of half the length have half the squared norm of scikit-learn's single one.
    best, _ = sklearn_risk(features, targets, weight, 0.1 / 2)
    assert risk(heads, features, targets, weight, l2).item() == pytest.approx(best, abs=1e-5)
    assert torch.allclose(heads.weight[:, 0, 0], -heads.weight[:, 0, 1], atol=1e-6)


@pytest.mark.parametrize("objective", [CROSS_ENTROPY, SELF_TRAINED], ids=["plain", "self-training"])
def test_a_grid_is_the_same_heads_one_by_one(objective):
    features, targets, _ = blobs(11)
    weight = torch.ones(len(features), dtype=torch.float64)
    l2, lr = grid_of(1.0, 0.01, 0.0001, like=features), grid_of(0.05, 0.02, 0.1, like=features)
    together = fit_heads(features, targets, weight, objective, l2, lr, 100)
    for number in range(3):
        alone = fit_heads(features, targets, weight, objective, l2[number : number + 1], lr[number : number + 1], 100)
        assert torch.allclose(together.weight[:, number], alone.weight[:, 0], atol=1e-9)
        assert torch.allclose(together.bias[number], alone.bias[0], atol=1e-9)
        assert torch.allclose(together.losses[:, number], alone.losses[:, 0], atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_one_item_equal_their_mean_for_a_linear_loss(seed):
    """Three sources' rows per item, or their weighted mean: the same head."""
    features, _, _ = blobs(seed, n=50)
    generator = torch.Generator().manual_seed(seed)
    votes = torch.rand(50, 3, 3, generator=generator, dtype=torch.float64)
    votes = votes / votes.sum(-1, keepdim=True)
    weight = torch.rand(50, 3, generator=generator, dtype=torch.float64)
    l2 = grid_of(0.1, like=features)
    item = torch.arange(50).repeat_interleave(3)
    rows = fit_heads(features, votes.flatten(0, 1), weight.flatten(), CROSS_ENTROPY, l2, l2 * 0 + 0.05, 100, item)
    mean = (weight[..., None] * votes).sum(1) / weight.sum(1, keepdim=True)
    collapsed = fit_heads(features, mean, weight.sum(1), CROSS_ENTROPY, l2, l2 * 0 + 0.05, 100)
    assert torch.allclose(rows.weight, collapsed.weight, atol=1e-9)


def questions(seed, n=150, options=4, dim=5):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, options, dim, generator=generator, dtype=torch.float64)
    score = features @ torch.randn(dim, generator=generator, dtype=torch.float64)
    return features, torch.softmax(score, dim=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shared_scorer_is_the_conditional_logit_optimum(seed):
    """Compared with L-BFGS on the definition, in float64."""
    features, targets = questions(seed)
    weight, l2 = torch.ones(len(features), dtype=torch.float64), grid_of(0.05, like=features)
    heads = fit_heads(features, targets, weight, CROSS_ENTROPY, l2, l2 * 0 + 0.05, 400)
    flat = features.flatten(0, 1)
    inputs = (features - flat.mean(0)) / flat.std(0, correction=0)
    scorer = torch.zeros(features.shape[-1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scorer], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        loss = -(targets * (inputs @ scorer).log_softmax(1)).sum(1).mean() + 0.05 / 2 * scorer.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    assert torch.allclose(heads.weight[:, 0, 0], scorer.detach(), atol=1e-3)
    assert not heads.bias.any()


def test_the_order_of_options_does_not_matter():
    features, targets = questions(3)
    order = torch.tensor([2, 0, 3, 1])
    weight, l2 = torch.ones(len(features), dtype=torch.float64), grid_of(0.05, like=features)
    lr = l2 * 0 + 0.05
    heads = fit_heads(features, targets, weight, CROSS_ENTROPY, l2, lr, 50)
    turned = fit_heads(features[:, order], targets[:, order], weight, CROSS_ENTROPY, l2, lr, 50)
    assert torch.allclose(turned.probs(features[:, order])[0], heads.probs(features)[0][:, order], atol=1e-9)


def test_scale_and_shift_of_features_do_not_matter():
    features, targets, _ = blobs(9)
    weight, l2 = torch.ones(len(features), dtype=torch.float64), grid_of(0.05, like=features)
    lr = l2 * 0 + 0.05
    heads = fit_heads(features, targets, weight, CROSS_ENTROPY, l2, lr, 50)
    moved = fit_heads(features * 3 - 100, targets, weight, CROSS_ENTROPY, l2, lr, 50)
    assert torch.allclose(moved.probs(features * 3 - 100), heads.probs(features), atol=1e-8)


def test_a_constant_feature_changes_nothing():
    features, targets, _ = blobs(9)
    constant = torch.cat([features, torch.full((len(features), 1), 5.0, dtype=torch.float64)], dim=1)
    weight, l2 = torch.ones(len(features), dtype=torch.float64), grid_of(0.05, like=features)
    heads = fit_heads(constant, targets, weight, CROSS_ENTROPY, l2, l2 * 0 + 0.05, 50)
    without = fit_heads(features, targets, weight, CROSS_ENTROPY, l2, l2 * 0 + 0.05, 50)
    assert torch.allclose(heads.probs(constant), without.probs(features), atol=1e-9)


def test_two_runs_give_the_same_bits_and_leave_the_random_numbers_alone():
    features, targets, _ = blobs(2, dtype=torch.float32)
    weight, l2 = torch.ones(len(features)), grid_of(0.1, 0.01, like=features)
    before = torch.random.get_rng_state()
    one, two = (fit_heads(features, targets, weight, CROSS_ENTROPY, l2, l2 * 0 + 0.05, 30) for _ in range(2))
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(torch.random.get_rng_state(), before)
