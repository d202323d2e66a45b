"""The simulation: draws the data, fits each student, and measures the excess risks.

One repetition draws a stream of weak labels. Naive fine-tuning learns from the first m. Refinement puts the first n
into the context, labels new items and learns from these labels. The oracle is naive fine-tuning on labels of the
target with the same inputs and noise. Bootstrapping learns from the source's mean answers to the new items. All
repetitions have the same components, so a rate is that of one mixture.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from outgrow.config.simulation import Simulation
from outgrow.metrics.bootstrap import draw_items
from outgrow.simulate.measure import PENALTIES, RiskDraws, SimulationResult, measure
from outgrow.simulate.mixture import (
    Mixture,
    biased,
    excess_risk,
    least_squares,
    log_posterior,
    orthonormal,
    refined_labels,
    shrunken,
)

NUMBERS = 2**23
"""Numbers in memory at a time, for the inputs of a batch of repetitions."""


def simulate(settings: Simulation) -> SimulationResult:
    """Run the simulation; the result depends on the settings alone."""
    mixture_seed, draw_seed, resample_seed = np.random.SeedSequence(settings.seed).spawn(3)
    mixture = make_mixture(settings, np.random.default_rng(mixture_seed))
    risk_draws = _joined([_draw(mixture, settings, size, seed) for size, seed in _batches(settings, draw_seed)])
    counts = draw_items(settings.repetitions, settings.bootstrap, np.random.default_rng(resample_seed))
    return measure(settings, mixture, risk_draws, counts)


def make_mixture(settings: Simulation, generator: np.random.Generator) -> Mixture:
    """Random orthonormal components; the first one is the target."""
    betas = orthonormal(settings.components, settings.dims, generator)
    return Mixture(betas, np.asarray(settings.shares), settings.sigma, 0, biased(betas, 0, settings.bias))


def _batches(settings: Simulation, seed: np.random.SeedSequence) -> Iterator[tuple[int, np.random.SeedSequence]]:
    """Batch sizes that fit into memory, each with its own random stream."""
    longest = max(*settings.weak_labels, *settings.demonstrations, settings.refined)
    size = max(1, NUMBERS // (longest * settings.dims))
    starts = range(0, settings.repetitions, size)
    for start, batch_seed in zip(starts, seed.spawn(len(starts)), strict=True):
        yield min(size, settings.repetitions - start), batch_seed


def _draw(mixture: Mixture, settings: Simulation, size: int, seed: np.random.SeedSequence) -> RiskDraws:
    generator, counts = np.random.default_rng(seed), np.asarray(settings.demonstrations)
    longest = max(settings.weak_labels[-1], counts[-1])
    x = generator.uniform(-1, 1, (size, longest, settings.dims))
    y = x @ mixture.weak + settings.sigma * generator.standard_normal((size, longest))
    new_x = generator.uniform(-1, 1, (size, settings.refined, settings.dims))
    posterior = log_posterior(mixture, x[:, : counts[-1]], y[:, : counts[-1]], counts)
    labels = refined_labels(posterior, new_x @ mixture.betas.T, settings.refine, generator)
    students = least_squares(new_x, np.concatenate([labels, (new_x @ mixture.source)[:, None]], axis=1))
    risks = excess_risk(students, mixture.gold)
    naive, oracle = _fine_tuned(mixture, x, y, np.asarray(settings.weak_labels))
    odds = posterior[..., [mixture.target]] - posterior[..., mixture.rivals]
    return RiskDraws(risks[:, :-1], risks[:, -1], naive, oracle, odds)


def _fine_tuned(
    mixture: Mixture,
    x: Float[np.ndarray, "rep item dim"],
    y: Float[np.ndarray, "rep item"],
    sizes: Int[np.ndarray, "size"],
) -> tuple[Float[np.ndarray, "rep size penalty"], Float[np.ndarray, "rep size penalty"]]:
    """Risks for each size and penalty: with weak labels, and with the target's labels, same inputs and noise."""
    parts = [(x[:, start:end], y[:, start:end]) for start, end in zip([0, *sizes[:-1]], sizes, strict=True)]
    gram = np.cumsum(np.stack([part.swapaxes(1, 2) @ part for part, _ in parts], axis=1), axis=1)
    moment = np.cumsum(np.stack([(label[:, None] @ part)[:, 0] for part, label in parts], axis=1), axis=1)
    penalties = np.broadcast_to(sizes[:, None] * np.asarray(PENALTIES), (len(x), len(sizes), len(PENALTIES)))
    weak = shrunken(gram, moment, mixture.source, penalties)
    gold = shrunken(gram, moment + gram @ (mixture.gold - mixture.weak), mixture.source, penalties)
    return excess_risk(weak, mixture.gold), excess_risk(gold, mixture.gold)


def _joined(batches: list[RiskDraws]) -> RiskDraws:
    return RiskDraws(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
