"""From a model's section to whoever it describes."""

from pathlib import Path

from outgrow.generation.text_generator import Section, TextGenerator
from outgrow.graph.step import Job


def open_generator(job: Job, section: Section, trained: Path | None = None) -> TextGenerator:
    """The author that a model's section describes or, with the folder of a training, what became of it.

    Raises `DataError`.
    """
    # Each kind brings a heavy library along.
    if section["type"] == "endpoint":
        from outgrow.generation.remote_generator import open_remote

        return open_remote(job, section, trained)
    from outgrow.generation.local_generator import open_local

    return open_local(job, section, trained)
