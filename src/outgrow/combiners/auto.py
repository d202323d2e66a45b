"""`auto`: the combiner that these votes themselves, or gold for some items, speak for; and why.

* Gold of `enough_gold` items: every combiner, and every source alone, is fitted without a fifth of the gold in turn,
  its posteriors tempered with one temperature, and judged by the log-loss of that gold.
* No gold, three sources or more: every combiner is judged by how well it foretells hidden votes
  (`held_out_votes.py`), in nats per vote.
* Two sources: they agree or not, and nothing shows who is right: the vote. One source: that source.

Gold speaks of what is wanted: the best one is taken, or the first of `FITS` within `EQUAL_LOSS` of it. Hidden votes
speak of it indirectly: of combiners within `ERRORS` standard errors of the difference over items, or `EQUAL` nats, the
first of `FITS` is taken, which is the one that allows for most. A combiner that cannot be fitted is out, and the table
says why.

Where one source alone gives (almost) the same labels as what was chosen, `CombinerChoice.alone` names it: the others
are not needed.

What hidden votes cannot show is an error that the sources share. Whoever has gold of a few dozen items should give it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool

from outgrow.combiners.cross_fit import cross_fitted, enough_gold, gold_folds
from outgrow.combiners.fit import Fit, targets_of
from outgrow.combiners.fits import FITS, NEEDS_GOLD, READS_SILENCE, FitBy, fit_by
from outgrow.combiners.held_out_votes import HeldOut, guesses, hold_out, log_chances
from outgrow.combiners.rule_vote import leaving_silence
from outgrow.combiners.temperature_scaling import LEAST_SOURCES, calibration, temperature_by_gold, with_temperature
from outgrow.combiners.vote_fits import hardened
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError, OutgrowError
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.metrics.calibration import log_loss

ERRORS = 3.0
"""The first of `FITS` is the best or nearly so unless there are many votes: little evidence does not unseat it."""
EQUAL = 3e-3
"""Nats per vote."""
EQUAL_LOSS = 2e-3
"""Nats per item."""
LEAST_COVERAGE = 0.05
"""Where sources are silent more than this is not there, silence is nothing they say."""
COVERS = 0.99
"""A source that votes on so many items may do alone."""
SAME = 0.995
"""Share of items on which it must say the same as all together."""
MOST_ALONE = 5
"""So many sources, those best by gold, are judged alone."""

Kind = Literal["gold", "votes", "nothing"]


class CombinerCandidate(NamedTuple):
    """One line of the table."""

    name: str
    """A combiner, or `single: SOURCE`."""
    score: float
    """Nats per hidden vote, or minus the log-loss of held-out gold; higher is better. nan = cannot be fitted."""
    behind: float
    """How far behind the best one."""
    error: float
    """Standard error of that, over items."""
    accuracy: float
    """On held-out gold; nan without."""
    note: str = ""
    """Why it cannot be fitted."""


@dataclass(frozen=True)
class CombinerChoice:
    """What was chosen, by what, and the table behind it."""

    method: str
    source: str | None
    """The source, where `method` is `single`."""
    by: Kind
    why: str
    """One sentence."""
    candidates: tuple[CombinerCandidate, ...] = ()
    alone: str | None = None
    """A source that gives the same labels by itself."""

    @property
    def fit_by(self) -> FitBy:
        """The function that was chosen."""
        return fit_by(self.method, self.source)

    @property
    def reads_silence(self) -> bool:
        return self.method in READS_SILENCE

    def table(self) -> str:
        """The candidates as Markdown, best first."""
        head = "| combiner | score | behind the best | standard error | accuracy |\n|---|---|---|---|---|\n"
        order = sorted(self.candidates, key=lambda one: (np.isnan(one.score), -one.score))
        return head + "\n".join(_line(one) for one in order)


def auto(labels: WeakLabels, anchors: Anchors | None = None, hard: bool = False) -> Targets:
    """One posterior row per item with a vote, by the combiner chosen; `Targets.origin` says which and why.

    `hard`: take every source's most probable class for its vote.
    """
    votes = Votes.of(labels, anchors, hard=hard)
    choice = choose(votes)
    method = fit_by(choice.method, choice.source, intervals=False)
    targets = targets_of(labels, votes, method(votes), f"`{choice.method}`")
    return replace(targets, origin=(choice.why, *targets.origin))


def choose(votes: Votes) -> CombinerChoice:
    """The combiner for these votes. Raises `DataError` where nobody voted."""
    votes = leaving_silence(votes)
    voters = np.flatnonzero(votes.n_votes)
    if not len(voters):
        raise DataError("nobody voted on anything: there is nothing to combine; look for the right columns")
    if enough_gold(votes):
        return _by_gold(votes)
    if len(voters) == 1:
        name = votes.sources[int(voters[0])]
        return CombinerChoice("single", name, "nothing", f"Use source {name} alone: it is the only one.", (), name)
    held = hold_out(votes)
    if len(voters) < LEAST_SOURCES or not len(held.item):
        return CombinerChoice(
            "vote",
            None,
            "nothing",
            "The majority vote: with two sources nothing in the votes shows who is right where they differ; gold for"
            " some items would.",
        )
    return _by_votes(votes, held)


def _by_votes(votes: Votes, held: HeldOut) -> CombinerChoice:
    """The combiner that foretells hidden votes best."""
    methods = {name: fit_by(name, intervals=False) for name in _worth_trying(votes)}
    scores: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    n_items = len(held.votes.heard)
    for name, method in methods.items():
        try:
            guess = guesses(held, method, reads_silence=name in READS_SILENCE)
        except OutgrowError as error:
            failed[name] = str(error)
        else:
            chances = held.share * log_chances(held, guess)
            scores[name] = np.bincount(held.item, chances, minlength=n_items) / held.total
    candidates = _compared(scores, failed, {})
    name, why = _first_of_the_best(candidates, ERRORS, EQUAL, "nats per hidden vote")
    return _with_alone(votes, CombinerChoice(name, None, "votes", why, candidates))


def _by_gold(votes: Votes) -> CombinerChoice:
    """The combiner, or source, whose tempered posteriors make held-out gold most probable."""
    folds = gold_folds(votes)
    methods: dict[str, FitBy] = {name: fit_by(name, intervals=False) for name in _worth_trying(votes)}
    methods |= {f"single: {name}": fit_by("single", name) for name in _good_alone(votes)}
    scores: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    accuracy: dict[str, float] = {}
    for name, method in methods.items():
        try:
            found = cross_fitted(folds, method)
        except OutgrowError as error:
            failed[name] = str(error)
            continue
        tempered = with_temperature(found.posterior, temperature_by_gold(found.posterior, found.gold))
        scores[name] = -log_loss(tempered, found.gold) / len(found.gold)
        accuracy[name] = calibration(found.posterior, found.gold).accuracy
    candidates = _compared(scores, failed, accuracy)
    unit = f"nats on the held-out gold of {len(folds.known)} items"
    name, why = _first_of_the_best(candidates, 0.0, EQUAL_LOSS, unit)
    if name.startswith("single: "):
        source = name.removeprefix("single: ")
        return CombinerChoice("single", source, "gold", f"Use source {source} alone. {why}", candidates, source)
    return _with_alone(votes, CombinerChoice(name, None, "gold", why, candidates))


def _worth_trying(votes: Votes) -> list[str]:
    """Combiners in the order of preference; those of silence where sources vote on some items and not on others."""
    coverage = votes.n_votes.sum() / max(votes.weight.sum() * len(votes.sources), 1)
    silent = LEAST_COVERAGE <= coverage < 1
    soft = votes.heard.ndim == 3
    known = bool((votes.gold >= 0).any())
    left_out = (set() if silent else READS_SILENCE) | (set() if known else NEEDS_GOLD)
    # Of hard votes the pool is a vote whose winner takes all.
    return [name for name in FITS if name not in left_out and (soft or name != "log_pool")]


def _good_alone(votes: Votes) -> list[str]:
    """The sources that are best by gold among those that vote on almost everything that has gold."""
    known = votes.gold >= 0
    weight = votes.weight[known]
    fit = FITS["vote"](votes.take(np.flatnonzero(known)))
    covers = np.asarray(weight @ votes.voted[known] >= COVERS * weight.sum())
    order = np.argsort(-np.where(covers, fit.accuracy, 0), kind="stable")[:MOST_ALONE]
    return [votes.sources[number] for number in order.tolist() if covers[number]]


def _compared(
    scores: Mapping[str, np.ndarray], failed: Mapping[str, str], accuracy: Mapping[str, float]
) -> tuple[CombinerCandidate, ...]:
    """The table from every item's share of the scores."""
    if not scores:
        raise DataError(f"no combiner can be fitted to these votes: {'; '.join(failed.values())}")
    best = max(scores.values(), key=lambda score: float(score.sum()))
    lines = [
        CombinerCandidate(
            name,
            float(score.sum()),
            float((best - score).sum()),
            float(np.sqrt((((best - score) - (best - score).mean()) ** 2).sum())),
            accuracy.get(name, np.nan),
        )
        for name, score in scores.items()
    ]
    return (*lines, *(CombinerCandidate(name, np.nan, np.nan, np.nan, np.nan, why) for name, why in failed.items()))


