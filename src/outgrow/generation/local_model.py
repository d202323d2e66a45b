"""A model of this machine, run by this process (`engine: hf`) or by an engine that the step starts."""

from pathlib import Path

from outgrow.generation.text_generator import ScoringRequest, Section, TextGenerator
from outgrow.graph.step import Job
from outgrow.texts import Candidate


def open_model(job: Job, section: Section, trained: Path | None) -> TextGenerator:
    """The generator of a section's model, or of the trained one in a training's folder."""
    if "engine" in section:
        from outgrow.generation.engine_model import open_engine

        return open_engine(job, section, trained)
    from outgrow.generation.local_generator import open_local

    return open_local(job, section, trained)


def score_by_model(job: Job, section: Section, trained: Path | None, request: ScoringRequest) -> list[list[Candidate]]:
    """Given texts, by a section's model, or by the trained one in a training's folder."""
    if "engine" in section:
        from outgrow.generation.engine_model import score_by_engine

        return score_by_engine(job, section, trained, request)
    from outgrow.generation.local_scorer import score_locally

    return score_locally(job, section, trained, request)
