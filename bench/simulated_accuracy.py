"""Make `src/outgrow/combiners/simulated_accuracy.npz`: labels of simulated tables with known truth.

python bench/simulated_accuracy.py --worlds 800 -o src/outgrow/combiners/simulated_accuracy.npz       (some 5 minutes)

A world is a crowd (45 %), a jury (40 %) or a set of rules (15 %) of `simulate/juries.py`; sizes are drawn uniformly in
the logarithm: 60 to 700 items, 5 to 150 people, 3 to 16 jurors or 5 to 50 rules, two classes (45 %) or 3 to 10. Three
combiners label each table. Of its classes up to four enter the regressions of recall and precision.
"""

import argparse
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from outgrow.combiners import fit_by, section_named
from outgrow.combiners.simulated_accuracy import SimulatedRows, simulated_rows
from outgrow.combiners.table_measures import class_columns, measures_of, table_columns
from outgrow.combiners.votes import Votes
from outgrow.errors import OutgrowError
from outgrow.metrics.estimate import LEVEL
from outgrow.simulate.juries import draw_pattern, draw_table
from outgrow.simulate.jury_world import CROWD, JURY, RULES, WorldKind, draw_world
from outgrow.vote_table import VoteTable

SEED = 77
KINDS: tuple[WorldKind, ...] = ("crowd", "jury", "rules")
KIND_SHARES = (0.45, 0.4, 0.15)
USED = {
    "crowd": CROWD._replace(misleading=0.15, hardness=(0.2, 0.8)),
    "jury": JURY,
    "rules": RULES._replace(misleading=0.35, hardness=(0.2, 0.8)),
}
"""With the ranges for label models, labels of the development crowds would be better than expected in nearly all."""
CALM = 0.2
"""Share of the worlds whose sources share no errors."""
SOURCES = {"crowd": (5, 150), "jury": (3, 16), "rules": (5, 50)}
COMBINERS = ("vote", "one_coin", "dawid_skene", "ebcc", "bwa", "glad")
OF_RULES = ("one_coin", "dawid_skene", "bayesian_dawid_skene")
MOST_CLASSES, LEAST_VOTES = 4, 20
RIDGE = 30.0
"""Pseudo-rows of slope 0."""
FOLDS = 5


class Case(NamedTuple):
    """Measures, and right labels of so many."""

    world: int
    measures: np.ndarray
    right: float
    n: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=800)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    cases: dict[str, list[Case]] = {"accuracy": [], "recall": [], "precision": []}
    for world in range(options.worlds):
        for target, found in cases_of(world):
            cases[target].append(found)
        if world % 50 == 49:
            print(f"{world + 1} worlds, {len(cases['accuracy'])} labellings", flush=True)
    write(cases, options.output)


def write(cases: Mapping[str, list[Case]], output: Path) -> None:
    arrays = {}
    for target, found in cases.items():
        fitted = widened(found)
        print(f"{target}: {len(found)} rows, widening {fitted.widening:.2f}")
        for name, value in zip(SimulatedRows._fields, fitted, strict=True):
            arrays[f"{target}/{name}"] = np.asarray(value, dtype=np.float16 if name == "rows" else np.float32)
    np.savez_compressed(output, **arrays)
    simulated_rows.cache_clear()
    print(f"{output}: {output.stat().st_size / 1e3:.0f} kB")


def draw_sizes(rng: np.random.Generator, sizes: tuple[int, int] = (60, 700)) -> tuple[WorldKind, int, int, int]:
    """Kind, items, sources, classes."""
    kind = KINDS[rng.choice(len(KINDS), p=KIND_SHARES)]
    items = between(rng, *sizes)
    of_kinds = {name: between(rng, *ends) for name, ends in SOURCES.items()}
    return kind, items, of_kinds[kind], 2 if rng.random() < 0.45 else between(rng, 3, 10)


def between(rng: np.random.Generator, low: float, high: float) -> int:
    return round(np.exp(rng.uniform(np.log(low), np.log(high))))


def cases_of(world: int) -> Iterator[tuple[str, Case]]:
    """Three labellings of one world."""
    rng = np.random.default_rng([SEED, world])
    kind, n_items, n_sources, n_classes = draw_sizes(rng)
    table = draw(rng, kind, n_items, n_sources, n_classes)
    if table.n_votes >= LEAST_VOTES:
        yield from labellings(rng, table, kind, world)


