"""The stack against its definition by brute force, its gradient, and its limits."""

from pathlib import Path

import numpy as np
import pytest
import textbook_sources as textbook
from scipy import optimize
from scipy.sparse import csr_array

from drawn_seeds import SEEDS
from outgrow.combiners import section_named
from outgrow.combiners.fit_stack import fit_stack
from outgrow.combiners.stacked import FLOOR, evidence_of, fit_stacked, log_votes
from outgrow.combiners.targets import combine_labels
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError
from outgrow.labels import Anchors, Targets, WeakLabels


def drawn(seed: int, *, items: int = 60, sources: int = 3, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Soft votes of unequal quality, and gold; a tenth of the votes are abstentions."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    strength = np.linspace(2.0, 0.0, sources)[None, :, None]
    scores = strength * np.eye(classes)[gold][:, None] + rng.normal(size=(items, sources, classes))
    probs = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    return probs * (rng.random((items, sources, 1)) > 0.1), gold


def logs_of(probs: np.ndarray) -> csr_array:
    """`log_votes` of a table of soft votes."""
    return log_votes(Votes.gather(tuple(f"s{index}" for index in range(probs.shape[1])), probs.shape[2], probs))


def penalised_loss(parameters: np.ndarray, probs: np.ndarray, gold: np.ndarray) -> float:
    """The sum of the module's docstring, item by item and source by source."""
    n_sources = probs.shape[1]
    exponents, biases = parameters[:n_sources], parameters[n_sources:]
    total = ((exponents - 1 / n_sources) ** 2).sum() / 2 + 2.5 * (biases**2).sum()
    for votes, truth in zip(probs, gold, strict=True):
        scores = biases.copy()
        for vote, exponent in zip(votes, exponents, strict=True):
            if vote.any():
                scores = scores + exponent * np.log(np.maximum(vote, FLOOR))
        total -= scores[truth] - np.log(np.exp(scores - scores.max()).sum()) - scores.max()
    return float(total)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("sources", "classes"), [(1, 2), (2, 3), (4, 5)])
