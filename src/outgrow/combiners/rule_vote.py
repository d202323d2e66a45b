"""Rules that fire on one class or abstain: a vote that uses both their firing and their silence.

The accuracy of a rule that votes for one class only shows in the items on which it is silent. Every rule's chances of
firing under each class are counted with the mean vote of the rules that fired, once more with the posterior that
follows, and no further:

    P(c | votes) ∝ Π_s π_s[c, outcome]        classes equally frequent; silence is an outcome

This is one round of Dawid and Skene's model with counted silence. Further rounds raise the likelihood of which rules
fire together, which need not follow the classes: rules about the length of a text fire together too. And rules of one
class do not show how frequent the classes are, since there may be any number of rules for each.

Rules with the same votes everywhere are one rule. A rule's accuracy is the expected share of its votes that are right.

Ours. Sources that vote for any class need `bayesian_dawid_skene`.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from outgrow.combiners.combiner_record import AveragedPart, CombinerRecord, HardVotesSection, TrustReportOrder
from outgrow.combiners.dawid_skene import fit_dawid_skene
from outgrow.combiners.dependence import duplicate_sources
from outgrow.combiners.fit import Fit, with_accuracy_of_votes
from outgrow.combiners.votes import Votes

ROUNDS = 1


class RuleVote(HardVotesSection):
    """Rules that fire on one class or abstain: both are counted with the mean vote."""

    type: Literal["rule_vote"]

    @property
    def reads_silence(self) -> bool:
        return True


def fit_rule_vote(votes: Votes) -> Fit:
    """The posterior after one round, with silence as an outcome."""
    counted = votes.with_silence()
    first, copy_of = duplicate_sources(counted)
    fit = fit_dawid_skene(counted.only(first), balanced=True, rounds=ROUNDS, tolerance=-np.inf)
    all_sources = replace(
        fit,
        sources=votes.sources,
        confusion=fit.confusion[copy_of],
        accuracy=fit.accuracy[copy_of],
        interval=fit.interval[copy_of],
        converged=True,
    )
    return with_accuracy_of_votes(counted, all_sources)


RULE_VOTE = CombinerRecord(
    RuleVote,
    paper="after Dawid & Skene 1979",
    deviations="one round from the mean vote, classes equally frequent, silence counted",
    fit=fit_rule_vote,
    compared=TrustReportOrder(of_rules=1, why="which is made for rules"),
    averaged=AveragedPart(of_rules="model"),
)
