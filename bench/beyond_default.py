"""Ideas beyond the default method, on finished studies: what each adds to the accuracy of its student.

python bench/beyond_default.py SUITE [STUDY ...] [--idea NAME] [key=value ...]   after `outgrow suite SUITE` with the
same studies and keys

An idea gets what the row `outgrow` gets: half B's votes, half A's votes and gold, the student's features, the grid of
L2, and half A's gold to choose from it. Ideas in `VOTES_ONLY` get no gold; they are compared with the mean vote's
evidence, and their L2 is chosen by held-out mean votes. `docs/research-log.md` has the results.

    trust        a source's exponent is linear in the student's features (16 principal components); ridge by five folds
    propagation  the evidence, spread over a graph of the ten nearest neighbours among half B's items
    two views    two students on halves of the features; each is a source of the other's stack, then one on all
    second       the default's own student, cross-fitted, is one more source of the stack
    ELR          early-learning regularisation (Liu et al. 2020): keeps to a running mean of the student's predictions
    mixup        pairs of items at a random mixture of their features (Zhang et al. 2018)
    Raykar       votes only: the cross-fitted student stands in for gold when the stack is fitted, two rounds
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import t as student_t
from torch import Tensor

from outgrow.combiners.fit_stack import BIAS_PENALTY, EXPONENT_PENALTY
from outgrow.combiners.stacked import FLOOR, evidence_of
from outgrow.config.suite import read_suite
from outgrow.data.task import Split, Task
from outgrow.graph.store import Store
from outgrow.labels import WeakLabels
from outgrow.losses.objective import make_objective
from outgrow.models.feature_file import read_features
from outgrow.study.build import Row, build_study
from outgrow.training.grid_search import calibrated_log_losses, fold_of
from outgrow.training.heads import fit_heads

FOLDS, COMPONENTS, NEIGHBOURS = 5, 16, 10
RIDGES = (3.0, 30.0, 300.0, 3000.0)
MARGINAL = make_objective({"type": "marginal_likelihood"}, None)
Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One seed of one study."""

    x_a: Tensor
    x_b: Tensor
    x_test: Tensor
    votes_a: Array
    votes_b: Array
    gold_a: Array
    gold_test: Array
    l2: tuple[float, ...]

    @property
    def choose(self) -> bool:
        return self.x_b.ndim == 3

    @cached_property
    def stack(self) -> Array:
        """The parameters of the default's stack."""
        return fit_stack(log_votes(self.votes_a), one_hot(self.gold_a, self.votes_a.shape[2]), not self.choose)

    @cached_property
    def evidence(self) -> Array:
        return self.evidence_by(posterior(self.stack, log_votes(self.votes_b)))

    def evidence_by(self, q: Array) -> Array:
        return q if self.choose else evidence_of(q)

    @cached_property
    def fold(self) -> Array:
        return np.asarray(fold_of([str(number) for number in range(len(self.votes_b))], FOLDS))


@dataclass(frozen=True)
class Student:
    """A trained student's answers."""

    l2: float
    half_a: Array
    test: Array

    def accuracy(self, case: Case) -> float:
        return float((self.test.argmax(axis=1) == case.gold_test).mean())


# ---- students and stacks --------------------------------------------------------------------------------


def fit(case: Case, x: Tensor, rows: Array, l2: tuple[float, ...], objective: Any = MARGINAL, **more: Any) -> Any:
    """Heads for every L2."""
    targets = torch.as_tensor(rows, dtype=torch.float32)
    weight = more.pop("weight", torch.ones(len(rows)))
    rates = torch.full((len(l2),), 0.05)
    return fit_heads(x, targets, weight, objective, torch.tensor(l2), rates, 100, **more)


def learn(case: Case, evidence: Array, objective: Any = MARGINAL, x: Tensor | None = None, **more: Any) -> Student:
    """The student of this evidence, with the L2 that half A's gold prefers."""
    heads = fit(case, case.x_b if x is None else x, evidence, case.l2, objective, **more)
    half_a = heads.probs(case.x_a).numpy()
    best = int(np.argmin(calibrated_log_losses(half_a, case.gold_a)))
    return Student(case.l2[best], half_a[best], heads.probs(case.x_test)[best].numpy())


