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

`RANGES` says from what the numbers are drawn. The ranges hold the agreement, the accuracy and the share of one-sided
sources of real crowds and juries; nothing else was fitted to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.vote_table import UNKNOWN, VoteTable

WorldKind = Literal["crowd", "jury", "rules"]
Interval = tuple[float, float]

NEVER = -1e9
"""u of a class that a source does not know."""


class Ranges(NamedTuple):
    """From what a world's numbers are drawn: uniformly between two ends, those marked † uniformly in the logarithm;
    a share is its largest value times the square of a uniform number, so that small ones are common."""

    skill: Interval
    """† The typical a_s, in nats of evidence; two classes and 2 nats are 88 % right on an item that looks right."""
    skill_spread: Interval
    """s.d. of log a_s."""
    random: float
    """Largest share of sources that vote at random: a_s = 0."""
    adversarial: float
    """Largest share of sources with the opposite of their skill."""
    hardness: Interval
    """s.d. of the items' evidence h_i, whose mean is 1."""
    misleading: float
    """Largest share of misleading items, in units of 1 − 1/K: at 1 the evidence says nothing of the truth."""
    shared: Interval
    """s.d. of the evidence's error that all sources see."""
    family: Interval
    """s.d. of the error that a family sees."""
    preference: Interval
    """† Typical s.d. of a source's preference for each class, in nats; sources differ by a factor e^N(0, 1/2)."""
    common_preference: Interval
    """s.d. of a preference that all sources have."""
    confusion: Interval
    """s.d. of a source's preference for each pair of true class and vote."""
    prior_known: Interval
    """Weight of the logarithm of the classes' balance in the preferences."""
    one_sided: float
    """Largest share of one-sided sources."""
    copying: float
    """Largest share of copying sources; each copies 50 to 100 % of its votes."""
    silence: Interval
    """q: a source does not give its least certain votes, a share q^r of all, with log r ~ N(0, 0.7) of the source."""


RANGES: Mapping[WorldKind, Ranges] = {
    "crowd": Ranges(
        skill=(0.8, 15.0),
        skill_spread=(0.1, 1.0),
        random=0.4,
        adversarial=0.1,
        hardness=(0.2, 1.2),
        misleading=0.35,
        shared=(0.0, 0.6),
        family=(0.0, 0.5),
        preference=(0.1, 1.5),
        common_preference=(0.0, 0.5),
        confusion=(0.0, 0.8),
        prior_known=(0.0, 1.0),
        one_sided=0.3,
        copying=0.1,
        silence=(0.0, 0.1),
    ),
    "jury": Ranges(
        skill=(0.05, 6.0),
        skill_spread=(0.1, 1.5),
        random=0.6,
        adversarial=0.1,
        hardness=(0.2, 1.2),
        misleading=1.0,
        shared=(0.0, 1.0),
        family=(0.0, 1.0),
        preference=(0.2, 3.0),
        common_preference=(0.0, 1.5),
        confusion=(0.0, 0.8),
        prior_known=(0.0, 0.5),
        one_sided=0.8,
        copying=0.2,
        silence=(0.0, 0.1),
    ),
    "rules": Ranges(
        skill=(2.0, 40.0),
        skill_spread=(0.1, 1.2),
        random=0.4,
        adversarial=0.1,
        hardness=(0.2, 1.2),
        misleading=0.7,
        shared=(0.0, 0.6),
        family=(0.0, 0.6),
        preference=(0.1, 1.0),
        common_preference=(0.0, 0.5),
        confusion=(0.0, 0.8),
        prior_known=(0.0, 0.5),
        one_sided=0.0,
        copying=0.0,
        silence=(0.85, 0.99),
    ),
}
CROWD, JURY, RULES = RANGES["crowd"], RANGES["jury"], RANGES["rules"]
ONE_SIDED: Interval = (0.95, 1.0)
"""Share of a one-sided source's votes that go to its class."""
RAREST: Interval = (0.01, 0.1)
"""† Share of the rarest class, where the classes are imbalanced."""
FEWNESS: Interval = (0.3, 10.0)
"""† Shape of the gamma weights of the classes that one can be mistaken for: low, and few of them are likely."""
TEMPERATURES: Interval = (0.3, 3.0)
"""† Of soft votes; below 1 a source is too sure of itself."""


class Pattern(NamedTuple):
    """Who is asked about what."""

    n_items: int
    n_sources: int
    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]


@dataclass(frozen=True)
class World:
    """The numbers of one world, as in the module's docstring."""

    balance: Float[np.ndarray, "class"]
    hardness: float
    misleading: float
    mistakes: Float[np.ndarray, "class class"]
    """Which class a misleading item looks like, given the true class; the diagonal is 0."""
    shared: float
    family_error: float
    family: Int[np.ndarray, "source"]
    skill: Float[np.ndarray, "source"]
    preference: Float[np.ndarray, "source class class"]
    """b_s, by the true class and the vote; `NEVER` for a class that the source does not know."""
    one_side: Int[np.ndarray, "source"]
    """The class of a one-sided source, -1 for every other."""
    one_sided_share: Float[np.ndarray, "source"]
    copied: Int[np.ndarray, "source"]
    """Whom a source copies, -1 = nobody."""
    copied_share: Float[np.ndarray, "source"]
    silence: Float[np.ndarray, "source"]
    """Share of the votes that the source does not give."""

    @property
    def n_classes(self) -> int:
        return len(self.balance)


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


