"""The sections `labelling`, `answering` and others: how texts are generated."""

from typing import Annotated

from pydantic import Field

from outgrow.config.section import Section


class Decoding(Section):
    """Beam search, or sampling; the candidates of an item are ranked by mean log-probability per piece."""

    beams: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Width of the beam search; 1 = greedy."""
    candidates: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Texts kept per item; without sampling at most `beams`. Equal texts are kept once, so there may be fewer."""
    sample: bool = False
    """Draw `candidates` texts at random instead of searching for the most probable ones."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of sampling."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of sampling: draw from the most probable tokens that together have this probability."""
    max_new_tokens: Annotated[int, Field(ge=1, le=10**6)] = 64
    """Longer texts are cut off."""
    stop: list[Annotated[str, Field(min_length=1)]] = []
    """Each of these texts ends the answer and is not part of it, such as a line break for a model that was not trained
    to end. Not for beam search."""

    def greedy(self) -> "Decoding":
        """Greedy decoding with the same limits."""
        return Decoding(beams=1, candidates=1, max_new_tokens=self.max_new_tokens, stop=self.stop)
