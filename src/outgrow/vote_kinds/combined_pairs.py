"""`CombinedPairs`: pairs of texts with their soft preference, a ranking of the systems, a table of the judges.

The written table has a row per pair. `flip` is the chance that `chosen` is the worse text, 0 … .499, as `Pairs` and
`cdpo` have it. `p_A` and `p_B` are the probabilities that a and b are better. `difference` is the expected difference
of the chosen text to the other one, in standard deviations; as a column `margin` it is one for reward trainers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from outgrow.comparisons import Comparisons
from outgrow.lazy import special
from outgrow.preferences.fit_pairs import Z95, PairFit, PairPosterior, fit_pairs
from outgrow.preferences.judge_table import JudgeRow, judge_rows, remarks
from outgrow.preferences.ranks import ranks_of
from outgrow.readers.source_table import column_of
from outgrow.text_format import many, short, shortened
from outgrow.vote_kinds.combined_items import MOST_SOURCES, CombinedItems, aligned

MOST = 0.499
"""The largest chance of a flip: at 1/2 a pair has no information."""
SURE = 0.9
PLACES = ("first", "second")
"""What a and b are called where no systems are known."""
MOST_SYSTEMS = 30
"""Systems in the terminal."""


class RankedSystem(NamedTuple):
    """One system; intervals are of 95 %."""

    rank: int
    rank_low: int
    rank_high: int
    name: str
    skill: float
    """In standard deviations of the difference of two texts; the sum over systems is 0."""
    skill_low: float
    skill_high: float
    wins: float
    """The expected share of pairs with any other system in which its text is the better one."""
    pairs: int


@dataclass(frozen=True, eq=False)
class CombinedPairs(CombinedItems):
    """Preferences of several judges combined."""

    ranking: tuple[RankedSystem, ...] = ()
    """The best first; empty where no systems are known."""


def combine_pairs(votes: Comparisons, by_skill: bool = False, method: str = "bradley_terry") -> CombinedPairs:
    """The soft preference of every pair, the ranking, the judges. `by_skill`: pairs are judged in the light of the
    ranking; by default by their own votes alone."""
    fit = fit_pairs(votes)
    posterior = fit.posterior(by_skill=by_skill)
    flip = np.minimum(posterior.preference, 1 - posterior.preference)
    ranking, judges = tuple(ranked(fit)), judge_rows(fit)
    return CombinedPairs(
        kind="pairs",
        noun="preference",
        method=method,
        table=_table(votes, posterior),
        sources=[judge._asdict() for judge in judges],
        n=votes.n_votes,
        n_items=votes.n_pairs,
        found=(
            f"Mean chance of a flip: {flip.mean():.3f}; pairs whose preference is {SURE:.0%} sure or more:"
            f" {(flip <= 1 - SURE).mean():.0%}."
        ),
        notes=(*votes.notes, *remarks(fit)),
        summary={"n_prompts": len(votes.items), "ranking": [system._asdict() for system in ranking]},
        ranking=ranking,
    )


def ranked(fit: PairFit) -> Iterator[RankedSystem]:
    """The systems, the best first."""
    skill, variances, votes = fit.skill, fit.skill_variances, fit.comparisons
    if len(skill) < 2:
        return
    ranks = ranks_of(skill, variances)
    margin = Z95 * np.sqrt(np.maximum.reduce([np.diag(variance) for variance in variances]))
    beats = np.asarray(special.ndtr(skill[:, None] - skill[None, :]))
    wins = (beats.sum(axis=1) - 0.5) / (len(skill) - 1)
    n_pairs = np.bincount(votes.pair_system.ravel(), minlength=len(skill))
    for s in np.lexsort((np.arange(len(skill)), ranks.rank)).tolist():
        yield RankedSystem(
            rank=int(ranks.rank[s]),
            rank_low=int(ranks.low[s]),
            rank_high=int(ranks.high[s]),
            name=votes.systems[s],
            skill=float(skill[s]),
            skill_low=float(skill[s] - margin[s]),
            skill_high=float(skill[s] + margin[s]),
            wins=float(wins[s]),
            pairs=int(n_pairs[s]),
        )


def _table(votes: Comparisons, posterior: PairPosterior) -> pa.Table:
    """The table described in the module."""
    a_wins = posterior.preference >= 0.5
    names = np.asarray(votes.systems if votes.has_systems else PLACES, dtype=object)
    sides = names[votes.pair_system if votes.has_systems else np.tile([0, 1], (votes.n_pairs, 1))]
    columns: dict[str, Any] = {}
    if votes.texts is not None:
        a, b = votes.texts.a, votes.texts.b
        if votes.texts.prompt is not None:
            columns["prompt"] = column_of(list(votes.texts.prompt), "the prompt")
        columns["chosen"] = column_of(_picked(a, b, a_wins), "the chosen text")
        columns["rejected"] = column_of(_picked(b, a, a_wins), "the rejected text")
    columns |= {
        "pair": _pair_ids(votes, sides),
        "item": [votes.items[item] for item in votes.pair_item.tolist()],
        "a": sides[:, 0].tolist(),
        "b": sides[:, 1].tolist(),
        "better": np.where(a_wins, sides[:, 0], sides[:, 1]).tolist(),
        "flip": np.minimum(np.minimum(posterior.preference, 1 - posterior.preference), MOST),
        "difference": np.where(a_wins, posterior.difference, -posterior.difference),
        "p_A": posterior.preference,
        "p_B": 1 - posterior.preference,
        "votes": np.bincount(votes.pair, minlength=votes.n_pairs),
        "agreement": _agreement(votes, a_wins),
    }
    if votes.texts is not None:
        columns |= {"text_a": column_of(list(votes.texts.a)), "text_b": column_of(list(votes.texts.b))}
    return pa.table(columns)


def _picked(one: Sequence[Any], other: Sequence[Any], first: Bool[np.ndarray, "pair"]) -> list[Any]:
    return [left if take else right for left, right, take in zip(one, other, first.tolist(), strict=True)]


def _pair_ids(votes: Comparisons, sides: np.ndarray) -> list[str]:
    """The prompt's id where it has one pair, else with the two systems, and a number where these recur."""
    n_pairs = np.bincount(votes.pair_item, minlength=len(votes.items))
    seen: Counter[str] = Counter()
    ids = []
    for item, (a, b) in zip(votes.pair_item.tolist(), sides.tolist(), strict=True):
        name = votes.items[item] if n_pairs[item] == 1 else f"{votes.items[item]}: {a}, {b}"
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return ids