def draw(rng: np.random.Generator, kind: WorldKind, n_items: int, n_sources: int, n_classes: int) -> VoteTable:
    """The votes of a world, with the gold of every item."""
    ranges = USED[kind]
    if rng.random() < CALM:
        none = (0.0, 0.0)
        ranges = ranges._replace(
            misleading=0.0, hardness=(0.05, 0.3), shared=none, family=none, common_preference=none
        )
    world = draw_world(rng, ranges, n_sources, n_classes, rules=kind == "rules")
    return draw_table(rng, world, draw_pattern(rng, kind, n_items, n_sources))


def labellings(rng: np.random.Generator, table: VoteTable, kind: str, world: int) -> Iterator[tuple[str, Case]]:
    names = ["bayesian_dawid_skene", *rng.choice(COMBINERS, 2, replace=False).tolist()]
    if kind == "rules":
        names = ["rule_vote", "vote", str(rng.choice(OF_RULES))]
    blind = replace(table, gold=np.empty(0, np.int64))
    votes = Votes.of_table(blind)
    for name in names:
        try:
            posterior = fit_by(section_named(name), intervals=False)(votes).posterior
        except OutgrowError:
            continue
        yield from quality(rng, table, posterior, world)


def quality(
    rng: np.random.Generator, table: VoteTable, posterior: np.ndarray, world: int
) -> Iterator[tuple[str, Case]]:
    """Measures of a labelling and what is right of it; classes that tie share an item."""
    of_table, of_class = measures_of(table, posterior)
    voted = table.n_per_item > 0
    gold, label = table.gold[voted], posterior[voted].argmax(axis=1)
    top = posterior[voted] >= posterior[voted].max(axis=1, keepdims=True) - 1e-9
    right = float((top[np.arange(len(gold)), gold] / top.sum(axis=1)).sum())
    yield "accuracy", Case(world, table_columns(of_table)[0], right, len(gold))
    columns = class_columns(of_table, of_class)
    for c in rng.permutation(table.n_classes)[:MOST_CLASSES]:
        both = int(((label == c) & (gold == c)).sum())
        for target, n in (("recall", int((gold == c).sum())), ("precision", int((label == c).sum()))):
            if n:
                yield target, Case(world, columns[c], both, n)


def regression(cases: list[Case], widening: float = 1.0) -> SimulatedRows:
    """The regression of some cases."""
    measures = np.stack([case.measures for case in cases])
    y = np.asarray([logit((case.right + 0.5) / (case.n + 1)) for case in cases])
    mean, deviation = measures.mean(axis=0), measures.std(axis=0) + 1e-9
    rows = (measures - mean) / deviation
    slope, intercept = ridge(rows, y)
    residual = y - intercept - rows @ slope
    of_size, _ = ridge(rows, np.abs(residual))
    return SimulatedRows(mean, deviation, slope, intercept, np.abs(slope) + np.abs(of_size), rows, residual, widening)


def ridge(rows: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes and intercept; the rows have mean 0."""
    slope = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(rows.shape[1]), rows.T @ (y - y.mean()))
    return slope, float(y.mean())


def widened(cases: list[Case]) -> SimulatedRows:
    """The regression with the least widening at which 95 % of the intervals of left-out worlds hold."""
    fold = np.random.default_rng(SEED).permutation(max(case.world for case in cases) + 1) % FOLDS
    predicted: list[tuple[Case, np.ndarray]] = []
    for part in range(FOLDS):
        inside = regression([case for case in cases if fold[case.world] != part])
        left_out = [case for case in cases if fold[case.world] == part]
        predicted += zip(left_out, inside.logits(np.stack([case.measures for case in left_out])), strict=True)
    needed = np.asarray([needed_widening(case, logits) for case, logits in predicted])
    return regression(cases, max(float(np.quantile(needed, LEVEL)), 1.0))


def needed_widening(case: Case, logits: np.ndarray) -> float:
    """The widening from which the interval holds the share; half an item counts as rounding."""
    low, middle, high = np.quantile(logits, (0.025, 0.5, 0.975))
    y = logit((case.right + 0.5) / (case.n + 1))
    return float((y - middle) / max(high - middle, 1e-9) if y > middle else (middle - y) / max(middle - low, 1e-9))


if __name__ == "__main__":
    main()