def draw_world(
    rng: np.random.Generator, ranges: Ranges, n_sources: int, n_classes: int, *, rules: bool = False
) -> World:
    """Sources and items; with `rules` every source knows one class alone."""
    balance = draw_balance(rng, n_classes)
    one_sided = rng.random(n_sources) < draw_share(rng, ranges.one_sided)
    copies = (rng.random(n_sources) < draw_share(rng, ranges.copying)) & (n_sources > 1)
    preference = draw_preferences(rng, ranges, balance, n_sources)
    return World(
        balance=balance,
        hardness=rng.uniform(*ranges.hardness),
        misleading=(1 - 1 / n_classes) * draw_share(rng, ranges.misleading),
        mistakes=draw_mistakes(rng, n_classes),
        shared=rng.uniform(*ranges.shared),
        family_error=rng.uniform(*ranges.family),
        family=rng.integers(rng.integers(1, n_sources + 1), size=n_sources),
        skill=draw_skills(rng, ranges, n_sources),
        preference=_knowing_one_class(rng, preference) if rules else preference,
        one_side=np.where(one_sided, draw_sides(rng, balance, n_sources), UNKNOWN),
        one_sided_share=rng.uniform(*ONE_SIDED, n_sources),
        copied=np.where(copies, _another(rng, n_sources), UNKNOWN),
        copied_share=rng.uniform(0.5, 1.0, n_sources),
        silence=rng.uniform(*ranges.silence) ** np.exp(rng.normal(0, 0.7, n_sources)),
    )


def draw_share(rng: np.random.Generator, largest: float) -> float:
    """A share up to the largest one; a quarter of it at the median."""
    return float(largest * rng.random() ** 2)


def draw_balance(rng: np.random.Generator, n_classes: int) -> Float[np.ndarray, "class"]:
    """Even, drawn at random, or with one class or all but one as rare as 1:100; each a third of the worlds."""
    kind = rng.integers(3)
    if kind < 2:
        balance = rng.dirichlet(np.full(n_classes, 30.0 if kind == 0 else 2.0)) + 0.02
        return np.asarray(balance / balance.sum())
    balance = rng.dirichlet(np.full(n_classes, 5.0))
    rare = np.arange(n_classes) < rng.integers(1, n_classes)
    balance[rare] = _log_uniform(rng, RAREST, n_classes)[rare]
    return np.asarray(rng.permutation(balance / balance.sum()))


def _log_uniform(rng: np.random.Generator, ends: Interval, size: int) -> Float[np.ndarray, "size"]:
    low, high = ends
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def draw_skills(rng: np.random.Generator, ranges: Ranges, n_sources: int) -> Float[np.ndarray, "source"]:
    """a_s."""
    spread = rng.uniform(*ranges.skill_spread)
    skill = _log_uniform(rng, ranges.skill, 1) * np.exp(spread * rng.normal(size=n_sources))
    at_random = rng.random(n_sources) < draw_share(rng, ranges.random)
    opposite = rng.random(n_sources) < draw_share(rng, ranges.adversarial)
    return np.asarray(np.where(at_random, 0.0, np.where(opposite, -skill, skill)))


def draw_preferences(
    rng: np.random.Generator, ranges: Ranges, balance: Float[np.ndarray, "class"], n_sources: int
) -> Float[np.ndarray, "source class class"]:
    """b_s[truth, vote]."""
    n_classes = len(balance)
    width = _log_uniform(rng, ranges.preference, 1) * np.exp(rng.normal(0, 0.5, n_sources))
    common = rng.normal(0, rng.uniform(*ranges.common_preference), n_classes)
    known = rng.uniform(*ranges.prior_known) * np.log(balance)
    of_class = common + known + width[:, None] * rng.normal(size=(n_sources, n_classes))
    of_pair = rng.uniform(*ranges.confusion) * rng.normal(size=(n_sources, n_classes, n_classes))
    return np.asarray(of_class[:, None, :] + of_pair)


def draw_mistakes(rng: np.random.Generator, n_classes: int) -> Float[np.ndarray, "class class"]:
    """Which wrong class a misleading item looks like: few or all of them."""
    others = ~np.eye(n_classes, dtype=bool)
    weight = rng.gamma(_log_uniform(rng, FEWNESS, 1), size=(n_classes, n_classes)) + 1e-6
    return np.asarray(others * weight / (others * weight).sum(axis=1, keepdims=True))


def draw_sides(rng: np.random.Generator, balance: Float[np.ndarray, "class"], n_sources: int) -> np.ndarray:
    """The classes of one-sided sources: one that they share, with a chance of a half each, or any."""
    common = rng.choice(len(balance), p=balance)
    return np.where(rng.random(n_sources) < 0.5, common, rng.integers(len(balance), size=n_sources))


def _knowing_one_class(
    rng: np.random.Generator, preference: Float[np.ndarray, "source class class"]
) -> Float[np.ndarray, "source class class"]:
    n_sources, n_classes, _ = preference.shape
    known = np.eye(n_classes, dtype=bool)[rng.integers(n_classes, size=n_sources)]
    return np.asarray(np.where(known[:, None, :], preference, NEVER))


def _another(rng: np.random.Generator, n_sources: int) -> Int[np.ndarray, "source"]:
    """Any source but oneself."""
    return (np.arange(n_sources) + rng.integers(1, max(n_sources, 2), size=n_sources)) % n_sources


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
    temperature = _log_uniform(rng, TEMPERATURES, pattern.n_sources)[pattern.source]
    rows, top = np.arange(len(label)), utility.argmax(axis=1)
    utility[rows, top], utility[rows, label] = utility[rows, label], utility[rows, top]
    scores = np.exp((utility - utility.max(axis=1, keepdims=True)) / temperature[:, None])
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def _given(table: VoteTable, speaks: Bool[np.ndarray, "vote"]) -> VoteTable:
    """The table with the votes that are given."""
    probs = None if table.probs is None else table.probs[speaks]
    return replace(table, item=table.item[speaks], source=table.source[speaks], label=table.label[speaks], probs=probs)
