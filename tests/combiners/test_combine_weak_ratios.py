"""What training changed in the supervisors, per group of a student's tokens, against its definition."""

import numpy as np
import pytest
from hand_made_texts import said, some_labels, some_scores, table, without

from drawn_seeds import SEEDS
from outgrow.align.pieces import PieceTable
from outgrow.combiners.weak_ratios import WeakRatios, weak_ratios
from outgrow.errors import ConfigError, DataError
from outgrow.texts import Candidate, WeakTexts

WEIGHTS = {"a": 0.5, "b": 0.2, "c": 0.3}


def drawn(seed: int) -> tuple[WeakTexts, dict[str, WeakTexts], dict[str, WeakTexts], WeakTexts]:
    """A student's candidates, the supervisors' scores before and after, the student's own."""
    own = some_scores(seed + 7, "s")["s"]
    return some_labels(seed, "s"), some_scores(seed), some_scores(seed + 20), own


def pieces_of(scores: WeakTexts, item: int, text: str) -> np.ndarray:
    return next(one for one in scores.candidates[item][0] if one.text == text).pieces.logprob


@pytest.mark.parametrize("seed", SEEDS)
def test_where_all_cut_alike_a_group_is_a_piece(seed: int) -> None:
    candidates, before, after, own = drawn(seed)
    found = weak_ratios(candidates, before, after, own, WEIGHTS)
    expected = [
        (str(item), text.text, len(row[0])) for item, row in enumerate(candidates.candidates) for text in row[0]
    ]
    assert list(zip(found.ratios.items, found.ratios.texts, strict=True)) == [one[:2] for one in expected]
    assert found.ratios.weight.tolist() == pytest.approx([1 / n for *_, n in expected])
    for row, (item, text, _) in enumerate(expected):
        wanted = sum(
            WEIGHTS[name] * (pieces_of(after[name], int(item), text) - pieces_of(before[name], int(item), text))
            for name in WEIGHTS
        )
        np.testing.assert_allclose(found.ratios.pieces[row].logprob, wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.reference.pieces[row].logprob, pieces_of(own, int(item), text))


def cut(text: str, ends: list[int], logprobs: list[float]) -> WeakTexts:
    return WeakTexts(["0"], ("x",), [[[Candidate(text, PieceTable(np.asarray(ends), np.asarray(logprobs)))]]])


def of_one(before: WeakTexts, after: WeakTexts, own: WeakTexts) -> WeakRatios:
    return weak_ratios(own, {"x": before}, {"x": after}, own, "average")


def test_other_pieces_are_grouped_by_the_bytes_that_both_spell() -> None:
    before = cut("noon today", [2, 4, 10, 11], [-1.0, -1.0, -2.0, -0.5])
    after = cut("noon today", [2, 4, 10, 11], [-0.5, -0.25, -1.0, -0.25])
    own = cut("noon today", [4, 7, 10, 11], [-3.0, -1.0, -4.0, -0.1])
    found = of_one(before, after, own)
    assert found.ratios.pieces[0].end.tolist() == found.reference.pieces[0].end.tolist() == [4, 10, 11]
    assert found.ratios.pieces[0].logprob.tolist() == pytest.approx([0.5 + 0.75, 1.0, 0.25])
    assert found.reference.pieces[0].logprob.tolist() == pytest.approx([-3.0, -5.0, -0.1])


def test_without_a_change_there_is_nothing_to_learn() -> None:
    candidates, before, _, own = drawn(SEEDS[0])
    found = weak_ratios(candidates, before, before, own, "average")
    assert all((one.logprob == 0).all() for one in found.ratios.pieces)


def test_the_order_of_supervisors_does_not_matter() -> None:
    candidates, before, after, own = drawn(SEEDS[1])
    turned = [dict(reversed(one.items())) for one in (before, after)]
    found, other = weak_ratios(candidates, before, after, own, WEIGHTS), weak_ratios(candidates, *turned, own, WEIGHTS)
    for one, two in zip(found.ratios.pieces, other.ratios.pieces, strict=True):
        np.testing.assert_allclose(one.logprob, two.logprob, rtol=1e-12, atol=1e-12)


def test_texts_that_somebody_cannot_read_are_skipped_and_counted() -> None:
    candidates = table(s=[[said("one", -1.0, -1.0), said("noon", -1.0, -1.0)]])
    scores = {"a": candidates}
    found = weak_ratios(candidates, {"a": without(candidates, "one")}, scores, candidates, "average")
    assert found.ratios.texts == ["noon"]
    assert found.ratios.weight.tolist() == [1.0]
    assert found.ratios.origin[-1] == "Texts that a supervisor or the student itself could not read, skipped: 1."


def test_scores_that_do_not_belong_together_are_refused() -> None:
    candidates, before, after, own = drawn(SEEDS[0])
    with pytest.raises(ConfigError, match="before and after"):
        weak_ratios(candidates, {"a": before["a"]}, after, own, "average")
    with pytest.raises(DataError, match="other pieces"):
        of_one(
            cut("noon", [4, 5], [-1.0, -1.0]),
            cut("noon", [2, 4, 5], [-1.0, -1.0, -1.0]),
            cut("noon", [4, 5], [-1.0, -1.0]),
        )
