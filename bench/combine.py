"""Label models on drawn votes, beside crowd-kit and snorkel where installed: time, accuracy, likelihood, memory.

python bench/combine.py                               10k x 5, 100k x 10, 1M x 10, 10k x 100; 2 and 10 classes
python bench/combine.py --items 10000 --sources 5     one size
python bench/combine.py --sparse                      few votes an item: 200k x 50, 500, 5,000; a crowd; a tail; 10M
python bench/combine.py --sparse tail                 one of them
python bench/combine.py --slow-votes 60000            let crowd-kit's GLAD and MACE have so many votes at most

Sources are right with probabilities between 0.55 and 0.85 and wrong in all ways alike. Time: processor seconds of one
thread from the compact votes (`Votes`, whose making is the first line) to posteriors, the better of two runs; the
peers' once, from their own table of votes or matrix, which is made before. Below each of our models stand its peers:
the same model; for the triplets snorkel's label model, which answers the same question from second moments too, and
the triplets by their definition, pair by pair and triplet by triplet. `nats` is ln P(votes) per vote, crowd-kit's
Dawid–Skene by the same function. Memory: the highest sum of live arrays beyond the votes, in MB and as a share of the
dense table of float64 that a `WeakLabels` of the same votes would be. `times` is a peer's seconds by ours, `memory`
its bytes at the worst moment by ours. Sparse votes: `200k-50`, `200k-500`, `200k-5000` have three an item, `crowd`
has 1.7M of 24,700 workers on 340k items, `tail` one worker with 90 % of a million votes, `10M` is 2M items with five
each.
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
from outgrow.combiners.em import naive_bayes, posteriors
from outgrow.combiners.fit import Fit
from outgrow.combiners.glad import fit_glad
from outgrow.combiners.mace import fit_mace
from outgrow.combiners.triplets import fit_triplets
from outgrow.combiners.vote import fit_vote
from outgrow.combiners.votes import Votes
from outgrow.vote_table import VoteTable

SPARSE = {
    "200k-50": (200_000, 50, 3, 0.0),
    "200k-500": (200_000, 500, 3, 0.0),
    "200k-5000": (200_000, 5_000, 3, 0.0),
    "crowd": (340_000, 24_700, 5, 0.0),
    "tail": (900_000, 1_000, 0, 0.9),
    "10M": (2_000_000, 20_000, 5, 0.0),
}
"""Items, sources, votes an item, and the share of the votes that one source gives."""
SIZES = ((10_000, 5), (100_000, 10), (1_000_000, 10), (10_000, 100))
MEGABYTE = 2**20


class Draw(NamedTuple):
    item: np.ndarray
    source: np.ndarray
    label: np.ndarray
    """Of every vote."""
    gold: np.ndarray
    n_sources: int
    n_classes: int

    @property
    def codes(self) -> np.ndarray:
        """[item, source], class said; -1 = abstention."""
        codes = np.full((len(self.gold), self.n_sources), -1, np.int8)
        codes[self.item, self.source] = self.label
        return codes

    @property
    def table(self) -> VoteTable:
        items, sources, classes = (
            [f"{letter}{number}" for number in range(count)]
            for letter, count in (("i", len(self.gold)), ("s", self.n_sources), ("c", self.n_classes))
        )
        return VoteTable(items, tuple(sources), tuple(classes), self.item, self.source, self.label)


class Line(NamedTuple):
    name: str
    seconds: float
    accuracy: float = np.nan
    nats: float = np.nan
    peak: float = np.nan
    times: float = np.nan
    memory: float = np.nan


class Peer(NamedTuple):
    package: str
    ask: Callable[[Draw], Line]
    slow: bool = False
    dense: bool = False
    """Reads a table of items × sources."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, help="only sizes of so many items")
    parser.add_argument("--sources", type=int, help="only sizes of so many sources")
    parser.add_argument("--sparse", nargs="*", choices=list(SPARSE), help="sparse votes instead; all, or some")
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 10])
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--slow-votes", type=int, default=50_000, help="most votes for crowd-kit's GLAD and MACE")
    parser.add_argument("--peer-votes", type=int, default=1_000_000, help="and for all other peers")
    options = parser.parse_args()
    for package in ("crowdkit", "snorkel"):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: no figures of it")
    columns = f"{'s':>9}{'acc':>7}{'nats':>8}{'MB':>7}{'of table':>9}{'times':>7}{'memory':>7}"
    print(f"{'items':>9} {'src':>5} {'cls':>3}  {'model':<28}{columns}")
    for draw in asked_for(options):
        for line in measure(draw, options):
            show(draw, line)


