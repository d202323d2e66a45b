"""From what rules say of items (`rule_worker.Verdict`) to votes, and to a list of their failures."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import DataError
from outgrow.supervise.rule_worker import Verdict
from outgrow.vote_table import VoteTable

NAMED = 5
"""Items that an error names."""


class RuleError(NamedTuple):
    """One kind of failure of one rule."""

    rule: str
    error: str
    """An exception's type, `bad answer`, `too slow`, or `died`."""
    message: str
    """What was said at the first of the items."""
    n_items: int
    items: tuple[str, ...]
    """The first few of them."""

    def __str__(self) -> str:
        many = "1 item" if self.n_items == 1 else f"{self.n_items} items"
        more = ", …" if self.n_items > len(self.items) else ""
        said = f"{self.error}: {self.message}" if self.message else self.error
        return f"Rule `{self.rule}` fails on {many} ({', '.join(self.items)}{more}): {said}."


def rule_errors(names: Sequence[str], items: Sequence[str], verdicts: Sequence[Sequence[Verdict]]) -> list[RuleError]:
    """Failures by rule and kind, in the order of rules and of their first item. Raises `DataError` for a rule that
    fails on every item."""
    errors = []
    for name, said in zip(names, verdicts, strict=True):
        kinds: dict[str, list[tuple[str, str]]] = {}
        for item, one in zip(items, said, strict=True):
            if isinstance(one, tuple):
                kinds.setdefault(one[0], []).append((item, one[1]))
        found = [
            RuleError(name, kind, where[0][1], len(where), tuple(item for item, _ in where[:NAMED]))
            for kind, where in kinds.items()
        ]
        if sum(error.n_items for error in found) == len(items):
            raise DataError(
                f"rule `{name}` fails on all {len(items)} items, on `{found[0].items[0]}` with {found[0].error}:"
                f" {found[0].message}; mend it, or leave it out"
            )
        errors += found
    return errors


def vote_table(
    items: list[str], names: Sequence[str], classes: Sequence[str], verdicts: Sequence[Sequence[Verdict]]
) -> VoteTable:
    """All votes, by item and then by rule."""
    soft = any(isinstance(one, list) for said in verdicts for one in said)
    votes = np.stack([hard_votes(said) for said in verdicts], axis=1)
    item, source = np.nonzero(votes >= 0)
    probs = np.stack([distributions(said, len(classes)) for said in verdicts], axis=1)[item, source] if soft else None
    return VoteTable(items, tuple(names), tuple(classes), item, source, votes[item, source], probs)


def hard_votes(said: Sequence[Verdict]) -> Int[np.ndarray, "item"]:
    """Each verdict's class, of a distribution the most probable one; -1 = none."""
    return np.asarray([one if isinstance(one, int) else _most_probable(one) for one in said], dtype=np.int64)


def _most_probable(one: list[float] | tuple[str, str] | None) -> int:
    return one.index(max(one)) if isinstance(one, list) else -1


def distributions(said: Sequence[Verdict], n_classes: int) -> Float[np.ndarray, "item class"]:
    """Each verdict as a distribution; zeros for an abstention or an error."""
    hard = hard_votes(said)
    probs = (hard[:, None] == np.arange(n_classes)).astype(float)
    for row, one in enumerate(said):
        if isinstance(one, list):
            probs[row] = np.asarray(one) / sum(one)
    return np.asarray(probs)
