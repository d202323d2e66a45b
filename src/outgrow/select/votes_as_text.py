"""Votes as texts, for a reward model, which scores a text in answer to a prompt.

An item of classes or options becomes the question of `form: text` (`data/text_form.py`). A vote becomes the class's
name or the option's text, as one piece with the vote's probability.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from outgrow.align.pieces import PieceTable
from outgrow.data.task import Task
from outgrow.data.task_forms import TEMPLATES, as_text, list_options
from outgrow.data.template import instruct
from outgrow.labels import Targets, WeakLabels
from outgrow.texts import Candidate, TextTargets, WeakTexts

TINY = 1e-12
"""Keeps the log of a vote without probability finite."""


def task_as_texts(task: Task) -> Task:
    """The same items as questions whose answers are texts."""
    texts = replace(as_text(task), metric="exact_match")
    return instruct(texts, TEMPLATES[task.kind], ("text", "options"), list_options(task))


def targets_as_texts(task: Task, targets: Targets) -> TextTargets:
    """Every row's most probable class as a text."""
    chosen = targets.probs.argmax(axis=1).tolist()
    texts = _names(task, targets.items, chosen)
    pieces = [_piece(text, prob) for text, prob in zip(texts, targets.probs.max(axis=1).tolist(), strict=True)]
    return TextTargets(targets.items, texts, pieces, targets.weight, targets.origin)


def labels_as_texts(task: Task, labels: WeakLabels) -> WeakTexts:
    """Every vote as a text; an abstention has none."""
    candidates: list[list[list[Candidate]]] = [[[] for _ in labels.sources] for _ in labels.items]
    for column, hard in enumerate(labels.hard.T.tolist()):
        texts = _names(task, labels.items, hard)
        for row, (text, vote) in enumerate(zip(texts, hard, strict=True)):
            if vote >= 0:
                candidates[row][column] = [Candidate(text, _piece(text, float(labels.probs[row, column, vote])))]
    return WeakTexts(labels.items, labels.sources, candidates)


def _names(task: Task, items: Sequence[str], classes: Sequence[int]) -> list[str]:
    """The text of each item's class; empty for -1."""
    place = {name: row for row, name in enumerate(task.items.ids)}
    options = task.items.options
    named = [task.classes if options is None else options[place[item]] for item in items]
    return ["" if index < 0 else names[index] for names, index in zip(named, classes, strict=True)]


def _piece(text: str, prob: float) -> PieceTable:
    n_bytes = len(text.encode())
    return PieceTable(np.asarray([n_bytes]), np.asarray([math.log(max(prob, TINY))])).close(0.0, n_bytes)
