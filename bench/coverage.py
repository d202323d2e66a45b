"""How often the 95 % intervals of a study hold the truth: simulated studies with known accuracies and seed effects.

python bench/coverage.py                   400 studies in each of 89 cells
python bench/coverage.py --held-out        other numbers of seeds and items, other effects and accuracies
python bench/coverage.py --studies 40      a quick look

A study has four rows: a floor, a student, a ceiling, and a twin of the floor that takes the ceiling's place in a study
without a gap. An item is right where a normal number lies below the row's threshold. Half of that number's variance is
the item's difficulty, a fifth is the row's own, the rest changes from seed to seed. A seed effect moves the row's
accuracy; `common` effects are the same for all rows of a seed. Test items: the same for every seed; half of a pool,
drawn anew for every seed; or other ones for every seed.

Columns: the share of studies whose interval holds the true accuracy of the student, its true difference from the
floor, and the true PGR (of the studies that have one); `width`, the mean width of the difference's interval over that
of an interval that knows the estimate's true variance; `defined`, the share of studies with a PGR; `null`, the share
of studies without a gap whose PGR is undefined. With one seed the truth is that of the seed, since the interval covers
items only; `null` is about other seeds there, too. The standard error of a share of 400 is .011 at .95.
"""

import argparse
from collections.abc import Iterable, Iterator
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from outgrow.metrics.bootstrap import draw_items, draw_seeds, over_seeds, seed_means
from outgrow.metrics.estimate import TAILS, Estimate
from outgrow.metrics.pgr import performance_gap_recovered
from outgrow.metrics.proportion import difference_from_draws, share_from_draws

Sharing = Literal["same", "half", "own"]
SHARINGS: tuple[Sharing, ...] = ("same", "half", "own")
EFFECTS = ((0.0, False), (0.005, False), (0.01, False), (0.02, False), (0.02, True))
"""Standard deviations of the seed effect, and whether it is common to the rows."""
DIFFICULTY, ROW, CHANGING = 0.5, 0.2, 0.3
"""Parts of the variance that makes an item right or wrong."""
BATCH = 50
"""Studies that share their resamples."""


class Cell(NamedTuple):
    """One kind of study."""

    seeds: int
    sharing: Sharing
    n: int
    spread: float
    """Standard deviation of the seed effect."""
    common: bool = False
    accuracies: tuple[float, float, float] = (0.70, 0.78, 0.85)
    """Of floor, student and ceiling."""


class Line(NamedTuple):
    """What is counted of a study, and the mean of it over studies."""

    accuracy: float
    difference: float
    pgr: float
    width: float
    defined: float
    null: float


def grid() -> Iterator[Cell]:
    for seeds in (1, 2, 3, 5, 10):
        for sharing in SHARINGS if seeds > 1 else SHARINGS[:1]:
            for n in (1000,) if sharing == "half" else (300, 1000, 3200):
                effects = EFFECTS if n == 1000 and sharing != "half" else (EFFECTS[0], EFFECTS[3])
                yield from (Cell(seeds, sharing, n, *effect) for effect in effects)


def held_out() -> Iterator[Cell]:
    for seeds in (1, 2, 3, 4, 7):
        for sharing in SHARINGS if seeds > 1 else SHARINGS[:1]:
            for n in (500, 2000):
                for effect in ((0.0075, False), (0.03, False), (0.015, True)):
                    yield Cell(seeds, sharing, n, *effect, accuracies=(0.55, 0.66, 0.74))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="*", help="only cells with so many seeds")
    options = parser.parse_args()
    cells = [
        cell for cell in (held_out() if options.held_out else grid()) if cell.seeds in (options.seeds or [cell.seeds])
    ]
    print(f"{'seeds':>5} {'items':<5}{'n':>5}  {'s.d.':<12} " + "".join(f"{name:>11}" for name in Line._fields))
    found: dict[int, list[Line]] = {}
    for number, cell in enumerate(cells):
        line = measured(cell, options.studies, options.resamples, np.random.default_rng([options.seed, number]))
        found.setdefault(cell.seeds, []).append(line)
        effect = f"{cell.spread:g}{' common' if cell.common else ''}"
        numbers = "".join(f"{value:11.3f}" for value in line)
        print(f"{cell.seeds:5} {cell.sharing:<5}{cell.n:5}  {effect:<12} {numbers}", flush=True)
    print(f"\nlowest, mean and highest\nseeds{''.join(f'{name:>17}' for name in Line._fields)}")
    for seeds, lines in found.items():
        ends = "".join(f"{summary(values):>17}" for values in zip(*lines, strict=True))
        print(f"{seeds:5}{ends}")


