"""The kinds of model that write. A new one has a section in `config/`, a file with its `TextGenerator`, a row here."""

from dataclasses import dataclass

from outgrow.config.endpoint import EndpointSection
from outgrow.config.model import ModelSection
from outgrow.extensions import Function, Record, Registry


@dataclass(frozen=True, kw_only=True)
class GeneratorRecord(Record):
    """One kind of model that writes."""

    open: Function
    """`(job: Job, section: Mapping, trained: Path | None) -> TextGenerator`; given as text, as it imports a heavy
    library."""
    score: Function
    """`(job: Job, section: Mapping, trained: Path | None, request: ScoringRequest) -> list[list[Candidate]]`: each
    conversation's texts with their log-probabilities; a text without any is left out."""
    remote: bool = False
    """Whether a server runs it: its tokens have a price, and this machine does not compute them."""


GENERATORS: Registry[GeneratorRecord] = Registry(
    "kind of model",
    GeneratorRecord,
    [
        GeneratorRecord(
            ModelSection,
            open="outgrow.generation.local_model:open_model",
            score="outgrow.generation.local_model:score_by_model",
        ),
        GeneratorRecord(
            EndpointSection,
            open="outgrow.generation.remote_generator:open_remote",
            score="outgrow.generation.remote_scorer:score_remotely",
            remote=True,
        ),
    ],
)
