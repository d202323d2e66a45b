"""How good combined labels are: every combiner and `auto` on real and on drawn votes, beside crowd-kit if installed.

python bench/combine_quality.py                      all data sets, 5 draws of 2000 items each
python bench/combine_quality.py --draws 2 --only copied youtube

Of items with a vote, against gold that no combiner sees: accuracy (classes that tie share an item), log-loss in nats
(probabilities below 1e-6 count as that), ECE; log-loss and ECE once more with the temperature found from hidden votes;
the share of sources whose accuracy lies within the 95 % interval (drawn votes: the accuracy that was drawn; real ones:
that of a source's votes, if it gave 20 or more, which is itself uncertain); and the largest change of any posterior
when one source is given twice. `behind` is the accuracy lost against the best single combiner of the same draws.
Means over the draws.
"""

import argparse
import importlib.util
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named
from outgrow.combiners.combiner_choice import choose
from outgrow.combiners.fit import Fit
from outgrow.combiners.temperature_scaling import calibration, temperature_scaled
from outgrow.combiners.votes import Votes
from outgrow.errors import OutgrowError

DATA = Path(__file__).parents[2] / "shared" / "data"
DRAWN = ("independent", "copied", "adversarial", "three", "silent")
PEERS = ("MajorityVote", "OneCoinDawidSkene", "DawidSkene", "GLAD", "MACE")
LEAST = 1e-6
LEAST_VOTES = 20


class Case(NamedTuple):
    """Votes whose truth is known."""

    codes: np.ndarray
    """[item, source], -1 = silent."""
    gold: np.ndarray
    n_classes: int
    right: np.ndarray
    """Every source's accuracy given a vote; nan = too few votes to say."""


class Line(NamedTuple):
    accuracy: float
    loss: float
    ece: float
    calibrated_loss: float = np.nan
    calibrated_ece: float = np.nan
    held: float = np.nan
    """Share of the intervals that hold."""
    shift: float = np.nan
    """Largest change of a posterior by a source given twice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="data sets: SP, CF_amt, youtube, " + ", ".join(DRAWN))
    options = parser.parse_args()
    if importlib.util.find_spec("crowdkit") is None:
        print("crowd-kit is not installed: no peer's figures")
    for name, cases in data_sets(options):
        if not options.only or name in options.only:
            report(name, cases())


def data_sets(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], list[Case]]]]:
    seeds = range(options.first_seed, options.first_seed + options.draws)
    for name in ("SP", "CF_amt"):
        if (DATA / "crowd" / f"{name}.csv").is_file():
            yield name, lambda name=name: [crowd(DATA / "crowd" / f"{name}.csv")]
    if (DATA / "youtube").is_dir():
        yield "youtube", lambda: [youtube(DATA / "youtube")]
    for kind in DRAWN:
        yield kind, lambda kind=kind: [drawn(kind, seed, options.items) for seed in seeds]


def crowd(path: Path) -> Case:
    """A table of worker, item, label, gold, without a header."""
    table = pd.read_csv(path, header=None).iloc[:, :4].set_axis(["worker", "item", "label", "gold"], axis=1)
    item, source = pd.factorize(table["item"])[0], pd.factorize(table["worker"])[0]
    codes, gold = np.full((item.max() + 1, source.max() + 1), -1), np.zeros(item.max() + 1, dtype=int)
    codes[item, source], gold[item] = table["label"], table["gold"]
    return real(codes, gold)


def youtube(folder: Path) -> Case:
    """Ten labelling functions on comments, all three parts."""
    texts = [json.loads((folder / f"{part}.json").read_text()).values() for part in ("train", "valid", "test")]
    rows = [row for part in texts for row in part]
    return real(np.asarray([row["weak_labels"] for row in rows]), np.asarray([row["label"] for row in rows]))


def real(codes: np.ndarray, gold: np.ndarray) -> Case:
    voted = codes >= 0
    n_votes = voted.sum(axis=0)
    right = ((codes == gold[:, None]) & voted).sum(axis=0) / np.maximum(n_votes, 1)
    return Case(codes, gold, int(gold.max()) + 1, np.where(n_votes >= LEAST_VOTES, right, np.nan))


def drawn(kind: str, seed: int, items: int) -> Case:
    """Sources that err independently and in all ways alike, but for what `kind` says."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 5))
    gold = rng.choice(classes, size=items, p=rng.dirichlet(np.full(classes, 5.0)))
    sources = {"independent": 6, "copied": 5, "adversarial": 5, "three": 3, "silent": 10}[kind]
    right = rng.uniform(0.55, 0.9, sources)
    if kind == "adversarial":
        right[int(rng.integers(sources))] = 0.5 / classes
    wrong = (gold[:, None] + rng.integers(1, classes, (items, sources))) % classes
    codes = np.where(rng.random((items, sources)) < right, gold[:, None], wrong)
    if kind == "silent":
        codes = np.where(rng.random(codes.shape) < 0.2, codes, -1)
    if kind == "copied":
        one = int(rng.integers(sources))
        codes, right = codes[:, [*range(sources), one, one]], right[[*range(sources), one, one]]
    return Case(codes, gold, classes, right)


