"""Selects the combiner of `auto` by held-out gold or by held-out votes.

* Gold for `enough_gold` items: every combiner, and every source alone, is fitted without a fifth of the gold in turn,
  its posteriors are calibrated with one temperature, and the log-loss of the held-out gold is compared.
* No gold, three sources or more: combiners are compared by how well they predict held-out votes
  (`held_out_votes.py`), in nats per vote.
* Two sources: the votes do not show which one is right where they differ: the majority vote. One source: that source.

Gold measures the target directly: the best combiner is taken, or the first in the registry's order within `EQUAL_LOSS`
of it. Held-out votes measure it indirectly: of combiners within `ERRORS` standard errors of the difference over items,
or `EQUAL` nats, the first in the registry's order is taken. A combiner that cannot be fitted is left out, and the
table gives the reason.

Where one source alone gives (almost) the same labels as the chosen combiner, `CombinerChoice.alone` names it.

Held-out votes cannot show an error that the sources share. Gold for a few dozen items can.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool

from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.cross_fit import cross_fitted, enough_gold, gold_folds
from outgrow.combiners.fit import Fit
from outgrow.combiners.held_out_votes import HeldOut, hold_out, log_probabilities, predict
from outgrow.combiners.temperature_scaling import LEAST_SOURCES, calibration, temperature_by_gold, with_temperature
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError, OutgrowError
from outgrow.metrics.calibration import log_loss

ERRORS = 3.0
"""The first in the registry's order is nearly the best unless there are many votes; little evidence is no reason
against it."""
EQUAL = 3e-3
"""Nats per vote."""
EQUAL_LOSS = 2e-3
"""Nats per item."""
LEAST_COVERAGE = 0.05
"""Where sources vote on a smaller share of the items, their silence is no evidence."""
COVERS = 0.99
"""Share of the items on which a source must vote to be sufficient alone."""
SAME = 0.995
"""Share of the items on which it must give the same label as the combiner."""
MOST_ALONE = 5
"""So many sources, the best by gold, are candidates alone."""

Kind = Literal["gold", "votes", "nothing"]


class CombinerCandidate(NamedTuple):
    """One line of the table."""

    name: str
    """A combiner, or `single: SOURCE`."""
    score: float
    """Nats per held-out vote, or minus the log-loss of held-out gold; higher is better. nan = cannot be fitted."""
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
    """The chosen combiner, the reason and the comparison."""

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
    def section(self) -> CombinerSection:
        """The section of the chosen combiner."""
        return section_named(self.method if self.source is None else f"{self.method}: {self.source}")

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
    """The combiner that predicts held-out votes best."""
    scores: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    n_items = len(held.votes.values)
    for name in _worth_trying(votes):
        section = section_named(name)
        try:
            prediction = predict(held, fit_by(section, intervals=False), reads_silence=section.reads_silence)
        except OutgrowError as error:
            failed[name] = str(error)
        else:
            gains = held.share * log_probabilities(held, prediction)
            scores[name] = np.bincount(held.item, gains, minlength=n_items) / held.total
    candidates = _compared(scores, failed, {})
    name, why = _first_of_the_best(candidates, ERRORS, EQUAL, "nats per held-out vote")
    return _with_alone(votes, CombinerChoice(name, None, "votes", why, candidates))


def _by_gold(votes: Votes) -> CombinerChoice:
    """The combiner, or source, whose calibrated posteriors make held-out gold most probable."""
    folds = gold_folds(votes)
    scores: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    accuracy: dict[str, float] = {}
    for name in [*_worth_trying(votes), *(f"single: {source}" for source in _good_alone(votes))]:
        try:
            held = cross_fitted(folds, fit_by(section_named(name), intervals=False))
        except OutgrowError as error:
            failed[name] = str(error)
            continue
        scaled = with_temperature(held.posterior, temperature_by_gold(held.posterior, held.gold))
        scores[name] = -log_loss(scaled, held.gold) / len(held.gold)
        accuracy[name] = calibration(held.posterior, held.gold).accuracy
    candidates = _compared(scores, failed, accuracy)
    unit = f"nats on the held-out gold of {len(folds.known)} items"
    name, why = _first_of_the_best(candidates, 0.0, EQUAL_LOSS, unit)
    if name.startswith("single: "):
        source = name.removeprefix("single: ")
        return CombinerChoice("single", source, "gold", f"Use source {source} alone. {why}", candidates, source)
    return _with_alone(votes, CombinerChoice(name, None, "gold", why, candidates))


def _worth_trying(votes: Votes) -> list[str]:
    """Candidates in the order of preference; those that use silence only where sources abstain on some items."""
    coverage = votes.n_votes.sum() / max(votes.weight.sum() * len(votes.sources), 1)
    silent = LEAST_COVERAGE <= coverage < 1
    has_gold = bool((votes.gold >= 0).any())

    def suits(name: str) -> bool:
        section = section_named(name)
        # The pool of hard votes is a vote of sources that are never wrong.
        return (
            (silent or not section.reads_silence)
            and (has_gold or not section.needs_gold)
            and (votes.soft or not COMBINERS.of(section).soft_only)
        )

    return list(filter(suits, fit_names()))


def _good_alone(votes: Votes) -> list[str]:
    """The sources that are best by gold among those that vote on almost everything that has gold."""
    known = votes.gold >= 0
    weight = votes.weight[known]
    fit = fit_by(section_named("vote"))(votes.take(np.flatnonzero(known)))
    covers = np.asarray(weight @ votes.voted[known] >= COVERS * weight.sum())
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


def _first_of_the_best(
    candidates: tuple[CombinerCandidate, ...], errors: float, equal: float, unit: str
) -> tuple[str, str]:
    """The first that is as good as the best, and a sentence."""
    fitted = [candidate for candidate in candidates if not np.isnan(candidate.score)]
    best = max(fitted, key=lambda candidate: candidate.score)
    chosen = next(candidate for candidate in fitted if candidate.behind <= max(errors * candidate.error, equal))
    why = f"`{chosen.name}` of {len(fitted)} combiners: {chosen.score:.4f} {unit}"
    if not np.isnan(chosen.accuracy):
        why += f"; accuracy {chosen.accuracy:.3f}"
    if chosen is best:
        return chosen.name, f"{why}."
    by_errors = errors * chosen.error
    margin = f"{by_errors:.4f}, {errors:g} standard errors of it" if by_errors > equal else f"{equal:.4f} nats"
    return chosen.name, (
        f"{why}. The best one is `{best.name}` ({best.score:.4f}), but a difference of {chosen.behind:.4f} is within"
        f" {margin}: of such equals `auto` takes the first in its order of preference."
    )


def _with_alone(votes: Votes, choice: CombinerChoice) -> CombinerChoice:
    """The choice with the source that is sufficient alone, if there is one."""
    fit = fit_by(choice.section, intervals=False)(votes)
    voted = np.asarray(votes.voted.any(axis=1))[votes.row_of]
    hard = votes.hardened()
    same = [_agreement_with(hard, source, fit, voted) for source in range(len(votes.sources))]
    best = int(np.argmax(same))
    if same[best] < SAME:
        return choice
    name = votes.sources[best]
    alone = f" Source {name} alone gives the same label on {same[best]:.1%} of the items: use it alone."
    return replace(choice, alone=name, why=choice.why + alone)


def _agreement_with(votes: Votes, source: int, fit: Fit, voted: Bool[np.ndarray, "item"]) -> float:
    """Share of the items on which a source's vote is the fit's label; 0 where it does not vote on almost all."""
    values = votes.values[:, source][votes.row_of][voted]
    if not len(values) or (values >= 0).mean() < COVERS:
        return 0.0
    return float((values == fit.posterior[voted].argmax(axis=1)).mean())


def _line(candidate: CombinerCandidate) -> str:
    name, note = (text.replace("|", r"\|") for text in (candidate.name, candidate.note))
    if np.isnan(candidate.score):
        return f"| {name} | – | – | – | {note} |"
    accuracy = "–" if np.isnan(candidate.accuracy) else f"{candidate.accuracy:.3f}"
    return f"| {name} | {candidate.score:.4f} | {candidate.behind:.4f} | {candidate.error:.4f} | {accuracy} |"
