"""Trains the weights of `hyper_label_model` on simulated votes, and measures them on tables that it has not seen.

python bench/train_hyper_label_model.py                 makes the package's file: 15 minutes of one core
python bench/train_hyper_label_model.py --measure 300   accuracy, log-loss and ECE of label models on unseen tables

Every third step draws tables of the same number of classes from `outgrow.simulate.juries`, seeded by the seed and a
number; the others take recent ones again. Some tables have soft votes, some have gold for a few items. The loss is the
mean over the tables of the cross-entropy of the truth of their items without gold. Then one temperature is fitted on
tables from other seeds. The same seed and versions of torch and numpy give the same file; `NAME.stageN.pt` beside it
lets an interrupted training go on. The file's SHA-256, which the package's `hyper_label_model.py` expects, is
printed at the end.
"""

import argparse
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from outgrow.combiners import fit_by, section_named
from outgrow.combiners.hyper_inputs import CLASS_INPUTS, ITEM_INPUTS, SOURCE_INPUTS, TABLE_INPUTS, HyperInputs
from outgrow.combiners.hyper_label_model import LAYERS, WEIGHTS, log_odds
from outgrow.combiners.votes import Votes
from outgrow.metrics.calibration import log_loss
from outgrow.simulate.juries import draw_pattern, draw_table
from outgrow.simulate.jury_world import CROWD, RANGES, WorldKind, draw_world
from outgrow.vote_table import VoteTable

WIDTH, UNITS = 24, 12
"""Numbers in a state, and in a message of a vote."""
CLASSES = (2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 8, 10)
KINDS: tuple[WorldKind, ...] = ("crowd", "crowd", "crowd", "crowd", "jury", "jury", "jury", "jury", "rules", "rules")


class Stage(NamedTuple):
    """A part of the training."""

    steps: int
    rate: float
    tables: int
    """Per step."""
    items: int
    """The most of a table."""
    cells: int
    """The most votes × classes of a table."""
    independent: float
    """Share of the crowds whose sources err almost independently."""


STAGES = (
    Stage(steps=3000, rate=4e-3, tables=8, items=1500, cells=15_000, independent=0.0),
    Stage(steps=1200, rate=2e-3, tables=4, items=4000, cells=60_000, independent=0.0),
    Stage(steps=1500, rate=2e-3, tables=5, items=4000, cells=40_000, independent=0.5),
)
"""Small tables first, because they take less time; then larger ones, whose sources can be known better. The majority
of a real crowd is often further above its single votes than `CROWD` has it, so the last stage has such crowds, too."""
INDEPENDENT = CROWD._replace(
    hardness=(0.05, 0.8), misleading=0.1, shared=(0.0, 0.2), family=(0.0, 0.2), common_preference=(0.0, 0.3)
)
USES, RECENT = 3, 100
"""How often a batch is used, on average, and how many are kept."""
UNSEEN = 10**6
"""Added to the number of a table: tables of the temperature, and twice that: those of the measurement."""
PEERS = ("majority", "one_coin", "dawid_skene", "bayesian_dawid_skene", "bwa", "ebcc")


# ---- tables -----------------------------------------------------------------------------------------------


def draw_case(rng: np.random.Generator, n_classes: int, stage: Stage) -> VoteTable:
    """A table of votes with all its gold."""
    kind = KINDS[rng.integers(len(KINDS))]
    fewest, most = {"crowd": (5, 150), "jury": (1, 25), "rules": (3, 70)}[kind]
    n_items, n_sources = _log_integer(rng, 20, stage.items), _log_integer(rng, fewest, most)
    per_item = {"crowd": 6, "jury": n_sources, "rules": 0.2 * n_sources}[kind]
    n_items = max(20, min(n_items, int(stage.cells / (n_classes * per_item))))
    soft = kind != "rules" and rng.random() < 0.2
    is_independent = kind == "crowd" and stage.independent > 0 and rng.random() < stage.independent
    ranges = INDEPENDENT if is_independent else RANGES[kind]
    world = draw_world(rng, ranges, n_sources, n_classes, rules=kind == "rules")
    return draw_table(rng, world, draw_pattern(rng, kind, n_items, n_sources), soft=soft)


