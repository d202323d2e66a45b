"""The step `supervisor`: a weak model learns half A's gold, then answers half B and the test items.

It is trained by the same code as the student, with cross-entropy on gold. Its `anchors.parquet` holds answers to
items of half A that the answering model had not seen:

* a probe answers all of half A, each item by the head of the fold in which it was held out, at the chosen point of
  the grid. The choice was made on these very answers, which flatters them a little;
* full or LoRA training keeps a share of half A aside (`holdout`, whole groups, drawn by `seed`) and answers that.
  With a share of 0 there are no such answers and no file.

Half A's gold is this step's to use: choosing the grid's point by it is no oracle.
"""

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.labels import Targets, one_hot
from outgrow.losses.objective import make_objective
from outgrow.training.choose_trainer import learn
from outgrow.training.fit_spec import FitSpec, Tuning, save_answers, save_record
from outgrow.training.grid_search import SelectBy
from outgrow.training.holdout import holdout_rows


def train_supervisor(
    job: Job, *, adapt: str, model: dict[str, Json], tune: dict[str, Json], seed: int, source: str
) -> None:
    """Inputs `pool`, `split`, and `features` for a probe.

    Writes `half_b.parquet`, `test.parquet` and (see the module) `anchors.parquet`, as labels of the source `source`;
    `chosen.json`, `metrics.jsonl` and `model/`.

    Args:
        adapt: `full`, `lora` or `probe`.
        model: the supervisor's section of the experiment.
        tune: the grid and the folds; selected by accuracy on gold unless it says `select_by: weak_log_loss`.
        seed: of the new head, the order of the examples and the items kept aside.
        source: under which name its answers are known.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    probe = adapt == "probe"
    half_a = split.half_a[task.items.gold[split.half_a] >= 0]
    if not len(half_a):
        raise DataError("no item of half A has gold: a supervisor has nothing to learn from")
    aside = np.zeros(len(half_a), dtype=bool)
    if not probe:
        aside = holdout_rows([task.items.groups[row] for row in half_a.tolist()], model["holdout"], seed)
    rows, held = half_a[~aside], half_a[aside]
    gold = one_hot(task.items.gold[rows], task.n_classes)
    lesson = FitSpec(
        task=task,
        rows=rows,
        targets=Targets([task.items.ids[row] for row in rows.tolist()], gold, np.ones(len(rows))),
        yardstick=gold,
        asked=np.concatenate([held, split.half_b, split.test]),
    )
    select_by: SelectBy = "weak_log_loss" if tune.get("select_by") == "weak_log_loss" else "weak_accuracy"
    tuning = Tuning(tune, select_by, oracle=False, held_out_wanted=probe)
    objective = make_objective({"type": "cross_entropy"}, None)
    learned = learn(job, adapt, lesson, objective, model, tuning, seed)
    unseen, strong, test = np.split(learned.answers, np.cumsum([len(held), len(split.half_b)]))
    if learned.choice.held_out is not None and probe:
        held, unseen = rows, learned.choice.held_out
    for part, answered, probs in (
        ("anchors", held, unseen),
        ("half_b", split.half_b, strong),
        ("test", split.test, test),
    ):
        if len(answered):
            save_answers(probs, lesson.ids(answered), source, job.out / f"{part}.parquet")
    save_record(learned, tuning, job.out)
