"""Label models on drawn votes, beside crowd-kit where it is installed: time, accuracy, likelihood, memory.

python bench/combine.py                               10k x 5, 100k x 10 and 1M x 10 votes, 2 and 10 classes
python bench/combine.py --items 10000 --classes 2     one size
python bench/combine.py --peer-votes 60000            let crowd-kit's GLAD and MACE have so many votes at most

Sources are right with probabilities between 0.55 and 0.85 and wrong in all ways alike. Time: processor seconds of one
thread from the compact votes (`Votes`, whose making is the first line) to posteriors, the better of two runs;
crowd-kit's from its own table of votes. `nats` is ln P(votes) per vote, for crowd-kit's Dawid–Skene by the same
function. Memory: the highest sum of live arrays beyond the votes, in MB and as a share of the dense table of float64
that a `WeakLabels` of the same votes would be. A ratio is crowd-kit's seconds by ours.
"""

import argparse
import importlib.util
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from outgrow.combiners.bayesian_dawid_skene import fit_bayesian_dawid_skene
from outgrow.combiners.dawid_skene import fit_dawid_skene, fit_one_coin
from outgrow.combiners.expectation import naive_bayes, read
from outgrow.combiners.fit import Fit
from outgrow.combiners.glad import fit_glad
from outgrow.combiners.mace import fit_mace
from outgrow.combiners.triplets import fit_triplets
from outgrow.combiners.votes import Votes

SIZES = ((10_000, 5), (100_000, 10), (1_000_000, 10))
MEGABYTE = 2**20
SLOW_PEERS = ("GLAD", "MACE")

MODELS: dict[str, tuple[Callable[[Votes], Fit | None], str | None]] = {
    "triplets": (fit_triplets, None),
    "one_coin": (fit_one_coin, "OneCoinDawidSkene"),
    "dawid_skene": (fit_dawid_skene, "DawidSkene"),
    "glad": (fit_glad, "GLAD"),
    "mace": (fit_mace, "MACE"),
    "bayesian_dawid_skene": (lambda votes: fit_bayesian_dawid_skene(votes, draws=0), None),
}


class Line(NamedTuple):
    name: str
    seconds: float
    accuracy: float
    nats: float
    peak: float
    peer: "Peer | None"


class Peer(NamedTuple):
    seconds: float
    accuracy: float
    nats: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, help="only this size")
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 10])
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--peer-votes", type=int, default=50_000, help="largest size for crowd-kit's GLAD and MACE")
    parser.add_argument("--peer-votes-fast", type=int, default=1_000_000, help="and for its Dawid–Skene")
    options = parser.parse_args()
    if importlib.util.find_spec("crowdkit") is None:
        print("crowd-kit is not installed: no peer's figures")
        options.peer_votes = options.peer_votes_fast = 0
    print(
        f"{'items':>9} {'src':>3} {'cls':>3}  {'model':<21}{'s':>8}{'acc':>7}{'nats':>8}{'MB':>7}{'of table':>9}",
        end="",
    )
    print(f"  {'crowd-kit s':>11}{'acc':>7}{'nats':>8}{'ratio':>7}")
    for items, sources in [size for size in SIZES if options.items in (None, size[0])]:
        for classes in options.classes:
            for line in measure(items, sources, classes, options):
                show(items, sources, classes, line)


def measure(items: int, sources: int, classes: int, options: argparse.Namespace) -> Iterator[Line]:
    """The making of `Votes`, then one line per model."""
    codes, gold = drawn(items, sources, classes)
    names = tuple(f"s{number}" for number in range(sources))
    seconds, votes = timed(lambda: Votes.gather(names, classes, codes))
    peak = peak_memory(lambda: Votes.gather(names, classes, codes))
    yield Line(f"votes: {len(votes.heard)} rows", seconds, np.nan, np.nan, peak, None)
    for name in options.models:
        fit, peer_name = MODELS[name]
        seconds, found = timed(lambda fit=fit: fit(votes))
        peak = peak_memory(lambda fit=fit: fit(votes))
        limit = options.peer_votes if peer_name in SLOW_PEERS else options.peer_votes_fast
        peer = ask_peer(peer_name, codes, gold, classes) if peer_name and codes.size <= limit else None
        yield Line(name, seconds, right(found.posterior, gold), found.log_likelihood / codes.size, peak, peer)


def drawn(items: int, sources: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(items + classes)
    gold, accuracy = rng.integers(classes, size=items), rng.uniform(0.55, 0.85, sources)
    wrong = (gold[:, None] + rng.integers(1, classes, (items, sources))) % classes
    return np.where(rng.random((items, sources)) < accuracy, gold[:, None], wrong).astype(np.int8), gold


def ask_peer(name: str, codes: np.ndarray, gold: np.ndarray, classes: int) -> Peer:
    """crowd-kit's model of that name with its own defaults."""
    import crowdkit.aggregation as peers

    item, source = np.nonzero(codes >= 0)
    table = pd.DataFrame({"task": item, "worker": source, "label": codes[item, source].astype(int)})
    start = time.process_time()
    model = getattr(peers, name)().fit(table)
    seconds = time.process_time() - start
    posterior = model.probas_.reindex(index=range(len(codes)), columns=range(classes)).to_numpy()
    nats = likelihood(model, codes, classes) if name == "DawidSkene" else np.nan
    return Peer(seconds, right(posterior, gold), nats)


def likelihood(model: Any, codes: np.ndarray, classes: int) -> float:
    """ln P(votes) per vote under crowd-kit's matrices and balance."""
    sources = codes.shape[1]
    every = pd.MultiIndex.from_product([range(sources), range(classes)])
    errors = model.errors_.reindex(index=every, columns=range(classes)).fillna(0).to_numpy()
    matrices = errors.reshape(sources, classes, classes).transpose(0, 2, 1)
    votes = Votes.gather(tuple(f"s{number}" for number in range(sources)), classes, codes)
    balance = model.priors_.reindex(range(classes)).to_numpy()
    return read(votes, naive_bayes(matrices), np.log(balance))[1] / codes.size


def right(posterior: np.ndarray, gold: np.ndarray) -> float:
    return float((posterior.argmax(axis=1) == gold).mean())


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    seconds = []
    for _ in range(2):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def peak_memory(work: Callable[[], object]) -> float:
    """Bytes of arrays at the worst moment."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak)


def show(items: int, sources: int, classes: int, line: Line) -> None:
    table = items * sources * classes * 8
    numbers = (
        f"{line.seconds:8.3f}{line.accuracy:7.3f}{line.nats:8.3f}{line.peak / MEGABYTE:7.0f}{line.peak / table:9.2f}"
    )
    print(f"{items:>9} {sources:>3} {classes:>3}  {line.name:<21}{numbers}", end="")
    if line.peer is not None:
        ratio = line.peer.seconds / line.seconds
        print(f"  {line.peer.seconds:11.2f}{line.peer.accuracy:7.3f}{line.peer.nats:8.3f}{ratio:7.0f}", end="")
    print(flush=True)


if __name__ == "__main__":
    main()
