"""What a judge may answer: a class, a grade of a scale, or the better one of two texts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outgrow.data.published_task import letters

BY_LETTER = "Answer with the letter of your choice alone."
PAIR = ("A", "B")
TEXTS_OF_PAIR = ("the first text", "the second text")


@dataclass(frozen=True)
class AnswerForm:
    """The possible answers, one per class of the votes."""

    names: tuple[str, ...]
    """What a model is to write: letters, or grades."""
    options: tuple[str, ...]
    """What the names stand for; empty where they stand for themselves."""
    instruction: str = ""
    """The last line of a question."""

    @staticmethod
    def from_json(tree: Mapping[str, Any]) -> "AnswerForm":
        """The form in a step's parameters."""
        return AnswerForm(tuple(tree["names"]), tuple(tree["options"]), tree["instruction"])

    def listed(self, prompt: str) -> str:
        """The prompt with its choices in lines `A. …` and the instruction."""
        lines = [f"{name}. {option}" for name, option in zip(self.names, self.options, strict=False)]
        return "\n".join(filter(None, [prompt, *lines, self.instruction]))

    def readable(self, text: str) -> str:
        """The text without the highest grade behind a grade (`4/5`), with the same positions."""
        if self.options:
            return text
        return re.sub(rf"(?<=\d)\s*/\s*{self.names[-1]}\b", lambda found: " " * len(found[0]), text)

    @property
    def by_first_token(self) -> bool:
        """Whether the log-probabilities of one token are the vote: no grade begins with another one."""
        return bool(self.options) or not any(a != b and a.startswith(b) for a in self.names for b in self.names)


def by_letter(options: Sequence[str]) -> AnswerForm:
    """Options with letters."""
    return AnswerForm(letters(len(options)), tuple(options), BY_LETTER)


def by_name(classes: Sequence[str]) -> AnswerForm:
    """The classes themselves, which are not listed."""
    return AnswerForm(tuple(classes), ())


def by_grade(lowest: int, highest: int) -> AnswerForm:
    """Whole numbers."""
    names = tuple(str(grade) for grade in range(lowest, highest + 1))
    return AnswerForm(names, (), f"Answer with one whole number from {lowest} (lowest) to {highest} (highest) alone.")


def better_of_two() -> AnswerForm:
    """The first or the second text."""
    return AnswerForm(PAIR, TEXTS_OF_PAIR, BY_LETTER)
