"""The choice of `auto`: by held-out gold where there is enough, else the mean of several label models.

* Gold for `enough_gold` items: every combiner, and every source alone, is fitted without a fifth of the gold in turn,
  its posteriors are calibrated with one temperature, and the log-loss of the held-out gold is compared. The best one
  is taken, or the first in the registry's order within `EQUAL_LOSS` of it.
* Less gold, three sources or more: `averaged`. Votes do not show which label model is right. Held-out votes are best
  predicted by the models with most parameters, also where sources share errors and these models take a shared error
  for the class; the mean of models that fail in different ways is seldom far from the best of them.
* Two sources: the votes do not show which one is right where they differ: the majority vote. One source: that source.

Sources with the same votes everywhere count once, whatever is chosen.

A combiner that cannot be fitted is left out, and the table gives the reason. Neither shows an error that all sources
share. Gold for a few dozen items does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named
from outgrow.combiners.average_fit import halves, informative, of_soft_votes
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.cross_fit import LEAST_GOLD, cross_fitted, enough_gold, gold_folds
from outgrow.combiners.dependence import duplicate_sources
from outgrow.combiners.table_size import too_large
from outgrow.combiners.temperature_scaling import LEAST_SOURCES, calibration, temperature_by_gold, with_temperature
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError, OutgrowError
from outgrow.metrics.calibration import log_loss

EQUAL_LOSS = 2e-3
"""Nats per item."""
LEAST_COVERAGE = 0.05
"""Where sources vote on a smaller share of the items, their silence is no evidence."""
COVERS = 0.9
"""Share of the items with gold on which a source must vote to be a candidate alone."""
MOST_ALONE = 5
"""So many sources, the best by gold, are candidates alone."""

AVERAGED = "averaged"

Kind = Literal["gold", "votes", "nothing"]


class CombinerCandidate(NamedTuple):
    """One line of the table."""

    name: str
    """A combiner, or `single: SOURCE`."""
    score: float
    """Minus the log-loss of held-out gold, in nats per item; higher is better. nan = cannot be fitted."""
    behind: float
    """How far behind the best one."""
    error: float
    """Standard error of that, over items."""
    accuracy: float
    """On held-out gold."""
    note: str = ""
    """Why it cannot be fitted."""


@dataclass(frozen=True)
class CombinerChoice:
    """The chosen combiner, the reason and the comparison."""

    method: str
    source: str | None
    """The source, where `method` is `single`."""
    by: Kind
    why: str
    """One sentence."""
    candidates: tuple[CombinerCandidate, ...] = ()
    copies: bool = False
    """Whether sources have the same votes everywhere: the combiner is then fitted to the distinct ones."""

    @property
    def section(self) -> CombinerSection:
        """The section of the chosen combiner."""
        name = self.method if self.source is None else f"{self.method}: {self.source}"
        if self.copies and self.source is None and self.method != AVERAGED:
            return section_named(AVERAGED, members={name: 1.0})
        return section_named(name)

    def table(self) -> str:
        """The candidates as Markdown, best first."""
        head = "| combiner | score | behind the best | standard error | accuracy |\n|---|---|---|---|---|\n"
        ranked = sorted(self.candidates, key=lambda candidate: (np.isnan(candidate.score), -candidate.score))
        return head + "\n".join(map(_line, ranked))


def choose(votes: Votes) -> CombinerChoice:
    """The combiner for these votes. Raises `DataError` without votes."""
    votes = votes.without_silence()
    voters = np.flatnonzero(votes.n_votes)
    if not len(voters):
        raise DataError("there is no vote, and so nothing to combine; name the right columns")
    first, copy_of = duplicate_sources(votes)
    distinct = votes.only(first)
    copies = len(first) < len(copy_of)
    if enough_gold(votes):
        return replace(_by_gold(distinct), copies=copies)
    if len(voters) == 1:
        name = votes.sources[int(voters[0])]
        return CombinerChoice("single", name, "nothing", f"Use source {name} alone: it is the only one.")
    if np.count_nonzero(distinct.n_votes) < LEAST_SOURCES:
        why = "The majority vote: two sources do not show who is right where they differ; gold for some items would."
        return CombinerChoice("vote", None, "nothing", why, copies=copies)
    parts, soft = halves(informative(distinct)), of_soft_votes(distinct)
    named = f"{', '.join(parts.models)} and {', '.join([*parts.steady, *soft])}"
    why = f"`{AVERAGED}`, the mean of {named}: votes do not show which is right, gold for {LEAST_GOLD} items does."
    return CombinerChoice(AVERAGED, None, "votes", why)


def _by_gold(votes: Votes) -> CombinerChoice:
    """The combiner, or source, whose calibrated posteriors make held-out gold most probable."""
    folds = gold_folds(votes)
    scores: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    accuracy: dict[str, float] = {}
    for name in [*_worth_trying(votes), *(f"single: {source}" for source in _good_alone(votes))]:
        size = too_large(name.partition(":")[0], votes)
        if size:
            failed[name] = f"{size} would take minutes"
            continue
        try:
            held = cross_fitted(folds, fit_by(section_named(name), intervals=False))
        except OutgrowError as error:
            failed[name] = str(error)
            continue
        scaled = with_temperature(held.posterior, temperature_by_gold(held.posterior, held.gold))
        scores[name] = -log_loss(scaled, held.gold) / len(held.gold)
        accuracy[name] = calibration(held.posterior, held.gold).accuracy
    candidates = _compared(scores, failed, accuracy)
    name, why = _first_of_the_best(candidates, len(folds.known))
    if name.startswith("single: "):
        source = name.removeprefix("single: ")
        return CombinerChoice("single", source, "gold", f"Use source {source} alone: {why}", candidates)
    return CombinerChoice(name, None, "gold", why, candidates)


def _worth_trying(votes: Votes) -> list[str]:
    """Candidates in the order of preference; those that use silence only where sources abstain on some items."""
    coverage = votes.n_votes.sum() / max(votes.weight.sum() * len(votes.sources), 1)
    silent = LEAST_COVERAGE <= coverage < 1

    def suits(name: str) -> bool:
        section = section_named(name)
        # The pool of hard votes is a vote of sources that are never wrong.
        return (silent or not section.reads_silence) and (votes.soft or not COMBINERS.of(section).soft_only)

    return list(filter(suits, fit_names()))


def _good_alone(votes: Votes) -> list[str]:
    """The sources that are best by gold among those that vote on almost everything that has gold."""
    known = votes.gold >= 0
    weight = votes.weight[known]
    fit = fit_by(section_named("vote"))(votes.take(np.flatnonzero(known)))
    covers = votes.per_source(np.where(known, votes.weight, 0)) >= COVERS * weight.sum()
    order = np.argsort(-np.where(covers, fit.accuracy, 0), kind="stable")[:MOST_ALONE]
    return [votes.sources[index] for index in order.tolist() if covers[index]]


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


def _first_of_the_best(candidates: tuple[CombinerCandidate, ...], n_gold: int) -> tuple[str, str]:
    """The first that is as good as the best, and a sentence."""
    fitted = [candidate for candidate in candidates if not np.isnan(candidate.score)]
    best = max(fitted, key=lambda candidate: candidate.score)
    chosen = next(candidate for candidate in fitted if candidate.behind <= EQUAL_LOSS)
    compared = "the best" if chosen is best else f"within {EQUAL_LOSS} of the best, `{best.name}`,"
    return chosen.name, (
        f"`{chosen.name}`, {compared} of {len(fitted)} by the log-loss of held-out gold of {n_gold} items:"
        f" {-chosen.score:.4f}; accuracy {chosen.accuracy:.3f}."
    )


def _line(candidate: CombinerCandidate) -> str:
    name, note = (text.replace("|", r"\|") for text in (candidate.name, candidate.note))
    if np.isnan(candidate.score):
        return f"| {name} | – | – | – | {note} |"
    accuracy = "–" if np.isnan(candidate.accuracy) else f"{candidate.accuracy:.3f}"
    return f"| {name} | {candidate.score:.4f} | {candidate.behind:.4f} | {candidate.error:.4f} | {accuracy} |"
