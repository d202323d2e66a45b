"""Votes on answers against a plain count of them, and on solved sums against each source alone."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from by_name import text_targets_by
from hand_made_texts import rows_of, said, some_labels, table

from drawn_seeds import SEEDS
from outgrow.combiners.answer_vote import answer_vote, answers_in
from outgrow.data.tasks.sums import make_sums
from outgrow.errors import ConfigError
from outgrow.metrics.text_answers import answer_match
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain

RIGHT = {"a": 0.6, "b": 0.55, "c": 0.65}


def solved(rng: np.random.Generator, n: int, right: dict[str, float]) -> tuple[WeakTexts, list[str]]:
    """Sums by sources that are right so often, and near the answer where they are wrong; gold texts."""
    _, parts = next(make_sums())
    chosen = rng.choice(len(parts.rows), n, replace=False).tolist()
    gold = [parts.rows[row]["answer"] for row in chosen]

    def solve(answer: str, share: float) -> list[Candidate]:
        steps, _, number = answer.rpartition("#### ")
        if rng.random() > share:
            number = str(int(number) + int(rng.choice([-2, -1, 1, 2, 10])))
        text = f"{steps}#### {number}" if rng.random() > 0.05 else "I do not know."
        return [Candidate(text, certain(text))]

    rows = [[solve(answer, share) for share in right.values()] for answer in gold]
    return WeakTexts([str(row) for row in chosen], tuple(right), rows), gold


def score(targets: TextTargets, labels: WeakTexts, gold: list[str]) -> float:
    """The share of all items with the right answer."""
    wanted = dict(zip(labels.items, gold, strict=True))
    return float(answer_match(targets.texts, [wanted[item] for item in targets.items]).sum()) / len(gold)


# ---- what it is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_answer_that_most_best_texts_give_wins(seed: int) -> None:
    labels = some_labels(seed, "abcde")
    targets = answer_vote(labels)
    found = dict(zip(targets.items, zip(targets.texts, targets.weight.tolist(), strict=True), strict=True))
    for item, row in zip(labels.items, labels.candidates, strict=True):
        counts = Counter(cell[0].text for cell in row if cell[0].text)
        if not counts:
            assert item not in found
            continue
        text, weight = found[item]
        assert counts[text] == max(counts.values())
        assert weight == pytest.approx(counts[text] / counts.total())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_likeliest_text_behind_the_winner_is_kept_with_its_pieces(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ways = [said(f"{way} #### {answer}", *-rng.exponential(size=4)) for way, answer in ["ab", "c7", "d7", "e7", "f9"]]
    targets = answer_vote(table(**{f"s{n}": [[way]] for n, way in enumerate(ways)}), metric="answer_match")
    best = max(ways[1:4], key=lambda one: one.mean_logprob)
    assert targets.texts == [best.text]
    np.testing.assert_array_equal(targets.pieces[0].logprob, best.pieces.logprob)
    assert targets.weight.tolist() == pytest.approx([3 / 5])  # "b" after the mark is an answer too


def test_without_log_probabilities_the_first_text_is_kept() -> None:
    told, silent = said("by hand #### 7", -0.1, -0.1, -0.1, -0.1, 0.0), said("at once #### 7", 0.0, 0.0, 0.0, 0.0, 0.0)
    assert answer_vote(table(a=[[silent]], b=[[told]]), metric="answer_match").texts == ["at once #### 7"]
    assert answer_vote(table(b=[[told]], a=[[silent]]), metric="answer_match").texts == ["by hand #### 7"]


def test_texts_without_an_answer_are_abstentions_and_are_counted() -> None:
    dunno, seven = said("dunno", -0.1, -0.1), said("so 7", -0.5, -0.5, -0.1)
    labels = table(a=[[dunno], [dunno], []], b=[[dunno], [dunno], []], c=[[seven], [dunno], []])
    targets = answer_vote(labels, metric="answer_match")
    assert rows_of(targets) == [("0", "so 7", 1.0)]
    assert "Texts without an answer that can be read, which count as no vote: 5." in targets.origin
    assert "Items without an answer that can be read, left out: 2." in targets.origin
    assert rows_of(answer_vote(labels))[:2] == [("0", "dunno", round(2 / 3, 9)), ("1", "dunno", 1.0)]


@pytest.mark.parametrize(
    ("metric", "same"), [("exact_match", ()), ("answer_match", (1, 2, 3)), ("math_match", (1, 2, 3))]
)
def test_when_answers_are_the_same_is_for_the_metric_to_say(metric: str, same: tuple[int, ...]) -> None:
    texts = [r"\boxed{\sqrt{2}}", r"\boxed{2\sqrt{2}}", r"\boxed{\sqrt{8}}", r"\boxed{8^{1/2}}", r"\boxed{8}"]
    labels = table(**{f"s{n}": [[Candidate(text, certain(text))]] for n, text in enumerate(texts)})
    targets = answer_vote(labels, metric=metric)
    assert targets.texts[0] in [texts[n] for n in same or range(5)]
    assert targets.weight.tolist() == pytest.approx([3 / 5 if same else 1 / 5])


def test_a_fraction_is_not_its_denominator() -> None:
    halves = [r"so $\frac{1}{2}$", r"\boxed{\frac{7}{2}}", r"\boxed{2}"]
    assert answers_in("answer_match", halves) == ["1/2", "7/2", "2"]


@pytest.mark.parametrize("metric", ["exact_match", "answer_match"])
def test_a_tie_is_settled_by_the_item_and_not_by_the_order_of_sources(metric: str) -> None:
    rows = {f"s{number}": [[Candidate(f"#### {number}", certain(f"#### {number}"))]] * 300 for number in range(3)}
    labels = table(**rows)
    turned = labels.only(["s2", "s0", "s1"]).take(labels.items[::-1])
    first, again = answer_vote(labels, metric=metric), answer_vote(turned, metric=metric)
    assert dict(zip(first.items, first.texts, strict=True)) == dict(zip(again.items, again.texts, strict=True))
    assert min(Counter(first.texts).values()) > 300 / 3 - 3.5 * np.sqrt(300 * 2 / 9), "every answer as often"
    assert "Items with a tie between answers, broken by a hash: 300." in first.origin


def test_all_candidates_share_their_sources_vote() -> None:
    def texts(*answers: int) -> list[Candidate]:
        return [said(f"is {answer}", -0.1, -0.1, -0.1) for answer in answers]

    labels = table(a=[texts(1, 2, 2)], b=[texts(3, 2)], c=[texts(3)])
    assert rows_of(answer_vote(labels, metric="answer_match")) == [("0", "is 3", round(2 / 3, 9))]
    shared = answer_vote(labels, metric="answer_match", candidates="all")
    assert rows_of(shared) == [("0", "is 3", 0.5)]
    alone = answer_vote(labels.only(["a"]), metric="answer_match", candidates="all")
    assert rows_of(alone) == [("0", "is 2", round(2 / 3, 9))]
    assert answer_vote(labels, metric="answer_match", weight="one").weight.tolist() == [1.0]


def test_three_thirds_of_a_vote_are_one() -> None:
    def texts(*answers: int) -> list[Candidate]:
        return [said(f"is {answer}", -0.1, -0.1, -0.1) for answer in answers]

    thirds = [texts(5, 6, number) for number in (10, 11, 12)]
    labels = table(a=[texts(4)], **{f"s{n}": [one] for n, one in enumerate(thirds)})
    targets = answer_vote(labels, metric="answer_match", candidates="all")
    assert targets.texts[0] in ("is 4", "is 5", "is 6")
    assert "Items with a tie between answers, broken by a hash: 1." in targets.origin


@pytest.mark.parametrize("option", [{"metric": "rouge_l"}, {"weight": "half"}, {"candidates": "two"}])
def test_other_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(option))} is one of .*, not `{next(iter(option.values()))}`"):
        answer_vote(some_labels(0), **option)


# ---- what must not matter --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_one_source_is_that_sources_texts(seed: int) -> None:
    labels = some_labels(seed).only(["b"])
    wanted = [(item, row[0][0].text, 1.0) for item, row in zip(labels.items, labels.candidates, strict=True)]
    assert rows_of(answer_vote(labels)) == [one for one in wanted if one[1]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("candidates", ["best", "all"])
def test_every_source_twice_changes_nothing(seed: int, candidates: str) -> None:
    labels = some_labels(seed)
    twice = WeakTexts(labels.items, tuple("abcdef"), [[*row, *row] for row in labels.candidates])
    once, again = answer_vote(labels, candidates=candidates), answer_vote(twice, candidates=candidates)
    assert rows_of(once) == rows_of(again)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_sources_and_items_does_not_matter(seed: int) -> None:
    labels = some_labels(seed, "abcde")
    names = np.random.default_rng(seed).permutation(list("abcde")).tolist()
    turned = labels.only(names).take(labels.items[::-1])
    assert sorted(rows_of(answer_vote(labels))) == sorted(rows_of(answer_vote(turned)))


# ---- what it is good for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_three_sources_that_solve_sums_are_better_together(seed: int) -> None:
    labels, gold = solved(np.random.default_rng(seed), 1500, RIGHT)
    together = score(answer_vote(labels, metric="answer_match"), labels, gold)
    apart = [score(text_targets_by("single", labels, source=name), labels, gold) for name in RIGHT]
    assert together > max(apart) + 0.02
    targets = answer_vote(labels, metric="answer_match")
    sure = targets.keep(targets.weight > 0.99)
    wanted = dict(zip(labels.items, gold, strict=True))
    right = answer_match(sure.texts, [wanted[item] for item in sure.items]).mean()
    assert right > together, "agreement tells which answers are right"
