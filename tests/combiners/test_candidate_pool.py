"""The candidate pool against its definition on hand-made tables."""

import math
from pathlib import Path

import numpy as np
import pytest
from by_name import text_targets_by
from hand_made_texts import N_ITEMS, WORDS, mean_of, rows_of, said, some_labels, some_scores, table, without
from scipy.optimize import minimize

from drawn_seeds import SEEDS
from outgrow.combiners.candidate_pool import HeldOutTexts, PooledCandidates, candidate_pool, stacked_weights
from outgrow.combiners.joint_decoding import joint_decoding
from outgrow.errors import ConfigError, DataError
from outgrow.texts import TextTargets, WeakTexts


@pytest.mark.parametrize("seed", SEEDS)
def test_every_different_text_is_a_row_with_its_likelihood(seed: int) -> None:
    labels, scores = some_labels(seed), some_scores(seed)
    targets = candidate_pool(labels, {"a": scores["a"], "b": scores["b"]}, weights={"a": 1.0, "b": 3.0})
    wanted = []
    for number, item in enumerate(labels.items):
        texts = list(dict.fromkeys(one.text for found in labels.candidates[number] for one in found))
        joint = [
            mean_of(scores["a"], number, text) * 0.25 + mean_of(scores["b"], number, text) * 0.75 for text in texts
        ]
        total = sum(math.exp(value) for value in joint)
        wanted += [(item, text, round(math.exp(value) / total, 9)) for text, value in zip(texts, joint, strict=True)]
    assert rows_of(targets) == wanted
    assert targets.origin[0] == f"Different texts per item on average: {len(wanted) / N_ITEMS:.1f}."
    share = dict.fromkeys(labels.items, 0.0)
    for item, weight in zip(targets.items, targets.weight.tolist(), strict=True):
        share[item] += weight
    assert list(share.values()) == pytest.approx([1.0] * N_ITEMS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_most_likely_row_is_the_choice_of_joint_decoding(seed: int) -> None:
    labels, scores = some_labels(seed), some_scores(seed)
    pool, chosen = candidate_pool(labels, scores), joint_decoding(labels, scores)
    for item, text, pieces in zip(chosen.items, chosen.texts, chosen.pieces, strict=True):
        own = [row for row, name in enumerate(pool.items) if name == item]
        best = max(own, key=lambda row: pool.weight[row])
        assert pool.texts[best] == text
        np.testing.assert_array_equal(pool.pieces[best].logprob, pieces.logprob, "of its first writer")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_candidates_sources_and_scorers_does_not_matter(seed: int) -> None:
    labels, scores = some_labels(seed), some_scores(seed)
    weights = {"a": 0.2, "b": 0.5, "c": 0.3}
    first = text_targets_by("candidate_pool", labels, scores, weights=weights)
    turned = WeakTexts(labels.items, labels.sources, [[found[::-1] for found in row] for row in labels.candidates])
    turned = turned.only(["c", "a", "b"]).take(labels.items[::-1])
    again = text_targets_by("candidate_pool", turned, dict(reversed(scores.items())), weights=weights)
    assert sorted(rows_of(first)) == sorted(rows_of(again))


def test_a_text_that_two_sources_wrote_is_one_candidate() -> None:
    labels = table(a=[[said("noon", -0.1, -0.1)]], b=[[said("noon", -0.7, -0.1), said("one", -1.0, -1.0)]])
    scores = {"s": table(s=[[said("noon", -1.0, -1.0), said("one", -2.0, -2.0)]])}
    targets = candidate_pool(labels, scores)
    noon = 1 / (1 + math.exp(-1))
    assert rows_of(targets) == [("0", "noon", round(noon, 9)), ("0", "one", round(1 - noon, 9))]
    assert targets.pieces[0].logprob.tolist() == [-0.1, -0.1]


def test_the_length_of_a_text_does_not_count_against_it() -> None:
    long = said("seven in the morning", -1.0, -1.0, -1.0, -1.0, -1.0)
    labels = table(a=[[said("noon", -1.0, -1.0), long]])
    assert candidate_pool(labels, {"a": labels}).weight.tolist() == pytest.approx([0.5, 0.5])


def test_what_cannot_be_scored_is_left_out_and_counted() -> None:
    pool = table(a=[[said("noon", -0.1, -0.1), said("one", -5.0, -1.0)]] * N_ITEMS)
    scores = {"a": pool, "b": without(pool, "noon", items={"0", "1", "2"})}
    targets = candidate_pool(pool, {**scores, "c": without(pool, "one", items={"0"})})
    assert [row for row in rows_of(targets) if row[0] in ("0", "1")] == [("1", "one", 1.0)]
    assert len(targets) == 2 * N_ITEMS - 4
    assert "Texts that a scorer could not read, skipped: 4." in targets.origin
    assert "Items without a text that all scorers could read, left out: 1." in targets.origin
    silent = WeakTexts(pool.items, pool.sources, [[[]] for _ in pool.items])
    nothing = candidate_pool(silent, scores)
    assert len(nothing) == 0
    assert f"Items without an answer, left out: {N_ITEMS}." in nothing.origin


def test_what_is_missing_is_named() -> None:
    labels, scores = some_labels(0), some_scores(0)
    with pytest.raises(ConfigError, match="candidate_pool"):
        candidate_pool(labels)
    with pytest.raises(DataError, match=r"scorer `b`.*item `8`"):
        candidate_pool(labels, {**scores, "b": scores["b"].take(labels.items[:-1])})
    section = PooledCandidates(type="candidate_pool", scorers=["a", "z"])
    assert any("combine.scorers" in complaint for complaint in section.text_complaints("slu_f1", ["a", "b"]))


def test_every_row_is_saved_and_read(tmp_path: Path) -> None:
    targets = candidate_pool(some_labels(SEEDS[1]), some_scores(SEEDS[1]))
    targets.save(tmp_path / "targets.parquet")
    assert rows_of(TextTargets.load(tmp_path / "targets.parquet")) == rows_of(targets)


def some_held_out(seed: int, scorers: str = "abc") -> HeldOutTexts:
    """All texts scored for every item, each with another gold text."""
    rng, scores = np.random.default_rng(seed + 2), some_scores(seed, scorers)
    return HeldOutTexts(scores, {str(item): str(rng.choice(WORDS)) for item in range(N_ITEMS)})


def loss_of(weights: np.ndarray, held_out: HeldOutTexts) -> float:
    """−Σ log ℓ(gold) + ½‖λ − 1/S‖², text by text."""
    total = 0.5 * sum((float(weight) - 1 / len(weights)) ** 2 for weight in weights)
    for item, gold in held_out.gold.items():
        score = {}
        for text in WORDS:
            parts = [
                float(weight) * mean_of(table, int(item), text)
                for weight, table in zip(weights, held_out.scores.values(), strict=True)
            ]
            score[text] = math.exp(sum(parts))
        total -= math.log(score[gold] / sum(score.values()))
    return total


@pytest.mark.parametrize("seed", SEEDS)
def test_stacked_weights_make_gold_most_likely(seed: int) -> None:
    held_out = some_held_out(seed)
    fitted = stacked_weights(held_out)
    assert fitted is not None
    assert fitted.n_items == N_ITEMS
    best = minimize(loss_of, np.full(3, 0.5), args=(held_out,), bounds=[(0, None)] * 3, options={"ftol": 1e-14})
    assert list(fitted.by_scorer.values()) == pytest.approx(best.x.tolist(), abs=1e-4)
    targets = candidate_pool(some_labels(seed), held_out.scores, held_out=held_out)
    joint = {
        text: math.exp(sum(fitted.by_scorer[name] * mean_of(held_out.scores[name], 4, text) for name in "abc"))
        for item, text in zip(targets.items, targets.texts, strict=True)
        if item == "4"
    }
    wanted = [round(value / sum(joint.values()), 9) for value in joint.values()]
    assert [row[2] for row in rows_of(targets) if row[0] == "4"] == wanted
    assert any(f"{N_ITEMS} items of half A" in note for note in targets.origin)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_scorers_and_of_items_changes_no_weight(seed: int) -> None:
    held_out = some_held_out(seed)
    turned = HeldOutTexts(dict(reversed(held_out.scores.items())), dict(reversed(held_out.gold.items())))
    first, again = stacked_weights(held_out), stacked_weights(turned)
    assert first is not None
    assert again is not None
    assert again.by_scorer == pytest.approx(first.by_scorer, abs=1e-7)


def test_a_scorer_that_is_sure_of_wrong_texts_gets_no_weight() -> None:
    texts = ["noon", ""]
    good = table(good=[[said("noon", -0.2, -0.2), said("", -1.0)]] * N_ITEMS)
    sure = table(sure=[[said("noon", -6.0, -6.0), said("", -0.01)]] * N_ITEMS)
    scores, labels = {"good": good, "sure": sure}, table(good=[[said("noon", -0.2, -0.2), said("", -1.0)]])
    held_out = HeldOutTexts(scores, {str(item): "noon" for item in range(N_ITEMS)})
    fitted = stacked_weights(held_out)
    assert fitted is not None
    assert fitted.by_scorer["sure"] < 0.01 < 0.5 < fitted.by_scorer["good"]

    def chosen(**options: object) -> str:
        targets = candidate_pool(labels, {name: one.take(["0"]) for name, one in scores.items()}, **options)
        assert targets.texts == texts
        return targets.texts[int(targets.weight.argmax())]

    assert chosen() == ""
    assert chosen(held_out=held_out) == "noon"
    assert chosen(held_out=held_out, weights="average") == ""


def test_gold_that_a_scorer_cannot_read_is_not_fitted() -> None:
    held_out = some_held_out(SEEDS[0])
    blind = {name: without(one, "noon") for name, one in held_out.scores.items()}
    fitted = stacked_weights(HeldOutTexts(blind, {"0": "noon", "1": "one"}))
    assert fitted is not None
    assert fitted.n_items == 1
    assert stacked_weights(HeldOutTexts(blind, {"0": "noon"})) is None
    labels = some_labels(SEEDS[0])
    without_gold = candidate_pool(labels, held_out.scores, held_out=HeldOutTexts(blind, {"0": "noon"}))
    assert rows_of(without_gold) == rows_of(candidate_pool(labels, held_out.scores, weights="average"))
