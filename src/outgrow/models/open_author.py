"""From a model's section to whoever it describes."""

from pathlib import Path

from outgrow.graph.step import Job
from outgrow.models.author import Author, Section


def open_author(job: Job, section: Section, trained: Path | None = None) -> Author:
    """The author that a model's section describes or, with the folder of a training, what became of it.

    Raises `DataError`.
    """
    # Each kind brings a heavy library along.
    if section["type"] == "endpoint":
        from outgrow.models.remote_author import open_remote

        return open_remote(job, section, trained)
    from outgrow.models.local_author import open_local

    return open_local(job, section, trained)