def learn_by_votes(case: Case, evidence: Array) -> Student:
    """The same with the L2 whose held-out answers agree most with the mean vote."""
    held_out = np.stack([cross_fitted(case, evidence, l2) for l2 in case.l2])
    mean = case.votes_b.mean(axis=1)
    agreement = [np.take_along_axis(mean, probs.argmax(axis=1)[:, None], axis=1).mean() for probs in held_out]
    best = case.l2[int(np.argmax(np.round(agreement, 9)))]
    heads = fit(case, case.x_b, evidence, (best,))
    return Student(best, heads.probs(case.x_a)[0].numpy(), heads.probs(case.x_test)[0].numpy())


def cross_fitted(case: Case, evidence: Array, l2: float) -> Array:
    """The student's answers to half B, each by one that did not learn the item."""
    probs = np.zeros_like(evidence)
    for number in range(FOLDS):
        held = case.fold == number
        heads = fit(case, case.x_b[torch.as_tensor(~held)], evidence[~held], (l2,))
        probs[held] = heads.probs(case.x_b[torch.as_tensor(held)])[0].numpy()
    return probs


def log_votes(probs: Array) -> Array:
    """log max(v, `FLOOR`) of [item, source, class]; zeros where a source abstains."""
    return np.where(probs.any(axis=2, keepdims=True), np.log(np.maximum(probs, FLOOR)), 0.0)


def fit_stack(logs: Array, gold: Array, biases: bool) -> Array:
    """Exponents and biases of the stack, where `gold` is a distribution over the classes."""
    n_sources, n_classes = logs.shape[1:]
    equal = np.full(n_sources, 1 / n_sources)

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, bias = parameters[:n_sources], parameters[n_sources:]
        log_probs = log_softmax(np.einsum("isk,s->ik", logs, weights) + bias, axis=1)
        error, away = np.exp(log_probs) * gold.sum(axis=1, keepdims=True) - gold, weights - equal
        value = -(gold * log_probs).sum() + EXPONENT_PENALTY / 2 * away @ away + BIAS_PENALTY / 2 * bias @ bias
        slope = np.einsum("isk,ik->s", logs, error) + EXPONENT_PENALTY * away
        return value, np.concatenate([slope, (error.sum(axis=0) + BIAS_PENALTY * bias) * biases])

    bounds = [(0, None)] * n_sources + [(None, None)] * n_classes
    start = np.concatenate([equal, np.zeros(n_classes)])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def posterior(stack: Array, logs: Array) -> Array:
    n_sources = logs.shape[1]
    return np.exp(log_softmax(np.einsum("isk,s->ik", logs, stack[:n_sources]) + stack[n_sources:], axis=1))


def with_source(case: Case, half_a: Array, half_b: Array) -> Case:
    """The case with one more source."""
    votes_a, votes_b = (
        np.concatenate([votes, more[:, None]], axis=1)
        for votes, more in ((case.votes_a, half_a), (case.votes_b, half_b))
    )
    return replace(case, votes_a=votes_a, votes_b=votes_b)


def one_hot(gold: Array, n_classes: int) -> Array:
    return np.eye(n_classes)[gold]


# ---- ideas ----------------------------------------------------------------------------------------------


def default(case: Case, rng: np.random.Generator) -> Student:
    return learn(case, case.evidence)


def trust(case: Case, rng: np.random.Generator) -> Student:
    a, b = states(case)
    logs, gold = log_votes(case.votes_a), one_hot(case.gold_a, case.votes_a.shape[2])
    fold = np.arange(len(gold)) % FOLDS
    losses = []
    for ridge in RIDGES:
        held_out = np.zeros(len(gold))
        for number in range(FOLDS):
            kept, held = fold != number, fold == number
            fitted = fit_trust(case, logs[kept], gold[kept], a[kept], ridge)
            held_out[held] = -(gold[held] * trusted_log_probs(fitted, logs[held], a[held])).sum(axis=1)
        losses.append(held_out.mean())
    fitted = fit_trust(case, logs, gold, a, RIDGES[int(np.argmin(losses))])
    return learn(case, case.evidence_by(np.exp(trusted_log_probs(fitted, log_votes(case.votes_b), b))))


def states(case: Case) -> tuple[Array, Array]:
    """The first principal components of the items of half A and half B, with unit variance on half B."""
    a, b = (x.mean(dim=1) if case.choose else x for x in (case.x_a, case.x_b))
    mean, deviation = b.mean(dim=0), b.std(dim=0).clamp_min(1e-6)
    a, b = (a - mean) / deviation, (b - mean) / deviation
    axes = torch.linalg.svd(b, full_matrices=False).Vh[:COMPONENTS].T
    scale = (b @ axes).std(dim=0)
    return ((a @ axes) / scale).double().numpy(), ((b @ axes) / scale).double().numpy()


