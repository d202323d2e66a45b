"""Trust in labels: how probable a probe of hidden states thinks that a label is right.

The anchors show whether each source's answers to items of half A that it did not learn are right or wrong. A trust
function learns this from the hidden state of the item, by logistic regression (`logistic.py`), and predicts it for the
source's labels of half B:

    t_s(x) = P(source s is right about x | hidden state of x, its vote)

The trust in a target is the mean of t_s over the sources whose most probable class is the target's; NaN where there is
none. The state of a *choose* item is that of the chosen option, and only the largest probability of its vote counts,
because options are positions. A source that was always right, or always wrong, has one trust for all items: its
accuracy, with one right and one wrong answer added.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from outgrow.combiners.targets_step import anchors_in
from outgrow.data.task import Task
from outgrow.errors import DataError
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.models.feature_file import read_features
from outgrow.select.logistic import fit_by_folds
from outgrow.select.selection import Scores, SelectionInputs, rows_of

States = Float[np.ndarray, "pool *option dim"]
STUDENT = "student"


def trust_in_votes(inputs: SelectionInputs) -> Scores:
    """The record's scores: inputs `labels`, and `states.NAME` by source, or of the student for all."""
    folder = inputs.folders["labels"]
    labels, anchors = WeakLabels.load(folder / "half_b.parquet"), anchors_in(folder, inputs.task)
    if anchors is None:
        raise DataError(
            "select `trust`: no supervisor has answers to items with known gold; give every supervisor a `holdout`"
            " above 0, or select by something else"
        )
    states = {
        key.removeprefix("states."): last_layer(path, len(inputs.task.items))
        for key, path in inputs.folders.items()
        if key.startswith("states.")
    }
    return trust_of(inputs.task, inputs.votes, labels, anchors, states)


def trust_of(
    task: Task, targets: Targets, labels: WeakLabels, anchors: Anchors, states: Mapping[str, States]
) -> Scores:
    """`states`: hidden states of all items of the task, by source; `student` is of those that have none."""
    place = {item: row for row, item in enumerate(labels.items)}
    trust = np.stack(
        [
            _source_trust(
                task, labels.only([name]), _gold_anchors(anchors, name), states.get(name, states.get(STUDENT))
            )
            for name in labels.sources
        ],
        axis=1,
    )
    row = np.asarray([place[item] for item in targets.items])
    gave = (labels.hard[row] == targets.probs.argmax(axis=1)[:, None]) & ~np.isnan(trust[row])
    total = np.where(gave, np.nan_to_num(trust[row]), 0.0).sum(axis=1)
    count = gave.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def last_layer(folder: Path, n_items: int) -> States:
    """The hidden states of all items at the highest layer that the step `features` has."""
    values, layers = read_features(folder, n_items)
    highest = int(np.argmax(layers)) if all(isinstance(layer, int) for layer in layers) else len(layers) - 1
    return np.asarray(np.take(values, highest, axis=-2), dtype=np.float64)


def _gold_anchors(anchors: Anchors, name: str) -> Anchors:
    """One source's answers to items whose gold is known."""
    own = anchors.labels.only([name])
    chosen = np.flatnonzero(own.voted[:, 0] & (anchors.gold >= 0))
    return Anchors(own.take(chosen), anchors.gold[chosen])


def _source_trust(
    task: Task, labels: WeakLabels, anchors: Anchors, states: States | None
) -> Float[np.ndarray, "item"]:
    """P(right) of one source's labels; NaN where it abstains, or everywhere without anchors or states."""
    trust = np.full(len(labels.items), np.nan)
    voted = np.flatnonzero(labels.voted[:, 0])
    if states is None or not len(anchors.gold) or not len(voted):
        return trust
    right = (anchors.labels.hard[:, 0] == anchors.gold).astype(float)
    groups = [task.items.groups[row] for row in rows_of(task, anchors.labels.items)]
    model = fit_by_folds(_inputs(task, anchors.labels, states), right, groups)
    trust[voted] = model.probability(_inputs(task, labels.take(voted), states))
    return trust


def _inputs(task: Task, labels: WeakLabels, states: States) -> Float[np.ndarray, "item input"]:
    """What the trust function reads of one source's labels; no abstentions."""
    rows = np.asarray(rows_of(task, labels.items), dtype=np.int64)
    votes = labels.probs[:, 0]
    if states.ndim == 3:
        return np.concatenate([states[rows, votes.argmax(axis=1)], votes.max(axis=1, keepdims=True)], axis=1)
    return np.concatenate([states[rows], votes], axis=1)
