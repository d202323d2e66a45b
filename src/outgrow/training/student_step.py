"""The step `student`: learn half B from targets, then answer half B and the test items.

The ceiling is this step on gold targets. Whatever the method, the search for the best training settings is the same
(`grid_search.py`): held-out items of half B, judged by the mean of all supervisors' votes.
"""

import numpy as np
from jaxtyping import Float

from outgrow.combiners import mean_vote
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.labels import Targets, WeakLabels, one_hot
from outgrow.losses.objective import make_objective
from outgrow.training.choose_trainer import learn
from outgrow.training.fit_spec import FitSpec, Tuning, save_answers, save_record


def train_student(
    job: Job,
    *,
    adapt: str,
    model: dict[str, Json],
    loss: dict[str, Json],
    self_training: dict[str, Json] | None,
    tune: dict[str, Json],
    seed: int,
    name: str,
    share: float = 1.0,
) -> None:
    """Inputs `pool`, `split`, `targets`, `labels`, and `features` for a probe.

    With the input `start`, an earlier training, it goes on from the weights which that one left. With `whole`, the
    targets of which `targets` are a part, as many examples are seen as if it were all of them (a probe sees all
    examples at every update, so there is nothing to make up for).

    Writes `half_b.parquet` and `test.parquet` (the predictions, as labels of the source `name`), `chosen.json`,
    `metrics.jsonl` and `model/`.

    Args:
        adapt: `full`, `lora` or `probe`.
        model: the student's section of the experiment.
        loss: which loss, with its options.
        self_training: options of the auxiliary term; `None` = without it.
        tune: the grid, the folds and (default `weak_accuracy`) what to select by.
        seed: of the new head and the order of the examples; a probe needs none.
        name: under which its predictions are known.
        share: of the passes over the data that the settings ask for.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    objective = make_objective(loss, self_training)
    targets = Targets.load(job.inputs["targets"] / "targets.parquet")
    whole = Targets.load(job.inputs["whole"] / "targets.parquet") if "whole" in job.inputs else targets
    more = 1.0 if adapt == "probe" else len(whole.items) / len(targets.items)
    select_by = tune.get("select_by", "weak_accuracy")
    lesson = FitSpec(
        task=task,
        rows=split.half_b,
        targets=targets.collapse() if objective.linear else targets,
        yardstick=yardstick(job, task, split, select_by),
        asked=np.concatenate([split.half_b, split.test]),
        start=job.inputs["start"] / "model" if "start" in job.inputs else None,
        passes=share * more,
    )
    tuning = Tuning(tune, select_by, oracle=select_by == "gold_accuracy", held_out_wanted=False)
    learned = learn(job, adapt, lesson, objective, model, tuning, seed)
    half_b, test = np.split(learned.answers, [len(split.half_b)])
    save_answers(half_b, lesson.ids(split.half_b), name, job.out / "half_b.parquet")
    save_answers(test, lesson.ids(split.test), name, job.out / "test.parquet")
    save_record(learned, tuning, job.out)


def yardstick(job: Job, task: Task, split: Split, select_by: str) -> Float[np.ndarray, "item class"]:
    """What held-out answers are judged by: the supervisors' mean vote, or gold where the study asks for an oracle."""
    if select_by == "gold_accuracy":
        return one_hot(task.items.gold[split.half_b], task.n_classes)
    labels = WeakLabels.load(job.inputs["labels"] / "half_b.parquet")
    row = {name: number for number, name in enumerate(labels.items)}
    wanted = [task.items.ids[item] for item in split.half_b.tolist()]
    missing = [name for name in wanted if name not in row]
    if missing:
        raise DataError(f"{job.inputs['labels'] / 'half_b.parquet'}: item `{missing[0]}` of half B is not in it")
    return mean_vote(labels.take(np.asarray([row[name] for name in wanted])))
