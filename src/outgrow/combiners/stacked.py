"""Stacking: one exponent per source and one bias per class, fitted on held-out gold.

    q_i(k) ∝ exp( b_k + Σ_s w_s log v_is(k) )        w_s >= 0

A weighted log-linear pool whose weights make gold likely (stacked generalisation, Wolpert 1992). An abstention adds
nothing. With the gold y_i of items on which the sources did not train, (w, b) minimise

    −Σ_i log q_i(y_i)  +  ½ ‖w − 1/S‖²  +  (5/2) ‖b‖²        in nats, summed over the items with gold

The penalty keeps a source with few or no votes there near 1/S. The problem is convex and has one solution. Without
gold, q is the mean of the votes.

`evidence` makes targets ℓ_i(k) ∝ q_i(k) / π(k), where π is the mean of q over the items: the posterior without its
class prior, so that a student which has a prior of its own, as the loss `marginal_likelihood` has, does not count it
twice. Options of *choose* have no prior by position: there are no biases, and ℓ = q. For texts, the same is
`candidate_pool.py`.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.candidate_pool import PooledCandidates
from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection, PosteriorSection
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.votes import Votes
from outgrow.data.task import Kind
from outgrow.lazy import optimize, special

FLOOR = 1e-6
"""Least probability of a vote, so that a vote of exactly zero excludes no class."""
EXPONENT_PENALTY, BIAS_PENALTY = 1.0, 5.0
"""Twice the weights of ‖w − 1/S‖² and ‖b‖²; the sum over items makes them matter less with more gold."""


class Stacked(PosteriorSection):
    """Log-linear pool with one exponent per source and one bias per class, fitted on gold; without gold the mean."""

    type: Literal["stacked"]
    class_biases: bool = True
    """One bias per class. Options of *choose* have none."""
    evidence: bool = False
    """*studies*: targets are the posterior divided by its mean over the items, normalised. Options of *choose* are not
    divided. With texts the combiner is `candidate_pool`."""

    not_passed = frozenset({"type", "calibrate", "evidence"})

    def for_kind(self, kind: Kind) -> CombinerSection:
        if kind == "generate":
            return PooledCandidates(type="candidate_pool")
        return self if kind == "classify" else self.model_copy(update={"class_biases": False, "evidence": False})

    @property
    def divides_prior(self) -> bool:
        return self.evidence


def stacked_targets(section: Stacked, posterior: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """The evidence, or the posterior."""
    return evidence_of(posterior) if section.evidence else posterior


class Stack(NamedTuple):
    """A fitted stack."""

    exponents: Float[np.ndarray, "source"]
    biases: Float[np.ndarray, "class"]


def fit_stacked(votes: Votes, *, class_biases: bool = True) -> Fit:
    """The stack of the votes, fitted on the items with gold; the mean vote if no source votes on any of them."""
    known = np.flatnonzero((votes.gold >= 0) & votes.voted.any(axis=1))
    if not len(known):
        note = "No item has gold: the posterior is the mean vote."
        return replace(fit_of_posterior(votes, _scores(votes, None)), notes=(note,))
    each = np.repeat(known, votes.weight[known].astype(int))
    stack = fit_stack(log_votes(votes.distributions(each)), votes.gold[each], class_biases=class_biases)
    values = ", ".join(f"{name} {value:.2f}" for name, value in zip(votes.sources, stack.exponents, strict=True))
    note = f"Exponents of the sources, fitted on {len(each)} items with gold: {values}."
    return replace(fit_of_posterior(votes, _scores(votes, stack)), notes=(note,))


def fit_stack(
    logs: Float[np.ndarray, "item source class"], gold: Int[np.ndarray, "item"], *, class_biases: bool = True
) -> Stack:
    """The exponents and biases of the least penalised loss (see the module), by L-BFGS-B with its exact gradient.

    Args:
        logs: `log_votes` of items with gold.
        gold: the class of each item.
        class_biases: without them all biases are 0.
    """
    n_sources, n_classes = logs.shape[1:]
    n_biases = n_classes if class_biases else 0
    right = np.eye(n_classes)[gold]
    equal = np.full(n_sources, 1 / n_sources)

    def loss(parameters: Float[np.ndarray, "parameter"]) -> tuple[float, Float[np.ndarray, "parameter"]]:
        exponents, biases = parameters[:n_sources], parameters[n_sources:]
        scores = np.einsum("isk,s->ik", logs, exponents) + (biases if n_biases else 0.0)
        log_probs = special.log_softmax(scores, axis=1)
        away, error = exponents - equal, np.exp(log_probs) - right
        value = -(right * log_probs).sum() + EXPONENT_PENALTY / 2 * away @ away + BIAS_PENALTY / 2 * biases @ biases
        slope = np.einsum("isk,ik->s", logs, error) + EXPONENT_PENALTY * away
        return float(value), np.concatenate([slope, error.sum(axis=0)[:n_biases] + BIAS_PENALTY * biases])

    start = np.concatenate([equal, np.zeros(n_biases)])
    bounds = [(0, None)] * n_sources + [(None, None)] * n_biases
    options = {"maxiter": 1000, "maxfun": 5000, "ftol": 1e-15, "gtol": 1e-9}
    result = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    biases = result.x[n_sources:] if n_biases else np.zeros(n_classes)
    return Stack(np.asarray(result.x[:n_sources]), np.asarray(biases))


def log_votes(probs: Float[np.ndarray, "item source class"]) -> Float[np.ndarray, "item source class"]:
    """log max(v, `FLOOR`); zeros where a source abstains, which prefer no class."""
    voted = probs.any(axis=2, keepdims=True)
    return np.asarray(np.where(voted, np.log(np.maximum(probs, FLOOR)), 0.0))


def evidence_of(posterior: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """q_i(k) / π(k), normalised for every item; π is the mean of q over the items."""
    if not len(posterior):
        return posterior
    ratio = posterior / np.maximum(posterior.mean(axis=0), np.finfo(float).tiny)
    return np.asarray(ratio / ratio.sum(axis=1, keepdims=True))


def _scores(votes: Votes, stack: Stack | None) -> Float[np.ndarray, "row class"]:
    """Logits of the posterior of every row: those of the stack, or the logarithm of the mean vote."""
    scores = np.empty((len(votes.values), votes.n_classes))
    for block in votes.blocks():
        probs = votes.distributions(np.arange(block.rows.start, block.rows.stop))
        if stack is None:
            total = probs.sum(axis=1)
            scores[block.rows] = np.log(np.maximum(total, np.finfo(float).tiny))
        else:
            scores[block.rows] = np.einsum("isk,s->ik", log_votes(probs), stack.exponents) + stack.biases
    return scores


STACKED = CombinerRecord(
    Stacked,
    paper="Wolpert 1992 (stacked generalisation); Genest & Zidek 1986 (log-linear pool)",
    deviations="Ridge towards equal exponents; division by the mean posterior (`evidence`).",
    fit=fit_stacked,
    targets_from=stacked_targets,
    soft_only=True,
)
