"""The label model of answers against an enumeration of all answers, and against the plain count."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hand_made_texts import said, table
from typer.testing import CliRunner

import outgrow
from drawn_seeds import SEEDS
from outgrow.cli.verbs import app
from outgrow.combiners.answer_one_coin import answer_one_coin, expected, fit_answers, fit_for, given_answers
from outgrow.combiners.answer_vote import answer_vote
from outgrow.errors import ConfigError, DataError
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain


def labels_of(codes: np.ndarray) -> WeakTexts:
    """Every answer a number as text; -1 = no text."""
    names = [f"s{source}" for source in range(codes.shape[1])]
    rows = [[[said(f"x{code}", 0.0, 0.0)] if code >= 0 else [] for code in row] for row in codes.tolist()]
    return WeakTexts([str(row) for row in range(len(codes))], tuple(names), rows)


def drawn(
    rng: np.random.Generator, accuracy: np.ndarray, n_items: int, n_possible: int, silent: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The right answers, and the answers of sources that err independently."""
    gold = rng.integers(n_possible, size=n_items)
    wrong = (gold[:, None] + rng.integers(1, n_possible, size=(n_items, len(accuracy)))) % n_possible
    codes = np.where(rng.random(wrong.shape) < accuracy, gold[:, None], wrong)
    return gold, np.where(rng.random(codes.shape) < silent, -1, codes)


def right(targets: TextTargets, gold: np.ndarray) -> float:
    texts = dict(zip(targets.items, targets.texts, strict=True))
    return float(np.mean([texts.get(str(row)) == f"x{answer}" for row, answer in enumerate(gold.tolist())]))


# ---- the model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_probabilities_and_likelihood_are_those_of_all_answers_together(seed: int) -> None:
    """K = 4 answers, three sources: every vector of answers with the same partition is counted."""
    rng = np.random.default_rng(seed)
    accuracy, n_possible = rng.uniform(0.2, 0.9, 3), 4
    codes = rng.integers(-1, 4, size=(12, 3))
    codes[(codes < 0).all(axis=1), 0] = 2
    votes, _ = given_answers(labels_of(codes), "exact_match")
    probability, log_likelihood = expected(votes, accuracy, n_possible)
    total, answers = 0.0, iter(probability.tolist())
    for row in codes.tolist():
        sources = [source for source in range(3) if row[source] >= 0]
        weight = dict.fromkeys(dict.fromkeys(row[source] for source in sources), 0.0)
        mass = 0.0
        for named in itertools.product(range(n_possible), repeat=len(sources)):
            same = [[a == b for b in named] for a in named]
            if same != [[row[s] == row[t] for t in sources] for s in sources]:
                continue
            for truth in range(n_possible):
                likelihood = 1 / n_possible
                for source, answer in zip(sources, named, strict=True):
                    wrong = (1 - accuracy[source]) / (n_possible - 1)
                    likelihood *= accuracy[source] if answer == truth else wrong
                mass += likelihood
                for source, answer in zip(sources, named, strict=True):
                    if answer == truth:
                        weight[row[source]] += likelihood
                        break
        total += np.log(mass)
        for value in weight.values():
            assert next(answers) == pytest.approx(value / mass)
    assert log_likelihood == pytest.approx(total)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n_possible", [5, 2000])
