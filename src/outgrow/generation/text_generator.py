"""`TextGenerator`: whoever answers conversations with texts, a model in this process or one behind a server.

Supervisors, students, those who rewrite labels and judges are all asked through it, so that nothing above it knows
where a model lives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from outgrow.endpoints.response_cache import Usage
from outgrow.generation.chat import Conversation
from outgrow.graph.step import Job
from outgrow.texts import Candidate

Section = Mapping[str, Any]
NOTHING = Usage()


@dataclass(frozen=True)
class GenerationRequest:
    """What an author is to answer."""

    items: list[str]
    """Names of the questions, for messages; one may come several times."""
    conversations: list[Conversation]
    decoding: Mapping[str, Any]
    """A `config.decoding.Decoding` as a dictionary."""
    seed: int
    places: Int[np.ndarray, "item"]
    """With the seed they decide an item's samples: where it stands in the pool, whoever asks with it."""
    distinct: bool = True
    """Keep equal answers to a question once."""


@dataclass(frozen=True)
class GenerationResult:
    """What came of an errand."""

    candidates: list[list[Candidate]]
    """Per question, best first; empty where there is no answer."""
    usage: Usage = NOTHING
    """Tokens that were bought."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By item, why a server gave no answer."""
    served: tuple[str, ...] = ()
    """Other names under which a server answered."""

    def record(self, errand: GenerationRequest) -> dict[str, Any]:
        """What a step notes about it."""
        texts = [one for found in self.candidates for one in found]
        return {
            "items": len(errand.items),
            "without_answer": [item for item, found in zip(errand.items, self.candidates, strict=True) if not found],
            "cut_off_texts": sum(not one.has_end for one in texts),
            "empty_texts": sum(one.text == "" for one in texts),
            "tokens_read": self.usage.read,
            "tokens_written": self.usage.written,
            "refused": dict(self.refused),
            "served": list(self.served),
        }


@runtime_checkable
class TextGenerator(Protocol):
    """Whoever writes."""

    def write(self, job: Job, errand: GenerationRequest) -> GenerationResult:
        """An answer to every question, or why there is none."""
