"""`LocalAuthor`: a causal language model in this process as somebody who answers."""

from dataclasses import dataclass
from pathlib import Path

from outgrow.graph.step import Job
from outgrow.models.author import Errand, Section, Written
from outgrow.models.generator import write
from outgrow.models.load import pick_device
from outgrow.models.unfit import named, tell_unfit
from outgrow.models.writer import Writer, load_writer


@dataclass(frozen=True)
class LocalAuthor:
    """A `Writer` and its manners."""

    writer: Writer

    def write(self, job: Job, errand: Errand) -> Written:
        """Prompts that are too long get no answer, or end the step where the model's section says so."""
        self.tell_too_long(errand)
        return Written(
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

    def tell_too_long(self, errand: Errand) -> None:
        """Name the items without an answer, or raise `DataError`."""
        writer, new_tokens = self.writer, errand.decoding["max_new_tokens"]
        fits = writer.fits(writer.prompts(errand.conversations), new_tokens).tolist()
        found = [item for item, there in zip(errand.items, fits, strict=True) if not there]
        if found:
            room = f"{new_tokens} new tokens within {writer.longest} (`max_length`, or the model's context)"
            tell_unfit(
                f"{len(found)} prompts leave no room for {room}, and get no answer ({named(found)})", writer.unfit
            )


def open_local(job: Job, section: Section, trained: Path | None) -> LocalAuthor:
    """The pretrained model or, from a training's folder, what became of it."""
    return LocalAuthor(load_writer(section, trained, pick_device(job.hints)))