def test_accuracies_and_the_number_of_answers_are_recovered(n_possible: int, seed: int) -> None:
    accuracy = np.asarray([0.42, 0.66, 0.33, 0.5]) + (0.2 if n_possible == 5 else 0.0)
    gold, codes = drawn(np.random.default_rng(seed), accuracy, 2000, n_possible, silent=0.1)
    votes, _ = given_answers(labels_of(codes), "exact_match")
    fit = fit_answers(votes)
    np.testing.assert_allclose(fit.accuracy, accuracy, atol=0.09)
    assert fit.n_possible <= 20 if n_possible == 5 else fit.n_possible > 100
    answers = np.asarray([codes[votes.item[a]][votes.source[votes.answer == a][0]] for a in range(1500)])
    is_right = answers == gold[votes.item[:1500]]
    bins = np.digitize(fit.probability[:1500], [0.2, 0.4, 0.6, 0.8])
    for number in range(5):
        inside = bins == number
        if inside.sum() > 80:
            assert is_right[inside].mean() == pytest.approx(fit.probability[:1500][inside].mean(), abs=0.15)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_accuracies_near_the_end_are_more_probable(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, codes = drawn(rng, rng.uniform(0.2, 0.8, 4), 200, 6, silent=0.2)
    votes, _ = given_answers(labels_of(codes), "exact_match")
    end = fit_for(votes, 6)
    best = end.log_likelihood + np.log(end.accuracy * (1 - end.accuracy)).sum()
    for _ in range(20):
        near = np.clip(end.accuracy + rng.normal(0, 0.02, 4), 1e-3, 1 - 1e-3)
        assert expected(votes, near, 6)[1] + np.log(near * (1 - near)).sum() < best + 1e-3


# ---- what it is for --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_where_sources_differ_the_best_one_is_right_whatever_their_order(seed: int) -> None:
    """Three models that solve .42, .66 and .33 of the problems; most items have no majority."""
    rng = np.random.default_rng(seed)
    gold, codes = drawn(rng, np.asarray([0.42, 0.66, 0.33]), 800, 500)
    labels = labels_of(codes)
    scores = {
        order: right(answer_one_coin(labels.only([f"s{source}" for source in order])), gold)
        for order in itertools.permutations(range(3))
    }
    assert len(set(scores.values())) == 1
    alone = (codes[:, 1] == gold).mean()
    # Expected are .02 and .10 more; standard errors of these paired differences are .006 and .018.
    assert min(scores.values()) > alone - 0.01
    assert min(scores.values()) > right(answer_vote(labels), gold) + 0.03


def test_ties_of_equally_good_sources_take_one_of_the_answers_and_say_so_by_the_weight() -> None:
    targets = answer_one_coin(table(a=[[said("x1", 0.0)]] * 20, b=[[said("x2", 0.0)]] * 20))
    assert len(set(targets.texts)) == 1
    assert targets.weight.max() <= 0.5 + 1e-9


def test_the_text_of_the_best_source_is_kept_unless_log_probabilities_are_known() -> None:
    rng = np.random.default_rng(SEEDS[0])
    _, codes = drawn(rng, np.asarray([0.4, 0.9, 0.9]), 300, 50)

    def labels(logprob: float) -> WeakTexts:
        def text(source: int, code: int) -> Candidate:
            return said(f"way {source} #### {code}", *[logprob * (1 + source)] * 4)

        rows = [[[text(source, code)] for source, code in enumerate(row)] for row in codes.tolist()]
        return WeakTexts([str(row) for row in range(300)], ("bad", "good", "twin"), rows)

    agreed = np.flatnonzero((codes == codes[:, :1]).all(axis=1))
    unscored = answer_one_coin(labels(0.0), metric="answer_match")
    assert {unscored.texts[row].split()[1] for row in agreed.tolist()} <= {"1", "2"}
    scored = answer_one_coin(labels(-0.1), metric="answer_match")
    assert {scored.texts[row].split()[1] for row in agreed.tolist()} == {"0"}


def test_items_without_an_answer_are_left_out_and_a_sufficient_source_is_named() -> None:
    labels = labels_of(np.asarray([[1, 1, 2], [3, 3, -1], [4, 4, 5], [-1, -1, -1]] + [[6, 6, 7]] * 40))
    targets = answer_one_coin(labels)
    assert "3" not in targets.items
    assert any("left out: 1." in sentence for sentence in targets.origin)
    assert any(sentence.startswith("Source s0 alone") for sentence in targets.origin)
    assert not len(answer_one_coin(labels_of(np.full((2, 2), -1))))


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_of_some_items_says_who_is_right_where_the_answers_alone_do_not(seed: int) -> None:
    """Two sources agree on wrong answers as often as on right ones; a third, better one agrees with nobody."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(1000, size=600)
    shared = np.where(rng.random(600) < 0.3, gold, 2000 + np.arange(600))
    twins = np.where(rng.random((600, 2)) < 0.9, shared[:, None], 5000 + np.arange(600)[:, None])
    good = np.where(rng.random(600) < 0.7, gold, 9000 + np.arange(600))
    labels = labels_of(np.column_stack([twins, good]))
    known = {str(row): f"x{gold[row]}" for row in range(100)}
    alone, helped = (answer_one_coin(labels, gold=some) for some in (None, known))
    assert right(alone, gold) < 0.5
    assert right(helped, gold) > 0.6
    texts = dict(zip(helped.items, zip(helped.texts, helped.weight.tolist(), strict=True), strict=True))
    assert all(texts[item] == (text, 1.0) for item, text in known.items())
    assert any(sentence.startswith("Items with gold: 100;") for sentence in helped.origin)


def test_gold_is_compared_by_the_metric_and_stands_in_where_no_source_has_it() -> None:
    half, seven, three = ([Candidate(text, certain(text))] for text in ("so 1/2 #### 0.5", "#### 7", "#### 3"))
    labels = table(a=[half, seven, []], b=[three, [], []])
    targets = answer_one_coin(labels, metric="answer_match", gold={"0": "1/2", "1": "#### 8", "2": "#### 9"})
    assert dict(zip(targets.items, targets.texts, strict=True)) == {
        "0": "so 1/2 #### 0.5",
        "1": "#### 8",
        "2": "#### 9",
    }
    np.testing.assert_allclose(targets.weight, 1.0)
    fit = fit_answers(given_answers(labels, "answer_match", {"0": "1/2", "1": "#### 8"})[0])
    np.testing.assert_allclose(fit.accuracy, [(1 + 1) / (2 + 2), (0 + 1) / (1 + 2)])


def test_python_and_the_command_line_take_gold(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("item,source,answer\n1,a,x\n1,b,y\n2,a,z\n2,b,w\n3,a,u\n3,b,v\n")
    (tmp_path / "gold.csv").write_text("item,answer\n1,Y\n2,w\n")
    by_table = outgrow.combine_answers(tmp_path / "answers.csv", "answer_one_coin", gold=tmp_path / "gold.csv")
    by_mapping = outgrow.combine_answers(tmp_path / "answers.csv", "answer_one_coin", gold={1: "y", 2: "w"})
    assert by_table.targets.texts == by_mapping.targets.texts == ["y", "w", "v"]
    with pytest.raises(ConfigError, match=r"gold.*answer_vote.*answer_one_coin"):
        outgrow.combine_answers(tmp_path / "answers.csv", "answer_vote", gold={1: "y"})
    with pytest.raises(DataError, match=r"gold.*`1`"):
        outgrow.combine_answers(tmp_path / "answers.csv", "answer_one_coin", gold=tmp_path / "answers.csv")
    words = ["combine", str(tmp_path / "answers.csv"), "--method", "answer_one_coin", "--json"]
    done = CliRunner().invoke(app, [*words, "--gold", str(tmp_path / "gold.csv")])
    assert done.exit_code == 0, done.output
    assert "Items with gold: 2" in done.output


@pytest.mark.parametrize("option", [{"metric": "rouge_l"}, {"weight": "half"}])
def test_other_options_are_refused(option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="answer_one_coin"):
        answer_one_coin(labels_of(np.asarray([[1, 2]])), **option)
