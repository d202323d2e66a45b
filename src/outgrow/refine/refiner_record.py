"""`RefinerRecord`: a method that rewrites weak labels, with the arguments and results of its function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from outgrow.config.decoding import Decoding
from outgrow.config.model import LanguageModel
from outgrow.config.section import Section
from outgrow.extensions import Function, Record
from outgrow.generation.chat import Conversation

Options = Mapping[str, Any]
Prompts = Mapping[str, str]


class RefinerSection(Section):
    """Options that all refiners share."""

    type: str
    by: LanguageModel | None = None
    """The rewriting model; default: the untouched student."""
    decoding: Decoding | None = None
    """Decoding of the new answers; default: the study's `labelling`, but greedy (one beam, one text)."""
    prompts: Path | None = None
    """A folder with your prompts, such as `icl.user.txt` (docs/methods.md lists them); others are built-in."""


class WeakExample(NamedTuple):
    """A question with its weak answer."""

    item: str
    question: str
    answer: str
    """Empty for a refiner that does not read the weak answers."""
    capability: str = ""
    """In a mixture, the capability of the question. Only questions of one capability are shown together."""


@dataclass(frozen=True)
class RefinerRequest:
    """A conversation for one item; a request for a whole batch has its first item."""

    item: str
    conversation: Conversation
    batch: int
    concept: str | None = None
    """The common concept of the batch's weak answers, if the refiner generates one."""


@dataclass(frozen=True)
class RefinerInputs:
    """The argument of a refiner's function."""

    examples: Sequence[WeakExample]
    prompts: Prompts
    options: Options
    system: str | None
    """The model's system prompt."""
    generate: Callable[[str, Sequence[RefinerRequest], Options], list[list[str]]]
    """`generate(name, requests, decoding)`: the texts for each request of a round before the last, best first."""


class TokenSizes(NamedTuple):
    """Expected numbers of tokens, for the estimate of a refiner's cost."""

    items: int
    question: float
    """Including the task's own text."""
    weak_answer: float
    prompt: float
    """Of a conversation without questions."""
    written: float
    """Per answer, over all beams or samples."""


def tokens_of_one_round(options: Options, sizes: TokenSizes) -> tuple[float | int, float | int]:
    """Tokens if every question is read once with its weak answer."""
    return sizes.items * (sizes.question + sizes.weak_answer), sizes.items * sizes.written


@dataclass(frozen=True, kw_only=True)
class RefinerRecord(Record):
    """A method that rewrites weak labels."""

    requests: Function
    """`requests(inputs: RefinerInputs) -> list[RefinerRequest]`: the last round, one request per rewritten item."""
    prompts: Mapping[str, tuple[str, ...]]
    """Prompts by name with their required fields. The texts are `NAME.txt` in `prompt_folder`."""
    prompt_folder: Path = Path(__file__).parent / "prompts"
    reads_labels: bool = True
    """Whether it uses the weak answers. Otherwise its result is the same for every supervisor."""
    decodings: tuple[str, ...] = ()
    """Options with the decoding of a further round."""
    set_aside: str = ""
    """The option with the number of items that are demonstrations and are not rewritten."""
    tokens: Callable[[Options, TokenSizes], tuple[float | int, float | int]] = tokens_of_one_round
    """Expected numbers of tokens read and written."""
