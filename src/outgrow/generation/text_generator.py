"""`TextGenerator`: generates texts for conversations, by a model in this process or behind a server.

Supervisors, students, refiners and judges use it, independently of where the model runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from outgrow.endpoints.usage import Usage
from outgrow.extensions import function_of
from outgrow.generation.chat import Conversation
from outgrow.generation.generators import GENERATORS
from outgrow.graph.step import Job
from outgrow.texts import Candidate

Section = Mapping[str, Any]
NOTHING = Usage()


@dataclass(frozen=True)
class GenerationRequest:
    """Conversations for which texts are generated."""

    items: list[str]
    """Names of the conversations in messages; names may repeat."""
    conversations: list[Conversation]
    decoding: Mapping[str, Any]
    """A `config.decoding.Decoding` as a dictionary."""
    seed: int
    places: Int[np.ndarray, "item"]
    """Positions in the pool, which seed an item's samples together with `seed`, independently of other items."""
    distinct: bool = True
    """Whether equal answers to a conversation are kept once."""
    scored: bool = True
    """Whether the log-probabilities of the answers are used."""


@dataclass(frozen=True)
class GenerationResult:
    """The answers to a request."""

    candidates: list[list[Candidate]]
    """The answers per conversation, best first; empty without an answer."""
    usage: Usage = NOTHING
    """Token usage of a server's model."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """The server's reasons for refusals, by item."""
    served: tuple[str, ...] = ()
    """Other names of the model in a server's replies."""

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """A summary for the records of the step."""
        texts = [text for answers in self.candidates for text in answers]
        return {
            "items": len(request.items),
            "without_answer": [
                item for item, answers in zip(request.items, self.candidates, strict=True) if not answers
            ],
            "cut_off_texts": sum(not text.has_end for text in texts),
            "empty_texts": sum(text.text == "" for text in texts),
            "tokens_read": self.usage.read,
            "tokens_written": self.usage.written,
            "refused": dict(self.refused),
            "served": list(self.served),
        }


@runtime_checkable
class TextGenerator(Protocol):
    """Generates texts."""

    def write(self, job: Job, request: GenerationRequest) -> GenerationResult:
        """The answers to all conversations, or the reasons for missing ones."""


@dataclass(frozen=True)
class ScoringRequest:
    """Texts whose log-probabilities are asked for, as answers to conversations."""

    items: list[str]
    """Names of the conversations in messages."""
    conversations: list[Conversation]
    texts: list[list[str]]
    """Of every conversation."""


def score_given_texts(
    job: Job, section: Section, trained: Path | None, request: ScoringRequest
) -> list[list[Candidate]]:
    """Each conversation's texts with the log-probability of each of their pieces, the end included.

    The model is that of a section, or the trained one in the folder of a training. A text that it cannot score is
    left out and logged. Raises `DataError`.
    """
    scored: list[list[Candidate]] = function_of(GENERATORS.named(section["type"]).score)(
        job, section, trained, request
    )
    return scored


def open_generator(job: Job, section: Section, trained: Path | None = None) -> TextGenerator:
    """The generator of a model's section, or of the trained model in the folder of a training.

    Raises `DataError`.
    """
    generator: TextGenerator = function_of(GENERATORS.named(section["type"]).open)(job, section, trained)
    return generator