def _agreement(votes: Comparisons, a_wins: Bool[np.ndarray, "pair"]) -> Float[np.ndarray, "pair"]:
    """The share of the votes for the chosen text, ties halved."""
    for_a = np.bincount(votes.pair, (votes.lead + 1) / 2, votes.n_pairs) / np.bincount(votes.pair)
    return np.where(a_wins, for_a, 1 - for_a)


def shown(combined: CombinedPairs) -> str:
    """The result as a whole, the ranking, the judges and the notes, as lines for a terminal."""
    votes = f"{many(combined.n, combined.noun)} of {many(len(combined.sources), 'judge')}"
    head = f"{votes} on {many(combined.n_items, 'pair')}, by {short(combined.method)}"
    notes = [shortened(note) for note in combined.notes]
    most = sorted(combined.sources, key=lambda judge: -judge["votes"])[:MOST_SOURCES]
    more = len(combined.sources) - len(most)
    judges = aligned([_judge_cells(JudgeRow(**judge)) for judge in most], "judge")
    judges += [f"… and {more} more"] if more else []
    return "\n".join([head, combined.found, "", *_ranking_lines(combined.ranking), *judges, "", *notes])


def _ranking_lines(ranking: Sequence[RankedSystem]) -> list[str]:
    """The ranking in aligned columns, with an empty line after it; nothing without systems."""
    if not ranking:
        return []
    rows = [
        {
            "name": system.name,
            "rank": f"{system.rank} [{system.rank_low}, {system.rank_high}]",
            "skill": _interval(system.skill, system.skill_low, system.skill_high),
            "wins": f"{system.wins:.0%}",
            "pairs": system.pairs,
        }
        for system in ranking
    ]
    more = len(rows) - MOST_SYSTEMS
    return [*aligned(rows[:MOST_SYSTEMS], "system"), *([f"… and {more} more"] if more > 0 else []), ""]


def _judge_cells(judge: JudgeRow) -> dict[str, Any]:
    return {
        "name": judge.name,
        "votes": judge.votes,
        "discrimination": _interval(judge.discrimination, judge.discrimination_low, judge.discrimination_high),
        "bias to the first": _interval(judge.position_bias, judge.position_bias_low, judge.position_bias_high),
        "agreement": judge.agreement,
        "ties": f"{judge.tie_share:.0%}",
    }


def _interval(value: float | None, low: float | None, high: float | None) -> str | None:
    if value is None or low is None or high is None:
        return None
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
