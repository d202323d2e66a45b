"""A label model that was learned: a small network reads the whole table of votes and gives every item's posterior.

It was trained on simulated crowds, juries and rules whose truth is known (`simulate/juries.py`), with sources that
depend on each other, give one class only, copy or vote at random. So its probabilities say how often such votes are
right there, not how far sources agree. The idea is that of Wu et al. (ICLR 2023); inputs, network, worlds are ours.

The network has a state x_ik for every item i and class k, and y_sk for every source s and class k. With the share
q_isk that source s's vote on item i gives to class k, a layer computes

    e_isk = relu(A x_ik + B y_sk + c q_isk + d)                                      for every vote, and every class
    x_ik ← x_ik + relu(P [x_ik, mean over the votes on i of e_isk; the same, mean over k; g_k])
    y_sk ← y_sk + relu(Q [y_sk, mean over the votes of s of e_isk; the same, mean over k; g_k])

where g_k holds the means over all items and all sources, of class k and of all classes, and the mean state of the gold
items' true classes. The first states come from counts and three rough label models (`hyper_inputs.py`). A last layer
gives log-odds z_ik; the posterior is softmax(z / T), with one T fitted on simulated tables that the training had not
seen. The result does not depend on the order of items and sources; renamed classes are renamed in the posterior.

Gold enters twice: it sets its items' posterior, and it is an input that tells the network which sources and which
rough model are right. Time is linear in votes × classes. `bench/train_hyper_label_model.py` makes the weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from outgrow.combiners.combiner_record import CombinerRecord, HardVotesSection, TableLimits
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.hyper_inputs import HyperInputs
from outgrow.combiners.vote_sums import VotesOfRows
from outgrow.combiners.votes import Votes

WEIGHTS = Path(__file__).with_name("hyper_label_model.safetensors")
WEIGHTS_SHA256 = "71855172cb01bd3ea6779cfdad3c8fa60714d4f7a4dd3939efdd1c6dd13f808e"
"""Of the file: other weights are another label model."""
LAYERS = 2
CHUNK = 2**18
"""Numbers of e in memory at a time."""

Weights = Mapping[str, Float[np.ndarray, "..."]]


class HyperLabelModel(HardVotesSection):
    """A small network trained on simulated sources that depend on each other (after Wu et al. 2023)."""

    type: Literal["hyper_label_model"]


@dataclass(frozen=True)
class Pools:
    """Means over a table: of the sources' votes, of all items, and of gold items."""

    votes: Float[np.ndarray, "source class unit"]
    items: Float[np.ndarray, "class width"]
    gold: Float[np.ndarray, "width"]


def fit_hyper_label_model(votes: Votes) -> Fit:
    """The network's posterior, and accuracies read off it."""
    votes = votes.without_silence()
    return fit_of_posterior(votes, log_odds(HyperInputs.of(votes), weights()))


@cache
def weights() -> Weights:
    """The network's weights, in double precision. Raises `ValueError` if the file is not the expected one."""
    from safetensors.numpy import load

    content = WEIGHTS.read_bytes()
    if sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{WEIGHTS} is damaged: its SHA-256 is not {WEIGHTS_SHA256}; install the package again")
    return {name: np.asarray(values, dtype=np.float64) for name, values in load(content).items()}


def log_odds(inputs: HyperInputs, network: Weights) -> Float[np.ndarray, "row class"]:
    """z / T of every row."""
    items, skipped = _first_items(inputs, network)
    sources = _first_sources(inputs, network)
    for layer in range(LAYERS):
        part = {
            name.removeprefix(f"{layer}."): value for name, value in network.items() if name.startswith(f"{layer}.")
        }
        messages, pools = _messages(inputs, items, sources, part)
        common = _common(sources, inputs.totals.weight > 0, pools)
        items = _updated(items, messages, common, part, "item")
        sources = _updated(sources, pools.votes, common, part, "source")
    hidden = relu(with_class_mean(items) @ network["last.weight"] + network["last.bias"])
    scores = hidden @ network["last.hidden"] + skipped @ network["last.skip"]
    return np.asarray(scores / network["temperature"])


def _first_items(
    inputs: HyperInputs, network: Weights
) -> tuple[Float[np.ndarray, "row class width"], Float[np.ndarray, "row class 3"]]:
    """x before the first layer, and the rough models' log-posteriors, which the last layer sees, too."""
    n_rows, n_classes = len(inputs.votes.gold), inputs.votes.n_classes
    states = np.empty((n_rows, n_classes, len(network["item.bias"])))
    skipped = np.empty((n_rows, n_classes, 3))
    same = _of_all(inputs) @ network["item.common"] + network["item.bias"]
    for block, edges in inputs.blocks():
        of_items = inputs.of_items(block, edges)
        states[block.rows] = relu(of_items @ network["item.weight"] + same)
        skipped[block.rows] = of_items[:, :, [3, 5, 7]]
    return states, skipped


def _first_sources(inputs: HyperInputs, network: Weights) -> Float[np.ndarray, "source class width"]:
    """y before the first layer."""
    same = _of_all(inputs) @ network["source.common"] + network["source.bias"]
    return relu(inputs.of_sources @ network["source.weight"] + same)


