"""How often the intervals that `outgrow labels` gives without gold hold, and how wide they are.

python bench/trust_coverage.py                         200 simulated tables that the intervals were not learned from
python bench/trust_coverage.py --half development --juries DIR      real sets (as in bench/real_sources.py)

Simulations: worlds of `simulate/juries.py` with other seeds and larger sizes (200 to 3000 items, up to twice as many
sources), a third each with the ranges that the intervals were learned from, those of label models, and without shared
errors. Real sets: `--half held_out` is for one run at the end.

Columns: labellings or classes; share of the intervals that hold (an interval may miss a share of n items by half an
item); mean width; mean distance of the estimate from the truth; the same distance for the model's own claim. Of real
sets also the log-loss and the ECE of the posteriors, as the combiner has them and at the temperature of the expected
accuracy. Two-source tables have no estimate.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import real_sources
import simulated_accuracy as learned

from outgrow.combiners import fit_by, section_named
from outgrow.combiners.one_sided import of_rules
from outgrow.combiners.simulated_accuracy import SimulatedShare, simulated_quality
from outgrow.combiners.temperature_scaling import calibration, temperature_by_accuracy, with_temperature
from outgrow.combiners.votes import Votes
from outgrow.simulate.jury_world import RANGES
from outgrow.vote_table import VoteTable

SEED = 4242
COMBINERS = ("bayesian_dawid_skene", "one_coin", "vote")


class Line(NamedTuple):
    """One estimate and the truth."""

    group: str
    what: str
    combiner: str
    value: float
    low: float
    high: float
    truth: float
    n: int
    claimed: float

    @property
    def held(self) -> bool:
        rounding = 0.5 / (self.n + 1)
        return self.low - rounding <= self.truth <= self.high + rounding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=["development", "held_out"], help="real sets instead of simulations")
    parser.add_argument("--juries", type=Path, help="a clone of LLMs_for_CSS")
    parser.add_argument("--data", type=Path, default=real_sources.DATA)
    parser.add_argument("--worlds", type=int, default=200)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = list(of_real(options) if options.half else of_simulations(options.worlds))
    summarise(lines)


def of_simulations(n_worlds: int) -> Iterator[Line]:
    for world in range(n_worlds):
        rng = np.random.default_rng([SEED, world])
        kind, n_items, n_sources, n_classes = learned.draw_sizes(rng, (200, 3000))
        n_sources = round(n_sources * rng.uniform(1, 2))
        learned.CALM, learned.USED[kind] = ((0.0, LEARNED[kind]), (0.0, RANGES[kind]), (1.0, RANGES[kind]))[world % 3]
        table = learned.draw(rng, kind, n_items, n_sources, n_classes)
        ranges = ("as learned from", "as label models'", "nothing shared")[world % 3]
        if table.n_votes >= learned.LEAST_VOTES:
            yield from measured(table, f"{kind}, {ranges}", COMBINERS)


LEARNED = dict(learned.USED)


def of_real(options: argparse.Namespace) -> Iterator[Line]:
    for one in real_sources.REAL_SETS:
        if one.half != options.half:
            continue
        try:
            table = one.load(options)
        except FileNotFoundError as missing:
            print(f"{one.name}: skipped, {missing}")
            continue
        for line in measured(table, one.name, COMBINERS, show=True):
            if line.what == "accuracy":
                held = "held" if line.held else "MISSED"
                print(
                    f"{line.group:14s} {line.combiner:21s} truth {line.truth:.3f}, claimed {line.claimed:.3f},"
                    f" expected {line.value:.3f} [{line.low:.3f}, {line.high:.3f}] {held}",
                    flush=True,
                )
            yield line


def measured(table: VoteTable, group: str, names: tuple[str, ...], *, show: bool = False) -> Iterator[Line]:
    """Estimates for the labels of some combiners, with the truth on the items with gold."""
    votes = Votes.of_table(replace(table, gold=np.empty(0, np.int64)))
    blind, known = replace(table, gold=np.empty(0, np.int64)), (table.n_per_item > 0) & (table.gold >= 0)
    gold = table.gold[known]
    for name in ("rule_vote", "vote") if of_rules(votes) else names:
        posterior = fit_by(section_named(name), intervals=False)(votes).posterior
        quality = simulated_quality(blind, posterior)
        right = calibration(posterior[known], gold)
        claimed = float(posterior[table.n_per_item > 0].max(axis=1).mean())
        yield Line(group, "accuracy", name, *quality.accuracy, right.accuracy, len(gold), claimed)
        if show:
            temperature = temperature_by_accuracy(posterior[table.n_per_item > 0], quality.accuracy.mean)
            after = calibration(with_temperature(posterior[known], temperature), gold)
            floored = calibration(with_temperature(np.maximum(posterior[known], 1e-6), 1.0), gold)
            print(
                f"{group:14s} {name:21s} T {temperature:5.2f}  log-loss {floored.log_loss:.3f} → {after.log_loss:.3f}"
                f"  ECE {floored.ece:.3f} → {after.ece:.3f}"
            )
        yield from by_class(group, name, posterior[known], gold, quality.recall, quality.precision)


def by_class(
    group: str,
    name: str,
    posterior: np.ndarray,
    gold: np.ndarray,
    recalls: tuple[SimulatedShare, ...],
    precisions: tuple[SimulatedShare, ...],
) -> Iterator[Line]:
    label = posterior.argmax(axis=1)
    for c, (recall, precision) in enumerate(zip(recalls, precisions, strict=True)):
        right, expected = int(((label == c) & (gold == c)).sum()), float(posterior[label == c, c].sum())
        for what, share, n, of in (
            ("recall", recall, int((gold == c).sum()), float(posterior[:, c].sum())),
            ("precision", precision, int((label == c).sum()), float((label == c).sum())),
        ):
            if n:
                yield Line(group, what, name, *share, right / n, n, expected / max(of, 1e-9))


def summarise(lines: list[Line]) -> None:
    frame = pd.DataFrame([{**line._asdict(), "held": line.held} for line in lines])
    if frame.empty:
        return
    frame["width"] = frame.high - frame.low
    frame["off"] = (frame.value - frame.truth).abs()
    frame["claim_off"] = (frame.claimed - frame.truth).abs()
    columns = ["held", "width", "off", "claim_off"]
    for keys in (["what"], ["what", "combiner"], ["what", "group"]):
        found = frame.groupby(keys)[columns].mean()
        found.insert(0, "n", frame.groupby(keys).size())
        print(f"\n{found.round(3).to_string()}")


if __name__ == "__main__":
    main()
