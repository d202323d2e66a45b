"""Pairs of a student's texts against their definition, and what must not matter to them."""

import math
from typing import Any

import numpy as np
import pytest
from hand_made_texts import N_ITEMS, mean_of, said, some_labels, some_scores, table, without

from drawn_seeds import SEEDS
from outgrow.combiners.preference_pairs import MOST, preference_pairs
from outgrow.errors import ConfigError, DataError
from outgrow.pairs import Pairs
from outgrow.texts import WeakTexts

WEIGHTS = {"a": 0.5, "b": 0.2, "c": 0.3}


def ask(candidates: WeakTexts, scores: dict[str, WeakTexts], reference: WeakTexts, **options: Any) -> Pairs:
    settings = {"epsilon": 0.1, "weights": "average", "logprobs": "sum", **options}
    return preference_pairs(candidates, scores, reference, **settings)


def some_student(seed: int) -> tuple[WeakTexts, dict[str, WeakTexts], WeakTexts]:
    """A student's candidates, three supervisors' scores, the student's own scores."""
    return some_labels(seed, "s"), some_scores(seed), some_scores(seed + 7, "s")["s"]


def contents(pairs: Pairs) -> dict[str, tuple[str, str, float, float, float]]:
    columns = [pairs.flip.tolist(), pairs.reference_chosen.tolist(), pairs.reference_rejected.tolist()]
    rows = zip(pairs.item, pairs.chosen, pairs.rejected, *columns, strict=True)
    return {item: (chosen, rejected, *(round(x, 12) for x in numbers)) for item, chosen, rejected, *numbers in rows}