def _of_all(inputs: HyperInputs) -> Float[np.ndarray, "class input"]:
    """Inputs of every class, with those of the table."""
    of_table = np.tile(inputs.of_table, (inputs.votes.n_classes, 1))
    return np.concatenate([inputs.of_classes, of_table], axis=1)


def _messages(
    inputs: HyperInputs,
    items: Float[np.ndarray, "row class width"],
    sources: Float[np.ndarray, "source class width"],
    part: Weights,
) -> tuple[Float[np.ndarray, "row class unit"], Pools]:
    """The mean of e over the votes on every row, and over those of every source; and the means of x."""
    votes, n_units = inputs.votes, len(part["vote.bias"])
    of_rows = np.empty((*items.shape[:2], n_units))
    of_sources = np.zeros((*sources.shape[:2], n_units))
    to_vote = sources @ part["vote.source"] + part["vote.bias"]
    of_items, of_gold, n_items, n_gold = np.zeros(items.shape[1:]), np.zeros(items.shape[2]), 0.0, 0.0
    for block, edges in inputs.blocks():
        states, gold = items[block.rows], votes.gold[block.rows]
        weight, known = votes.weight[block.rows], np.flatnonzero(gold >= 0)
        sums, of_block = vote_sums(edges, states @ part["vote.item"], to_vote, part["vote.share"], weight)
        of_rows[block.rows] = sums / np.maximum(edges.n_votes, 1)[:, None, None]
        of_sources += of_block
        inside = votes.items[block.rows] * (edges.n_votes > 0)
        of_items, n_items = of_items + np.tensordot(inside, states, 1), n_items + inside.sum()
        of_gold = of_gold + weight[known] @ states[known, gold[known]]
        n_gold += weight[known].sum()
    of_sources /= np.maximum(inputs.totals.weight, 1)[:, None, None]
    return of_rows, Pools(of_sources, of_items / max(n_items, 1.0), of_gold / max(n_gold, 1.0))


def vote_sums(
    edges: VotesOfRows,
    of_items: Float[np.ndarray, "block class unit"],
    of_sources: Float[np.ndarray, "source class unit"],
    per_share: Float[np.ndarray, "unit"],
    weight: Float[np.ndarray, "block"],
) -> tuple[Float[np.ndarray, "block class unit"], Float[np.ndarray, "source class unit"]]:
    """Σ of e over the votes on every row, and over the votes of every source with the rows' weights."""
    n_votes, n_classes = edges.share.shape
    step = max(1, CHUNK // max(n_votes * n_classes, 1))
    by_row, by_source = np.empty_like(of_items), np.empty_like(of_sources)
    for first in range(0, len(per_share), step):
        units = slice(first, first + step)
        e = of_items[edges.row, :, units] + of_sources[edges.source, :, units]
        e = relu(e + edges.share[:, :, None] * per_share[units])
        flat = e.reshape(n_votes, n_classes * e.shape[2])
        weighted = flat * weight[edges.row, None]
        by_row[:, :, units] = edges.by_row(flat).reshape(len(by_row), *e.shape[1:])
        by_source[:, :, units] = edges.by_source(weighted).reshape(len(by_source), *e.shape[1:])
    return by_row, by_source


def _common(
    sources: Float[np.ndarray, "source class width"], heard: Bool[np.ndarray, "source"], pools: Pools
) -> Float[np.ndarray, "class context"]:
    """g"""
    of_sources = sources[heard].sum(axis=0) / max(heard.sum(), 1)
    gold = np.tile(pools.gold, (len(of_sources), 1))
    return np.concatenate([with_class_mean(np.concatenate([pools.items, of_sources], axis=1)), gold], axis=1)


def _updated(
    states: Float[np.ndarray, "some class width"],
    messages: Float[np.ndarray, "some class unit"],
    common: Float[np.ndarray, "class context"],
    part: Weights,
    whose: Literal["item", "source"],
) -> Float[np.ndarray, "some class width"]:
    """x or y after a layer."""
    own = with_class_mean(np.concatenate([states, messages], axis=2)) @ part[f"{whose}.weight"]
    return np.asarray(states + relu(own + common @ part[f"{whose}.common"] + part[f"{whose}.bias"]))


def with_class_mean(states: Float[np.ndarray, "*some class width"]) -> Float[np.ndarray, "*some class both"]:
    """Each state beside the mean over the classes."""
    mean = np.broadcast_to(states.mean(axis=-2, keepdims=True), states.shape)
    return np.concatenate([states, mean], axis=-1)


def relu(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return np.asarray(np.maximum(values, 0.0))


HYPER_LABEL_MODEL = CombinerRecord(
    HyperLabelModel,
    paper="ours; the idea of Wu et al., ICLR 2023",
    deviations="Own inputs, network and simulated worlds; more than two classes at once, soft votes, gold.",
    fit=fit_hyper_label_model,
    limits=TableLimits(matrices=2_000_000, entries=4_000_000),
)
