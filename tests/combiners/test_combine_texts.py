"""Combiners of texts against hand-made tables and the plain definitions."""

import math
from pathlib import Path

import numpy as np
import pytest
from by_name import text_targets_by
from hand_made_texts import N_ITEMS, WORDS, mean_of, rows_of, said, some_labels, some_scores, table, without

from drawn_seeds import SEEDS
from outgrow.align.pieces import PieceTable
from outgrow.combiners.joint_decoding import joint_decoding
from outgrow.combiners.keep_texts import confidence_weights, keep_all_texts, logprob_per_word, single_text
from outgrow.errors import ConfigError, DataError
from outgrow.texts import Candidate, TextTargets, WeakTexts

BOTH = table(
    a=[[said("noon", -0.1, -0.1), said("one", -2.0, -0.1)], [], [said("", -0.5)]],
    b=[[said("one", -1.0, -0.2)], [said("ten past", -1.0, -1.0, -0.1)], []],
)


# ---- every source's text, one source's texts ------------------------------------------------------------


def test_naive_keeps_every_sources_best_text() -> None:
    targets = keep_all_texts(BOTH)
    assert rows_of(targets) == [("0", "noon", 0.5), ("0", "one", 0.5), ("1", "ten past", 1.0), ("2", "", 1.0)]
    assert targets.pieces[2].logprob.tolist() == [-1.0, -1.0, -0.1]
    assert targets.origin == ("Empty texts among the 4 labels: 1.",)


