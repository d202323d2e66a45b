"""What training changed in the supervisors, on a student's own texts: the targets of WSPO (`losses/preference.py`).

Each supervisor scores a text as it was before its training and after it. Their difference, per group of bytes g,

    w_g = Σ_i λ_i (log P_i,after(g) − log P_i,before(g))

is what the student is to learn. A group is a smallest stretch that no tokenizer cuts across, neither the student's nor
a supervisor's (`align/group.py`); where all tokenizers are the same it is a token, as in the paper. The student's own
log-probability of each group before the training goes with it, so that no second model is held in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.align.pieces import PieceTable
from outgrow.combiners.ensemble_score import scorer_weights
from outgrow.errors import ConfigError, DataError
from outgrow.texts import TextTargets, WeakTexts


class WeakRatios(NamedTuple):
    """The same rows twice, with one entry per group of each text; an item's rows have weights that sum to 1."""

    ratios: TextTargets
    """In place of log-probabilities: their change by the supervisors' training, in nats, of either sign."""
    reference: TextTargets
    """The student's log-probabilities before."""


def weak_ratios(
    candidates: WeakTexts,
    before: Mapping[str, WeakTexts],
    after: Mapping[str, WeakTexts],
    reference: WeakTexts,
    weights: str | Mapping[str, float],
) -> WeakRatios:
    """A row for every text that the student and all supervisors that count can read.

    Args:
        candidates: the student's texts; one source.
        before, after: by supervisor, its scores of them without and with its training.
        reference: the student's own scores.
        weights: of the supervisors: `average`, or numbers by name.

    Raises `ConfigError` without supervisors or for other weights, `DataError` where the two scores of a supervisor are
    of different pieces or an item has none.
    """
    if not after or before.keys() != after.keys():
        raise ConfigError("WSPO needs every supervisor's scores of the student's texts, before and after its training")
    lambdas = {
        name: value for name, value in zip(after, scorer_weights(weights, list(after)), strict=True) if value > 0
    }
    tables = [[_by_text(table, candidates.items) for table in (before[name], after[name])] for name in lambdas]
    own = _by_text(reference, candidates.items)
    rows: list[tuple[str, str, PieceTable, PieceTable, float]] = []
    n_texts = 0
    for item, row in zip(candidates.items, candidates.candidates, strict=True):
        texts = list(dict.fromkeys(candidate.text for candidate in row[0]))
        read = [
            text
            for text in texts
            if all(text in table[item] for table in (own, *(t for pair in tables for t in pair)))
        ]
        n_texts += len(texts)
        for text in read:
            changes = [_change(old[item][text], new[item][text], item) for old, new in tables]
            ratio, base = _grouped(changes, list(lambdas.values()), own[item][text])
            rows.append((item, text, ratio, base, 1 / len(read)))
    origin = tuple(_sentences(rows, n_texts))
    items, texts, weight = [row[0] for row in rows], [row[1] for row in rows], np.asarray([row[4] for row in rows])
    return WeakRatios(
        TextTargets(items, texts, [row[2] for row in rows], weight, origin),
        TextTargets(items, texts, [row[3] for row in rows], weight, origin),
    )


def _by_text(table: WeakTexts, items: Sequence[str]) -> dict[str, dict[str, PieceTable]]:
    """[item][text]: the pieces, by the one model whose scores the table holds."""
    chosen = table.take(items)
    return {
        item: {candidate.text: candidate.pieces for candidate in row[0]}
        for item, row in zip(chosen.items, chosen.candidates, strict=True)
    }


def _change(before: PieceTable, after: PieceTable, item: str) -> PieceTable:
    """By how much each piece's log-probability was raised."""
    if not np.array_equal(before.end, after.end):
        raise DataError(
            f"item `{item}`: a supervisor cuts a text into other pieces after its training than before; score both"
            " with the same tokenizer"
        )
    return PieceTable(after.end, after.logprob - before.logprob)


def _grouped(
    changes: Sequence[PieceTable], weights: Sequence[float], own: PieceTable
) -> tuple[PieceTable, PieceTable]:
    """The weighted sum of the changes of each group, and the student's log-probability of it."""
    end = reduce(np.intersect1d, [change.end for change in changes], np.unique(own.end))
    end = end[end > 0] if end.any() else end
    total = sum(
        (weight * _per_group(change, end) for weight, change in zip(weights, changes, strict=True)), np.zeros(len(end))
    )
    return PieceTable(end, np.asarray(total)), PieceTable(end, _per_group(own, end))


def _per_group(table: PieceTable, end: Int[np.ndarray, "group"]) -> Float[np.ndarray, "group"]:
    total = np.zeros(len(end))
    np.add.at(total, np.searchsorted(end, table.end), table.logprob)
    return total


def _sentences(rows: Sequence[tuple[str, str, PieceTable, PieceTable, float]], n_texts: int) -> Iterator[str]:
    if rows:
        changed = float(np.mean([abs(row[2].logprob.sum()) for row in rows]))
        yield f"Texts: {len(rows)}; the supervisors' training changed a log-probability by {changed:.2f} on average."
    if len(rows) < n_texts:
        yield f"Texts that a supervisor or the student itself could not read, skipped: {n_texts - len(rows)}."