def fit_trust(case: Case, logs: Array, gold: Array, x: Array, ridge: float) -> tuple[Array, Array, Array]:
    """Exponents, their slopes in x, and biases."""
    n_sources, n_classes, dim = *logs.shape[1:], x.shape[1]
    sizes = (n_sources, n_sources * dim, n_classes)

    def parts(parameters: Array) -> tuple[Array, Array, Array]:
        weights, slopes, bias = np.split(parameters, np.cumsum(sizes)[:2])
        return weights, slopes.reshape(n_sources, dim), bias

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, slopes, bias = parts(parameters)
        log_probs = trusted_log_probs((weights, slopes, bias), logs, x)
        error, away = np.exp(log_probs) - gold, weights - 1 / n_sources
        value = -(gold * log_probs).sum() + EXPONENT_PENALTY / 2 * away @ away + BIAS_PENALTY / 2 * bias @ bias
        by_source = np.einsum("isk,ik->is", logs, error)
        slope = [
            by_source.sum(axis=0) + EXPONENT_PENALTY * away,
            (by_source.T @ x + ridge * slopes).ravel(),
            (error.sum(axis=0) + BIAS_PENALTY * bias) * (not case.choose),
        ]
        return value + ridge / 2 * (slopes**2).sum(), np.concatenate(slope)

    start = np.concatenate([np.full(n_sources, 1 / n_sources), np.zeros(sizes[1] + sizes[2])])
    return parts(np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x))


def trusted_log_probs(fitted: tuple[Array, Array, Array], logs: Array, x: Array) -> Array:
    weights, slopes, bias = fitted
    return np.asarray(log_softmax(np.einsum("isk,is->ik", logs, weights + x @ slopes.T) + bias, axis=1))


def propagation(case: Case, rng: np.random.Generator) -> Student:
    """Half of an item's evidence is its neighbours'; of *choose* the nodes are options, compared within their item."""
    x, start = case.x_b, case.evidence
    if case.choose:
        x, start = (x - x.mean(dim=1, keepdim=True)).flatten(0, 1), start.reshape(-1, 1)
    x = torch.nn.functional.normalize((x - x.mean(dim=0)) / x.std(dim=0).clamp_min(1e-6), dim=1)
    near = (x @ x.T).fill_diagonal_(-1).topk(NEIGHBOURS)
    spread = torch.zeros(len(x), len(x)).scatter_(1, near.indices, near.values.clamp_min(0))
    spread = (spread + spread.T) / 2
    spread = spread / spread.sum(dim=1, keepdim=True).clamp_min(1e-9)
    result = torch.linalg.solve(torch.eye(len(x)) - 0.5 * spread, 0.5 * torch.as_tensor(start, dtype=torch.float32))
    probs = result.double().numpy().clip(1e-9).reshape(case.evidence.shape)
    return learn(case, probs / probs.sum(axis=1, keepdims=True))


def two_views(case: Case, rng: np.random.Generator) -> Student:
    order = rng.permutation(case.x_b.shape[-1])
    views = [
        replace(case, x_a=case.x_a[..., half], x_b=case.x_b[..., half], x_test=case.x_test[..., half])
        for half in np.array_split(order, 2)
    ]
    students = [learn(view, case.evidence) for view in views]
    taught = case
    for view, student in zip(views, students, strict=True):
        taught = with_source(taught, student.half_a, cross_fitted(view, case.evidence, student.l2))
    return learn(taught, taught.evidence)


def second(case: Case, rng: np.random.Generator) -> Student:
    first = default(case, rng)
    taught = with_source(case, first.half_a, cross_fitted(case, case.evidence, first.l2))
    return learn(taught, taught.evidence)


class Remembering:
    """The marginal likelihood, and half of log(1 − ⟨p, mean of earlier p⟩)."""

    def __init__(self) -> None:
        self.mean: Tensor | None = None

    def __call__(self, logits: Tensor, target: Tensor, progress: float, shares: Any = None) -> Tensor:
        probs = logits.softmax(-1)
        now = probs.detach()
        self.mean = now if self.mean is None else 0.7 * self.mean + 0.3 * now
        agreement = (probs * self.mean).sum(-1).clamp_max(1 - 1e-4)
        return MARGINAL(logits, target, progress, shares) + 0.5 * torch.log1p(-agreement)

    def probs(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)


