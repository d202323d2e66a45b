"""The worlds of `juries.py`: what sources and items are like, and from what these numbers are drawn.

`RANGES` says from what the numbers of a crowd, a jury or a set of rules are drawn. The ranges hold the agreement, the
accuracy and the share of one-sided sources of real crowds and juries; nothing else was fitted to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.vote_table import UNKNOWN

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
    balance[rare] = log_uniform(rng, RAREST, n_classes)[rare]
    return np.asarray(rng.permutation(balance / balance.sum()))


def log_uniform(rng: np.random.Generator, ends: Interval, size: int) -> Float[np.ndarray, "size"]:
    low, high = ends
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def draw_skills(rng: np.random.Generator, ranges: Ranges, n_sources: int) -> Float[np.ndarray, "source"]:
    """a_s."""
    spread = rng.uniform(*ranges.skill_spread)
    skill = log_uniform(rng, ranges.skill, 1) * np.exp(spread * rng.normal(size=n_sources))
    at_random = rng.random(n_sources) < draw_share(rng, ranges.random)
    opposite = rng.random(n_sources) < draw_share(rng, ranges.adversarial)
    return np.asarray(np.where(at_random, 0.0, np.where(opposite, -skill, skill)))


def draw_preferences(
    rng: np.random.Generator, ranges: Ranges, balance: Float[np.ndarray, "class"], n_sources: int
) -> Float[np.ndarray, "source class class"]:
    """b_s[truth, vote]."""
    n_classes = len(balance)
    width = log_uniform(rng, ranges.preference, 1) * np.exp(rng.normal(0, 0.5, n_sources))
    common = rng.normal(0, rng.uniform(*ranges.common_preference), n_classes)
    known = rng.uniform(*ranges.prior_known) * np.log(balance)
    of_class = common + known + width[:, None] * rng.normal(size=(n_sources, n_classes))
    of_pair = rng.uniform(*ranges.confusion) * rng.normal(size=(n_sources, n_classes, n_classes))
    return np.asarray(of_class[:, None, :] + of_pair)


def draw_mistakes(rng: np.random.Generator, n_classes: int) -> Float[np.ndarray, "class class"]:
    """Which wrong class a misleading item looks like: few or all of them."""
    others = ~np.eye(n_classes, dtype=bool)
    weight = rng.gamma(log_uniform(rng, FEWNESS, 1), size=(n_classes, n_classes)) + 1e-6
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
