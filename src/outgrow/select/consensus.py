"""Selection by how much an item's sources agree: its options. The scores are in `consensus_scores.py`."""

from typing import Literal

from outgrow.select.selector_record import KeepSection, SelectorRecord, SelectorSection


class ConsensusSelection(SelectorSection):
    """Targets of items on which the supervisors give the fewest different answers (lowest entropy)."""

    type: Literal["consensus"]
    keep: KeepSection = KeepSection(fraction=0.5)
    """Of e to the minus entropy of an item's answers: 1 where all agree, 1/n where all n differ."""


CONSENSUS = SelectorRecord(
    ConsensusSelection,
    paper="Guo and Yang 2024, arXiv 2406.19032 (filter by uncertainty)",
    deviations=(
        "Several sources in place of one that is asked in several wordings; the better half in place of all up to the"
        " median, equal scores by lot"
    ),
    by="the agreement of the supervisors",
    text_scores="outgrow.select.consensus_scores:consensus_of_texts",
    vote_scores="outgrow.select.consensus_scores:consensus_of_votes",
    why_unscored="none of them has an answer that can be read",
)