def report(name: str, cases: list[Case]) -> None:
    """One table."""
    items, sources = cases[0].codes.shape
    print(f"\n{name}: {items} items, {sources} sources, {len(cases)} draws", flush=True)
    lines: dict[str, list[Line]] = {}
    chosen = []
    for case in cases:
        for method, line in of_case(case):
            lines.setdefault(method, []).append(line)
        chosen.append(choose(votes_of(case)).method)
    whole = {method: mean for method, mean in lines.items() if len(mean) == len(cases)}
    own = {
        method: np.mean([line.accuracy for line in mean]) for method, mean in whole.items() if method in fit_names()
    }
    head = f"{'combiner':<22}{'accuracy':>9}{'behind':>8}{'loss':>7}{'ECE':>7}{'T loss':>8}{'T ECE':>7}"
    print(f"{head}{'held':>7}{'shift':>8}")
    for method, mean in whole.items():
        line = Line(*(float(np.mean(column)) for column in zip(*mean, strict=True)))
        worst = max(one.shift for one in mean)
        print(
            f"{method:<22}{line.accuracy:9.4f}{max(own.values()) - line.accuracy:8.4f}{line.loss:7.3f}{line.ece:7.3f}"
            f"{line.calibrated_loss:8.3f}{line.calibrated_ece:7.3f}{line.held:7.2f}{worst:8.4f}"
        )
    print(
        "auto chose " + ", ".join(f"{method} ({chosen.count(method)})" for method in dict.fromkeys(chosen)), flush=True
    )


def of_case(case: Case) -> Iterator[tuple[str, Line]]:
    votes, twice = votes_of(case), votes_of(doubled(case))
    for method in fit_names():
        if not COMBINERS.of(section_named(method)).needs_gold:
            try:
                yield method, measured(case, votes, twice, method, method)
            except OutgrowError:
                continue
    yield "auto", measured(case, votes, twice, choose(votes).method, choose(twice).method)
    if importlib.util.find_spec("crowdkit") is not None:
        for peer in PEERS:
            yield f"crowd-kit {peer[:12]}", asked(case, peer)


def votes_of(case: Case) -> Votes:
    return Votes.gather(tuple(f"s{number}" for number in range(case.codes.shape[1])), case.n_classes, case.codes)


def doubled(case: Case) -> Case:
    """The same with one source given twice: the one of middling accuracy among those that vote most."""
    n_votes = (case.codes >= 0).sum(axis=0)
    busy = np.argsort(-n_votes, kind="stable")[: max(3, len(n_votes) // 2)]
    one = busy[np.argsort(np.nan_to_num(case.right[busy]))[len(busy) // 2]]
    return case._replace(codes=np.concatenate([case.codes, case.codes[:, [one]]], axis=1))


def measured(case: Case, votes: Votes, twice: Votes, method: str, method_twice: str) -> Line:
    section = section_named(method)
    fit: Fit = fit_by(section)(votes)
    found = temperature_scaled(votes, section, fit)
    again = fit_by(section_named(method_twice), intervals=False)(twice)
    known = ~np.isnan(case.right)
    low, high = fit.interval[known].T
    right = case.right[known]
    return score(case, fit.posterior)._replace(
        calibrated_loss=score(case, found.fit.posterior).loss,
        calibrated_ece=score(case, found.fit.posterior).ece,
        held=float(((low <= right) & (right <= high)).mean()),
        shift=float(np.abs(again.posterior - fit.posterior).max()),
    )


def score(case: Case, posterior: np.ndarray) -> Line:
    voted = (case.codes >= 0).any(axis=1)
    probs, gold = np.maximum(posterior[voted], LEAST), case.gold[voted]
    found = calibration(probs / probs.sum(axis=1, keepdims=True), gold)
    return Line(found.accuracy, found.log_loss, found.ece)


def asked(case: Case, peer: str) -> Line:
    """crowd-kit's model of that name with its own defaults."""
    import crowdkit.aggregation as peers

    item, source = np.nonzero(case.codes >= 0)
    said = case.codes[item, source].astype(int)
    table = pd.DataFrame({"task": item, "worker": source, "label": said})
    model: Any = getattr(peers, peer)()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probs = model.fit(table).probas_
    posterior = probs.reindex(index=range(len(case.codes)), columns=range(case.n_classes)).fillna(0).to_numpy()
    return score(case, posterior)


if __name__ == "__main__":
    main()
