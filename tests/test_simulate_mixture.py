"""The mixture of regressions against its definitions: Bayes by hand, a generic minimiser, Monte Carlo, limits."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from drawn_seeds import SEEDS
from outgrow.config.simulation import Simulation
from outgrow.simulate.measure import behind, slopes
from outgrow.simulate.mixture import (
    Mixture,
    biased,
    decay,
    drift,
    excess_risk,
    least_squares,
    log_moment,
    log_posterior,
    orthonormal,
    refined_labels,
    risk_bound,
    segment_floor,
    shrunken,
)
from outgrow.simulate.study import make_mixture, simulate


def world(seed: int, bias: float | None = None) -> tuple[Mixture, np.random.Generator]:
    """A random mixture with a random target, and the generator to go on with."""
    rng = np.random.default_rng(seed)
    components, dims = int(rng.integers(2, 6)), int(rng.integers(6, 9))
    betas, target = orthonormal(components, dims, rng), int(rng.integers(components))
    distance = rng.uniform(0, 0.8) if bias is None else bias
    weak = biased(betas, target, distance)
    return Mixture(betas, rng.dirichlet(np.full(components, 5.0)), rng.uniform(0.4, 0.8), target, weak), rng


def labelled(
    mixture: Mixture, repetitions: int, items: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and weak labels."""
    x = rng.uniform(-1, 1, (repetitions, items, mixture.betas.shape[1]))
    return x, x @ mixture.weak + mixture.sigma * rng.standard_normal((repetitions, items))


def settings(**changes: object) -> Simulation:
    """A small simulation."""
    plain: dict[str, object] = {
        "simulation": "mixture_of_regressions",
        "name": "small",
        "dims": 5,
        "components": 3,
        "demonstrations": [1, 4, 8, 12, 16],
        "weak_labels": [4, 16, 64],
        "refined": 12,
        "repetitions": 300,
        "bootstrap": 100,
    }
    return Simulation.model_validate(plain | changes)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_weak_supervisor_is_so_far_from_the_target_and_leans_to_the_others(seed: int) -> None:
    mixture, _ = world(seed, bias=0.7)
    assert mixture.betas @ mixture.betas.T == pytest.approx(np.eye(len(mixture.betas)), abs=1e-12)
    assert np.linalg.norm(mixture.weak - mixture.gold) == pytest.approx(0.7)
    leaning = mixture.betas[mixture.rivals] @ mixture.weak
    assert leaning == pytest.approx(np.full(len(leaning), 0.7 / np.sqrt(len(leaning))))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_excess_risk_is_the_mean_of_squared_differences(seed: int) -> None:
    mixture, rng = world(seed)
    student = rng.standard_normal(len(mixture.weak))
    squares = ((rng.uniform(-1, 1, (100_000, len(student))) @ (student - mixture.gold)) ** 2).reshape(100, -1)
    error = squares.mean(axis=1).std(ddof=1) / 10
    assert float(excess_risk(student, mixture.gold)) == pytest.approx(squares.mean(), abs=6 * error)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_posterior_is_bayes_by_hand(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 3, 6, rng)
    counts = np.array([1, 3, 6])
    found = np.exp(log_posterior(mixture, x, y, counts))
    for repetition in range(3):
        for place, count in enumerate(counts):
            joint = [
                share * np.prod(norm.pdf(y[repetition, :count], x[repetition, :count] @ beta, mixture.sigma))
                for share, beta in zip(mixture.prior, mixture.betas, strict=True)
            ]
            assert found[repetition, place] == pytest.approx(np.array(joint) / np.sum(joint))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_posterior_is_exact_where_its_likelihoods_underflow(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 2, 4000, rng)
    found = log_posterior(mixture, x, y, np.array([4000]))
    fits = -((y[:, :, None] - x @ mixture.betas.T) ** 2).sum(axis=1) / (2 * mixture.sigma**2)
    ratio = fits[:, 0] - fits[:, 1] + np.log(mixture.prior[0] / mixture.prior[1])
    assert np.isfinite(found).all()
    assert found[:, 0, 0] - found[:, 0, 1] == pytest.approx(ratio)


