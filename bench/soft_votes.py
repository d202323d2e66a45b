"""Combiners on simulated soft votes, by two readings of a vote: its shares, or its most probable class.

python bench/soft_votes.py                  accuracy, four sources that state their probabilities at one temperature
python bench/soft_votes.py --worlds 60      accuracy and log-loss in worlds of `simulate/juries.py`, all temperatures

First form: labels of 800 items by four independent sources. Above a temperature of 1 they are less sure than they
should be, below it too sure. `known` is the product of the calibrated votes. Each cell has two numbers: with the
shares of the votes, and with `hard: true`, each source's most probable class. A star: `outgrow combine` warns of the
first (`deliver/misread_votes.py`). Second form: 300 items, a crowd or a jury in turn, 3 to 12 sources and 2 to 10
classes; each source has a temperature between 0.3 and 3. Means over the worlds, and the mean difference, hard minus
shares, with its standard error.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import softmax

from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named
from outgrow.combiners.combiner_record import HardVotesSection
from outgrow.combiners.temperature_scaling import calibration
from outgrow.combiners.votes import Votes
from outgrow.deliver.misread_votes import misread_votes
from outgrow.errors import OutgrowError
from outgrow.simulate.juries import draw_votes
from outgrow.vote_table import VoteTable

ITEMS, STRENGTH = 800, np.asarray([2.0, 2.2, 1.6, 1.2])[:, None]
TEMPERATURES = (0.3, 1.0, 4.0)
LEAST = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 4, 17])
    parser.add_argument("--worlds", type=int, default=0)
    parser.add_argument("--models", nargs="*", default=list(of_two_readings()))
    options = parser.parse_args()
    if options.worlds:
        in_worlds(options.worlds, options.models)
        return
    for n_classes in options.classes:
        by_temperature(n_classes, options.models)


def of_two_readings() -> Iterator[str]:
    """The combiners with the option `hard`."""
    for name in fit_names():
        if issubclass(COMBINERS.of(section_named(name)).section, HardVotesSection):
            yield name


def by_temperature(n_classes: int, models: list[str]) -> None:
    print(f"\n{n_classes:2} classes              " + "".join(f"{f'T = {t}':>16}" for t in TEMPERATURES))
    drawn = [stated(n_classes, temperature) for temperature in TEMPERATURES]
    print(f"{'known':<24}" + "".join(f"{accuracy(known, table.gold):16.3f}" for table, known in drawn))
    for model in ("vote", "calibrated_pool"):
        found = [accuracy(posterior(model, blind(table)), table.gold) for table, _ in drawn]
        print(f"{model:<24}" + "".join(f"{share:16.3f}" for share in found), flush=True)
    for model in models:
        print(f"{model:<24}" + "".join(f"{cell(model, table):>16}" for table, _ in drawn), flush=True)


def cell(model: str, table: VoteTable) -> str:
    """The accuracies by both readings."""
    votes = blind(table)
    soft, hard = (posterior(model, given) for given in (votes, votes.hardened()))
    star = "*" if misread_votes(table, section_named(model), soft) else " "
    return f"{accuracy(soft, table.gold):.3f}{star} {accuracy(hard, table.gold):.3f}"


def stated(n_classes: int, temperature: float) -> tuple[VoteTable, np.ndarray]:
    """Votes with gold, and the product of the calibrated votes."""
    rng = np.random.default_rng(0)
    gold = rng.integers(n_classes, size=ITEMS)
    seen = rng.normal(size=(ITEMS, len(STRENGTH), n_classes)) + STRENGTH * np.eye(n_classes)[gold][:, None]
    probs = softmax(STRENGTH * seen / temperature, axis=2).reshape(-1, n_classes)
    item, source = np.divmod(np.arange(len(probs)), len(STRENGTH))
    classes = tuple(f"c{number}" for number in range(n_classes))
    items = [str(number) for number in range(ITEMS)]
    table = VoteTable(items, ("a", "b", "c", "d"), classes, item, source, probs.argmax(axis=1), probs, gold=gold)
    return table, softmax((STRENGTH * seen).sum(axis=1), axis=1)


def blind(table: VoteTable) -> Votes:
    """The votes without gold."""
    return Votes.of_table(replace(table, gold=np.empty(0, np.int64)))


def in_worlds(n_worlds: int, models: list[str]) -> None:
    rows = []
    for world in range(n_worlds):
        rng = np.random.default_rng([31, world])
        kind = ("crowd", "jury")[world % 2]
        n_classes = 2 if world % 4 < 2 else int(rng.integers(3, 11))
        n_sources = int(rng.integers(3, 13))
        table = draw_votes(rng, kind, n_items=300, n_sources=n_sources, n_classes=n_classes, soft=True)
        votes, voted = blind(table), table.n_per_item > 0
        for model in models:
            for reading, given in (("shares", votes), ("hard", votes.hardened())):
                try:
                    probs = np.maximum(posterior(model, given)[voted], LEAST)
                except OutgrowError:
                    continue
                found = calibration(probs / probs.sum(axis=1, keepdims=True), table.gold[voted])
                rows.append(
                    (model, "2" if n_classes == 2 else "3 to 10", world, reading, found.accuracy, found.log_loss)
                )
    frame = pd.DataFrame(rows, columns=["model", "classes", "world", "reading", "accuracy", "loss"])
    wide = frame.pivot_table(index=["model", "classes", "world"], columns="reading", values=["accuracy", "loss"])
    wide = wide.dropna()
    for measure in ("accuracy", "loss"):
        wide[measure, "hard - shares"] = wide[measure, "hard"] - wide[measure, "shares"]
    grouped = wide.groupby(["model", "classes"], sort=False)
    told = grouped.mean()
    for measure in ("accuracy", "loss"):
        told[measure, "error"] = grouped[[(measure, "hard - shares")]].sem().iloc[:, 0]
    told["worlds", "n"] = grouped.size()
    print(told.sort_index(axis=1).round(3).to_string())


def posterior(model: str, votes: Votes) -> np.ndarray:
    return np.asarray(fit_by(section_named(model), intervals=False)(votes).posterior)


def accuracy(probs: np.ndarray, gold: np.ndarray) -> float:
    return float((probs.argmax(axis=1) == gold).mean())


if __name__ == "__main__":
    main()
