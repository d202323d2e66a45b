"""Texts whose pieces are their words: written down by hand, or drawn at random."""

import numpy as np

from outgrow.align.pieces import PieceTable
from outgrow.texts import Candidate, TextTargets, WeakTexts

WORDS = ["noon", "one", "ten past", "half past ten", "seven in the morning", ""]
N_ITEMS = 9


def said(text: str, *logprobs: float) -> Candidate:
    """A text whose words are its pieces; one number more than words is that of its end, which is else left open."""
    ends = [len(text[:place].encode()) for place, letter in enumerate(text) if letter == " "] + [len(text.encode())]
    ends = ends if text else []
    closed = len(logprobs) == len(ends) + 1
    assert closed or len(logprobs) == len(ends), "one number per word, and perhaps one for the end"
    ends += [len(text.encode()) + 1] if closed else []
    return Candidate(text, PieceTable(np.asarray(ends, dtype=np.int64), np.asarray(logprobs, dtype=float)))


def table(**sources: list[list[Candidate]]) -> WeakTexts:
    """Per source, the candidates of items 0, 1, …"""
    n = len(next(iter(sources.values())))
    rows = [[found[item] for found in sources.values()] for item in range(n)]
    return WeakTexts([str(item) for item in range(n)], tuple(sources), rows)


def drawn(rng: np.random.Generator, text: str) -> Candidate:
    """The text with random log-probabilities, and an end."""
    return said(text, *-rng.exponential(size=len(text.split()) + 1))


def some_labels(seed: int, sources: str = "abc") -> WeakTexts:
    """One to three texts of every source for every item."""
    rng = np.random.default_rng(seed)

    def candidates() -> list[Candidate]:
        return [drawn(rng, text) for text in rng.permutation(WORDS)[: rng.integers(1, 4)].tolist()]

    return table(**{name: [candidates() for _ in range(N_ITEMS)] for name in sources})


def some_scores(seed: int, scorers: str = "abc") -> dict[str, WeakTexts]:
    """What every scorer thinks of every text there is."""
    rng = np.random.default_rng(seed + 1)
    return {name: table(**{name: [[drawn(rng, text) for text in WORDS] for _ in range(N_ITEMS)]}) for name in scorers}


def mean_of(scores: WeakTexts, item: int, text: str) -> float:
    """The scorer's mean log-probability per piece, looked up by hand."""
    found = next(one for one in scores.candidates[item][0] if one.text == text)
    return float(sum(found.pieces.logprob.tolist()) / len(found.pieces.logprob))


def without(scores: WeakTexts, text: str, items: set[str] | None = None) -> WeakTexts:
    """The same scores as if the scorer could not read a text (of some items)."""
    rows = [
        [[one for one in row[0] if one.text != text or (items is not None and item not in items)]]
        for item, row in zip(scores.items, scores.candidates, strict=True)
    ]
    return WeakTexts(scores.items, scores.sources, rows)


def rows_of(targets: TextTargets) -> list[tuple[str, str, float]]:
    columns = zip(targets.items, targets.texts, targets.weight, strict=True)
    return [(item, text, round(float(weight), 9)) for item, text, weight in columns]