def early_learning(case: Case, rng: np.random.Generator) -> Student:
    return learn(case, case.evidence, Remembering())


def mixup(case: Case, rng: np.random.Generator) -> Student:
    """Every item in four mixtures; two rows per mixture, one for each item's evidence."""
    n = len(case.evidence)
    first, other = np.tile(np.arange(n), 4), np.concatenate([rng.permutation(n) for _ in range(4)])
    share = rng.beta(0.4, 0.4, size=len(first))
    mix = torch.as_tensor(share, dtype=torch.float32).reshape(-1, *[1] * (case.x_b.ndim - 1))
    x = mix * case.x_b[first] + (1 - mix) * case.x_b[other]
    rows = np.concatenate([case.evidence[first], case.evidence[other]])
    weight = torch.as_tensor(np.concatenate([share, 1 - share]), dtype=torch.float32)
    return learn(case, rows, x=x, item=torch.arange(len(first)).repeat(2), weight=weight)


def votes(case: Case, rng: np.random.Generator) -> Student:
    return learn_by_votes(case, case.evidence_by(case.votes_b.mean(axis=1)))


def raykar(case: Case, rng: np.random.Generator) -> Student:
    evidence, logs = case.evidence_by(case.votes_b.mean(axis=1)), log_votes(case.votes_b)
    for _ in range(2):
        student = learn_by_votes(case, evidence)
        stack = fit_stack(logs, cross_fitted(case, evidence, student.l2), not case.choose)
        evidence = case.evidence_by(posterior(stack, logs))
    return learn_by_votes(case, evidence)


Idea = Callable[[Case, np.random.Generator], Student]
IDEAS: Mapping[str, Idea] = {
    "trust": trust,
    "propagation": propagation,
    "two views": two_views,
    "second": second,
    "ELR": early_learning,
    "mixup": mixup,
}
VOTES_ONLY: Mapping[str, Idea] = {"Raykar": raykar}


# ---- finished studies -----------------------------------------------------------------------------------


def cases(row: Row, store: Store) -> list[Case]:
    """Of every seed of the row `outgrow`."""
    found = []
    for step in row.steps:
        folders = {name: store.path(one) for name, one in step.inputs.items()}
        task, split = Task.load(folders["pool"]), Split.load(folders["split"])
        values, _ = read_features(folders["features"], len(task.items))  # of one layer
        a, b = (WeakLabels.load(folders["labels"] / name) for name in ("anchors.parquet", "half_b.parquet"))
        number = {name: row for row, name in enumerate(task.items.ids)}
        rows_a, rows_b = (np.asarray([number[name] for name in table.items]) for table in (a, b))
        features = [
            torch.from_numpy(np.asarray(values[rows][..., 0, :], dtype=np.float32))
            for rows in (rows_a, rows_b, split.test)
        ]
        gold, l2 = task.items.gold, tuple(sorted(step.params["tune"]["l2"], reverse=True))
        found.append(Case(*features, a.probs, b.probs, gold[rows_a], gold[split.test], l2))
    return found


def difference(values: Array) -> str:
    """Mean over the seeds with its 95 % t-interval."""
    half = student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0
    return f"{values.mean():+.4f} [{values.mean() - half:+.4f}, {values.mean() + half:+.4f}]"


def main() -> None:
    suite, *words = sys.argv[1:]
    only = words.pop(words.index("--idea") + 1) if "--idea" in words else None
    names = [word for word in words if "=" not in word and word != "--idea"]
    studies = read_suite(suite, [word for word in words if "=" in word]).studies
    for study in names or studies:
        experiment = studies[study]
        row = next(row for row in build_study(experiment).rows if row.name == "outgrow")
        found = cases(row, Store(experiment.store))
        rng = np.random.default_rng(0)
        for base, every in ((default, IDEAS), (votes, VOTES_ONLY)):
            ideas = {name: idea for name, idea in every.items() if only in (None, name)}
            if not ideas:
                continue
            reference = np.asarray([base(case, rng).accuracy(case) for case in found])
            print(f"{study:16} {base.__name__:12} {reference.mean():.4f}, {len(found)} seeds", flush=True)
            for name, idea in ideas.items():
                values = np.asarray([idea(case, rng).accuracy(case) for case in found])
                print(f"{study:16} {name:12} {difference(values - reference)}", flush=True)


if __name__ == "__main__":
    main()
