"""Evaluations of a training by the Trainer: noted in its scratch folder, so that they survive a kill, and logged.

Trackers show the means of an evaluation beside the training's loss.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from transformers import Trainer

from outgrow.evaluations import Evaluation, Evaluations, best_evaluation
from outgrow.training.callbacks import noted_scores
from outgrow.training.evaluate import EvaluationPlan

LOGGED = "eval/"
"""Before a mean's name in a tracker, as transformers names what it evaluates."""


def note(plan: EvaluationPlan, evaluation: Evaluation, scratch: Path, trainer: Trainer) -> float:
    """Write an evaluation to the scratch folder and to the trackers; returns what the weights are kept by."""
    evaluations = plan.noted()
    draft = scratch / "evaluation.draft"
    with draft.open("wb") as file:
        np.save(file, np.stack([evaluation.weak, evaluation.gold]))
    draft.replace(_path(scratch, evaluation.update))
    means = {f"{LOGGED}{name}": mean for name, mean in evaluations.means(evaluation).items() if mean is not None}
    # The Trainer forgets that it is about to log the update's loss when something else is logged first.
    about_to_log = trainer.control.should_log
    trainer.log(means)
    trainer.control.should_log = about_to_log
    return evaluations.score(evaluation, plan.keep)


class Notes(NamedTuple):
    """What a training noted."""

    evaluations: Evaluations
    kept: int
    """The update whose weights are kept."""


def read_notes(plan: EvaluationPlan, scratch: Path) -> Notes:
    """All evaluations of a finished training."""
    scores = noted_scores(scratch)
    each = [Evaluation(update, *np.load(_path(scratch, update))) for update in sorted(scores)]
    return Notes(plan.noted(each), best_evaluation(scores))


def _path(scratch: Path, update: int) -> Path:
    return scratch / f"evaluation-{update}.npy"