def asked_for(options: argparse.Namespace) -> Iterator[Draw]:
    if options.sparse is not None:
        for name in options.sparse or SPARSE:
            for classes in options.classes:
                yield sparsely_drawn(*SPARSE[name], classes)
        return
    for items, sources in SIZES:
        if options.items in (None, items) and options.sources in (None, sources):
            for classes in options.classes:
                yield drawn(items, sources, classes)


def measure(draw: Draw, options: argparse.Namespace) -> Iterator[Line]:
    """The making of `Votes`, then a line per model and one per peer of it."""
    table, n_votes = draw.table, len(draw.item)
    seconds, votes = timed(lambda: Votes.of_table(table))
    yield Line(f"votes: {votes.n_rows} rows", seconds, peak=peak_memory(lambda: Votes.of_table(table)))
    for name in options.models:
        fit, peers = MODELS[name]
        seconds, found = timed(lambda fit=fit: fit(votes))
        peak = peak_memory(lambda fit=fit: fit(votes))
        yield Line(name, seconds, right(found.posterior, draw), found.log_likelihood / n_votes, peak)
        for peer in peers:
            limit = options.slow_votes if peer.slow else options.peer_votes
            dense = peer.dense and options.sparse is not None
            if n_votes <= limit and not dense and importlib.util.find_spec(peer.package) is not None:
                asked = peer.ask(draw)
                yield asked._replace(times=asked.seconds / seconds, memory=asked.peak / peak)


def drawn(items: int, sources: int, classes: int) -> Draw:
    rng = np.random.default_rng(items + classes)
    gold, accuracy = rng.integers(classes, size=items), rng.uniform(0.55, 0.85, sources)
    wrong = (gold[:, None] + rng.integers(1, classes, (items, sources))) % classes
    codes = np.where(rng.random((items, sources)) < accuracy, gold[:, None], wrong)
    item, source = np.divmod(np.arange(codes.size), sources)
    return Draw(item, source, codes.ravel(), gold, sources, classes)


def sparsely_drawn(items: int, sources: int, per_item: int, one: float, classes: int) -> Draw:
    """So many votes an item by sources drawn at random; or one source on all items, and the others' votes anywhere."""
    rng = np.random.default_rng(items + classes)
    n_others = items * per_item if per_item else round(items * (1 - one) / one)
    item = np.repeat(np.arange(items), per_item) if per_item else rng.integers(items, size=n_others)
    source = rng.integers(1 if one else 0, sources, n_others)
    if one:
        item, source = np.append(item, np.arange(items)), np.append(source, np.zeros(items, np.int64))
    item, source = np.divmod(np.unique(item * sources + source), sources)
    gold, accuracy = rng.integers(classes, size=items), rng.uniform(0.55, 0.85, sources)
    wrong = (gold[item] + rng.integers(1, classes, len(item))) % classes
    return Draw(
        item, source, np.where(rng.random(len(item)) < accuracy[source], gold[item], wrong), gold, sources, classes
    )


def by_crowdkit(name: str) -> Callable[[Draw], Line]:
    """crowd-kit's model of that name with its own defaults."""

    def ask(draw: Draw) -> Line:
        import crowdkit.aggregation as peers

        table = pd.DataFrame({"task": draw.item, "worker": draw.source, "label": draw.label})
        seconds, model = timed(lambda: getattr(peers, name)().fit(table), runs=1)
        peak = peak_memory(lambda: getattr(peers, name)().fit(table))
        if name == "MajorityVote":
            labels = model.labels_.reindex(range(len(draw.gold))).to_numpy()
            return Line(f"  crowd-kit {name}", seconds, float((labels == draw.gold).mean()), peak=peak)
        posterior = model.probas_.reindex(index=range(len(draw.gold)), columns=range(draw.n_classes)).to_numpy()
        nats = likelihood(model, draw) if name == "DawidSkene" else np.nan
        return Line(f"  crowd-kit {name}", seconds, right(np.nan_to_num(posterior), draw), nats, peak)

    return ask


