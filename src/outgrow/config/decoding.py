"""What a file may say about how texts are written."""

from typing import Annotated

from pydantic import Field

from outgrow.config.section import Section


class Decoding(Section):
    """Beam search, or sampling; the candidates of an item are ranked by mean log-probability per piece."""

    beams: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Width of the beam search; 1 = greedy."""
    candidates: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Texts kept per item; at most `beams` unless sampled. Equal texts are kept once, so there may be fewer."""
    sample: bool = False
    """Draw `candidates` texts at random instead of searching for the most probable ones."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of sampling."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of sampling: draw among the most probable tokens that together have this probability."""
    max_new_tokens: Annotated[int, Field(ge=1, le=10**6)] = 64
    """Texts that have not ended by then are cut off."""
    stop: list[Annotated[str, Field(min_length=1)]] = []
    """Such a text ends the answer and is no part of it; a line break, say, for a model that was never taught to end.
    Not for a beam search."""

    def greedy(self) -> "Decoding":
        """The most probable token again and again, to the same end."""
        return Decoding(beams=1, candidates=1, max_new_tokens=self.max_new_tokens, stop=self.stop)
