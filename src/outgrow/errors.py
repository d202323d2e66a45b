"""The three ways in which outgrow says no.

Every error that a user can cause is one of these, carries one sentence that names the file, row or key
and the fix, and is printed without a traceback. Anything else that escapes is a defect of outgrow.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class OutgrowError(Exception):
    """A problem the user can mend; `exit_code` is what the command returns for it."""

    exit_code = 2


class ConfigError(OutgrowError):
    """The experiment file or a `key=value` word asks for something that does not exist or cannot be."""


class DataError(OutgrowError):
    """A data file, label table or model folder is missing, damaged or not what it should be."""


class StepFailed(OutgrowError):
    """A step of the study could not be finished; steps that were finished before it are kept."""

    exit_code = 1


def suggest(word: str, known: Iterable[str]) -> str:
    """The tail of an error message: the nearest known word, or the list of all of them.

    >>> suggest("suprvisors", ["supervisors", "student"])
    'did you mean `supervisors`?'
    """
    known = list(known)
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return "known: " + ", ".join(f"`{name}`" for name in known)