def summary(values: Iterable[float]) -> str:
    there = [value for value in values if np.isfinite(value)]
    return f"{min(there):.2f} {np.mean(there):.3f} {max(there):.2f}" if there else "–"


def measured(cell: Cell, studies: int, resamples: int, rng: np.random.Generator) -> Line:
    """Means over simulated studies."""
    parts = [batch(cell, min(BATCH, studies - start), resamples, rng) for start in range(0, studies, BATCH)]
    lines, values = [line for lines, _ in parts for line in lines], np.concatenate([found for _, found in parts])
    count = np.isfinite(np.asarray(lines)).sum(axis=0)
    found = Line(*np.nansum(lines, axis=0) / np.where(count, count, np.nan))
    return found._replace(width=found.width / (2 * NormalDist().inv_cdf(TAILS[1]) * float(values.std())))


def batch(cell: Cell, studies: int, resamples: int, rng: np.random.Generator) -> tuple[list[Line], np.ndarray]:
    """What is counted of every study, and its difference less the truth."""
    floor, student, ceiling = cell.accuracies
    mean = np.asarray([floor, student, ceiling, floor])[:, None]
    effect = rng.standard_normal((studies, 1 if cell.common else 4, cell.seeds)) * cell.spread
    true = np.clip(mean + effect, 0.001, 0.999)
    per_seed, seeds = answered(cell, true, resamples, rng)
    floors, students = per_seed[:, :, 0], per_seed[:, :, 1]
    draws = [over_seeds(floors, seeds), over_seeds(students, seeds), over_seeds(students - floors, seeds)]
    wanted = true[..., 0] if cell.seeds == 1 else np.broadcast_to(mean[:, 0], true.shape[:2])
    lines = [
        counted(per_seed[:, study], seeds, cell.n, [one[:, study] for one in draws], wanted[study])
        for study in range(studies)
    ]
    return lines, draws[2][0] - (wanted[:, 1] - wanted[:, 0])


def answered(cell: Cell, true: np.ndarray, resamples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Resampled accuracies [draw, study, row, seed] of rows with these true ones, and the draws of the seeds."""
    seeds = true.shape[2]
    limit = np.asarray(ndtri(true))
    drawn = draw_seeds(seeds, resamples, rng)
    if cell.sharing == "own":
        found = [one_draw(limit[..., [seed]], cell.n, cell.n, resamples, rng) for seed in range(seeds)]
        return np.concatenate(found, axis=-1), drawn
    pool = cell.n if cell.sharing == "same" else 2 * cell.n
    return one_draw(limit, pool, cell.n, resamples, rng), drawn


def one_draw(limit: np.ndarray, pool: int, n: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The same of seeds that each have n items of one pool."""
    studies, rows, seeds = limit.shape
    parts = ((DIFFICULTY, (studies, 1, 1)), (ROW, (studies, rows, 1)), (CHANGING, (studies, rows, seeds)))
    number = sum(
        np.float32(share**0.5) * rng.standard_normal((*shape, pool), dtype=np.float32) for share, shape in parts
    )
    right = (number < limit[..., None].astype(np.float32)).reshape(studies * rows, seeds, pool)
    among = np.zeros((1, seeds, pool), dtype=bool)
    for seed in range(seeds):
        among[0, seed, rng.permutation(pool)[:n]] = True
    means = seed_means(draw_items(pool, resamples, rng), right, among)
    return means.reshape(len(means), studies, rows, seeds)


def counted(per_seed: np.ndarray, seeds: np.ndarray, n: int, draws: list[np.ndarray], true: np.ndarray) -> Line:
    """One study [draw, row, seed]; `draws` of the floor, the student, and their difference."""
    floor, student, ceiling, twin = (per_seed[:, row] for row in range(4))
    used = per_seed.shape[2]
    accuracy = share_from_draws(draws[1], n, n, used)
    apart = difference_from_draws(draws[1], draws[0], n, n, used, draws[2])
    pgr, null = (
        performance_gap_recovered(student, {"floor": floor}, top, seeds, n).average for top in (ceiling, twin)
    )
    return Line(
        holds(accuracy, true[1]),
        holds(apart, true[1] - true[0]),
        holds(pgr, (true[1] - true[0]) / (true[2] - true[0])) if pgr.defined else np.nan,
        (apart.high or 0.0) - (apart.low or 0.0),
        float(pgr.defined),
        float(not null.defined),
    )


def holds(found: Estimate, true: float) -> float:
    return float(found.low is not None and found.high is not None and found.low <= true <= found.high)


if __name__ == "__main__":
    main()
