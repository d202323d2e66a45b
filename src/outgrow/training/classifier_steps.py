"""The steps `student` and `supervisor` of *classify* and *choose* tasks: learn, then answer half B and the test items.

A student learns half B from targets; the ceiling is a student with gold targets. The search for training settings is
the same for all methods (`grid_search.py`): held-out items of half B, judged by the mean of all supervisors' votes.
With `select_by: half_a_log_loss` it is judged by half A's gold. Targets may hold half A's gold, too: then half A is
learned beside half B, or alone, and judged by its gold.

A supervisor learns half A's gold by cross-entropy with the same code. Its `anchors.parquet` has answers to items of
half A that the answering model did not learn from:

* a probe answers all of half A, each item by the head of the fold in which it was held out, at the chosen point of
  the grid. The choice was made on these answers, which flatters them a little;
* full or LoRA training holds out a share of half A (`holdout`, whole groups, drawn by `seed`) and answers that. With
  a share of 0 there is no file.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.targets import mean_vote
from outgrow.config.tune import SelectBy
from outgrow.data.task import Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job, Json
from outgrow.labels import Targets, WeakLabels, one_hot
from outgrow.losses.objective import Objective, make_objective
from outgrow.training.evaluate import ClassEvaluations, plan_of
from outgrow.training.fit_spec import FitResult, FitSpec, Tuning, save_answers, save_record
from outgrow.training.probe import learn_probe
from outgrow.training.sampling import holdout_rows


def learn(
    job: Job, adapt: str, spec: FitSpec, objective: Objective, model: Mapping[str, Any], tuning: Tuning, seed: int
) -> FitResult:
    """Train on `spec` and answer its items; `adapt` is `probe`, `full` or `lora`."""
    if adapt == "probe":
        return learn_probe(job, spec, objective, model, tuning)
    # The Trainer and PEFT take seconds to import, which a study of probes should not pay.
    from outgrow.training.fine_tune import learn_model

    return learn_model(job, spec, objective, model, tuning, seed)


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
    passes: float = 1.0,
    evaluations: dict[str, Json] | None = None,
) -> None:
    """Inputs `pool`, `split`, `targets`, `labels`, and `features` for a probe.

    With the input `start`, an earlier training, it starts from the weights of that one. With `whole`, the targets
    before a selection, as many items are seen as without the selection (a probe sees all items at every update, so its
    passes stay).

    Writes `half_b.parquet` and `test.parquet` (the predictions, as labels of the source `name`), `chosen.json`,
    `metrics.jsonl` and `model/`; with `evaluations` also `evaluations.parquet`.

    Args:
        adapt: `full`, `lora` or `probe`.
        model: the student's section of the experiment.
        loss: which loss, with its options.
        self_training: options of the auxiliary term; `None` = without it.
        tune: the grid, the folds and (default `weak_accuracy`) what to select by.
        seed: of the new head and the order of the examples; a probe needs none.
        name: of its predictions.
        passes: a factor on the passes over the data that the settings ask for.
        evaluations: options of the evaluations during the last training; `None` = without any.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    objective = make_objective(loss, self_training)
    targets = Targets.load(job.inputs["targets"] / "targets.parquet")
    whole = Targets.load(job.inputs["whole"] / "targets.parquet") if "whole" in job.inputs else targets
    more = 1.0 if adapt == "probe" else whole.n_items / max(1, targets.n_items)
    select_by = tune.get("select_by", "weak_accuracy")
    rows = learned_rows(task, split, targets)
    spec = FitSpec(
        task=task,
        rows=rows,
        targets=targets.collapse() if objective.linear else targets,
        yardstick=yardstick(job, task, split, rows, select_by),
        asked=np.concatenate([split.half_b, split.test]),
        judged=judged_rows(task, split, rows) if select_by == "half_a_log_loss" else None,
        start=job.inputs["start"] / "model" if "start" in job.inputs else None,
        passes=passes * more,
        evaluations=class_evaluations(job, task, split, evaluations, seed),
    )
    tuning = Tuning(tune, select_by, oracle=select_by == "gold_accuracy", held_out_wanted=False)
    learned = learn(job, adapt, spec, objective, model, tuning, seed)
    half_b, test = np.split(learned.answers, [len(split.half_b)])
    save_answers(half_b, spec.ids(split.half_b), name, job.out / "half_b.parquet")
    save_answers(test, spec.ids(split.test), name, job.out / "test.parquet")
    save_record(learned, tuning, job.out)


