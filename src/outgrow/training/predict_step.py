"""The step `predicted`: a finished classifier's answers to new items. An interrupted one continues where it ended."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from outgrow.data.task import Task
from outgrow.graph.step import Job
from outgrow.losses.objective import make_objective
from outgrow.models.load_model import load_classifier, load_tokenizer, pick_device
from outgrow.models.resumable_inference import ResumableInference, sweep
from outgrow.models.token_batches import Rows
from outgrow.training.fit_spec import save_answers
from outgrow.training.probe import Features, load_head
from outgrow.training.training_examples import read_items


def predict_items(job: Job, *, model: str, objective: dict[str, Any], max_length: int, identity: str) -> None:
    """Input `pool`; writes `answers.parquet` (`WeakLabels`).

    Args:
        model: the student's folder.
        objective: the loss that it learned by, which says what its logits mean.
        max_length: in tokens, as in training.
        identity: of the model.
    """
    _predict(job, model, objective, max_length)


def predict_with_model(job: Job, *, objective: dict[str, Any], max_length: int) -> None:
    """The same for a model that a step has trained: inputs `pool`, and `student` with `model/`."""
    _predict(job, str(job.inputs["student"] / "model"), objective, max_length)


def predict_with_head(job: Job, *, objective: dict[str, Any]) -> None:
    """The same for a probe: inputs `pool`, its `features`, and `student` with the head in `model/`."""
    task = Task.load(job.inputs["pool"])
    features = Features.load(job.inputs["features"], len(task.items), torch.device("cpu"))
    layer, (weight, bias) = load_head(job.inputs["student"] / "model", features)
    logits = features.take(np.arange(len(task.items)), layer) @ weight + bias
    _save(job.out, task, make_objective(objective, None).probs(logits).numpy())


def _predict(job: Job, model: str, objective: dict[str, Any], max_length: int) -> None:
    task = Task.load(job.inputs["pool"])
    device, tokenizer = pick_device(job.hints), load_tokenizer(model)
    classifier = load_classifier(model, n_classes=task.n_classes, seed=0, device=device)
    reading = read_items(task.items, classifier, tokenizer, max_length, torch.float32)
    probs_of = make_objective(objective, None).probs

    @torch.inference_mode()
    def run(rows: Rows) -> Float[np.ndarray, "row class"]:
        logits = reading.logits(classifier, rows.tolist(), device)
        return np.asarray(probs_of(logits.float()).cpu().numpy())

    _save(job.out, task, np.load(sweep(job, ResumableInference(reading.lengths, (task.n_classes,), run))))


def _save(folder: Path, task: Task, probs: Float[np.ndarray, "item class"]) -> None:
    """Write the answers, summing to 1 in double precision."""
    save_answers(probs, task.items.ids, "student", folder / "answers.parquet")
