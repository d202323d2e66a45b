"""Forms of a task: *choose* with equal numbers of options, its forms `binary` and `pairs`, and `form: text`.

`form: binary` (Burns et al. 2023): each question gives exactly two items, its right option and a wrong one drawn at
random. Both carry the question as their group, so that no split separates them.

`form: pairs`: each question keeps its right option and a wrong one drawn at random, as a preference between two texts.

`form: text`: the prompt lists the options or classes, and the gold text is the right option or the class's name:

    Options:
    - salt
    - soil
    Question: What do roots grow in?
    Answer:

Options stand in their order, classes on one line. A template places `{options}`; in it `{text}` is the item's text
without a last `Answer:`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from outgrow.data.leak import fingerprint
from outgrow.data.published_task import letters
from outgrow.data.task import Items, Kind, Task
from outgrow.errors import ConfigError, DataError


def choose_task(name: str, items: Items, notes: tuple[str, ...], shuffle: bool = False) -> Task:
    """A *choose* task of the items that have the most common number of options, with notes on what was changed.

    Options are shuffled on request, and wherever the right one is in the same place for all items.
    """
    items, notes = _same_width(items, notes)
    k = len(items.options[0]) if items.options else 0
    if k < 2:
        raise DataError(f"task `{name}`: a choice needs at least 2 options, there are {k}")
    known_gold = items.gold[items.gold >= 0]
    if not shuffle and len(known_gold) > k and (known_gold == known_gold[0]).all():
        shuffle = True
        notes = (*notes, f"The right option was always number {known_gold[0] + 1}; options were shuffled.")
    items = shuffle_options(items) if shuffle else items
    return Task(name, "choose", letters(k), items, notes, shuffled=shuffle)


def shuffle_options(items: Items) -> Items:
    """Order each item's options by a hash of its text: the same for every seed, run and machine."""
    options, gold = [], items.gold.copy()
    for row, choice in enumerate(items.options or []):
        item = fingerprint(items.prompts[row], choice)
        hashes = [fingerprint(f"{item} {option}") for option in choice]
        order = sorted(range(len(choice)), key=hashes.__getitem__)
        options.append([choice[i] for i in order])
        if gold[row] >= 0:
            gold[row] = order.index(int(gold[row]))
    return replace(items, options=options, gold=gold)


def _same_width(items: Items, notes: tuple[str, ...]) -> tuple[Items, tuple[str, ...]]:
    widths = Counter(len(choice) for choice in items.options or [])
    if len(widths) < 2:
        return items, notes
    # The wider one on a tie, so that the order of the rows does not matter.
    k = max(widths, key=lambda width: (widths[width], width))
    keep = np.flatnonzero([len(choice) == k for choice in items.options or []])
    return items.take(keep), (
        *notes,
        f"Items left out because they have other than {k} options: {len(items) - len(keep)}.",
    )


CLASSES = ("incorrect", "correct")


def balanced_binary(task: Task, seed: int) -> Task:
    """Two items per question; the candidate follows the prompt after a space, as an option would.

    Questions without gold are left out. The order within a pair and the wrong option are drawn by `seed`.
    Raises `ConfigError` for a task that is not *choose*.
    """
    items = task.items
    source, candidates, gold = [], [], []
    for row, options, right in _drawn_pairs(task, "binary", seed):
        for correct in (True, False) if right == 0 else (False, True):
            source.append(row)
            candidates.append(options[right if correct else 1 - right])
            gold.append(int(correct))
    pairs = Items(
        ids=[f"{items.ids[row]}/{CLASSES[correct]}" for row, correct in zip(source, gold, strict=True)],
        prompts=[f"{items.prompts[row]} {text}" for row, text in zip(source, candidates, strict=True)],
        gold=np.asarray(gold, dtype=np.int64),
        parts=[items.parts[row] for row in source],
        groups=[items.groups[row] for row in source],
    )
    note = f"Balanced binary form: {len(source) // 2} questions, each with its right and one wrong candidate."
    return Task(task.name, "classify", CLASSES, pairs, (*task.notes, note))


def preference_pairs(task: Task, seed: int) -> Task:
    """The right option and a wrong one of every question, as *choose* with two options.

    Questions without gold are left out. The order within a pair and the wrong option are drawn by `seed`, the same as
    for `balanced_binary`. Raises `ConfigError` for a task that is not *choose*.
    """
    drawn = _drawn_pairs(task, "pairs", seed)
    items = task.items.take(np.asarray([row for row, _, _ in drawn], dtype=np.int64))
    gold = np.asarray([right for _, _, right in drawn], dtype=np.int64)
    items = replace(items, options=[options for _, options, _ in drawn], gold=gold)
    note = f"Pairs: {len(drawn)} questions, each with its right option and a wrong one."
    return Task(task.name, "choose", letters(2), items, (*task.notes, note), shuffled=True)


def _drawn_pairs(task: Task, form: str, seed: int) -> list[tuple[int, list[str], int]]:
    """Of every question with gold its row, two of its options in the order drawn, and which one is right."""
    items = task.items
    if items.options is None:
        raise ConfigError(f"task.form `{form}` needs a multiple-choice task; `{task.name}` is {task.kind}")
    generator = np.random.default_rng(seed % 2**64)
    pairs = []
    for row in np.flatnonzero(items.gold >= 0).tolist():
        options, right = items.options[row], int(items.gold[row])
        wrong = int(generator.choice([i for i in range(len(options)) if i != right]))
        first = generator.random() < 0.5
        pairs.append(
            (row, [options[right], options[wrong]] if first else [options[wrong], options[right]], int(not first))
        )
    return pairs


TEMPLATES: Mapping[Kind, str] = {
    "choose": "Options:\n{options}\n{text}\nAnswer:",
    "classify": "Options: {options}\n{text}\nAnswer:",
}
"""By what the task was before."""
_ENDING = "Answer:"


def list_options(task: Task) -> list[str] | None:
    """Item by item what `{options}` stands for; `None` where the answer is a text anyway."""
    if task.kind == "choose":
        return ["\n".join(map(_listed, choice)) for choice in task.items.options or []]
    return None if task.kind == "generate" else [", ".join(task.classes)] * len(task.items)


def _listed(option: str) -> str:
    """An option in a list; the further lines of one that has several are indented, so that its end is seen."""
    return "- " + "\n  ".join(option.splitlines())


def as_text(task: Task) -> Task:
    """The same items as *generate*, still without a template; a task of texts as it is."""
    if task.kind == "generate":
        return task
    items = task.items
    allowed = items.options or [list(task.classes)] * len(items)
    answers = ["" if gold < 0 else allowed[row][gold] for row, gold in enumerate(items.gold.tolist())]
    texts = Items(
        ids=items.ids,
        prompts=[unanswered(text) for text in items.prompts],
        gold=items.gold.clip(max=0),
        answers=answers,
        parts=items.parts,
        groups=items.groups,
        allowed=allowed,
    )
    return Task(task.name, "generate", (), texts, task.notes, task.metric, rows=task.rows)


def unanswered(prompt: str) -> str:
    """The prompt without a last `Answer:`, for frames that say it themselves.

    >>> unanswered("Question: Why?\\nAnswer:")
    'Question: Why?'
    """
    return prompt.removesuffix(_ENDING).rstrip()