def hide_gold(rng: np.random.Generator, table: VoteTable) -> VoteTable:
    """The table with gold for no item, or in 40 % of the tables for 5 to half of the items."""
    n_items = len(table.items)
    n_gold = _log_integer(rng, 5, n_items // 2) if rng.random() < 0.4 else 0
    known = np.arange(n_items) < n_gold
    return replace(table, gold=np.where(rng.permutation(known), table.gold, -1))


def _log_integer(rng: np.random.Generator, low: int, high: int) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


@dataclass
class Batch:
    """Tables of the same number of classes, their rows, sources and votes numbered through."""

    items: Tensor
    """[row, class, input]"""
    sources: Tensor
    """[source, class, input]"""
    common: Tensor
    """[table, class, input]"""
    row: Tensor
    source: Tensor
    share: Tensor
    """[vote, class]"""
    weight: Tensor
    """[row]: for what is learnt of the sources."""
    inside: Tensor
    """[row]: items of the table with a vote."""
    gold: Tensor
    """[row, class]: items with gold."""
    truth: Tensor
    """[row, class]: items without."""
    table_of_row: Tensor
    table_of_source: Tensor
    n_tables: int


def make_batch(rng: np.random.Generator, stage: Stage) -> Batch:
    n_classes = CLASSES[rng.integers(len(CLASSES))]
    parts, n_rows, n_sources = [], 0, 0
    for index in range(stage.tables):
        arrays = arrays_of(rng, draw_case(rng, n_classes, stage))
        arrays["table_of_row"] = np.full(len(arrays["items"]), index)
        arrays["table_of_source"] = np.full(len(arrays["sources"]), index)
        arrays["row"] += n_rows
        arrays["source"] += n_sources
        n_rows, n_sources = n_rows + len(arrays["items"]), n_sources + len(arrays["sources"])
        parts.append(arrays)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    whole = {name: torch.from_numpy(v if v.dtype == np.int64 else v.astype(np.float32)) for name, v in joined.items()}
    return Batch(**whole, n_tables=stage.tables)


def arrays_of(rng: np.random.Generator, full: VoteTable) -> dict[str, np.ndarray]:
    """A table's inputs, votes, gold and truth."""
    votes = Votes.of_table(hide_gold(rng, full))
    inputs = HyperInputs.of(votes)
    blocks = list(inputs.blocks())
    n_votes = np.concatenate([edges.n_votes for _, edges in blocks])
    counts = np.zeros((len(votes.gold), votes.n_classes))
    np.add.at(counts, (votes.row_of, full.gold), 1.0)
    counts *= (n_votes > 0)[:, None]
    known = (votes.gold >= 0)[:, None]
    of_table = np.tile(inputs.of_table, (votes.n_classes, 1))
    return {
        "items": np.concatenate([inputs.of_items(block, edges) for block, edges in blocks]),
        "sources": inputs.of_sources,
        "common": np.concatenate([inputs.of_classes, of_table], axis=1)[None],
        "row": np.concatenate([edges.row + block.rows.start for block, edges in blocks]).astype(np.int64),
        "source": np.concatenate([edges.source for _, edges in blocks]).astype(np.int64),
        "share": np.concatenate([edges.share for _, edges in blocks]),
        "weight": votes.weight,
        "inside": votes.items * (n_votes > 0),
        "gold": (votes.gold[:, None] == np.arange(votes.n_classes)) * votes.weight[:, None],
        "truth": np.where(known, 0.0, counts),
    }


# ---- the network, as `hyper_label_model.log_odds` computes it ---------------------------------------------


class Network(nn.Module):
    """The weights by the names that the file has."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.ParameterDict()
        self._begin("item", len(ITEM_INPUTS), len(CLASS_INPUTS) + len(TABLE_INPUTS))
        self._begin("source", len(SOURCE_INPUTS), len(CLASS_INPUTS) + len(TABLE_INPUTS))
        for layer in range(LAYERS):
            for name, shape in (("item", (WIDTH, UNITS)), ("source", (WIDTH, UNITS)), ("share", (UNITS,))):
                self._add(f"{layer}.vote.{name}", shape, WIDTH)
            self._add(f"{layer}.vote.bias", (UNITS,), 0)
            for whose in ("item", "source"):
                self._begin(f"{layer}.{whose}", 2 * (WIDTH + UNITS), 5 * WIDTH)
        self._add("last.weight", (2 * WIDTH, WIDTH), 2 * WIDTH)
        self._add("last.bias", (WIDTH,), 0)
        self._add("last.hidden", (WIDTH,), WIDTH)
        self._add("last.skip", (3,), 0)
        nn.init.constant_(self.values["last_skip"], 0.5)

    def _begin(self, name: str, n_own: int, n_common: int) -> None:
        self._add(f"{name}.weight", (n_own, WIDTH), 2 * n_own)
        self._add(f"{name}.common", (n_common, WIDTH), 2 * n_common)
        self._add(f"{name}.bias", (WIDTH,), 0)

    def _add(self, name: str, shape: tuple[int, ...], n_inputs: int) -> None:
        value = torch.randn(shape) / math.sqrt(n_inputs) if n_inputs else torch.zeros(shape)
        self.values[name.replace(".", "_")] = nn.Parameter(value)

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name.replace(".", "_")]

    def named(self) -> dict[str, np.ndarray]:
        """The weights by their names in the file."""
        return {name.replace("_", "."): value.detach().numpy().copy() for name, value in self.values.items()}

    def forward(self, batch: Batch) -> Tensor:
        """z of every row."""
        common = batch.common
        x = torch.relu(
            batch.items @ self["item.weight"] + (common @ self["item.common"] + self["item.bias"])[batch.table_of_row]
        )
        y = torch.relu(
            batch.sources @ self["source.weight"]
            + (common @ self["source.common"] + self["source.bias"])[batch.table_of_source]
        )
        n_row = count(batch.row, len(x))
        vote_weight = batch.weight[batch.row]
        n_source = count(batch.source, len(y), vote_weight)
        heard = (n_source > 0).float()
        for layer in range(LAYERS):
            e = (x @ self[f"{layer}.vote.item"])[batch.row] + (
                y @ self[f"{layer}.vote.source"] + self[f"{layer}.vote.bias"]
            )[batch.source]
            e = torch.relu(e + batch.share[:, :, None] * self[f"{layer}.vote.share"])
            to_items = summed(e, batch.row, len(x)) / n_row.clamp(min=1)[:, None, None]
            to_sources = (
                summed(e * vote_weight[:, None, None], batch.source, len(y)) / n_source.clamp(min=1)[:, None, None]
            )
            g = self._common(batch, x, y, heard)
            x = x + torch.relu(
                both(x, to_items) @ self[f"{layer}.item.weight"]
                + (g @ self[f"{layer}.item.common"] + self[f"{layer}.item.bias"])[batch.table_of_row]
            )
            y = y + torch.relu(
                both(y, to_sources) @ self[f"{layer}.source.weight"]
                + (g @ self[f"{layer}.source.common"] + self[f"{layer}.source.bias"])[batch.table_of_source]
            )
        hidden = torch.relu(with_mean(x) @ self["last.weight"] + self["last.bias"])
        return hidden @ self["last.hidden"] + batch.items[:, :, [3, 5, 7]] @ self["last.skip"]

    def _common(self, batch: Batch, x: Tensor, y: Tensor, heard: Tensor) -> Tensor:
        """g of every table."""
        of_row, n = batch.table_of_row, batch.n_tables
        items = (
            summed(x * batch.inside[:, None, None], of_row, n)
            / count(of_row, n, batch.inside).clamp(min=1)[:, None, None]
        )
        sources = (
            summed(y * heard[:, None, None], batch.table_of_source, n)
            / count(batch.table_of_source, n, heard).clamp(min=1)[:, None, None]
        )
        gold = (
            summed((x * batch.gold[:, :, None]).sum(1), of_row, n)
            / count(of_row, n, batch.gold.sum(1)).clamp(min=1)[:, None]
        )
        means = with_mean(torch.cat([items, sources], 2))
        return torch.cat([means, gold[:, None].expand(-1, means.shape[1], -1)], 2)


def with_mean(states: Tensor) -> Tensor:
    return torch.cat([states, states.mean(-2, keepdim=True).expand_as(states)], -1)


def both(states: Tensor, messages: Tensor) -> Tensor:
    return with_mean(torch.cat([states, messages], 2))


def summed(values: Tensor, place: Tensor, n_places: int) -> Tensor:
    return torch.zeros((n_places, *values.shape[1:]), dtype=values.dtype).index_add(0, place, values)


def count(place: Tensor, n_places: int, weight: Tensor | None = None) -> Tensor:
    return torch.bincount(place, weight, minlength=n_places).float()


def loss_of(scores: Tensor, batch: Batch) -> Tensor:
    """The mean over the tables of the cross-entropy of their items."""
    of_rows = -(batch.truth * torch.log_softmax(scores, 1)).sum(1)
    n_items = count(batch.table_of_row, batch.n_tables, batch.truth.sum(1))
    of_tables = summed(of_rows, batch.table_of_row, batch.n_tables)
    return (of_tables / n_items.clamp(min=1)).sum() / (n_items > 0).sum()


# ---- training ---------------------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """The mean of the weights after the last two stages; an interrupted training goes on at its last checkpoint."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    network, first, ends = Network(), 0, []
    for number, stage in enumerate(STAGES):
        train_stage(network, stage, first, options.seed, options.output.with_suffix(f".stage{number}.pt"))
        first += stage.steps
        ends.append(network.named())
    return {name: (ends[-2][name] + ends[-1][name]) / 2 for name in ends[-1]}


def train_stage(network: Network, stage: Stage, first: int, seed: int, path: Path) -> None:
    """One stage, whose steps are counted from `first`; `path` is its checkpoint."""
    optimiser = torch.optim.Adam(network.parameters(), lr=stage.rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, stage.steps))
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    state = torch.load(path, weights_only=True) if path.is_file() else {}
    for name, part in parts.items() if state else ():
        part.load_state_dict(state[name])
    losses, started = [], time.time()
    for step in range(state.get("step", first), first + stage.steps):
        batch = batch_numbered(number_at(step, seed, first), seed, stage)
        loss = loss_of(network(batch), batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % USES == 0:
            losses.append((loss.item(), *(rough_loss(batch, index) for index in (0, 4, 6))))
        if (step + 1) % 100 == 0:
            means = " ".join(f"{mean:.4f}" for mean in np.mean(losses[-100 // USES :], axis=0))
            print(f"{step + 1} steps, {time.time() - started:.0f} s: loss, that of the inputs: {means}", flush=True)
            torch.save({name: part.state_dict() for name, part in parts.items()} | {"step": step + 1}, path)


@lru_cache(maxsize=RECENT)
def batch_numbered(number: int, seed: int, stage: Stage) -> Batch:
    """A batch by its number; recent ones are kept."""
    return make_batch(np.random.default_rng([seed, number]), stage)


def number_at(step: int, seed: int, first: int) -> int:
    """The next batch in every third step, a recent one of the stage in the others: drawing tables takes most time."""
    newest = step // USES
    if step % USES == 0:
        return newest
    oldest = max(first // USES, newest - RECENT + 2)
    return int(np.random.default_rng([seed, step, 1]).integers(oldest, newest + 1))


def rate_at(step: int, n_steps: int) -> float:
    """Up over 200 steps, then down along half a cosine."""
    return min((step + 1) / 200, 0.5 * (1 + math.cos(math.pi * step / n_steps)))


def rough_loss(batch: Batch, index: int) -> float:
    """The loss of an input that is a probability: the vote, one accuracy, confusion matrices."""
    return float(loss_of(torch.log(batch.items[:, :, index].clamp(min=1e-3)), batch))


def fitted_temperature(network: dict[str, np.ndarray], options: argparse.Namespace) -> float:
    """The T with the least cross-entropy on unseen tables, each of which counts the same."""
    cases = []
    for scores, full, votes in scored(network, options.seed, UNSEEN, options.unseen):
        judged = judged_items(votes)
        cases.append((scores[votes.row_of[judged]], full.gold[judged]))

    def loss(log_temperature: float) -> float:
        return float(np.mean([cross_entropy(z / np.exp(log_temperature), gold) for z, gold in cases if len(gold)]))

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def cross_entropy(scores: np.ndarray, gold: np.ndarray) -> float:
    scores = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(gold)), gold]))


def scored(
    network: dict[str, np.ndarray], seed: int, start: int, n_tables: int
) -> Iterator[tuple[np.ndarray, VoteTable, Votes]]:
    """z of unseen tables."""
    for full, votes in unseen(seed, start, n_tables):
        yield log_odds(HyperInputs.of(votes), network), full, votes


def unseen(seed: int, start: int, n_tables: int) -> Iterator[tuple[VoteTable, Votes]]:
    for index in range(n_tables):
        rng = np.random.default_rng([seed, start + index])
        full = draw_case(rng, CLASSES[rng.integers(len(CLASSES))], STAGES[-1])
        yield full, Votes.of_table(hide_gold(rng, full))


def judged_items(votes: Votes) -> np.ndarray:
    """Items with a vote and without gold."""
    voted = np.zeros(len(votes.gold), dtype=bool)
    for block in votes.blocks():
        voted[block.rows.start + block.row] = True
    return np.flatnonzero((voted & (votes.gold < 0))[votes.row_of])


def write(network: dict[str, np.ndarray], path: Path) -> str:
    """The file, in single precision, and its SHA-256."""
    from safetensors.numpy import save

    content = save({name: np.asarray(value, dtype=np.float32) for name, value in sorted(network.items())})
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


# ---- measurement ------------------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> None:
    """Mean over unseen tables of accuracy, log-loss and ECE, and the median log-loss."""
    lines: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*PEERS, "hyper_label_model")}
    for full, votes in unseen(options.seed, 2 * UNSEEN, options.measure):
        judged = judged_items(votes)
        for name in lines if len(judged) else ():
            fit = fit_by(section_named("vote" if name == "majority" else name), intervals=False)(votes)
            lines[name].append(quality(fit.posterior[judged], full.gold[judged]))
    print(f"{'':22}accuracy  log-loss  median    ECE    {len(lines['majority'])} unseen tables")
    for name, values in lines.items():
        (accuracy, loss, ece), middle = np.mean(values, axis=0), np.median(values, axis=0)[1]
        print(f"{name:22}{accuracy:8.4f}  {loss:8.4f}  {middle:6.4f}  {ece:6.4f}")


def quality(posterior: np.ndarray, gold: np.ndarray) -> tuple[float, float, float]:
    clipped = np.maximum(posterior, 1e-6)
    first = posterior >= posterior.max(axis=1, keepdims=True) - 1e-9
    right = (first / first.sum(axis=1, keepdims=True))[np.arange(len(gold)), gold]
    return float(right.mean()), float(log_loss(clipped, gold).mean()), ece_of(posterior.max(axis=1), right)


def ece_of(confidence: np.ndarray, right: np.ndarray, n_bins: int = 10) -> float:
    """Expected calibration error, with bins of the same number of items."""
    order = np.array_split(np.argsort(confidence, kind="stable"), n_bins)
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in order if len(part)]
    return float(sum(gaps) / len(right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unseen", type=int, default=150, help="tables for the temperature")
    parser.add_argument("--measure", type=int, help="only measure, on so many unseen tables")
    options = parser.parse_args()
    if options.measure:
        measure(options)
        return
    network = train(options)
    network["temperature"] = np.ones(())
    network["temperature"] = np.asarray(fitted_temperature(network, options))
    print(f"temperature {network['temperature']:.4f}; SHA-256 {write(network, options.output)}")


if __name__ == "__main__":
    main()
