"""What a file may name as `combine`: any combiner of `combiners.COMBINERS`."""

from typing import Annotated

from pydantic import BeforeValidator

from outgrow.combiners import COMBINERS, in_full
from outgrow.combiners.record import CombinerSection
from outgrow.extensions import OneOf

Combine = Annotated[CombinerSection, OneOf(COMBINERS), BeforeValidator(in_full)]


def rebuild() -> None:
    """Read the registry again: after a combiner was added or removed, so that files of settings know it."""
    from outgrow.config.experiment import Experiment
    from outgrow.config.method import Method
    from outgrow.config.train import CombineSettings, TrainSettings

    for section in (Method, Experiment, CombineSettings, TrainSettings):
        section.model_rebuild(force=True)