def likelihood(model: Any, draw: Draw) -> float:
    """ln P(votes) per vote under crowd-kit's matrices and balance."""
    sources, classes = draw.n_sources, draw.n_classes
    every = pd.MultiIndex.from_product([range(sources), range(classes)])
    errors = model.errors_.reindex(index=every, columns=range(classes)).fillna(0).to_numpy()
    matrices = errors.reshape(sources, classes, classes).transpose(0, 2, 1)
    balance = model.priors_.reindex(range(classes)).to_numpy()
    return posteriors(Votes.of_table(draw.table), naive_bayes(matrices), np.log(balance))[1] / len(draw.item)


def by_snorkel(draw: Draw) -> Line:
    """snorkel's label model with its own defaults (100 steps of gradient descent on the votes' second moments)."""
    from snorkel.labeling.model import LabelModel

    def work() -> np.ndarray:
        model = LabelModel(cardinality=draw.n_classes, verbose=False)
        model.fit(draw.codes.astype(int), seed=0, progress_bar=False)
        return np.asarray(model.predict_proba(draw.codes.astype(int)))

    seconds, posterior = timed(work, runs=1)
    return Line("  snorkel LabelModel", seconds, right(posterior, draw))


def by_definition(draw: Draw) -> Line:
    """The squares of the skills as sums over pairs and triplets of sources, one after another; posteriors as ours."""

    def work() -> np.ndarray:
        agree = pairwise(draw)
        squared = [of_triplets(agree, source) for source in range(len(agree))]
        accuracy = (1 + (draw.n_classes - 1) * np.sqrt(squared)) / draw.n_classes
        odds = np.log(accuracy * (draw.n_classes - 1) / (1 - accuracy))
        return np.stack([(draw.codes == chosen) @ odds for chosen in range(draw.n_classes)], axis=1)

    seconds, posterior = timed(work, runs=1)
    return Line("  triplets by definition", seconds, right(posterior, draw))


def pairwise(draw: Draw) -> np.ndarray:
    """(K P(two sources agree) − 1) / (K − 1), a pair at a time."""
    sources = range(draw.codes.shape[1])
    agree = [[float((draw.codes[:, one] == draw.codes[:, two]).mean()) for one in sources] for two in sources]
    return (draw.n_classes * np.asarray(agree) - 1) / (draw.n_classes - 1)


def of_triplets(products: np.ndarray, one: int) -> float:
    """Σ M_st M_tu M_us / Σ M_tu² over the pairs (t, u) of the other sources."""
    others = [source for source in range(len(products)) if source != one]
    pairs = [(two, three) for two in others for three in others if two != three]
    above = sum(products[one, two] * products[two, three] * products[three, one] for two, three in pairs)
    return float(above / sum(products[two, three] ** 2 for two, three in pairs))


def right(posterior: np.ndarray, draw: Draw) -> float:
    return float((posterior.argmax(axis=1) == draw.gold).mean())


def timed(work: Callable[[], Any], runs: int = 2) -> tuple[float, Any]:
    seconds = []
    for _ in range(runs):
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


def show(draw: Draw, line: Line) -> None:
    items, sources, classes = len(draw.gold), draw.n_sources, draw.n_classes
    table = items * sources * classes * 8
    numbers = (
        f"{line.seconds:9.3f}{line.accuracy:7.3f}{line.nats:8.3f}{line.peak / MEGABYTE:7.0f}{line.peak / table:9.2f}"
        f"{line.times:7.1f}{line.memory:7.1f}"
    )
    print(f"{items:>9} {sources:>5} {classes:>3}  {line.name:<28}{numbers.replace('nan', '  -')}", flush=True)


MODELS: dict[str, tuple[Callable[[Votes], Fit | None], tuple[Peer, ...]]] = {
    "vote": (fit_vote, (Peer("crowdkit", by_crowdkit("MajorityVote")),)),
    "triplets": (fit_triplets, (Peer("outgrow", by_definition, dense=True), Peer("snorkel", by_snorkel, dense=True))),
    "one_coin": (fit_one_coin, (Peer("crowdkit", by_crowdkit("OneCoinDawidSkene")),)),
    "dawid_skene": (fit_dawid_skene, (Peer("crowdkit", by_crowdkit("DawidSkene")),)),
    "glad": (fit_glad, (Peer("crowdkit", by_crowdkit("GLAD"), slow=True),)),
    "mace": (fit_mace, (Peer("crowdkit", by_crowdkit("MACE"), slow=True),)),
    "bayesian_dawid_skene": (lambda votes: fit_bayesian_dawid_skene(votes, draws=0), ()),
}

if __name__ == "__main__":
    main()
