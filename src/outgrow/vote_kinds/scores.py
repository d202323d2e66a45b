"""Scores as votes: ratings on a few levels, or any numbers. Raters may be strict or mild, and spread items or not.

    item,rater,score          item,ada,ben
    7,ada,4                   7,4,5
    7,ben,5                   8,2,2

Scores are ordinal if they are whole numbers (or halves) of at most eleven levels, else continuous. The written table
has a row per item: the `score` with its 95 % interval `low` to `high`, on an ordinal scale also the `level`, the exact
`median` of the ratings, and the number of `votes`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.combiners.rater_model import fit_raters, most_probable_levels
from outgrow.config.section import Section
from outgrow.vote_kinds.combined_items import CombinedItems
from outgrow.vote_kinds.rater_table import rater_table
from outgrow.vote_kinds.score_votes import ScoreColumns, ScoreVotes, are_scores, read_scores
from outgrow.vote_kinds.vote_kind import KindCombiner, VoteKind

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


class RaterModel(Section):
    """Scores of raters with a bias, a scale and a noise each, with 95 % intervals."""

    type: Literal["rater_model"] = "rater_model"


class MedianScore(Section):
    """The median of an item's scores."""

    type: Literal["median"] = "median"


class MeanScore(Section):
    """The mean of an item's scores."""

    type: Literal["mean"] = "mean"


def by_rater_model(votes: ScoreVotes) -> CombinedItems:
    """The posterior of every item's score."""
    fit = fit_raters(votes.item, votes.source, votes.value, votes.gold, len(votes.sources), votes.levels)
    low, high = fit.mean - Z * fit.deviation, fit.mean + Z * fit.deviation
    columns: dict[str, Any] = {"score": fit.mean}
    if votes.levels is not None and fit.levels is not None:
        at = [np.minimum((fit.levels.cumsum(axis=1) < p).sum(axis=1), len(votes.levels) - 1) for p in (0.025, 0.975)]
        low, high = votes.levels[at[0]], votes.levels[at[1]]
        columns["level"] = _level(votes, fit.levels)
    columns |= {"low": low, "high": high}
    raters = [
        {"bias": float(bias), "scale": float(scale), "noise": float(noise)}
        for bias, scale, noise in zip(fit.bias, fit.scale, fit.noise, strict=True)
    ]
    found = f"mean score {fit.mean.mean():.3f}; 95 % intervals are {float((high - low).mean()):.3f} wide on average"
    return _combined(votes, "rater_model", columns, raters, found)


def _level(votes: ScoreVotes, posterior: Float[np.ndarray, "item level"]) -> Float[np.ndarray, "item"]:
    """The most probable level of each item, by the rule of `most_probable_levels`; gold where it is known."""
    levels = np.asarray(votes.levels)
    filled = (np.nan_to_num(median, nan=votes.value.mean()) for median in _medians(votes))
    low, high = (np.abs(median[:, None] - levels).argmin(axis=1) for median in filled)
    level = levels[most_probable_levels(posterior, low, high)]
    return np.asarray(np.where(np.isnan(votes.gold), level, votes.gold))


def by_median(votes: ScoreVotes) -> CombinedItems:
    """The median of the scores; gold where it is known."""
    score = np.where(np.isnan(votes.gold), _median(votes), votes.gold)
    return _combined(votes, "median", {"score": score}, None, f"mean of the medians {np.nanmean(score):.3f}")


def by_mean(votes: ScoreVotes) -> CombinedItems:
    """The mean of the scores; gold where it is known."""
    total = np.bincount(votes.item, votes.value, minlength=len(votes.items))
    mean = np.where(votes.n_per_item > 0, total / np.maximum(votes.n_per_item, 1), np.nan)
    score = np.where(np.isnan(votes.gold), mean, votes.gold)
    return _combined(votes, "mean", {"score": score}, None, f"mean score {np.nanmean(score):.3f}")


def _medians(votes: ScoreVotes) -> tuple[Float[np.ndarray, "item"], Float[np.ndarray, "item"]]:
    """The lower and the upper median of each item's scores; nan without a score."""
    order = np.lexsort((votes.value, votes.item))
    value = np.append(votes.value[order], np.nan)
    n = votes.n_per_item
    start = np.cumsum(n) - n
    at = [np.where(n > 0, start + (n - 1 + upper) // 2, len(value) - 1) for upper in (0, 1)]
    return value[at[0]], value[at[1]]


def _median(votes: ScoreVotes) -> Float[np.ndarray, "item"]:
    low, high = _medians(votes)
    return np.asarray((low + high) / 2)


def _combined(
    votes: ScoreVotes,
    method: str,
    columns: dict[str, Any],
    raters: Sequence[dict[str, float]] | None,
    found: str,
) -> CombinedItems:
    """The table of items and that of raters."""
    kept = {**columns, "median": _median(votes)}
    table = {"item": pa.array(votes.items, pa.string())}
    table |= {name: pa.array(values, from_pandas=True) for name, values in kept.items()}
    table["votes"] = pa.array(votes.n_per_item)
    if not np.isnan(votes.gold).all():
        table["gold"] = pa.array(votes.gold, from_pandas=True)
    levels = votes.levels
    scale = "continuous" if levels is None else f"{len(levels)} levels from {levels[0]:g} to {levels[-1]:g}"
    n_without = int((votes.n_per_item == 0).sum())
    without = (f"Items without a score: {n_without}.",) if n_without else ()
    return CombinedItems(
        kind="scores",
        noun="score",
        method=method,
        table=pa.table(table),
        sources=rater_table(votes, raters),
        n=len(votes.value),
        n_items=len(votes.items),
        found=f"{found}; scale: {scale}",
        notes=(*without, *votes.notes),
        summary={"scale": scale, "gold": int((~np.isnan(votes.gold)).sum())},
    )


SCORES = VoteKind(ScoreColumns, read=read_scores, votes=ScoreVotes, options=frozenset({"gold"}), fits=are_scores)
RATER_MODEL = KindCombiner(
    RaterModel, paper="ours; variational Bayes (Bishop 2006, section 10.1)", kind="scores", combine=by_rater_model
)
MEDIAN = KindCombiner(MedianScore, kind="scores", combine=by_median)
MEAN = KindCombiner(MeanScore, kind="scores", combine=by_mean)
