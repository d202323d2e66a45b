"""Accuracy by class, by agreement of the supervisors, and confusion matrices, against counts of single items."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.api_results import Result
from outgrow.reporting.compare import RowOfFrame, compare_rows
from outgrow.reporting.evidence.compared_rows import compared_rows
from outgrow.reporting.frame import Frame, make_frame
from outgrow.reporting.results import Results
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.class_accuracy import CLASS_ACCURACY
from outgrow.reporting.topics.confusion import CONFUSION
from outgrow.reporting.topics.supervisors import MEAN_VOTE
from outgrow.reporting.topics.votes_agree import ALL_WRONG, VOTES_AGREE, largest_group


@pytest.fixture(scope="module")
def frame(simulated: Any) -> Frame:
    return make_frame(simulated.study, simulated.store, simulated.outcomes)


@pytest.fixture(scope="module")
def answers(simulated: Any, results: Results) -> pd.DataFrame:
    """The headline's row under every seed, item by item."""
    result = Result(simulated.store.root, simulated.outcomes, lambda: results, simulated.study, simulated.store)
    assert results.headline is not None
    return pd.concat([result.predictions(results.headline.name, seed, "test") for seed in results.about.seeds])


def test_rows_are_the_mean_vote_the_headline_and_the_ceiling(frame: Frame, results: Results) -> None:
    assert results.headline is not None
    assert [row.name for row in compared_rows(frame)] == [MEAN_VOTE, results.headline.name, "ceiling"]


def test_accuracy_by_class_is_that_of_single_items(results: Results, answers: pd.DataFrame) -> None:
    found = CLASS_ACCURACY.of(results)
    right = answers.answer == answers.gold
    for name, estimates in found.classes.items():
        per_seed = right[answers.gold == name]
        assert estimates[1].n == found.counts[name] == answers.item[answers.gold == name].nunique()
        # The mean over the seeds, which have different numbers of such items.
        assert estimates[1].value == pytest.approx(per_seed.mean(), abs=0.05)
    assert list(found.classes) == list(results.about.classes)


def test_levels_of_agreement_are_those_of_single_items(results: Results, answers: pd.DataFrame) -> None:
    votes = answers.filter(like="vote.")
    largest = votes.apply(lambda row: row.value_counts().max(), axis=1)
    levels = {level.level: level for level in VOTES_AGREE.of(results).levels}
    for size in range(1, 5):
        assert levels[f"{size} of 4 agree"].items == answers.item[(largest == size).to_numpy()].nunique()
    wrong = votes.ne(answers.gold, axis=0).all(axis=1)
    assert levels[ALL_WRONG].items == answers.item[wrong.to_numpy()].nunique()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_largest_group_counts_equal_votes(seed: int) -> None:
    votes = np.random.default_rng(seed).integers(-1, 4, size=(5, 2, 30))
    expected = [[max(np.bincount(cell[cell >= 0], minlength=1)) for cell in row.T] for row in votes.transpose(1, 0, 2)]
    np.testing.assert_array_equal(largest_group(votes, 4), expected)


def test_a_confusion_matrix_counts_every_answer(results: Results, answers: pd.DataFrame) -> None:
    assert results.headline is not None
    counts = np.asarray(CONFUSION.of(results).matrices[results.headline.name])
    classes = list(results.about.classes)
    expected = pd.crosstab(answers.gold, answers.answer).reindex(index=classes, columns=classes, fill_value=0)
    np.testing.assert_array_equal(counts[:, :-1], expected)
    assert not counts[:, -1].any()
    pair = next(one for one in CONFUSION.of(results).pairs if one.row == results.headline.name)
    assert pair.count == max(expected.to_numpy()[~np.eye(len(classes), dtype=bool)])


def test_the_main_table_has_the_mean_vote(results: Results) -> None:
    main = make_tables(results)[0]
    line = next(line for line in main.lines if line.cells[0] == MEAN_VOTE)
    assert "floor" in line.section
    assert not line.ranked


def test_within_a_study_a_comparison_is_that_of_the_report(frame: Frame, results: Results) -> None:
    for row in (*results.of("method"), *results.of("floor")):
        if row.versus_plain_naive is not None:
            assert compare_rows(RowOfFrame(frame, row.name), RowOfFrame(frame, "naive")) == row.versus_plain_naive
    back = compare_rows(RowOfFrame(frame, "naive"), RowOfFrame(frame, MEAN_VOTE))
    there = compare_rows(RowOfFrame(frame, MEAN_VOTE), RowOfFrame(frame, "naive"))
    assert back.value == pytest.approx(-(there.value or 0), abs=1e-9)
