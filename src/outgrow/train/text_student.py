"""The step `student` of a study of texts: learn half B from the supervisors' texts, or (the ceiling) from gold.

The student writes nothing here: its answers to the test items, and the texts among which supervisors prefer, are
`texts` steps on the model that this one leaves.
"""

from outgrow.data.task import Split, Task
from outgrow.graph.step import Job, Json
from outgrow.texts import TextTargets
from outgrow.train.text_examples import TextLoss
from outgrow.train.text_learn import learn_texts


def train_text_student(
    job: Job,
    *,
    adapt: str,
    model: dict[str, Json],
    loss: dict[str, Json],
    soft_labels: dict[str, Json],
    self_training: dict[str, Json] | None,
    seed: int,
) -> None:
    """Inputs `pool`, `split`, `targets`; writes `model/`, `metrics.jsonl` and `chosen.json`.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the student's section of the experiment.
        loss: `cross_entropy` or `evidential`, with numbers for all options.
        soft_labels: how a source's pieces become targets for the student's tokens.
        self_training: options of the auxiliary term; `None` = without it.
        seed: of the order of the texts, the adapter and the items kept aside.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    targets = TextTargets.load(job.inputs["targets"] / "targets.parquet")
    learn_texts(job, task, split.strong, targets, model, TextLoss(loss, soft_labels, self_training), seed)
