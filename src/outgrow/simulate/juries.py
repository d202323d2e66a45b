"""Votes of plausible sources on items whose truth is known: crowds of people, juries of models, sets of rules.

The sources of a drawn world depend on each other, as real ones do. Item i of the true class c looks like the class
c* = c, or on a share of `misleading` items like another class, which is then the common mistake of all sources that
see the item well. The evidence for class k is

    e_i[k] = h_i [k = c*] + shared · N(0, 1)               h_i ~ Gamma(1/hardness², hardness²): mean 1, s.d. `hardness`

and source s of the family f sees it with an error that its family shares, follows it with its skill a_s, and adds its
own preferences b_s and a Gumbel error (so that its vote is a logit choice):

    u_is[k] = a_s (e_i[k] + family · N_if[k]) + b_s[c, k] + Gumbel                    the vote is argmax_k u_is[k]

A skill of 0 is a vote at random, a negative one is wrong on purpose. A *one-sided* source gives one class to a stated
share of its votes: its u of that class is raised until that share is reached. A *copying* source repeats another
one's vote on a share of the items where both vote. A *rule* knows one class and abstains where its u is not among its
highest. Who votes on what is a `Pattern`: `draw_pattern` draws one of a kind, `pattern_of` takes that of a table, so
that worlds of the same form as one's own votes can be drawn.

    rng = np.random.default_rng(0)
    table = draw_votes(rng, "jury", n_items=500, n_sources=12, n_classes=3)    # a `VoteTable` with gold for all
    table = draw_table(rng, draw_world(rng, CROWD, pattern.n_sources, n_classes), pattern)

From what a world's numbers are drawn: `jury_world.py`.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.simulate.jury_world import NEVER, RANGES, Interval, World, WorldKind, draw_world, log_uniform
from outgrow.vote_table import VoteTable

TEMPERATURES: Interval = (0.3, 3.0)
"""† Of soft votes; below 1 a source is too sure of itself."""


class Pattern(NamedTuple):
    """Who is asked about what."""

    n_items: int
    n_sources: int
    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]


def draw_votes(
    rng: np.random.Generator, kind: WorldKind, *, n_items: int, n_sources: int, n_classes: int, soft: bool = False
) -> VoteTable:
    """A world of a kind and its votes, with the gold of every item."""
    world = draw_world(rng, RANGES[kind], n_sources, n_classes, rules=kind == "rules")
    return draw_table(rng, world, draw_pattern(rng, kind, n_items, n_sources), soft=soft)


# ---- who votes on what ----------------------------------------------------------------------------------


def draw_pattern(rng: np.random.Generator, kind: WorldKind, n_items: int, n_sources: int) -> Pattern:
    """Juries and rules see every item, but for up to 10 % of them; a crowd gives 2 to 12 votes on each item."""
    if kind == "crowd":
        return crowd_pattern(rng, n_items, n_sources, votes_per_item=rng.uniform(2, 12), tail=rng.uniform(0, 1.5))
    item, source = np.divmod(np.arange(n_items * n_sources), n_sources)
    kept = rng.random(len(item)) >= rng.choice([0.0, 0.1 * rng.random()])
    return Pattern(n_items, n_sources, item[kept], source[kept])


def crowd_pattern(
    rng: np.random.Generator, n_items: int, n_sources: int, *, votes_per_item: float, tail: float
) -> Pattern:
    """About so many votes on every item, of sources whose number of votes falls with their rank as rank^−tail."""
    wanted = np.minimum(np.maximum(rng.poisson(votes_per_item, n_items), 1), n_sources)
    often = np.arange(1, n_sources + 1) ** -tail
    item = np.repeat(np.arange(n_items), 2 * wanted)  # of twice as many draws, the first different ones
    source = rng.choice(n_sources, size=len(item), p=often / often.sum())
    _, first = np.unique(item * n_sources + source, return_index=True)
    first.sort()
    item, source = item[first], source[first]
    starts = np.searchsorted(item, np.arange(n_items))
    kept = np.arange(len(item)) - starts[item] < wanted[item]
    return Pattern(n_items, n_sources, item[kept], source[kept])


def pattern_of(table: VoteTable) -> Pattern:
    """Who voted on what in a table."""
    return Pattern(len(table.items), len(table.sources), table.item, table.source)


# ---- the world -----------------------------------------------------------------------------------------


# ---- its votes -----------------------------------------------------------------------------------------


def draw_table(rng: np.random.Generator, world: World, pattern: Pattern, *, soft: bool = False) -> VoteTable:
    """The votes of a world's sources on new items. `soft`: each as a distribution, over- or underconfident."""
    truth = rng.choice(world.n_classes, size=pattern.n_items, p=world.balance)
    utility = utilities(rng, world, pattern, truth)
    label = _copied(rng, world, pattern, utility.argmax(axis=1))
    table = VoteTable(
        items=[f"i{index}" for index in range(pattern.n_items)],
        sources=tuple(f"s{index}" for index in range(pattern.n_sources)),
        classes=tuple(f"c{index}" for index in range(world.n_classes)),
        item=pattern.item,
        source=pattern.source,
        label=label,
        probs=_distributions(rng, world, pattern, utility, label) if soft else None,
        gold=truth,
    )
    return _given(table, _speaks(world, pattern, utility))