@pytest.mark.parametrize("seed", SEEDS)
def test_components_have_no_order(seed: int) -> None:
    mixture, rng = world(seed)
    order = rng.permutation(len(mixture.betas))
    target = int(np.flatnonzero(order == mixture.target)[0])
    other = replace(mixture, betas=mixture.betas[order], prior=mixture.prior[order], target=target)
    x, y = labelled(mixture, 4, 5, rng)
    counts = np.array([2, 5])
    beliefs = [log_posterior(one, x, y, counts) for one in (mixture, other)]
    assert beliefs[0][..., order] == pytest.approx(beliefs[1])
    for refine in ("mean", "mode"):
        first, second = (
            refined_labels(belief, x @ one.betas.T, refine, rng)
            for belief, one in zip(beliefs, (mixture, other), strict=True)
        )
        assert first == pytest.approx(second)
    assert segment_floor(mixture) == pytest.approx(segment_floor(other))
    bounds = [risk_bound(one, decay(one), counts) for one in (mixture, other)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_refined_labels_by_their_definitions(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 2, 3, rng)
    new = rng.uniform(-1, 1, (2, 4000, len(mixture.weak)))
    belief, answers = log_posterior(mixture, x, y, np.array([1, 3])), new @ mixture.betas.T
    mean, mode, draw = (refined_labels(belief, answers, refine, rng) for refine in ("mean", "mode", "draw"))
    for place in np.ndindex(2, 2):
        weights, said = np.exp(belief[place]), answers[place[0]]
        assert mean[place] == pytest.approx(said @ weights)
        assert mode[place] == pytest.approx(said[:, weights.argmax()])
        who = (draw[place][:, None] == said).argmax(axis=1)
        assert draw[place] == pytest.approx(said[np.arange(len(said)), who])
        shares = np.bincount(who, minlength=len(weights)) / len(who)
        assert shares == pytest.approx(weights, abs=6 * 0.5 / np.sqrt(len(who)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_student_of_refined_labels_is_the_posteriors_mean_direction(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 3, 5, rng)
    new = rng.uniform(-1, 1, (3, 20, len(mixture.weak)))
    belief = log_posterior(mixture, x, y, np.array([2, 5]))
    students = least_squares(new, refined_labels(belief, new @ mixture.betas.T, "mean", rng))
    assert students == pytest.approx(np.exp(belief) @ mixture.betas)


@pytest.mark.parametrize("seed", SEEDS)
def test_shrinking_is_what_a_generic_minimiser_finds(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 2, 10, rng)
    penalties = np.array([[0.01, 1.0], [3.0, 40.0]])
    transposed = x.swapaxes(1, 2)
    found = shrunken(transposed @ x, (transposed @ y[..., None])[..., 0], mixture.source, penalties)
    for repetition, place in np.ndindex(2, 2):

        def loss(b: np.ndarray, repetition: int = repetition, place: int = place) -> float:
            misses = ((y[repetition] - x[repetition] @ b) ** 2).sum()
            return float(misses + penalties[repetition, place] * ((b - mixture.source) ** 2).sum())

        best = minimize(loss, np.zeros(len(mixture.weak)), tol=1e-12)
        assert found[repetition, place] == pytest.approx(best.x, abs=1e-4)
        assert loss(found[repetition, place]) <= best.fun * (1 + 1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_shrinking_goes_from_least_squares_to_its_start(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 1, 30, rng)
    gram, moment = x[0].T @ x[0], x[0].T @ y[0]
    found = shrunken(gram, moment, mixture.source, np.array([1e-9, 1e12]))
    assert found[0] == pytest.approx(least_squares(x, y[:, None])[0, 0])
    assert found[1] == pytest.approx(mixture.source, abs=1e-9)
    steps = shrunken(gram, moment, mixture.source, np.logspace(-3, 3, 20)) - mixture.source
    assert (np.diff(np.linalg.norm(steps, axis=1)) < 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_floor_is_the_lowest_risk_between_source_and_weak_supervisor(seed: int) -> None:
    mixture, _ = world(seed)
    shares = np.linspace(0, 1, 10_001)[:, None]
    risks = excess_risk(mixture.weak + shares * (mixture.source - mixture.weak), mixture.gold)
    assert segment_floor(mixture) == pytest.approx(risks.min(), rel=1e-5, abs=1e-9)
    assert segment_floor(mixture) <= risks.min() + 1e-15
    assert segment_floor(mixture) >= 1 / (1 / risks[0] + 1 / risks[-1]) - 1e-12
    assert segment_floor(replace(mixture, weak=mixture.gold)) == pytest.approx(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_demonstration_adds_what_theory_says_to_the_log_odds(seed: int) -> None:
    mixture, rng = world(seed)
    x, y = labelled(mixture, 200_000, 1, rng)
    belief = log_posterior(mixture, x, y, np.array([1]))[:, 0]
    added = belief[:, [mixture.target]] - belief[:, mixture.rivals]
    added -= np.log(mixture.prior[mixture.target] / mixture.prior[mixture.rivals])
    error = added.std(axis=0) / np.sqrt(len(added))
    assert (np.abs(added.mean(axis=0) - drift(mixture)) < 6 * error).all()
    to_weak = ((mixture.betas - mixture.weak) ** 2).sum(axis=1)
    gaps = to_weak[mixture.rivals] - to_weak[mixture.target]
    assert drift(mixture) == pytest.approx(gaps / (6 * mixture.sigma**2))
    points = rng.uniform(-1, 1, (100_000, len(mixture.weak)))
    for place, rival in enumerate(mixture.rivals):
        powers = np.exp(-0.3 * added[:, place])
        spread = powers.std() / powers.mean() / np.sqrt(len(added))
        assert log_moment(mixture, int(rival), 0.3, points) == pytest.approx(np.log(powers.mean()), abs=8 * spread)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_moment_function_is_convex_between_zero_and_a_value_that_is_not_negative(seed: int) -> None:
    mixture, rng = world(seed)
    half = rng.uniform(-1, 1, (50_000, len(mixture.weak)))
    rival = int(mixture.rivals[0])
    values = [log_moment(mixture, rival, t, half) for t in np.linspace(0, 1, 21)]
    assert values[0] == pytest.approx(0)
    assert values[-1] > -0.02
    assert (np.diff(values, 2) > -1e-12).all()
    rates = decay(mixture)
    assert rates.rate[0] == pytest.approx(-min(values), abs=0.02)
    assert ((rates.tilt > 0) & (rates.tilt < 1)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_without_bias_the_rate_is_that_of_bhattacharyya(seed: int) -> None:
    mixture, rng = world(seed, bias=0.0)
    found = decay(mixture)
    assert found.tilt == pytest.approx(np.full(len(found.tilt), 0.5), abs=1e-3)
    gaps = rng.uniform(-1, 1, (200_000, len(mixture.weak))) @ (mixture.betas[mixture.rivals] - mixture.gold).T
    overlap = np.exp(-(gaps**2) / (8 * mixture.sigma**2)).mean(axis=0)
    assert found.rate == pytest.approx(-np.log(overlap), abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bias_slows_the_inference_and_a_large_one_stops_it(seed: int) -> None:
    mixture, _ = world(seed)
    limit = np.sqrt(len(mixture.rivals))
    biases = limit * np.array([0.0, 0.3, 0.6, 0.9, 1.1])
    found = [decay(replace(mixture, weak=biased(mixture.betas, mixture.target, bias))) for bias in biases]
    rates = np.array([one.rate for one in found])
    assert (np.diff(rates, axis=0) < 0).all()
    assert (rates[:-1] > 0).all()
    assert (rates[-1] == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("refine", ["mean", "mode"])
def test_the_mean_risk_of_refinement_stays_below_the_bound(seed: int, refine: str) -> None:
    mixture, rng = world(seed)
    counts = np.array([1, 5, 10, 20, 40])
    x, y = labelled(mixture, 2000, 40, rng)
    new = rng.uniform(-1, 1, (2000, 10, len(mixture.weak)))
    belief = log_posterior(mixture, x, y, counts)
    students = least_squares(new, refined_labels(belief, new @ mixture.betas.T, refine, rng))
    risks = excess_risk(students, mixture.gold)
    error = risks.std(axis=0) / np.sqrt(len(risks))
    assert (risks.mean(axis=0) < risk_bound(mixture, decay(mixture), counts) + 5 * error).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rate_is_the_limit_of_the_decay(seed: int) -> None:
    """Two components, so that the risk is a function of one sum; far out, rare contexts are drawn more often."""
    rng = np.random.default_rng(seed)
    betas = np.eye(2)
    mixture = Mixture(betas, np.array([0.5, 0.5]), 0.8, 0, biased(betas, 0, 0.3))
    expected, counts = decay(mixture), np.array([100, 200])
    tilt, logs = expected.tilt[0], []
    for count in counts:
        added, weight = tilted_sums(mixture, tilt, int(count), 20_000, rng)
        risk = 2 / 3 / (1 + np.exp(added)) ** 2
        logs.append(np.log((risk * weight).mean()))
    slope = -(logs[1] - logs[0] + np.log(2) / 2) / (counts[1] - counts[0])
    assert slope == pytest.approx(expected.rate[0], rel=0.1)


def tilted_sums(
    mixture: Mixture, tilt: float, count: int, repetitions: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Log odds after `count` demonstrations drawn ∝ exp(−tilt Z) times their chance, and the weights to undo that."""
    gap, middle = mixture.betas[1] - mixture.gold, mixture.weak - mixture.betas.mean(axis=0)
    pool = rng.uniform(-1, 1, (400_000, 2))
    heights = (tilt * (pool @ gap) * (pool @ middle) + tilt**2 * (pool @ gap) ** 2 / 2) / mixture.sigma**2
    kept = pool[rng.random(len(pool)) < np.exp(heights - heights.max())]
    x = kept[rng.integers(len(kept), size=(repetitions, count))]
    noise = rng.standard_normal((repetitions, count)) + tilt * (x @ gap) / mixture.sigma
    added = (-(x @ gap) * (x @ middle + mixture.sigma * noise) / mixture.sigma**2).sum(axis=1)
    return added, np.exp(tilt * added + count * np.log(np.exp(heights).mean()))


@pytest.mark.parametrize("seed", SEEDS)
def test_naive_fine_tuning_stays_above_its_floor_and_the_oracle_does_not(seed: int) -> None:
    found = simulate(settings(seed=seed, repetitions=2000, weak_labels=[8, 64, 512]))
    assert all(point.risk.high is not None and point.risk.high > found.floor for point in found.of("naive"))
    assert found.of("naive")[-1].risk.value == pytest.approx(found.floor, rel=0.1)
    oracle = [point.risk.value or 0.0 for point in found.of("oracle")]
    assert oracle == sorted(oracle, reverse=True)
    assert oracle[-1] < found.floor / 5
    assert found.of("bootstrapping")[0].risk.value == pytest.approx(found.source, rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_enough_demonstrations_refinement_is_below_the_floor(seed: int) -> None:
    found = simulate(settings(seed=seed, demonstrations=[1, 60], repetitions=500))
    first, last = found.of("refinement")
    assert (last.risk.high or 1) < found.floor < (first.risk.low or 0)
    assert found.crossing == 60


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_settings_give_the_same_numbers_and_another_seed_gives_others(seed: int) -> None:
    first, again, other = (simulate(settings(seed=one)) for one in (seed, seed, seed + 1))
    assert first == again
    assert first != other


def test_penalties_are_the_best_of_the_grid_by_the_mean() -> None:
    found = simulate(settings())
    for point in found.of("naive"):
        assert point.labels is not None
        risks = found.naive[point.labels]
        assert point.risk.value == pytest.approx(min(risks), rel=1e-5)
        assert point.penalty == found.penalties[int(np.argmin(risks))]


def test_too_few_points_have_no_rate() -> None:
    found = simulate(settings(demonstrations=[1, 2]))
    assert not found.rates[0].measured.defined
    assert "fewer than three" in found.rates[0].measured.note
    assert found.rates[-1].measured.defined


def test_rounding_makes_no_rate() -> None:
    found = simulate(settings(sigma=0.01, demonstrations=[10, 20, 30, 40]))
    assert (found.of("refinement")[-1].risk.value or 0) < 1e-28
    assert found.fitted == ()
    assert not found.rates[0].measured.defined


def test_labels_that_are_drawn_have_no_bound() -> None:
    assert simulate(settings(refine="draw")).bound == ()
    assert len(simulate(settings(refine="mode")).bound) == 5


def test_repetitions_behind_a_mean() -> None:
    assert behind(np.full((50, 1), 0.3)) == pytest.approx([50])
    assert behind(np.eye(50)[:, :1]) == pytest.approx([1])
    assert behind(np.zeros((5, 1))) == pytest.approx([0])
    assert behind(np.full((50, 1), 1e-300)) == pytest.approx([50])


@pytest.mark.parametrize("seed", SEEDS)
def test_slopes_are_those_of_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, logs = np.sort(rng.uniform(0, 9, 6)), rng.standard_normal((4, 6))
    assert slopes(logs, counts) == pytest.approx(np.polyfit(counts, logs.T, 1)[0])


def test_the_first_component_is_the_target() -> None:
    small = settings(prior=[0.2, 0.5, 0.3])
    mixture = make_mixture(small, np.random.default_rng(0))
    assert mixture.target == 0
    assert mixture.prior == pytest.approx([0.2, 0.5, 0.3])
