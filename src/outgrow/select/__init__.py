"""Selections: which of the targets a student learns from. Scores and rules are pure; `select_step.py` has the I/O.

A new selection is one file with its options, its scores and its `SelectorRecord`, and one row in `SELECTIONS`.
"""

from typing import Annotated

from outgrow.extensions import OneOf, Registry
from outgrow.select.consensus import CONSENSUS
from outgrow.select.reward_model import REWARD_MODEL
from outgrow.select.selector_record import SelectorRecord, SelectorSection
from outgrow.select.selectors import AGREEMENT, CAPABILITY, CONFIDENCE, ORACLE, RANDOM
from outgrow.select.trust import TRUST

SELECTIONS: Registry[SelectorRecord] = Registry(
    "selection",
    SelectorRecord,
    [RANDOM, AGREEMENT, CONFIDENCE, ORACLE, CAPABILITY, REWARD_MODEL, TRUST, CONSENSUS],
)
Select = Annotated[SelectorSection, OneOf(SELECTIONS)]
"""The section of any selection."""

VOTES_LACK = {
    "reward": "select `reward_model`: a reward model reads, and this student does not; name a language `model`",
    "student_scores": "select.by `student`: a student reads texts; votes have the confidence of their `supervisors`",
}
"""What a selection may need that votes do not have (fields of `Needs`)."""

__all__ = ["SELECTIONS", "VOTES_LACK", "Select", "SelectorRecord", "SelectorSection"]
