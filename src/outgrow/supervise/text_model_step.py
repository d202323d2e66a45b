"""The step `supervisor` of a study of texts: a small language model learns to write half A's gold.

What it then writes for half B and the test items are `texts` steps on the model that this one leaves.
"""

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.texts import TextTargets, certain
from outgrow.training.text_examples import CERTAIN
from outgrow.training.text_training import learn_texts


def train_text_supervisor(job: Job, *, adapt: str, model: dict[str, Json], seed: int) -> None:
    """Inputs `pool` and `split`; writes `model/`, `metrics.jsonl` and `chosen.json`.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the supervisor's section of the experiment.
        seed: of the order of the texts, the adapter and the items kept aside.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    learn_texts(job, task, split.half_a, gold_targets(task, split.half_a), model, CERTAIN, seed)


def gold_targets(task: Task, rows: Int[np.ndarray, "row"]) -> TextTargets:
    """The gold texts of these pool rows. Raises `DataError` where there is none at all."""
    known = [row for row in rows.tolist() if task.items.gold[row] >= 0]
    if not known or task.items.answers is None:
        raise DataError("no item of half A has a gold text: a supervisor has nothing to learn from")
    texts = [task.items.answers[row] for row in known]
    items = [task.items.ids[row] for row in known]
    return TextTargets(items, texts, [certain(text) for text in texts], np.ones(len(known)))
