"""Preferences between two texts."""

from typing import Any, Literal

from outgrow.comparisons import Comparisons
from outgrow.config.section import Section
from outgrow.vote_kinds.pair_columns import PairColumns, is_preferences
from outgrow.vote_kinds.pair_rows import read_pairs
from outgrow.vote_kinds.vote_kind import KindCombiner, Options, VoteKind


def read(source: Any, section: PairColumns, options: Options) -> Comparisons:
    """Preferences from a path or a table in memory."""
    return read_pairs(source, section)


PAIRS = VoteKind(
    PairColumns,
    read=read,
    show="outgrow.vote_kinds.combined_pairs:shown",
    votes=Comparisons,
    options=frozenset({"on_wait"}),
    fits=is_preferences,
)


class BradleyTerry(Section):
    """Skills of systems, discrimination and position bias of judges, and a latent difference of every pair."""

    type: Literal["bradley_terry"] = "bradley_terry"
    by_skill: bool = False
    """Whether the ranking is the prior of a pair's preference; by default its own votes alone decide."""


BRADLEY_TERRY = KindCombiner(
    BradleyTerry,
    kind="pairs",
    combine="outgrow.vote_kinds.combined_pairs:combine_pairs",
    paper="Bradley & Terry 1952; ties Davidson 1970; order Davidson & Beaver 1977; judges BT-sigma 2026"
    " (arXiv 2602.16610)",
    deviations="the difference of two texts varies around that of their systems with variance 1 (ours)",
)