def learned_rows(task: Task, split: Split, targets: Targets) -> Int[np.ndarray, "item"]:
    """Pool rows that may be learned from: of each half that has a target; of half A those with a target only."""
    named = set(targets.items)
    has_target = [task.items.ids[row] in named for row in split.half_a.tolist()]
    half_a: Int[np.ndarray, item] = split.half_a[np.asarray(has_target, dtype=bool)]
    if len(half_a) and len(named) == len(half_a):
        return half_a
    return np.concatenate([half_a, split.half_b])


def judged_rows(task: Task, split: Split, learned: Int[np.ndarray, "item"]) -> Int[np.ndarray, "judged"]:
    """Pool rows of half A with gold. Raises `ConfigError` where they are learned, `DataError` without any."""
    if np.isin(split.half_a, learned).any():
        raise ConfigError("select_by: `half_a_log_loss` needs items that are not learned, and this row learns half A")
    rows = split.half_a[task.items.gold[split.half_a] >= 0]
    if not len(rows):
        raise DataError("select_by: `half_a_log_loss` needs gold, and no item of half A has any; use `weak_accuracy`")
    return np.asarray(rows)


def yardstick(
    job: Job, task: Task, split: Split, rows: Int[np.ndarray, "item"], select_by: str
) -> Float[np.ndarray, "item class"]:
    """The reference for held-out answers: on half B the supervisors' mean vote, or gold for oracle selection.

    On half A, where its gold is learned, that gold.
    """
    reference = one_hot(task.items.gold[rows], task.n_classes)
    half_b = ~np.isin(rows, split.half_a)
    if select_by == "gold_accuracy" or not half_b.any():
        return reference
    labels = WeakLabels.load(job.inputs["labels"] / "half_b.parquet")
    row = {name: index for index, name in enumerate(labels.items)}
    names = [task.items.ids[item] for item in rows[half_b].tolist()]
    missing = [name for name in names if name not in row]
    if missing:
        raise DataError(f"{job.inputs['labels'] / 'half_b.parquet'}: item `{missing[0]}` of half B is not in it")
    reference[half_b] = mean_vote(labels.take(np.asarray([row[name] for name in names])))
    return reference


def class_evaluations(
    job: Job, task: Task, split: Split, section: dict[str, Json] | None, seed: int
) -> ClassEvaluations | None:
    """The evaluations of a student that learns half B; `None` without the section."""
    plan = plan_of(section, task, split, seed)
    if plan is None:
        return None
    weak = yardstick(job, task, split, split.half_b, "weak_accuracy")
    rows = np.concatenate([split.half_b, split.test])
    return ClassEvaluations(
        plan, np.concatenate([weak, np.zeros((len(split.test), task.n_classes))]), task.items.gold[rows]
    )


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
        source: name of its answers.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    probe = adapt == "probe"
    half_a = split.half_a[task.items.gold[split.half_a] >= 0]
    if not len(half_a):
        raise DataError("no item of half A has gold: a supervisor has nothing to learn from")
    held_out = np.zeros(len(half_a), dtype=bool)
    if not probe:
        held_out = holdout_rows([task.items.groups[row] for row in half_a.tolist()], model["holdout"], seed)
    rows, held = half_a[~held_out], half_a[held_out]
    gold = one_hot(task.items.gold[rows], task.n_classes)
    spec = FitSpec(
        task=task,
        rows=rows,
        targets=Targets([task.items.ids[row] for row in rows.tolist()], gold, np.ones(len(rows))),
        yardstick=gold,
        asked=np.concatenate([held, split.half_b, split.test]),
    )
    select_by: SelectBy = "weak_log_loss" if tune.get("select_by") == "weak_log_loss" else "weak_accuracy"
    tuning = Tuning(tune, select_by, oracle=False, held_out_wanted=probe)
    objective = make_objective({"type": "cross_entropy"}, None)
    learned = learn(job, adapt, spec, objective, model, tuning, seed)
    unseen, half_b, test = np.split(learned.answers, np.cumsum([len(held), len(split.half_b)]))
    if learned.choice.held_out is not None and probe:
        held, unseen = rows, learned.choice.held_out
    for part, answered, probs in (
        ("anchors", held, unseen),
        ("half_b", split.half_b, half_b),
        ("test", split.test, test),
    ):
        if len(answered):
            save_answers(probs, spec.ids(answered), source, job.out / f"{part}.parquet")
    save_record(learned, tuning, job.out)
