"""The errors that a user can cause.

Each has one sentence with the file, row or key and the fix, and is printed without a traceback. Any other uncaught
exception is a defect of outgrow.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from outgrow.text_format import harmless, listed, shortened

LONGEST_WORD = 200
"""Characters. A longer word is not compared with known words."""
MOST_COMPARED = 5000
"""Maximum number of known words for a comparison; more would take seconds."""
MOST_KNOWN = 60


class OutgrowError(Exception):
    """A problem that the user can fix. `exit_code` is the exit code of the command.

    Text in backticks is shortened, and control characters are replaced: a user's names may have any length and
    content."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(harmless(shortened(message)))


class ConfigError(OutgrowError):
    """The experiment file or an override has an unknown name or an impossible value."""


class DataError(OutgrowError):
    """A data file, label table or model folder is missing, damaged or in an unknown format."""


class StepFailed(OutgrowError):
    """A step of the study failed. Finished steps are kept."""

    exit_code = 1


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known word, or the list of known words.

    >>> suggest("suprvisors", ["supervisors", "student"])
    'did you mean `supervisors`?'
    """
    known = list(known)
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else f"known: {listed(known, MOST_KNOWN)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The nearest known word, ignoring case, hyphens and spaces; empty if none is near.

    >>> nearest("Self-Training", ["plain", "self_training"])
    'self_training'
    """
    alike: dict[str, str] = {}
    for candidate in known:
        alike.setdefault(_folded(candidate), candidate)
    folded = _folded(word[: LONGEST_WORD + 1])
    if folded in alike:
        return alike[folded]
    if SAME_AS.get(folded) in alike:
        return alike[SAME_AS[folded]]
    few = len(word) <= LONGEST_WORD and len(alike) <= MOST_COMPARED
    near = get_close_matches(folded, alike, n=1, cutoff=0.6) if few else []
    return alike[near[0]] if near else ""


def _folded(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter not in "-_ .")


SAME_AS = {
    "majority": "vote",
    "majorityvote": "vote",
    "mv": "vote",
    "ds": "dawidskene",
    "mean": "average",
    "uniform": "average",
    "accuracyweighted": "weightedvote",
    "snorkel": "triplets",
    "metal": "triplets",
    "em": "exactmatch",
    "rouge": "rougel",
    "f1": "tokenf1",
    "math": "mathmatch",
    "accuracy": "exactmatch",
    "ce": "crossentropy",
    "nll": "crossentropy",
    "gce": "generalizedcrossentropy",
    "dpo": "cdpo",
    "finetune": "full",
    "finetuning": "full",
    "linear": "probe",
    "head": "probe",
    "frozen": "none",
    "adam": "adamwtorch",
    "adamw": "adamwtorch",
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp32": "float32",
    "gpu": "cuda",
    "selftrain": "selftraining",
    "classification": "classify",
    "generation": "generate",
    "multiplechoice": "choose",
    "mcq": "choose",
    "text": "generate",
    "openai": "endpoint",
    "llm": "model",
}
"""Other names of known words, without hyphens."""
