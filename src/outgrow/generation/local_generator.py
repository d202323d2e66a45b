"""`LocalGenerator`: a causal language model in this process as somebody who answers."""

from dataclasses import dataclass
from pathlib import Path

from outgrow.generation.causal_lm import CausalLM, load_writer
from outgrow.generation.decoding import write
from outgrow.generation.text_generator import GenerationRequest, GenerationResult, Section
from outgrow.graph.step import Job
from outgrow.models.load_model import pick_device
from outgrow.models.skipped_items import named, warn_skipped


@dataclass(frozen=True)
class LocalGenerator:
    """A `CausalLM` and its manners."""

    writer: CausalLM

    def write(self, job: Job, errand: GenerationRequest) -> GenerationResult:
        """Prompts that are too long get no answer, or end the step where the model's section says so."""
        self.tell_too_long(errand)
        return GenerationResult(
            write(
                job,
                self.writer,
                errand.conversations,
                errand.decoding,
                errand.seed,
                errand.places,
                distinct=errand.distinct,
            )
        )

    def tell_too_long(self, errand: GenerationRequest) -> None:
        """Name the items without an answer, or raise `DataError`."""
        writer, new_tokens = self.writer, errand.decoding["max_new_tokens"]
        fits = writer.fits(writer.prompts(errand.conversations), new_tokens).tolist()
        found = [item for item, there in zip(errand.items, fits, strict=True) if not there]
        if found:
            room = f"{new_tokens} new tokens within {writer.longest} (`max_length`, or the model's context)"
            warn_skipped(
                f"{len(found)} prompts leave no room for {room}, and get no answer ({named(found)})", writer.unfit
            )


def open_local(job: Job, section: Section, trained: Path | None) -> LocalGenerator:
    """The pretrained model or, from a training's folder, what became of it."""
    return LocalGenerator(load_writer(section, trained, pick_device(job.hints)))
