"""Selection: which of the targets a student learns from. Scores and rules are pure; `select_step.py` has the I/O."""

VOTES_LACK = {
    "reward_model": "select `reward_model`: a reward model reads, and this student does not; name a language `model`",
    "student": "select.by `student`: a student reads texts; votes have the confidence of their `supervisors`",
}
"""Selections that votes cannot have, and what to say of them."""
