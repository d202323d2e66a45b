"""The step `selected`: some of a method's targets, in their order, and the scores by which they were selected.

Beside `pool` and `targets` its inputs are what the selection needs (`record.Needs`):

    strong    the strong model's own answers (classes: its votes)
    scores    the student's log-probabilities of the targets, texts only
    reward    the result of the step `reward` on these very targets
    like      another selection, whose size this one copies; otherwise the rule is in `keep`

The kept targets are unchanged: same pieces, same weights.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from outgrow.data.task import Task
from outgrow.errors import ConfigError
from outgrow.extensions import Function, function_of
from outgrow.graph.step import Job, Json
from outgrow.labels import Targets
from outgrow.select import SELECTIONS
from outgrow.select.keep_rules import sizes
from outgrow.select.selection import Scores, Selection, SelectionInputs, TargetRows, capabilities_of
from outgrow.texts import TextTargets

TARGETS = "targets.parquet"


def select_texts(job: Job, *, select: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `targets` and what the selection needs; writes `targets.parquet` (`TextTargets`) and `kept.json`.

    Args:
        select: the section of a selection in `SELECTIONS`, without the options that chose the inputs.
        seed: of the lots.

    Raises:
        ConfigError: the selection is not for texts, or its scores are faulty.
        DataError: nothing is kept, or the inputs do not fit each other.
    """
    targets = TextTargets.load(job.inputs["targets"] / TARGETS)
    # Two sources may have written the same text; their log-probabilities tell the rows apart.
    columns = zip(targets.items, targets.texts, targets.pieces, strict=True)
    words = [(item, text, pieces.logprob.tobytes().hex()) for item, text, pieces in columns]
    _select(job, targets, words, select, seed, SELECTIONS.named(select["type"]).text_scores)


def select_votes(job: Job, *, select: dict[str, Json], seed: int) -> None:
    """The same for targets that are distributions over classes (`Targets`)."""
    targets = Targets.load(job.inputs["targets"] / TARGETS)
    words = [(item, probs.tobytes().hex()) for item, probs in zip(targets.items, targets.probs, strict=True)]
    _select(job, targets, words, select, seed, SELECTIONS.named(select["type"]).vote_scores)


def _select(
    job: Job,
    targets: Targets | TextTargets,
    words: Iterable[Sequence[str]],
    select: dict[str, Json],
    seed: int,
    scores: Function | None,
) -> None:
    task, record = Task.load(job.inputs["pool"]), SELECTIONS[select["type"]]
    if scores is None:
        raise ConfigError(f"select `{record.name}` has no scores for targets of this kind; select by something else")
    rows = TargetRows.of(task, targets.items, words, seed)
    inputs = SelectionInputs(task, targets, rows, select, job.inputs)
    score = _checked(function_of(scores)(inputs), len(rows.items), record.name)
    rule = record.rule(select)
    if "like" in job.inputs:
        copied = sizes(capabilities_of(task, type(targets).load(job.inputs["like"] / TARGETS).items))
        rule = {"quota": {name: copied.get(name, 0) for name in sizes(rows.capability)}}
    selection = Selection(record, rows, score, rule, tuple(inputs.notes))
    kept = selection.kept()
    some = targets.keep(kept)
    replace(some, origin=(*some.origin, *selection.sentences(kept))).save(job.out / TARGETS)
    (job.out / "kept.json").write_text(json.dumps(selection.record(kept), ensure_ascii=False, indent=1))


def _checked(score: object, n: int, name: str) -> Scores:
    """The scores, if there is one number per target."""
    array = np.asarray(score, dtype=np.float64)
    if array.shape != (n,):
        raise ConfigError(f"select `{name}`: scores of shape {list(array.shape)} for {n} targets; return one per row")
    return array
