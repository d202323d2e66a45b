"""The difference of every two rows: equal to `outgrow.compare`, with its sign changed the other way round."""

from collections.abc import Callable
from dataclasses import astuple, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from outgrow.metrics.estimate import Estimate
from outgrow.reporting.collect import collect, read_results, report_files
from outgrow.reporting.compare import RowOfFrame, compare_rows
from outgrow.reporting.frame import Frame, make_frame
from outgrow.reporting.results import Results
from outgrow.reporting.topics import make_tables, topic_contents
from outgrow.reporting.topics.pairs import MOST_ROWS, PAIRS, RowPairs
from outgrow.reporting.topics.supervisors import MEAN_VOTE

VOTES = Path(__file__).parents[2] / "examples" / "data" / "ticket_votes.csv"


@pytest.fixture(scope="module", params=["votes", "texts"])
def study(request: pytest.FixtureRequest) -> tuple[Frame, Results]:
    """A study of each kind, in which one row lacks one seed."""
    world, found = ("simulated", "results") if request.param == "votes" else ("simulated_texts", "text_results")
    one = request.getfixturevalue(world)
    return make_frame(one.study, one.store, one.outcomes), request.getfixturevalue(found)


def compared(frame: Frame, first: str, second: str) -> Estimate:
    return compare_rows(RowOfFrame(frame, first), RowOfFrame(frame, second))


def turned(estimate: Estimate) -> tuple[float, float, float, int, int]:
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return -estimate.value, -estimate.high, -estimate.low, estimate.n, estimate.seeds


def test_every_two_rows_are_listed_once(study: tuple[Frame, Results]) -> None:
    frame, results = study
    found = PAIRS.of(results)
    names = [row.name for row in results.rows if row.score.defined] + ([] if frame.of_texts else [MEAN_VOTE])
    assert list(found.rows) == names
    assert [(pair.first, pair.second) for pair in found.pairs] == list(combinations(names, 2))


def test_a_pair_is_what_compare_gives_and_turns_its_sign(study: tuple[Frame, Results]) -> None:
    frame, results = study
    found = PAIRS.of(results)
    seeds = set()
    for pair in found.pairs[::5] + tuple(pair for pair in found.pairs if MEAN_VOTE in (pair.first, pair.second)):
        assert pair.difference == compared(frame, pair.first, pair.second)
        back = turned(compared(frame, pair.second, pair.first))
        assert astuple(pair.difference)[:5] == pytest.approx(back, abs=2e-6)
        seeds.add(pair.difference.seeds)
    assert seeds == {len(results.about.seeds), len(results.about.seeds) - 1}


def test_a_pair_is_the_difference_in_the_table_of_differences(results: Results) -> None:
    pairs = {(pair.first, pair.second): pair.difference for pair in PAIRS.of(results).pairs}
    checked = [row for row in results.of("method") if (row.name, "naive") in pairs]
    assert checked
    for row in checked:
        assert pairs[row.name, "naive"] == row.versus_plain_naive


def test_files_of_answers_are_compared_on_the_items_that_both_have(
    simulate_small: Callable[..., Any], tmp_path: Path
) -> None:
    votes = {"votes": str(VOTES), "columns": {"item": "ticket"}}
    supervisors = {"words": {**votes, "source": "ada"}, "characters": {"type": "ngram"}}
    world = simulate_small(tmp_path, bare="words", supervisors=supervisors, seeds=[0, 1])
    frame = make_frame(world.study, world.store, world.outcomes)
    sizes: dict[bool, set[int]] = {True: set(), False: set()}
    for pair in PAIRS.measure(frame).pairs:
        assert pair.difference == compared(frame, pair.first, pair.second)
        sizes["words" in (pair.first, pair.second)].add(pair.difference.n)
    assert max(sizes[True]) < min(sizes[False])


def test_rows_without_a_result_are_left_out(simulate_small: Callable[..., Any], tmp_path: Path) -> None:
    world = simulate_small(tmp_path, skip_row="naive")
    found = PAIRS.of(collect(world.study, world.store, world.outcomes))
    assert "naive" not in found.rows
    assert "bayesian" in found.rows


def test_a_report_without_any_result_has_no_pairs(simulate_small: Callable[..., Any], tmp_path: Path) -> None:
    world = simulate_small(tmp_path, skip_all=True)
    results = collect(world.study, world.store, world.outcomes)
    assert PAIRS.of(results) == RowPairs((), ())
    files = report_files(world.study, world.store, world.outcomes, results)
    assert "tables/pairs.csv" not in files
    assert "<script" not in files["report.html"]
    assert "pick" not in files["report.html"]


def test_too_many_rows_have_a_sentence_in_place_of_pairs(results: Results) -> None:
    many = RowPairs(tuple(f"row {number}" for number in range(MOST_ROWS + 1)), ())
    changed = replace(results, topics={**results.topics, "pairs": many})
    content = next(one for one in topic_contents(changed) if one.record is PAIRS)
    assert content.tables == ()
    assert any("outgrow.compare" in note for note in content.notes)


def test_the_table_has_everything_as_plain_data(results: Results, report_folder: Path) -> None:
    table = next(table for table in make_tables(results) if table.name == "pairs")
    pair = PAIRS.of(results).pairs[3]
    record = table.records()[3]
    assert (record["first"], record["second"], record["difference"]) == (
        pair.first,
        pair.second,
        pair.difference.value,
    )
    assert {"difference_low", "difference_high", "difference_n", "difference_seeds"} < set(record)
    assert read_results(report_folder).topics["pairs"] == PAIRS.of(results)
    assert (report_folder / "tables" / "pairs.csv").read_text().count("\n") == len(PAIRS.of(results).pairs) + 1
