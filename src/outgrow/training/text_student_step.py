"""The step `student` of a study of texts: learn half B from the supervisors' texts, or (the ceiling) from gold.

The student writes nothing here: its answers to the test items, and the texts among which supervisors prefer, are
`texts` steps on the model that this one leaves.
"""

from typing import Any

from outgrow.data.task import Split, Task
from outgrow.graph.step import Job, Json
from outgrow.texts import TextTargets
from outgrow.training.text_examples import TextLoss
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
) -> None:
    """Inputs `pool`, `split`, `targets`; writes `model/`, `metrics.jsonl` and `chosen.json`.

    With the input `start`, an earlier training, it goes on from the weights which that one left. With `whole`, the
    targets of which `targets` are a part, as many examples are seen as if it were all of them.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the student's section of the experiment.
        loss: `cross_entropy` or `evidential`, with numbers for all options.
        soft_labels: how a source's pieces become targets for the student's tokens.
        self_training: options of the auxiliary term; `None` = without it.
        seed: of the order of the texts, the adapter and the items kept aside.
        passes: a factor on the passes over the data that `model` asks for.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    targets = TextTargets.load(job.inputs["targets"] / "targets.parquet")
    epochs = model["training"]["epochs"] * passes
    if "whole" in job.inputs:
        whole = TextTargets.load(job.inputs["whole"] / "targets.parquet")
        epochs = epochs * len(whole) / len(targets)
    model = {**model, "training": {**model["training"], "epochs": epochs}}
    start = job.inputs["start"] / "model" if "start" in job.inputs else None
    learn_texts(job, task, split.half_b, targets, model, TextLoss(loss, soft_labels, self_training), seed, start)