# ---- the definition -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("logprobs", ["sum", "mean"])
def test_pairs_are_the_best_and_the_worst_of_each_item(seed: int, logprobs: str) -> None:
    candidates, scores, reference = some_student(seed)
    pairs = ask(candidates, scores, reference, weights=WEIGHTS, logprobs=logprobs)
    known = [item for item in range(N_ITEMS) if len(candidates.candidates[item][0]) > 1]
    assert pairs.item == [str(item) for item in known]
    for row, item in enumerate(known):
        joint = {
            one.text: sum(WEIGHTS[name] * mean_of(scores[name], item, one.text) for name in WEIGHTS)
            for one in candidates.candidates[item][0]
        }
        assert pairs.chosen[row] == max(joint, key=lambda text: joint[text])
        assert pairs.rejected[row] == min(joint, key=lambda text: joint[text])
        for text, found in (
            (pairs.chosen[row], pairs.reference_chosen[row]),
            (pairs.rejected[row], pairs.reference_rejected[row]),
        ):
            own = next(one for one in reference.candidates[item][0] if one.text == text).pieces.logprob
            assert found == pytest.approx(own.sum() if logprobs == "sum" else own.mean())
    assert pairs.flip.tolist() == [0.1] * len(known)
    left_out = f"Items without two texts of different score, left out: {N_ITEMS - len(known)}."
    assert (left_out in pairs.origin) == (len(known) < N_ITEMS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pairs_own_chance_of_being_wrong(seed: int) -> None:
    candidates, scores, reference = some_student(seed)
    pairs = ask(candidates, scores, reference, epsilon="per_pair", weights=WEIGHTS)
    for row, item in enumerate(map(int, pairs.item)):
        agree = 0.0
        for name, weight in WEIGHTS.items():
            better, worse = (mean_of(scores[name], item, text) for text in (pairs.chosen[row], pairs.rejected[row]))
            agree += weight / (1 + math.exp(worse - better))
        assert pairs.flip[row] == pytest.approx(min(1 - agree, MOST))


def test_the_chance_knows_who_agrees_and_by_how_much() -> None:
    candidates = table(s=[[said("one", -1.0, -1.0), said("noon", -1.0, -1.0)]])

    def flip(*differences: float) -> float:
        scores = {
            f"scorer{n}": table(s=[[said("one", -20.0, -20.0), said("noon", d - 20.0, d - 20.0)]])
            for n, d in enumerate(differences)
        }
        pairs = ask(candidates, scores, candidates, epsilon="per_pair")
        assert pairs.chosen == ["noon" if sum(differences) > 0 else "one"]
        return float(pairs.flip[0])

    assert flip(2.0, 2.0) == pytest.approx(1 / (1 + math.exp(2)))
    assert flip(-2.0, -2.0) == pytest.approx(1 / (1 + math.exp(2))), "the other way round it is the same"
    assert flip(2.0, 2.0) < flip(2.0, 0.5) < flip(0.5, 0.5) < flip(0.5, -0.4) < 0.5
    assert flip(20.0, -3.0, -3.0) == MOST, "one strong liking against two mild dislikes"
    assert flip(18.0) == pytest.approx(math.exp(-18), rel=1e-6)


# ---- what must not matter -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("epsilon", [0.1, "per_pair"])
def test_order_does_not_matter(seed: int, epsilon: float | str) -> None:
    candidates, scores, reference = some_student(seed)
    turned = WeakTexts(candidates.items, ("s",), [[row[0][::-1]] for row in candidates.candidates])
    turned = turned.take(candidates.items[::-1])
    backwards = {name: scores[name].take(scores[name].items[::-1]) for name in reversed(scores)}
    first = ask(candidates, scores, reference, epsilon=epsilon, weights=WEIGHTS)
    again = ask(turned, backwards, reference, epsilon=epsilon, weights=WEIGHTS)
    assert contents(first) == contents(again)


@pytest.mark.parametrize("epsilon", [0.1, "per_pair"])
def test_a_supervisor_twice_at_half_the_weight_is_that_supervisor(epsilon: float | str) -> None:
    candidates, scores, reference = some_student(SEEDS[0])
    twice = {**scores, "a2": scores["a"]}
    halved = {"a": 0.25, "a2": 0.25, "b": 0.2, "c": 0.3}
    first = ask(candidates, scores, reference, epsilon=epsilon, weights=WEIGHTS)
    assert contents(first) == contents(ask(candidates, twice, reference, epsilon=epsilon, weights=halved))
    silent = {**WEIGHTS, "a2": 0.0}
    assert contents(first) == contents(ask(candidates, twice, reference, epsilon=epsilon, weights=silent))


def test_a_text_twice_is_one_text() -> None:
    candidates, scores, reference = some_student(SEEDS[1])
    twice = WeakTexts(candidates.items, ("s",), [[row[0] * 2] for row in candidates.candidates])
    first, again = ask(candidates, scores, reference), ask(twice, scores, reference)
    assert contents(first) == contents(again)
    assert first.origin == again.origin


# ---- what is left out, and what is refused --------------------------------------------------------------


def test_items_without_a_choice_are_left_out_and_counted() -> None:
    both = [said("one", -1.0, -1.0), said("noon", -2.0, -2.0)]
    candidates = table(s=[both, both[:1], [], [both[0], both[0]], both])
    scores = {"a": table(a=[both, both[:1], [], both[:1], [both[0], said("noon", -1.0, -1.0)]])}
    pairs = ask(candidates, scores, candidates)
    assert contents(pairs) == {"0": ("one", "noon", 0.1, -2.0, -4.0)}
    assert pairs.origin == (
        "Pairs: 1; the chance that one is inverted is 0.100 on average.",
        "Items without two texts of different score, left out: 4.",
    )


def test_texts_that_somebody_could_not_read_are_passed_over_and_counted() -> None:
    three = [said("one", -1.0, -1.0), said("noon", -2.0, -2.0), said("ten past", -3.0, -3.0, -3.0)]
    candidates = table(s=[three, three])
    scores = {"a": table(a=[three, three]), "b": without(table(b=[three, three]), "one", items={"0"})}
    reference = without(candidates, "ten past", items={"1"})
    pairs = ask(candidates, scores, reference)
    assert [row[:2] for row in contents(pairs).values()] == [("noon", "ten past"), ("one", "noon")]
    assert "Texts that a scorer or the student itself could not read, skipped: 2." in pairs.origin


def test_preferences_say_what_is_missing() -> None:
    candidates, scores, reference = some_student(0)
    with pytest.raises(ConfigError, match="need a supervisor's scores"):
        ask(candidates, {}, reference)
    with pytest.raises(ConfigError, match="names `z`, which is no source"):
        ask(candidates, scores, reference, weights={"z": 1.0})
    with pytest.raises(ConfigError, match="not `confidence`"):
        ask(candidates, scores, reference, weights="confidence")
    with pytest.raises(DataError, match=r"scorer `c`.*item `0`"):
        ask(candidates, {**scores, "c": scores["c"].take(candidates.items[1:])}, reference)
    with pytest.raises(DataError, match="no answer for item `0`"):
        ask(candidates, scores, reference.take(candidates.items[1:]))


def test_no_pair_at_all_is_an_empty_table() -> None:
    one = table(s=[[said("one", -1.0, -1.0)]])
    pairs = ask(one, {"a": one}, one, epsilon="per_pair")
    assert len(pairs) == 0
    assert pairs.flip.shape == pairs.reference_chosen.shape == (0,)
    assert isinstance(pairs.flip, np.ndarray)
