"""Pick the trainer: heads on cached features, or the whole model with or without an adapter."""

from collections.abc import Mapping
from typing import Any

from outgrow.graph.step import Job
from outgrow.losses.objective import Objective
from outgrow.training.fit_spec import FitResult, FitSpec, Tuning
from outgrow.training.probe import learn_probe


def learn(
    job: Job, adapt: str, lesson: FitSpec, objective: Objective, model: Mapping[str, Any], tuning: Tuning, seed: int
) -> FitResult:
    """Learn `lesson` and answer what it asks; `adapt` is `probe`, `full` or `lora`."""
    if adapt == "probe":
        return learn_probe(job, lesson, objective, model, tuning)
    # The Trainer and PEFT take seconds to import, which a study of probes should not pay.
    from outgrow.training.fine_tune import learn_model

    return learn_model(job, lesson, objective, model, tuning, seed)
