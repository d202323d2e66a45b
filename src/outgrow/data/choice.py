"""What every *choose* task needs: as many options for every item, and no answer given away by its position."""

from collections import Counter
from dataclasses import replace

import numpy as np

from outgrow.data.leak import fingerprint
from outgrow.data.published_task import letters
from outgrow.data.task import Items, Task
from outgrow.errors import DataError


def choose_task(name: str, items: Items, notes: tuple[str, ...], shuffle: bool = False) -> Task:
    """A *choose* task of the items that have the most common number of options, with notes on what was changed.

    Options are shuffled on request, and wherever the right one is in the same place for all items.
    """
    items, notes = _same_width(items, notes)
    k = len(items.options[0]) if items.options else 0
    if k < 2:
        raise DataError(f"task `{name}`: a choice needs at least 2 options, there are {k}")
    known = items.gold[items.gold >= 0]
    if not shuffle and len(known) > k and (known == known[0]).all():
        shuffle = True
        notes = (*notes, f"The right option was always number {known[0] + 1}; options were shuffled.")
    return Task(name, "choose", letters(k), shuffle_options(items) if shuffle else items, notes)


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
    # The wider one on a tie, so that the answer does not hang on the order of the rows.
    k = max(widths, key=lambda width: (widths[width], width))
    keep = np.flatnonzero([len(choice) == k for choice in items.options or []])
    return items.take(keep), (
        *notes,
        f"Items left out because they have other than {k} options: {len(items) - len(keep)}.",
    )
