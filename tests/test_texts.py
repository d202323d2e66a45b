"""Tables of texts: what goes in comes out, and what does not fit is said."""

from pathlib import Path

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.align.pieces import PieceTable
from outgrow.errors import DataError
from outgrow.pairs import Pairs
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain, join_texts

TEXTS = ["", "half past three", "zwölf Uhr", "正午", "😀 ok", '{"time": "noon"}']


def drawn(rng: np.random.Generator, text: str) -> Candidate:
    """A text in random pieces with random probabilities, with or without an end."""
    n = len(text.encode())
    cuts = np.unique(np.append(rng.integers(0, n + 1, size=3), n)) if n else np.zeros(0, dtype=np.int64)
    table = PieceTable(cuts, -rng.exponential(size=len(cuts)))
    return Candidate(text, table.close(-rng.exponential(), n) if rng.random() < 0.7 else table)


def some_texts(seed: int, sources: tuple[str, ...] = ("a", "b")) -> WeakTexts:
    rng = np.random.default_rng(seed)
    candidates = [
        [[drawn(rng, text) for text in rng.choice(TEXTS, size=rng.integers(0, 4), replace=False)] for _ in sources]
        for _ in range(8)
    ]
    return WeakTexts([f"item-{n}" for n in range(8)], sources, candidates)


def assert_same(one: WeakTexts, other: WeakTexts) -> None:
    assert (one.items, one.sources) == (other.items, other.sources)
    for left, right in zip(one.rows(), other.rows(), strict=True):
        assert left[:3] == right[:3]
        assert left[3].text == right[3].text
        np.testing.assert_array_equal(left[3].pieces.end, right[3].pieces.end)
        np.testing.assert_array_equal(left[3].pieces.logprob, right[3].pieces.logprob)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_survives_the_disk_to_the_last_digit(seed: int, tmp_path: Path) -> None:
    texts = some_texts(seed)
    texts.save(tmp_path / "t.parquet")
    again = WeakTexts.load(tmp_path / "t.parquet")
    assert_same(texts, again)
    assert [[len(found) for found in row] for row in texts.candidates] == [
        [len(found) for found in row] for row in again.candidates
    ], "who abstains, abstains"


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_sources_side_by_side_and_apart_again(seed: int) -> None:
    both = some_texts(seed)
    first, second = both.only(["a"]), both.only(["b"])
    assert_same(join_texts([first, second]), both)
    assert_same(join_texts([second, first]).only(["a", "b"]), both)
    turned = both.take(both.items[::-1])
    assert_same(turned.take(both.items), both)
    assert both.texts[0][0] == (both.candidates[0][0][0].text if both.candidates[0][0] else None)


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    texts = some_texts(0)
    with pytest.raises(DataError, match="no source named `c`; there are a, b"):
        texts.only(["c"])
    with pytest.raises(DataError, match="no answer for item `nobody`"):
        texts.take(["nobody"])
    with pytest.raises(DataError, match="two sources share a name"):
        join_texts([texts, texts])
    with pytest.raises(DataError, match="did not answer the same items"):
        join_texts([texts.only(["a"]), texts.only(["b"]).take(texts.items[::-1])])
    with pytest.raises(DataError, match="do not fit"):
        WeakTexts(["x"], ("a",), [])
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="not a readable table of texts"):
        WeakTexts.load(tmp_path / "t.parquet")


def test_targets_and_pairs_survive_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEEDS[0])
    rows = [drawn(rng, text) for text in TEXTS]
    targets = TextTargets(TEXTS, TEXTS, [row.pieces for row in rows], rng.random(len(TEXTS)), ("two", "sentences"))
    targets.save(tmp_path / "t.parquet")
    again = TextTargets.load(tmp_path / "t.parquet")
    assert (again.items, again.texts, again.origin) == (targets.items, targets.texts, targets.origin)
    np.testing.assert_array_equal(again.weight, targets.weight)
    for one, other in zip(targets.pieces, again.pieces, strict=True):
        np.testing.assert_array_equal(one.end, other.end)
        np.testing.assert_array_equal(one.logprob, other.logprob)
    pairs = Pairs(["i"], ["good"], ["bad"], np.array([0.1]), np.array([-1.0]), np.array([-2.0]), ("one",))
    pairs.save(tmp_path / "p.parquet")
    found = Pairs.load(tmp_path / "p.parquet")
    assert (found.item, found.chosen, found.rejected, found.origin) == (["i"], ["good"], ["bad"], ("one",))
    assert (found.flip.item(), found.reference_chosen.item(), found.reference_rejected.item()) == (0.1, -1.0, -2.0)


@pytest.mark.parametrize("text", TEXTS)
def test_gold_is_certain_to_its_end(text: str) -> None:
    table = certain(text)
    assert not table.logprob.any()
    assert table.end.tolist() == [len(text.encode()), len(text.encode()) + 1]
