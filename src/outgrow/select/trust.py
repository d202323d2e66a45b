"""Selection by a trust function: its options. It is learned from hidden states in `trust_scores.py`."""

from typing import Literal

from outgrow.select.selector_record import KeepSection, Needs, SelectorRecord, SelectorSection


class TrustSelection(SelectorSection):
    """Targets that a probe of hidden states trusts; it has learned on half A which answers are right."""

    type: Literal["trust"]
    states: Literal["sources", "student"] = "sources"
    """Whose hidden states: those of the supervisor that gave the label, or the student's before any training. Either
    must be a probe; the last of its layers is read."""
    keep: KeepSection = KeepSection(fraction=0.5)
    """Of the probability that a label is right (threshold), or the best ones."""


def _hidden_states(section: TrustSelection) -> Needs:
    return Needs(states=section.states)


TRUST = SelectorRecord(
    TrustSelection,
    paper="Trust functions, ICML 2026, arXiv 2606.01000",
    deviations=(
        "Logistic regression with a ridge penalty in place of a network of several layers; the vote's probabilities"
        " beside the hidden state; no chain of students. After the abstract and descriptions of the paper."
    ),
    by="a trust function",
    text_scores=None,
    vote_scores="outgrow.select.trust_scores:trust_in_votes",
    needs=_hidden_states,
    why_unscored="no supervisor gave any of these labels, or none has answers to items with known gold",
)
