"""Balanced binary form of a multiple-choice task: is this candidate the right answer?

As in Burns et al. (2023) and the papers after them, a question with K options becomes judgements of single
candidates, half of them right. Here every question gives exactly two items, its right option and one wrong option
drawn at random, so that the balance is exact rather than on average. Both carry the question as their group: no split
separates them, and no question is seen in two parts of a study. Works for every *choose* task.
"""

import numpy as np

from outgrow.data.task import Items, Task
from outgrow.errors import ConfigError

CLASSES = ("incorrect", "correct")


def balanced_binary(task: Task, seed: int) -> Task:
    """Two items per question; the candidate follows the prompt after a space, as an option would.

    Questions without gold are left out. The order within a pair and the wrong option are drawn by `seed`.
    Raises `ConfigError` for a task that is not *choose*.
    """
    items = task.items
    if items.options is None:
        raise ConfigError(f"task.form `binary` needs a multiple-choice task; `{task.name}` is {task.kind}")
    generator = np.random.default_rng(seed % 2**64)
    source, candidates, gold = [], [], []
    for row in np.flatnonzero(items.gold >= 0).tolist():
        options, right = items.options[row], int(items.gold[row])
        wrong = int(generator.choice([i for i in range(len(options)) if i != right]))
        pair = [(right, 1), (wrong, 0)]
        for option, correct in pair if generator.random() < 0.5 else reversed(pair):
            source.append(row)
            candidates.append(options[option])
            gold.append(correct)
    pairs = Items(
        ids=[f"{items.ids[row]}/{CLASSES[correct]}" for row, correct in zip(source, gold, strict=True)],
        prompts=[f"{items.prompts[row]} {text}" for row, text in zip(source, candidates, strict=True)],
        gold=np.asarray(gold, dtype=np.int64),
        parts=[items.parts[row] for row in source],
        groups=[items.groups[row] for row in source],
    )
    note = f"Balanced binary form: {len(source) // 2} questions, each with its right and one wrong candidate."
    return Task(task.name, "classify", CLASSES, pairs, (*task.notes, note))