def test_the_stack_minimises_the_penalised_loss(seed: int, sources: int, classes: int) -> None:
    probs, gold = drawn(seed, sources=sources, classes=classes)
    stack = fit_stack(logs_of(probs), gold)
    found = np.concatenate([stack.exponents, stack.biases])
    start = np.concatenate([np.full(sources, 1 / sources), np.zeros(classes)])
    bounds = [(0, None)] * sources + [(None, None)] * classes
    wanted = optimize.minimize(penalised_loss, start, args=(probs, gold), method="SLSQP", bounds=bounds, tol=1e-12)
    assert penalised_loss(found, probs, gold) <= wanted.fun + 1e-8
    np.testing.assert_allclose(found, wanted.x, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_slope_at_the_solution_is_zero_or_points_outside(seed: int) -> None:
    probs, gold = drawn(seed, sources=4)
    stack = fit_stack(logs_of(probs), gold)
    found = np.concatenate([stack.exponents, stack.biases])
    slope = optimize.approx_fprime(found, penalised_loss, 1e-6, probs, gold)
    free = found > 0
    free[4:] = True
    assert np.abs(slope[free]).max() < 1e-3
    assert (slope[~free] > -1e-3).all()


def test_options_have_no_biases() -> None:
    probs, gold = drawn(SEEDS[0])
    stack = fit_stack(logs_of(probs), gold, class_biases=False)
    assert (stack.biases == 0).all()
    options = section_named("stacked", evidence=True).for_kind("choose").model_dump()
    assert not options["evidence"]
    assert not options["class_biases"]
    assert section_named("stacked").for_kind("generate").type == "candidate_pool"
    assert section_named("stacked").for_kind("classify") == section_named("stacked")


def labels_and_anchors(seed: int, **shape: int) -> tuple[WeakLabels, Anchors]:
    probs, _ = drawn(seed, **shape)
    known, gold = drawn(seed + 1, **shape)
    names = tuple(f"s{index}" for index in range(probs.shape[1]))
    labels = WeakLabels([f"i{index}" for index in range(len(probs))], names, probs)
    return labels, Anchors(WeakLabels([f"a{index}" for index in range(len(known))], names, known), gold)


def test_targets_are_the_pool_of_the_fitted_exponents() -> None:
    labels, anchors = labels_and_anchors(SEEDS[0])
    stack = fit_stack(logs_of(anchors.labels.probs), anchors.gold)
    wanted = np.exp((logs_of(labels.probs) @ stack.exponents).reshape(-1, labels.n_classes) + stack.biases)
    wanted /= wanted.sum(axis=1, keepdims=True)
    voted = labels.voted.any(axis=1)
    targets = combine_labels(section_named("stacked"), labels, anchors)
    np.testing.assert_allclose(targets.probs, wanted[voted], atol=1e-9)
    evidence = combine_labels(section_named("stacked", evidence=True), labels, anchors)
    divided = wanted[voted] / wanted[voted].mean(axis=0)
    np.testing.assert_allclose(evidence.probs, divided / divided.sum(axis=1, keepdims=True), atol=1e-9)


def test_without_gold_the_mean_vote() -> None:
    labels, _ = labels_and_anchors(SEEDS[1])
    voted = labels.voted.any(axis=1)
    mean = labels.probs.sum(axis=1)[voted] / labels.voted.sum(axis=1)[voted, None]
    np.testing.assert_allclose(combine_labels(section_named("stacked"), labels).probs, mean, atol=1e-12)


def test_a_source_without_votes_on_gold_keeps_its_equal_share() -> None:
    _, anchors = labels_and_anchors(SEEDS[2])
    silent = anchors.labels.probs.copy()
    silent[:, 1] = 0
    stack = fit_stack(logs_of(silent), anchors.gold)
    assert stack.exponents[1] == pytest.approx(1 / 3, abs=1e-6)
    assert stack.exponents[0] > 0.5


def test_a_source_of_noise_counts_little_and_two_copies_share() -> None:
    probs, gold = drawn(SEEDS[0], items=2000, sources=2, classes=4)
    stack = fit_stack(logs_of(probs), gold)
    assert stack.exponents[1] < 0.15 < 0.6 < stack.exponents[0]
    copied = fit_stack(logs_of(probs[:, [0, 0]]), gold)
    assert copied.exponents[0] == pytest.approx(copied.exponents[1], abs=1e-6)
    assert copied.exponents.sum() == pytest.approx(fit_stack(logs_of(probs[:, :1]), gold).exponents[0], abs=0.02)


@pytest.mark.parametrize("classes", [2, 3])
def test_hard_votes_and_votes_of_exactly_zero_and_one(classes: int) -> None:
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(classes, size=300)
    codes = textbook.one_coin_votes(rng, gold, np.array([0.9, 0.6]), classes, coverage=0.8)
    labels = textbook.hard_labels(codes, classes)
    known = rng.integers(classes, size=200)
    held = textbook.one_coin_votes(rng, known, np.array([0.9, 0.6]), classes, coverage=0.8)
    anchors = Anchors(textbook.elsewhere(textbook.hard_labels(held, classes)), known)
    fit = fit_stacked(Votes.of(labels, anchors))
    both = (codes >= 0).all(axis=1) & (codes[:, 0] != codes[:, 1])
    top = fit.posterior[both].argmax(axis=1)
    np.testing.assert_array_equal(top, codes[both, 0])
    assert np.isfinite(fit.posterior).all()
    alone = (codes[:, 0] >= 0) & (codes[:, 1] < 0)
    sure = fit.posterior[alone].max(axis=1)
    assert abs(sure.mean() - 0.9) < 0.1


def test_evidence_of_equal_rows_is_uniform() -> None:
    same = np.tile([0.7, 0.2, 0.1], (5, 1))
    np.testing.assert_allclose(evidence_of(same), np.full((5, 3), 1 / 3))
    np.testing.assert_array_equal(evidence_of(np.zeros((0, 3))), np.zeros((0, 3)))


def test_an_unknown_option_is_named() -> None:
    with pytest.raises((ConfigError, ValueError), match="evidense"):
        section_named("stacked", evidense=True)


def test_evidence_keeps_the_class_shares_of_the_posterior(tmp_path: Path) -> None:
    labels, anchors = labels_and_anchors(SEEDS[0])
    posterior = combine_labels(section_named("stacked"), labels, anchors)
    evidence = combine_labels(section_named("stacked", evidence=True), labels, anchors)
    np.testing.assert_allclose(evidence.class_shares, posterior.probs.mean(axis=0))
    evidence.save(tmp_path / "targets.parquet")
    np.testing.assert_array_equal(Targets.load(tmp_path / "targets.parquet").class_shares, evidence.class_shares)
    np.testing.assert_allclose(posterior.class_shares, posterior.probs.mean(axis=0))
