"""How `auto` should choose by gold: rules of choice on the same cross-fitted posteriors of real development sets.

python bench/choice_rules.py --juries DIR                     all development sets, three draws of 100 gold items each
python bench/choice_rules.py --sets bluebird youtube --draws 5
python bench/choice_rules.py --worlds 24                      simulated crowds and juries, one draw each

Every candidate of `auto` is cross-fitted on the gold, as `auto` does, and fitted to all votes and the gold. A rule
chooses one by the first; it is measured by the second on the items whose gold is hidden: accuracy above the better of
the majority without gold and of the source that is best by the same gold, in points, and log-loss at the temperature
of the gold. `mean`: of all draws; `below`: draws more than a point below.

log_loss          the first within `EQUAL_LOSS` of the best log-loss: `auto`
accuracy          the most accurate on the gold
guarded           as log_loss, of those that are at least as accurate on the gold as `vote` and the best source
near              the most accurate of those within a standard error of the best log-loss
shrunk            the highest expected gain over `averaged`: share of all items on which the labels differ, times the
                  gain on the gold items where they do, with two further items without gain
pseudo_bma        no choice: the mean of all calibrated posteriors, each weighted by how often resampled gold (Bayesian
                  bootstrap) prefers it (pseudo-BMA+, Yao et al. 2018)

Worlds: 300 items, 4 to 12 sources, as in `bench/simulated_accuracy.py`; in every other one they share no errors.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import real_sources
import simulated_accuracy

from outgrow.combiners import fit_by, section_named
from outgrow.combiners.combiner_choice import AVERAGED, EQUAL_LOSS, _good_alone, _worth_trying
from outgrow.combiners.cross_fit import cross_fitted, enough_gold, gold_folds
from outgrow.combiners.dependence import duplicate_sources
from outgrow.combiners.table_size import too_large
from outgrow.combiners.temperature_scaling import temperature_by_gold, with_temperature
from outgrow.combiners.votes import Votes
from outgrow.errors import OutgrowError
from outgrow.metrics.calibration import log_loss
from outgrow.simulate.jury_world import WorldKind
from outgrow.vote_table import VoteTable

RESAMPLES = 300
SEED = 919
LEAST = 1e-9


@dataclass(frozen=True)
class Draw:
    """The candidates' posteriors, calibrated by the gold: of gold items without their own gold, and of the others."""

    held_out: dict[str, np.ndarray]
    gold: np.ndarray
    others: dict[str, np.ndarray]
    hidden: np.ndarray
    to_beat: float
    """Accuracy of the better of the majority and the best source by the gold."""

    def loss(self, name: str) -> np.ndarray:
        return np.asarray(log_loss(self.held_out[name], self.gold))

    def right(self, name: str) -> np.ndarray:
        return right(self.held_out[name], self.gold)

    @property
    def by_loss(self) -> list[str]:
        return sorted(self.held_out, key=lambda name: float(self.loss(name).sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--juries", type=Path, help="a clone of LLMs_for_CSS")
    parser.add_argument("--data", type=Path, default=real_sources.DATA)
    parser.add_argument("--gold", type=int, default=100)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--worlds", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.worlds:
        for kind, first in (("sources that share no errors", 0), ("sources that share errors", 1)):
            print(f"\n{kind}")
            compare((world(number), number, 1) for number in range(first, options.worlds, 2))
        return
    compare(((named, 0, options.draws) for named in real(options)), options.gold)


def real(options: argparse.Namespace) -> Iterator[tuple[str, VoteTable]]:
    for one in real_sources.REAL_SETS:
        if one.half != "development" or (options.sets and one.name not in options.sets):
            continue
        try:
            table = one.load(options)
        except FileNotFoundError as missing:
            print(f"{one.name}: skipped, {missing}")
            continue
        yield one.name, table


def world(number: int) -> tuple[str, VoteTable]:
    rng = np.random.default_rng([SEED, number])
    simulated_accuracy.CALM = float(number % 2 == 0)
    kind: WorldKind = "jury" if number % 4 < 2 else "crowd"
    n_sources, n_classes = int(rng.integers(4, 13)), int(rng.integers(2, 6))
    return f"{kind} {number}", simulated_accuracy.draw(rng, kind, 300, n_sources, n_classes)


def compare(tables: Iterable[tuple[tuple[str, VoteTable], int, int]], n_gold: int = 100) -> None:
    """Every rule on some draws of each table, from a seed on; then their means."""
    found: dict[str, list[tuple[float, float]]] = {}
    for (label, table), first, n_draws in tables:
        for seed in range(first, first + n_draws):
            draw = drawn(table, n_gold, seed)
            if draw is None:
                continue
            told = {name: measured(draw, rule(draw)) for name, rule in RULES.items()}
            for name, values in told.items():
                found.setdefault(name, []).append(values)
            gains = ", ".join(f"{name} {100 * gain:+.1f}" for name, (gain, _) in told.items())
            print(f"{label} {seed}: {gains}", flush=True)
    print(f"\n{'rule':<14}{'draws':>6}{'mean':>8}{'below':>7}{'worst':>8}{'log-loss':>10}{'minus the first':>20}")
    for name, values in found.items():
        gain, loss = np.asarray(values).T
        more = gain - np.asarray(found[next(iter(found))])[:, 0]
        error = more.std(ddof=1) / np.sqrt(len(more))
        print(
            f"{name:<14}{len(gain):6}{100 * gain.mean():+8.1f}{int((gain < -0.01).sum()):7}{100 * gain.min():+8.1f}"
            f"{loss.mean():10.3f}{100 * more.mean():+13.2f} ± {100 * error:.2f}"
        )


def drawn(table: VoteTable, n_gold: int, seed: int) -> Draw | None:
    """`None` where the gold is too little for a choice by gold."""
    shown = replace(table, gold=real_sources.drawn_gold(table, n_gold, np.random.default_rng(seed)))
    rest = replace(table, gold=real_sources.hidden(table, shown))
    counted = (table.n_per_item > 0) & (rest.gold >= 0)
    votes = Votes.of_table(shown).without_silence()
    if not enough_gold(votes):
        return None
    distinct = votes.only(duplicate_sources(votes)[0])
    folds = gold_folds(distinct)
    held_out, others = {}, {}
    for name in [*_worth_trying(distinct), *(f"single: {source}" for source in _good_alone(distinct))]:
        fit = fit_by(section_named(name), intervals=False)
        try:
            if too_large(name.partition(":")[0], distinct):
                continue
            found, whole = cross_fitted(folds, fit), fit(distinct).posterior[counted]
        except OutgrowError:
            continue
        temperature = temperature_by_gold(found.posterior, found.gold)
        held_out[name] = with_temperature(found.posterior, temperature)
        others[name] = with_temperature(whole, temperature)
    blind = real_sources.posterior_of(replace(table, gold=np.empty(0, np.int64)), "vote", False)[counted]
    single = real_sources.single_by_gold("", rest, shown).accuracy
    to_beat = float(np.fmax(right(blind, rest.gold[counted]).mean(), single))
    return Draw(held_out, folds.votes.gold[folds.known], others, rest.gold[counted], to_beat)


def right(posterior: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """1 where the most probable class is right; classes that tie share."""
    top = posterior >= posterior.max(axis=1, keepdims=True) - LEAST
    return np.asarray(top[np.arange(len(gold)), gold] / top.sum(axis=1))


def measured(draw: Draw, posterior: np.ndarray) -> tuple[float, float]:
    """Accuracy above what is to beat, and log-loss."""
    loss = log_loss(np.maximum(posterior, LEAST), draw.hidden)
    return float(right(posterior, draw.hidden).mean() - draw.to_beat), float(loss.mean())


# ---- the rules ------------------------------------------------------------------------------------------


def by_log_loss(draw: Draw) -> str:
    means = {name: float(draw.loss(name).mean()) for name in draw.held_out}
    return next(name for name, loss in means.items() if loss <= min(means.values()) + EQUAL_LOSS)


def by_accuracy(draw: Draw) -> str:
    return max(draw.held_out, key=lambda name: float(draw.right(name).sum()))


def guarded(draw: Draw) -> str:
    alone = [name for name in draw.held_out if name.startswith("single: ") or name == "vote"]
    needed = max(float(draw.right(name).sum()) for name in alone)
    candidates = [by_log_loss(draw), *draw.by_loss]
    return next(name for name in candidates if draw.right(name).sum() >= needed - LEAST)


def near(draw: Draw) -> str:
    best = draw.loss(draw.by_loss[0])

    def is_near(name: str) -> bool:
        behind = draw.loss(name) - best
        return bool(behind.sum() <= np.sqrt(((behind - behind.mean()) ** 2).sum()) + LEAST)

    return max(filter(is_near, draw.held_out), key=lambda name: (draw.right(name).sum(), -draw.loss(name).sum()))


def shrunk(draw: Draw) -> str:
    base = AVERAGED

    def gain(name: str) -> float:
        more = draw.right(name) - draw.right(base)
        differ = (draw.others[name].argmax(axis=1) != draw.others[base].argmax(axis=1)).mean()
        return float(differ * more.sum() / (np.count_nonzero(more) + 2))

    return max(draw.held_out, key=lambda name: (gain(name), -float(draw.loss(name).sum())))


def pseudo_bma(draw: Draw) -> np.ndarray:
    scores = -np.asarray([draw.loss(name) for name in draw.held_out])
    n = len(draw.gold)
    totals = np.random.default_rng(0).dirichlet(np.ones(n), size=RESAMPLES) * n @ scores.T
    share = np.exp(totals - totals.max(axis=1, keepdims=True))
    weight = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(np.tensordot(weight, np.stack([draw.others[name] for name in draw.held_out]), 1))


def of(rule: Callable[[Draw], str]) -> Callable[[Draw], np.ndarray]:
    return lambda draw: draw.others[rule(draw)]


RULES: dict[str, Callable[[Draw], np.ndarray]] = {
    "log_loss": of(by_log_loss),
    "accuracy": of(by_accuracy),
    "guarded": of(guarded),
    "near": of(near),
    "shrunk": of(shrunk),
    "pseudo_bma": pseudo_bma,
}


if __name__ == "__main__":
    main()