def utilities(
    rng: np.random.Generator, world: World, pattern: Pattern, truth: Int[np.ndarray, "item"]
) -> Float[np.ndarray, "vote class"]:
    """u of every vote, one-sided sources' raised."""
    item, source = pattern.item, pattern.source
    evidence = item_evidence(rng, world, truth)
    of_families = world.family_error * rng.normal(size=(world.family.max() + 1, *evidence.shape))
    seen = evidence[item] + of_families[world.family[source], item]
    utility = world.skill[source][:, None] * seen + world.preference[source, truth[item]]
    utility += rng.gumbel(size=utility.shape)
    return _one_sided(world, pattern, utility)


def item_evidence(
    rng: np.random.Generator, world: World, truth: Int[np.ndarray, "item"]
) -> Float[np.ndarray, "item class"]:
    """e: what an item looks like to all sources."""
    chance = rng.random(len(truth))[:, None]
    mistaken = (world.mistakes.cumsum(axis=1)[truth] < chance).sum(axis=1)
    misleads = rng.random(len(truth)) < world.misleading
    looks = np.where(misleads, np.minimum(mistaken, world.n_classes - 1), truth)
    height = rng.gamma(world.hardness**-2, world.hardness**2, len(truth))
    evidence = world.shared * rng.normal(size=(len(truth), world.n_classes))
    evidence[np.arange(len(truth)), looks] += height
    return np.asarray(evidence)


def _one_sided(
    world: World, pattern: Pattern, utility: Float[np.ndarray, "vote class"]
) -> Float[np.ndarray, "vote class"]:
    """Of each one-sided source, u of its class raised so that the stated share of its votes goes there."""
    for source in np.flatnonzero(world.one_side >= 0).tolist():
        votes = np.flatnonzero(pattern.source == source)
        if len(votes):
            side, given = int(world.one_side[source]), utility[votes]
            missing = np.delete(given, side, axis=1).max(axis=1) - given[:, side]
            utility[votes, side] += np.quantile(missing, world.one_sided_share[source]) + 1e-9
    return utility


def _copied(
    rng: np.random.Generator, world: World, pattern: Pattern, label: Int[np.ndarray, "vote"]
) -> Int[np.ndarray, "vote"]:
    """The votes, with those of copying sources replaced where the copied one votes, too."""
    key = pattern.item * pattern.n_sources + pattern.source
    order = np.argsort(key)
    model = world.copied[pattern.source]
    copies = (model >= 0) & (rng.random(len(label)) < world.copied_share[pattern.source])
    wanted = pattern.item[copies] * pattern.n_sources + model[copies]
    place = order[np.minimum(np.searchsorted(key, wanted, sorter=order), len(order) - 1)]
    copied = label.copy()
    copied[copies] = np.where(key[place] == wanted, label[place], label[copies])
    return copied


def _speaks(world: World, pattern: Pattern, utility: Float[np.ndarray, "vote class"]) -> Bool[np.ndarray, "vote"]:
    """All but each source's least certain votes; of a rule those where its class has the least u."""
    if not world.silence.any():
        return np.ones(len(utility), dtype=bool)
    certainty = utility.max(axis=1) - _second(utility)
    order = np.lexsort((certainty, pattern.source))
    n_votes = np.bincount(pattern.source, minlength=pattern.n_sources)
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order)) - np.repeat(n_votes.cumsum() - n_votes, n_votes)
    return np.asarray(rank >= np.floor(world.silence * n_votes)[pattern.source])


def _second(utility: Float[np.ndarray, "vote class"]) -> Float[np.ndarray, "vote"]:
    """The second highest u of every vote."""
    second = np.partition(utility, -2, axis=1)[:, -2]
    return np.asarray(np.where(second > NEVER / 2, second, 0.0))


def _distributions(
    rng: np.random.Generator,
    world: World,
    pattern: Pattern,
    utility: Float[np.ndarray, "vote class"],
    label: Int[np.ndarray, "vote"],
) -> Float[np.ndarray, "vote class"]:
    """softmax(u / T) with a T of each source from `TEMPERATURES`; a copied vote has its own class on top."""
    temperature = log_uniform(rng, TEMPERATURES, pattern.n_sources)[pattern.source]
    rows, top = np.arange(len(label)), utility.argmax(axis=1)
    utility[rows, top], utility[rows, label] = utility[rows, label], utility[rows, top]
    scores = np.exp((utility - utility.max(axis=1, keepdims=True)) / temperature[:, None])
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def _given(table: VoteTable, speaks: Bool[np.ndarray, "vote"]) -> VoteTable:
    """The table with the votes that are given."""
    probs = None if table.probs is None else table.probs[speaks]
    return replace(table, item=table.item[speaks], source=table.source[speaks], label=table.label[speaks], probs=probs)
