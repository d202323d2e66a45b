"""The steps `student` and `supervisor` of *generate* tasks: train a language model on texts.

A student learns half B from the sources' texts, or (the ceiling) from gold; a supervisor learns half A's gold, and so
does the student of a control. None of them writes: answers are `texts` steps on the model that these steps leave.
"""

from typing import Any

import numpy as np
from jaxtyping import Int

from outgrow.combiners.text_targets_step import gold_texts
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.texts import TextTargets
from outgrow.training.evaluate import plan_of
from outgrow.training.text_examples import CERTAIN, TextLoss
from outgrow.training.text_training import learn_texts


def train_text_student(
    job: Job,
    *,
    adapt: str,
    model: dict[str, Any],
    loss: dict[str, Json],
    soft_labels: dict[str, Json],
    self_training: dict[str, Json] | None,
    seed: int,
    passes: float = 1.0,
    evaluations: dict[str, Json] | None = None,
) -> None:
    """Inputs `pool`, `split`, `targets`; writes `model/`, `metrics.jsonl`, `chosen.json`; with `evaluations` also
    `evaluations.parquet`.

    With the input `start`, an earlier training, it starts from the weights of that one. With `whole`, the targets
    before a selection, as many items are seen as without the selection.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the student's section of the experiment.
        loss: `cross_entropy` or `evidential`, with numbers for all options.
        soft_labels: how a source's pieces become targets for the student's tokens.
        self_training: options of the auxiliary term; `None` = without it.
        seed: of the order of the texts, the adapter and the items kept aside.
        passes: a factor on the passes over the data that `model` asks for.
        evaluations: options of the evaluations during training; `None` = without any.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    targets = TextTargets.load(job.inputs["targets"] / "targets.parquet")
    epochs = model["training"]["epochs"] * passes
    if "whole" in job.inputs:
        whole = TextTargets.load(job.inputs["whole"] / "targets.parquet")
        epochs = epochs * whole.n_items / max(1, targets.n_items)
    model = {**model, "training": {**model["training"], "epochs": epochs}}
    start = job.inputs["start"] / "model" if "start" in job.inputs else None
    rows = np.concatenate([split.half_a, split.half_b])
    objective, plan = TextLoss(loss, soft_labels, self_training), plan_of(evaluations, task, split, seed)
    learn_texts(job, task, rows, targets, model, objective, seed, start, plan)


def train_text_supervisor(job: Job, *, adapt: str, model: dict[str, Json], seed: int) -> None:
    """Inputs `pool` and `split`; writes `model/`, `metrics.jsonl`, `chosen.json`, and the names of items kept aside.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the supervisor's section of the experiment.
        seed: of the order of the texts, the adapter and the items kept aside.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    learn_texts(job, task, split.half_a, half_a_targets(task, split.half_a), model, CERTAIN, seed)


def half_a_targets(task: Task, rows: Int[np.ndarray, "row"]) -> TextTargets:
    """The gold texts of half A, which is these pool rows. Raises `DataError` where there is none at all."""
    gold = gold_texts(task, rows)
    if not len(gold):
        raise DataError("no item of half A has a gold text: a supervisor has nothing to learn from")
    return gold