def _first_of_the_best(
    candidates: tuple[CombinerCandidate, ...], errors: float, equal: float, unit: str
) -> tuple[str, str]:
    """The first that is as good as the best, and a sentence."""
    able = [one for one in candidates if not np.isnan(one.score)]
    best = max(able, key=lambda one: one.score)
    chosen = next(one for one in able if one.behind <= max(errors * one.error, equal))
    told = f"`{chosen.name}` of {len(able)} combiners: {chosen.score:.4f} {unit}"
    if not np.isnan(chosen.accuracy):
        told += f"; accuracy {chosen.accuracy:.3f}"
    if chosen is best:
        return chosen.name, f"{told}."
    by_errors = errors * chosen.error
    margin = f"{by_errors:.4f}, {errors:g} standard errors of it" if by_errors > equal else f"{equal:.4f} nats"
    return chosen.name, (
        f"{told}. The best one is `{best.name}` ({best.score:.4f}), but a difference of {chosen.behind:.4f} is within"
        f" {margin}: of such equals `auto` takes the first in its order of preference."
    )


def _with_alone(votes: Votes, choice: CombinerChoice) -> CombinerChoice:
    """The choice with the source that would do alone, if there is one."""
    fit = fit_by(choice.method, choice.source, intervals=False)(votes)
    voted = np.asarray(votes.voted.any(axis=1))[votes.row_of]
    hard = hardened(votes)
    same = [_agrees(hard, number, fit, voted) for number in range(len(votes.sources))]
    best = int(np.argmax(same))
    if same[best] < SAME:
        return choice
    name = votes.sources[best]
    told = f" Source {name} alone gives the same label on {same[best]:.1%} of the items: use it alone."
    return replace(choice, alone=name, why=choice.why + told)


def _agrees(votes: Votes, number: int, fit: Fit, voted: Bool[np.ndarray, "item"]) -> float:
    """Share of the items on which a source says what the fit says; 0 where it does not vote on almost all."""
    said = votes.heard[:, number][votes.row_of][voted]
    if not len(said) or (said >= 0).mean() < COVERS:
        return 0.0
    return float((said == fit.posterior[voted].argmax(axis=1)).mean())


def _line(one: CombinerCandidate) -> str:
    name, note = (text.replace("|", r"\|") for text in (one.name, one.note))
    if np.isnan(one.score):
        return f"| {name} | – | – | – | {note} |"
    accuracy = "–" if np.isnan(one.accuracy) else f"{one.accuracy:.3f}"
    return f"| {name} | {one.score:.4f} | {one.behind:.4f} | {one.error:.4f} | {accuracy} |"
