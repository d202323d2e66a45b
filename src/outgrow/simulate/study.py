"""Run the simulation: draw, let every student learn, and hand the excess risks on to be measured.

One repetition draws a stream of weak labels. Naive fine-tuning learns from its first m; refinement puts its first n
into the context, labels new items and learns those; the oracle is naive fine-tuning on labels of the target with the
same inputs and noise; bootstrapping learns the source's own mean answers to the new items. The components stay the
same, so that a rate is the rate of one world.
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
"""Held in memory at once, for the inputs of some repetitions."""


def simulate(settings: Simulation) -> SimulationResult:
    """The whole simulation, a function of its settings alone."""
    world, draws, resamples = np.random.SeedSequence(settings.seed).spawn(3)
    mixture = make_mixture(settings, np.random.default_rng(world))
    drawn = _joined([_draw(mixture, settings, size, seed) for size, seed in _batches(settings, draws)])
    counts = draw_items(settings.repetitions, settings.bootstrap, np.random.default_rng(resamples))
    return measure(settings, mixture, drawn, counts)


def make_mixture(settings: Simulation, generator: np.random.Generator) -> Mixture:
    """Random orthonormal components, the first of them the target."""
    betas = orthonormal(settings.components, settings.dims, generator)
    return Mixture(betas, np.asarray(settings.shares), settings.sigma, 0, biased(betas, 0, settings.bias))


def _batches(settings: Simulation, seed: np.random.SeedSequence) -> Iterator[tuple[int, np.random.SeedSequence]]:
    """Sizes that fit into memory, each with its own stream of random numbers."""
    longest = max(*settings.weak_labels, *settings.demonstrations, settings.refined)
    size = max(1, NUMBERS // (longest * settings.dims))
    starts = range(0, settings.repetitions, size)
    for start, child in zip(starts, seed.spawn(len(starts)), strict=True):
        yield min(size, settings.repetitions - start), child


def _draw(mixture: Mixture, settings: Simulation, size: int, seed: np.random.SeedSequence) -> RiskDraws:
    generator, counts = np.random.default_rng(seed), np.asarray(settings.demonstrations)
    longest = max(settings.weak_labels[-1], counts[-1])
    x = generator.uniform(-1, 1, (size, longest, settings.dims))
    y = x @ mixture.weak + settings.sigma * generator.standard_normal((size, longest))
    new = generator.uniform(-1, 1, (size, settings.refined, settings.dims))
    belief = log_posterior(mixture, x[:, : counts[-1]], y[:, : counts[-1]], counts)
    labels = refined_labels(belief, new @ mixture.betas.T, settings.refine, generator)
    students = least_squares(new, np.concatenate([labels, (new @ mixture.source)[:, None]], axis=1))
    risks = excess_risk(students, mixture.gold)
    naive, oracle = _fine_tuned(mixture, x, y, np.asarray(settings.weak_labels))
    odds = belief[..., [mixture.target]] - belief[..., mixture.rivals]
    return RiskDraws(risks[:, :-1], risks[:, -1], naive, oracle, odds)


def _fine_tuned(
    mixture: Mixture,
    x: Float[np.ndarray, "rep item dim"],
    y: Float[np.ndarray, "rep item"],
    sizes: Int[np.ndarray, "size"],
) -> tuple[Float[np.ndarray, "rep size penalty"], Float[np.ndarray, "rep size penalty"]]:
    """Risks at every size and penalty: on weak labels, and on the target's with the same inputs and noise."""
    parts = [(x[:, start:end], y[:, start:end]) for start, end in zip([0, *sizes[:-1]], sizes, strict=True)]
    gram = np.cumsum(np.stack([some.swapaxes(1, 2) @ some for some, _ in parts], axis=1), axis=1)
    moment = np.cumsum(np.stack([(label[:, None] @ some)[:, 0] for some, label in parts], axis=1), axis=1)
    penalties = np.broadcast_to(sizes[:, None] * np.asarray(PENALTIES), (len(x), len(sizes), len(PENALTIES)))
    weak = shrunken(gram, moment, mixture.source, penalties)
    gold = shrunken(gram, moment + gram @ (mixture.gold - mixture.weak), mixture.source, penalties)
    return excess_risk(weak, mixture.gold), excess_risk(gold, mixture.gold)


def _joined(batches: list[RiskDraws]) -> RiskDraws:
    return RiskDraws(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
