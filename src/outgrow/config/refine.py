"""What a file may say about rewriting the weak labels before the student learns them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.decoding import Decoding
from outgrow.config.model import LanguageModel
from outgrow.config.section import Section


class Refiner(Section):
    """What all ways of rewriting share."""

    by: LanguageModel | None = None
    """Who rewrites; default: the untouched student."""
    decoding: Decoding | None = None
    """How the better answers are written; default: as the study's `labelling`, but greedily (one beam, one text)."""
    prompts: Path | None = None
    """A folder with prompts of your own, such as `icl.user.txt` (docs/methods.md lists them); the others are ours."""


class Icl(Refiner):
    """Answer each question of a batch after the other questions with their weak answers; its own is not shown."""

    type: Literal["icl"]
    batch: Annotated[int, Field(ge=2)] = 5
    """Questions that are each other's demonstrations."""
    fixed: Annotated[int, Field(ge=1)] | None = None
    """Instead: so many items are everybody's demonstrations, and are not learned from."""


class InferAndRespond(Refiner):
    """Name what a batch of weak answers has in common, then answer each question accordingly."""

    type: Literal["infer_and_respond"]
    batch: Annotated[int, Field(ge=1)] = 5
    naming: Decoding = Decoding(beams=1, candidates=1)
    """How the common concept is written."""


class AskToImprove(Refiner):
    """Question and weak answer, and the request for a better one."""

    type: Literal["ask_to_improve"]


class SelfBootstrap(Refiner):
    """The strong model's own answers, weak labels unseen: the negative control."""

    type: Literal["self_bootstrap"]


Refine = Annotated[Icl | InferAndRespond | AskToImprove | SelfBootstrap, Field(discriminator="type")]
