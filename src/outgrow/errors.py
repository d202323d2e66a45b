"""The three ways in which outgrow says no.

Every error that a user can cause is one of these, carries one sentence that names the file, row or key
and the fix, and is printed without a traceback. Anything else that escapes is a defect of outgrow.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from outgrow.phrases import listed, shortened

LONGEST_WORD = 200
"""A longer one is nobody's slip of the pen."""
MOST_KNOWN = 60


class OutgrowError(Exception):
    """A problem the user can mend; `exit_code` is what the command returns for it.

    What stands in backticks is shortened: a user's names may be of any length.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


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
    near = get_close_matches(word, known, n=1, cutoff=0.6) if len(word) <= LONGEST_WORD else []
    return f"did you mean `{near[0]}`?" if near else f"known: {listed(known, MOST_KNOWN)}"
