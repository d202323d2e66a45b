"""Weights by what each label says of itself, against the definitions in plain numbers."""

import math

import numpy as np
import pytest
import textbook_sources as textbook
from hand_made_texts import rows_of, said, some_labels, table

from drawn_seeds import SEEDS
from outgrow.combiners.keep_all import keep_all
from outgrow.combiners.keep_texts import keep_all_texts
from outgrow.combiners.own_weights import SCORES_OF_TEXTS, SCORES_OF_VOTES, own_weights_of_texts
from outgrow.texts import WeakTexts

RULES = ["likelihood", "entropy", "max_probability"]
every_rule = pytest.mark.parametrize("by", RULES)


def entropy(probs: list[float]) -> float:
    return -math.fsum(p * math.log(p) for p in probs if p > 0)


def score_of_text(by: str, logprobs: list[float]) -> float:
    n, probs = len(logprobs), [math.exp(one) for one in logprobs]
    if by == "likelihood":
        return math.fsum(logprobs) / n
    if by == "entropy":
        return -math.fsum(entropy([p, 1 - p]) for p in probs) / n
    return math.fsum(probs) / n


def score_of_vote(by: str, probs: list[float]) -> float:
    return {"likelihood": math.log(max(probs)), "entropy": -entropy(probs), "max_probability": max(probs)}[by]


def shares(scores: list[float | None]) -> list[float]:
    total = math.fsum(math.exp(score) for score in scores if score is not None)
    return [0.0 if score is None else math.exp(score) / total for score in scores]


def test_the_rules_are_those_of_texts_and_of_votes() -> None:
    assert list(SCORES_OF_TEXTS) == list(SCORES_OF_VOTES) == RULES


@every_rule
@pytest.mark.parametrize("seed", SEEDS)
def test_texts_are_weighed_by_definition(seed: int, by: str) -> None:
    labels = some_labels(seed)
    labels.candidates[0][1] = []
    weight = own_weights_of_texts(labels, by)
    for row, found in zip(labels.candidates, weight.tolist(), strict=True):
        scores = [score_of_text(by, own[0].pieces.logprob.tolist()) if own else None for own in row]
        assert found == pytest.approx(shares(scores), rel=1e-12)
    answered = [[bool(own) for own in row] for row in labels.candidates]
    assert keep_all_texts(labels, weights=by).weight.tolist() == pytest.approx(weight[np.asarray(answered)].tolist())


@every_rule
@pytest.mark.parametrize("seed", SEEDS)
def test_votes_are_weighed_by_definition(seed: int, by: str) -> None:
    labels = textbook.soft_labels(np.random.default_rng(seed))
    wanted = []
    for row in labels.probs.tolist():
        scores = [score_of_vote(by, probs) if any(probs) else None for probs in row]
        wanted += [share for share in shares(scores) if share]
    assert keep_all(labels, weights=by).weight.tolist() == pytest.approx(wanted, rel=1e-12)


def test_the_likelihood_of_votes_is_their_confidence() -> None:
    labels = textbook.soft_labels(np.random.default_rng(SEEDS[0]))
    found, wanted = (keep_all(labels, weights=by).weight for by in ("likelihood", "confidence"))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@every_rule
def test_items_that_nobody_answers_and_texts_without_pieces(by: str) -> None:
    labels = table(a=[[], [said("")], [said("noon", -0.0, -0.0)]], b=[[], [said("noon", -0.0, -0.0)], []])
    np.testing.assert_allclose(own_weights_of_texts(labels, by), [[0, 0], [0.5, 0.5], [1, 0]])


@every_rule
def test_the_surer_text_counts_more(by: str) -> None:
    labels = table(a=[[said("noon", -0.05, -0.01)]], b=[[said("ten past", -0.4, -0.3, -0.5)]])
    sure, unsure = own_weights_of_texts(labels, by)[0]
    assert sure > unsure


@every_rule
def test_the_names_and_the_order_of_sources_do_not_matter(by: str) -> None:
    labels = some_labels(SEEDS[0])
    renamed = WeakTexts(labels.items, ("z", "y", "x"), labels.candidates)
    turned = labels.only(["c", "a", "b"]).take(labels.items[::-1])
    found = rows_of(keep_all_texts(labels, weights=by))
    assert rows_of(keep_all_texts(renamed, weights=by)) == found
    assert sorted(rows_of(keep_all_texts(turned, weights=by))) == sorted(found)
