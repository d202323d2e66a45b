"""`calibrated_pool`: the product of soft votes that are calibrated by one another, without gold.

Source s states q_is[k] for item i. Probabilities of classifiers and language models are seldom calibrated: a source
that states .15 of one class among seventeen may be right in 60 % of the cases, another states .99. So each source has
a temperature 1/β_s and a bias per class (bias-corrected temperature scaling; Alexandari, Kundaje, Shrikumar 2020):

    p_s(c | its vote) ∝ exp(β_s log q_is[c] + b_s[c])

Sources that err independently, given the class, then have the posterior of naive Bayes (log-linear pooling)

    posterior_i[c] ∝ p_c Π_s p_s(c | its vote) / r_s[c]          r_s: mean posterior of the items that s votes on

Temperatures and biases are fitted to the posteriors as to gold, and the posteriors follow from them, in turn:
expectation-maximisation for the model in which P(vote | c) ∝ p_s(c | vote) / r_s[c]. A source that agrees with the
others more often than it states gets a temperature below 1; one that agrees with nobody counts for nothing. The start
is the majority of the hard votes. Where gold is known it takes the posterior's place.

ln β_s ~ N(mean over the sources, ½²), in which one more source counts with β = 1; pseudo-votes that state nothing keep
the biases small. A round is one step of iterative scaling for b_s and one Newton step for ln β_s.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.combiner_record import (
    AveragedPart,
    CombinerRecord,
    PosteriorSection,
    Smoothing,
    TableLimits,
)
from outgrow.combiners.em import log_probability, posterior_of
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.vote import fit_vote
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse, special
from outgrow.metrics.temperature import FLOOR

SPREAD = 0.5
"""Standard deviation of ln β among sources a priori."""
LONGEST_STEP = 1.0
"""Of ln β in a round."""
LOG_SHARPNESS = 4.0
"""Largest |ln β|."""
TOLERANCE = 1e-4
"""Mean change of a posterior at which the rounds end."""
ROUNDS = 300


class CalibratedPool(PosteriorSection):
    """Product of the sources' distributions, each with a temperature and biases that the votes of all sources show."""

    type: Literal["calibrated_pool"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes that state nothing of every source, and pseudo-items of every class."""


class StatedVotes(NamedTuple):
    """The votes one by one, in the order of rows."""

    row: "sparse.csr_array"
    """[row, vote], 1 where a vote is on a row."""
    source: "sparse.csr_array"
    """[source, vote], the weight of the vote's row where it is the source's."""
    row_of: Int[np.ndarray, "vote"]
    source_of: Int[np.ndarray, "vote"]
    logs: Float[np.ndarray, "vote class"]
    """log q without its mean over the classes."""


class Calibrators(NamedTuple):
    """The parameters of every source."""

    log_sharpness: Float[np.ndarray, "source"]
    """ln β."""
    bias: Float[np.ndarray, "source class"]
    reference: Float[np.ndarray, "source class"]
    """r."""


class CalibratedVotes(NamedTuple):
    """The result of the rounds."""

    scores: Float[np.ndarray, "row class"]
    """log p + Σ log p_s / r_s of every row; their softmax is the posterior where no gold is known."""
    calibrators: Calibrators
    objective: tuple[float, ...]
    """ln P(votes), without the part that depends on no class, round by round."""
    converged: bool


def fit_calibrated_pool(
    votes: Votes, *, smoothing: float = 1.0, tolerance: float = TOLERANCE, rounds: int = ROUNDS
) -> Fit:
    """The posterior after the rounds; accuracies are those of each source's most probable class."""
    votes = votes.without_silence()
    result = calibrate(votes, smoothing, tolerance=tolerance, rounds=rounds)
    fit = fit_of_posterior(votes.hardened(), result.scores)
    return replace(fit, objective=result.objective, converged=result.converged)


def calibrate(
    votes: Votes, smoothing: float, *, tolerance: float = TOLERANCE, rounds: int = ROUNDS
) -> CalibratedVotes:
    """Both steps in turn, until the posteriors change no more."""
    stated = stated_votes(votes)
    n_sources, n_classes = len(votes.sources), votes.n_classes
    posterior = np.full((votes.n_rows, n_classes), 1 / n_classes)
    posterior[votes.row_of] = fit_vote(votes).posterior
    known = np.flatnonzero(votes.gold >= 0)
    posterior[known] = np.eye(n_classes)[votes.gold[known]]
    neutral = np.full((n_sources, n_classes), 1 / n_classes)
    now = Calibrators(np.zeros(n_sources), np.zeros((n_sources, n_classes)), neutral)
    trace: list[float] = []
    weight, scores = votes.items / max(float(votes.items.sum()), 1.0), posterior
    while len(trace) < rounds:
        before = posterior
        now = fitted_to(stated, posterior, now, smoothing)
        shares = votes.items @ posterior + max(smoothing, FLOOR)
        log_balance = np.log(shares / shares.sum())
        scores = log_balance + pooled(stated, now)
        posterior, evidence = posterior_of(scores, np.zeros(n_classes), votes.gold)
        trace.append(log_probability(votes, slice(0, votes.n_rows), posterior, evidence, log_balance))
        if len(trace) > 1 and float(weight @ np.abs(posterior - before).sum(axis=1)) < tolerance:
            return CalibratedVotes(scores, now, tuple(trace), True)
    return CalibratedVotes(scores, now, tuple(trace), False)


def stated_votes(votes: Votes) -> StatedVotes:
    """Every vote as a distribution, and whose it is."""
    entries, n_classes = votes.entries, votes.n_classes
    begins = entries.begins_vote
    vote, first = np.cumsum(begins) - 1, np.flatnonzero(begins)
    logs = np.full((len(first), n_classes), np.log(FLOOR))
    logs[vote, entries.outcome] = np.log(np.maximum(entries.shares, FLOOR))
    logs -= logs.mean(axis=1, keepdims=True)
    row, source, each = entries.row[first], entries.source[first], np.arange(len(first))
    of_row = sparse.csr_array((np.ones(len(first)), (row, each)), shape=(votes.n_rows, len(first)))
    of_source = sparse.csr_array((votes.weight[row], (source, each)), shape=(len(votes.sources), len(first)))
    return StatedVotes(of_row, of_source, row, source, logs)


def fitted_to(
    stated: StatedVotes, posterior: Float[np.ndarray, "row class"], now: Calibrators, smoothing: float
) -> Calibrators:
    """One step towards the temperatures and biases under which these posteriors are most probable."""
    target, n_classes = posterior[stated.row_of], posterior.shape[1]
    pseudo = max(smoothing, FLOOR)
    counted = stated.source @ target
    predicted = stated.source @ calibrated(stated, now) + pseudo * special.softmax(now.bias, axis=1)
    bias = now.bias + np.log((counted + pseudo / n_classes) / predicted)
    bias -= bias.mean(axis=1, keepdims=True)
    probs = calibrated(stated, now._replace(bias=bias))
    mean = (probs * stated.logs).sum(axis=1)
    missing = stated.source @ ((target * stated.logs).sum(axis=1) - mean)
    variance = stated.source @ ((probs * stated.logs**2).sum(axis=1) - mean**2)
    sharpness = np.exp(now.log_sharpness)
    precision = sharpness**2 * variance
    own = precision / (precision + SPREAD**-2)
    common = own @ now.log_sharpness / (own.sum() + 1)
    gain = sharpness * missing - (now.log_sharpness - common) * SPREAD**-2
    step = np.clip(gain / (precision + SPREAD**-2), -LONGEST_STEP, LONGEST_STEP)
    reference = counted + pseudo / n_classes
    return Calibrators(
        np.clip(now.log_sharpness + step, -LOG_SHARPNESS, LOG_SHARPNESS),
        bias,
        reference / reference.sum(axis=1, keepdims=True),
    )


def calibrated(stated: StatedVotes, by: Calibrators) -> Float[np.ndarray, "vote class"]:
    """p_s(c | vote) of every vote."""
    sharpness = np.exp(by.log_sharpness)[stated.source_of, None]
    return np.asarray(special.softmax(sharpness * stated.logs + by.bias[stated.source_of], axis=1))


def pooled(stated: StatedVotes, by: Calibrators) -> Float[np.ndarray, "row class"]:
    """Σ_s log p_s(c | vote) / r_s[c] on every row."""
    sharpness = np.exp(by.log_sharpness)[stated.source_of, None]
    logs = special.log_softmax(sharpness * stated.logs + by.bias[stated.source_of], axis=1)
    return np.asarray(stated.row @ (logs - np.log(by.reference)[stated.source_of]))


CALIBRATED_POOL = CombinerRecord(
    CalibratedPool,
    paper="log-linear pooling, Genest & Zidek 1986; calibrators of Alexandari et al., ICML 2020",
    deviations="Calibrated by expectation-maximisation on the votes of all sources; gold where it is known.",
    fit=fit_calibrated_pool,
    soft_only=True,
    averaged=AveragedPart(of_soft=True),
    limits=TableLimits(entries=20_000_000),
)