def test_fixed_weights_are_normalised_over_who_answered() -> None:
    targets = keep_all_texts(BOTH, weights={"a": 3.0, "b": 1.0})
    assert rows_of(targets)[:3] == [("0", "noon", 0.75), ("0", "one", 0.25), ("1", "ten past", 1.0)]
    alone = keep_all_texts(BOTH, weights={"b": 2.0})
    assert rows_of(alone) == [("0", "one", 1.0), ("1", "ten past", 1.0)]
    assert alone.origin == ("Items without an answer that counts, left out: 1.",)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"c": 1.0}, "names `c`, which is no source"),
        ({"a": 0.0}, "not all zero"),
        ({"a": 1.0, "b": -1.0}, ">= 0"),
        ("accuracy", "not `accuracy`"),
    ],
)
def test_weights_that_texts_cannot_have_are_refused(weights: str | dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        keep_all_texts(BOTH, weights=weights)
    with pytest.raises(ConfigError, match=told):
        joint_decoding(BOTH, {name: BOTH.only([name]) for name in BOTH.sources}, weights=weights)


def test_dynamic_weights_are_a_softmax_of_the_score_per_word() -> None:
    share = confidence_weights(BOTH)
    a, b = math.exp(-0.2), math.exp(-1.2)
    np.testing.assert_allclose(share[0], [a / (a + b), b / (a + b)], rtol=1e-12)
    np.testing.assert_array_equal(share[1:], [[0, 1], [1, 0]])
    silent = table(a=[[], [said("noon", -1.0, -1.0)]], b=[[], []])
    np.testing.assert_array_equal(confidence_weights(silent), [[0, 0], [1, 0]])


@pytest.mark.parametrize(
    ("text", "end", "logprob", "wanted"),
    [
        ("ten past", [3, 8, 9], [-1.0, -1.0, -0.2], -1.1),  # the end counts to the last word
        ("ten past", [1, 3, 5, 8, 9], [-1.0, -1.0, -0.5, -0.5, -0.2], -1.6),  # pieces of a word are summed
        ("ten past", [8, 9], [-2.0, -0.2], -1.1),  # one piece for two words
        ("ten past", [3, 8], [-1.0, -1.0], -1.0),  # cut off
        (" zwölf  Uhr ", [1, 7, 13, 14], [-0.5, -0.5, -2.0, -1.0], -2.0),  # more spaces are no more words
        ("正午です", [6, 12, 13], [-1.0, -2.0, -1.0], -4.0),  # no spaces: one word
        ("", [1], [-0.7], -0.7),
        ("", [], [], 0.0),
    ],
)
def test_the_score_per_word(text: str, end: list[int], logprob: list[float], wanted: float) -> None:
    pieces = PieceTable(np.asarray(end, dtype=np.int64), np.asarray(logprob, dtype=float))
    assert logprob_per_word(Candidate(text, pieces)) == pytest.approx(wanted)


def test_single_takes_one_source_as_it_is() -> None:
    assert rows_of(single_text(BOTH, source="b")) == [("0", "one", 1.0), ("1", "ten past", 1.0)]
    assert rows_of(single_text(BOTH.only(["a"]))) == [("0", "noon", 1.0), ("2", "", 1.0)]
    with pytest.raises(ConfigError, match="one source of a, b"):
        single_text(BOTH)


def test_texts_that_were_cut_off_are_kept_and_counted() -> None:
    labels = table(a=[[said("ten past", -1.0, -1.0)], [said("noon", -0.1, -0.1)]])
    wanted = "Labels that were cut off, without an end to learn: 1."
    assert keep_all_texts(labels).origin == (wanted,)
    chosen = joint_decoding(labels, {"a": table(a=[[said("ten past", -1.0, -1.0, -9.0)], [said("noon", -1.0, -1.0)]])})
    assert chosen.texts == ["ten past", "noon"]
    assert chosen.pieces[0].end.tolist() == [3, 8], "the scorer's end is not the writer's"
    assert wanted in chosen.origin


def test_a_source_twice_at_half_the_weight_is_that_source() -> None:
    labels = some_labels(SEEDS[1])
    twice = WeakTexts(labels.items, (*labels.sources, "a2"), [[*row, row[0]] for row in labels.candidates])
    once = keep_all_texts(labels, weights={"a": 2.0, "b": 1.0, "c": 1.0})
    split = keep_all_texts(twice, weights={"a": 1.0, "b": 1.0, "c": 1.0, "a2": 1.0})

    def total(targets: TextTargets) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for item, text, weight in rows_of(targets):
            found[item, text] = found.get((item, text), 0) + weight
        return {key: round(value, 6) for key, value in found.items()}

    assert total(once) == total(split)


# ---- what must not matter -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["keep_all", "joint_decoding"])
def test_the_order_of_sources_and_items_does_not_matter(name: str, seed: int) -> None:
    labels, scores = some_labels(seed), some_scores(seed)
    weights = {"a": 0.2, "b": 0.5, "c": 0.3}
    first = text_targets_by(name, labels, scores, weights=weights)
    turned = labels.only(["c", "a", "b"]).take(labels.items[::-1])
    again = text_targets_by(name, turned, dict(reversed(scores.items())), weights=weights)
    assert sorted(rows_of(first)) == sorted(rows_of(again))


@pytest.mark.parametrize("weights", ["average", "confidence", {"a": 0.2, "b": 0.5, "c": 0.3}])
def test_the_names_of_sources_do_not_matter(weights: str | dict[str, float]) -> None:
    labels = some_labels(SEEDS[0])
    renamed = WeakTexts(labels.items, ("z", "y", "x"), labels.candidates)
    other = {"z": 0.2, "y": 0.5, "x": 0.3} if isinstance(weights, dict) else weights
    assert rows_of(keep_all_texts(labels, weights=weights)) == rows_of(keep_all_texts(renamed, weights=other))


@pytest.mark.parametrize("seed", SEEDS)
def test_joint_decoding_does_not_mind_the_order_of_candidates(seed: int) -> None:
    labels, scores = some_labels(seed), some_scores(seed)
    turned = WeakTexts(labels.items, labels.sources, [[found[::-1] for found in row] for row in labels.candidates])
    first, again = joint_decoding(labels, scores), joint_decoding(turned, scores)
    assert rows_of(first) == rows_of(again)
    assert first.origin == again.origin
    for one, other in zip(first.pieces, again.pieces, strict=True):
        np.testing.assert_array_equal(one.logprob, other.logprob)


def test_a_scorer_twice_at_half_the_weight_is_that_scorer() -> None:
    labels, scores = some_labels(SEEDS[2]), some_scores(SEEDS[2])
    once = joint_decoding(labels, scores, weights={"a": 0.5, "b": 0.25, "c": 0.25})
    split = joint_decoding(labels, {**scores, "a2": scores["a"]}, weights=dict.fromkeys(("a", "a2", "b", "c"), 0.25))
    assert rows_of(once) == rows_of(split)


# ---- joint decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_joint_decoding_is_its_definition(seed: int) -> None:
    labels, scores = some_labels(seed), some_scores(seed)
    targets = joint_decoding(labels, {"a": scores["a"], "b": scores["b"]}, weights={"a": 1.0, "b": 3.0})
    assert targets.items == labels.items
    writers = []
    for item, (text, pieces) in enumerate(zip(targets.texts, targets.pieces, strict=True)):
        pool = [
            (one.text, name, one) for name, found in zip("abc", labels.candidates[item], strict=True) for one in found
        ]
        joint = {
            words: mean_of(scores["a"], item, words) * 0.25 + mean_of(scores["b"], item, words) * 0.75
            for words, *_ in pool
        }
        assert joint[text] == pytest.approx(max(joint.values()))
        _, writer, written = next(row for row in pool if row[0] == text)
        np.testing.assert_array_equal(pieces.logprob, written.pieces.logprob, "of its first writer")
        writers.append((writer, len(joint)))
    assert np.all(targets.weight == 1)
    told = ", ".join(f"{name} {sum(writer == name for writer, _ in writers)}" for name in "abc")
    pool_size = np.mean([size for _, size in writers])
    assert targets.origin[0] == (
        f"Chosen texts by writer: {told}; from {pool_size:.1f} different texts per item on average."
    )


def test_on_a_tie_the_first_writer_in_order_wins() -> None:
    labels = table(a=[[said("one", -1.0, -1.0)]], b=[[said("noon", -0.1, -0.1)]])
    equal = {"s": table(s=[[said("noon", -1.0, -2.0), said("one", -2.0, -1.0)]])}
    assert joint_decoding(labels, equal).texts == ["one"]
    assert joint_decoding(labels.only(["b", "a"]), equal).texts == ["noon"]


def test_the_length_of_a_text_does_not_count_against_it() -> None:
    labels = table(a=[[said("noon", -1.0, -1.0), said("seven in the morning", -1.0, -1.0, -1.0, -1.0, -1.0)]])
    scores = {"a": table(a=[[said("noon", -1.0, -1.0), said("seven in the morning", -0.9, -0.9, -0.9, -0.9, -0.9)]])}
    assert joint_decoding(labels, scores).texts == ["seven in the morning"]


def test_who_writes_and_who_scores_may_be_different_sources() -> None:
    labels, scores = some_labels(SEEDS[0]).only(["a"]), some_scores(SEEDS[0], "xy")
    targets = joint_decoding(labels, scores)
    for item, text in enumerate(targets.texts):
        own = {one.text for one in labels.candidates[item][0]}
        means = {words: sum(mean_of(scores[name], item, words) for name in "xy") for words in own}
        assert text == max(means, key=lambda words: means[words])


def test_joint_decoding_says_what_is_missing() -> None:
    labels, scores = some_labels(0), some_scores(0)
    with pytest.raises(ConfigError, match="joint_decoding"):
        joint_decoding(labels)
    with pytest.raises(DataError, match=r"scorer `b`.*item `8`"):
        joint_decoding(labels, {**scores, "b": scores["b"].take(labels.items[:-1])})
    silent = WeakTexts(labels.items, labels.sources, [[[], [], []] for _ in labels.items])
    nothing = joint_decoding(silent, scores)
    assert len(nothing) == 0
    assert "Items without an answer, left out: 9." in nothing.origin


def test_a_text_that_a_scorer_could_not_read_is_passed_over_and_counted() -> None:
    pool = table(a=[[said("noon", -0.1, -0.1), said("one", -5.0, -1.0)]] * N_ITEMS)
    everything = table(a=[[said("noon", -0.1, -0.1), said("one", -5.0, -1.0)]] * N_ITEMS)
    scores = {"a": everything, "b": without(everything, "noon", items={"0", "1", "2"})}
    targets = joint_decoding(pool, scores)
    assert targets.texts == ["one"] * 3 + ["noon"] * 6
    assert "Texts that a scorer could not read, skipped: 3." in targets.origin
    neither = {**scores, "c": without(everything, "one", items={"0"})}
    targets = joint_decoding(pool, neither)
    assert targets.items == [str(item) for item in range(1, N_ITEMS)]
    assert "Items without a text that all scorers could read, left out: 1." in targets.origin
    unheard = joint_decoding(pool, scores, weights={"a": 1.0})
    assert unheard.texts == ["noon"] * N_ITEMS, "who counts nothing need not read anything"


def test_every_row_of_targets_is_saved_and_read(tmp_path: Path) -> None:
    targets = keep_all_texts(some_labels(SEEDS[2]))
    targets.save(tmp_path / "targets.parquet")
    assert rows_of(TextTargets.load(tmp_path / "targets.parquet")) == rows_of(targets)
    assert set(targets.texts) <= set(WORDS)
