"""Answers that nobody gave are counted and told: votes of supervisors, ratings of judges."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simulated_texts import SimulatedTexts, commit, simulate_small_texts

from drawn_seeds import SEEDS
from outgrow.cli.result_text import result_text
from outgrow.data.task import Split
from outgrow.graph.event import StepOutcome
from outgrow.labels import WeakLabels
from outgrow.render.table import Table
from outgrow.reporting.collect import collect, write_report
from outgrow.reporting.headline import make_headline
from outgrow.reporting.results import AnswerCount, Results
from outgrow.reporting.topics import make_tables
from outgrow.texts import WeakTexts

Small = Callable[..., Any]
WHY = "ratings given: 0, asked for: 1, as in “I would <b>rather</b> not.”"
REFUSING = {"seeds": [0, 1], "measures": {"braces": {"type": "rule", "pattern": "[{]"}}}


def table_of(results: Results, name: str) -> Table:
    return next(table for table in make_tables(results) if table.name == name)


def cells_of(table: Table, row: str, prefix: str) -> list[Any]:
    line = next(line for line in table.lines if line.cells[0] == row)
    return [cell for cell, column in zip(line.cells, table.columns, strict=True) if column.key.startswith(prefix)]


# ---- supervisors ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(simulate_small: Small, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Results, Path]:
    """A study whose supervisor `words` names a class, or none, and what it found."""
    folder = tmp_path_factory.mktemp("bare")
    world = simulate_small(folder / "store", bare="words", seeds=[0, 1], seed=SEEDS[0])
    return world, write_report(world.study, world.store, world.outcomes, folder / "out"), folder / "out"


def test_votes_that_were_not_given_are_counted(bare: tuple[Any, Results, Path]) -> None:
    world, results, _ = bare
    steps = next(row for row in world.study.rows if row.name == "words").steps
    for part in ("half_b", "test"):
        tables = [WeakLabels.load(world.store.path(step) / f"{part}.parquet") for step in steps]
        silent = sum(int((one.probs[:, 0].sum(axis=1) == 0).sum()) for one in tables)
        assert silent > 0
        assert results.topics["supervisors"][0].silent[part] == AnswerCount(
            silent, sum(len(one.items) for one in tables)
        )
    table = table_of(results, "supervisors")
    told = [str(results.topics["supervisors"][0].silent[part]) for part in ("half_b", "test")]
    assert cells_of(table, "words", "silent_") == told
    assert cells_of(table, "static", "silent_") == ["0 of 600", "0 of 1200"]
    assert "No vote: such an item counts as wrong" in table.caption
    assert (
        f"words gave no vote to {told[0]} items that it labels, and to {told[1]} test items (each under every seed),"
        in result_text(results)
    )


def test_agreement_is_over_the_items_that_both_answered(bare: tuple[Any, Results, Path]) -> None:
    world, results, folder = bare
    assert '<div class="beside">' not in (folder / "report.html").read_text(), "the wider table needs the whole width"
    rows = {row.name: row for row in world.study.rows}
    same = []
    for seed in range(2):
        first, second = (
            WeakLabels.load(world.store.path(rows[name].steps[seed]) / "test.parquet")
            for name in ("words", "characters")
        )
        both = [(one, other) for one, other in zip(first.hard[:, 0], second.hard[:, 0], strict=True) if one >= 0]
        same.append(np.mean([one == other for one, other in both]))
    assert results.topics["agreement"][0].agreement.value == pytest.approx(np.mean(same), abs=1e-6)
    assert "that both answered" in table_of(results, "agreement").caption
    assert "test items that both supervisors answered" in (folder / "report.html").read_text()


def test_supervisors_that_answer_everything_need_no_column(results: Results) -> None:
    table = table_of(results, "supervisors")
    assert [column.key for column in table.columns] == ["supervisor", "half_b", "test"]
    assert "Every supervisor answered every item." in table.caption
    assert not any("gave no vote" in sentence for sentence in make_headline(results).sentences)


def test_texts_that_were_not_written_are_counted(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    study, store = simulated_texts.study, simulated_texts.store
    gold = dict(zip(simulated_texts.task.items.ids, simulated_texts.task.items.gold.tolist(), strict=True))
    silent, asked = 0, 0
    for step in next(row for row in study.rows if row.name == "gpt").steps:
        table = WeakTexts.load(store.path(step) / "test.parquet")
        known = [found for item, found in zip(table.items, table.candidates, strict=True) if gold[item] == 0]
        silent, asked = silent + sum(not found[0] for found in known), asked + len(known)
    assert text_results.topics["supervisors"][0].silent["test"] == AnswerCount(silent, asked)


def test_bare_votes_tell_no_confidence(bare: tuple[Any, Results, Path]) -> None:
    _, results, folder = bare
    assert "words" not in results.topics["calibration"]
    assert "static" in results.topics["calibration"]
    table = table_of(results, "calibration")
    assert cells_of(table, "words", "") == ["words", "not told", "not told", "not told"]
    assert "Not told: the answers have no probabilities." in table.caption
    record = next(record for record in table.records() if record["row"] == "words")
    assert (record["ece"], record["ece_note"]) == (None, "not told")
    assert ">not told</td>" in (folder / "report.html").read_text()


# ---- judges ---------------------------------------------------------------------------------------------


def judged(root: Path, rate: Callable[[int], float | None], skip: str = "", **changes: Any) -> SimulatedTexts:
    """A small study with a judge; `rate` says what it gives to the item of a number, or that it fails."""
    by = {"type": "endpoint", "model": "judge", "url": "http://127.0.0.1:9/v1"}
    judges = {"jury": {"by": by, "scales": {"warmth": [1, 10]}}}
    world = simulate_small_texts(root, judges=judges, **{**REFUSING, **changes})
    for row in world.study.rows:
        for step, split in zip(row.judged["jury"], world.study.splits, strict=True):
            for folder in commit(world.store, step) if row.name != skip else ():
                numbers = Split.load(world.store.path(split)).test.tolist()
                ratings = [rate(number) for number in numbers]
                column = [float("nan") if one is None else one for one in ratings]
                items = [world.task.items.ids[number] for number in numbers]
                pq.write_table(pa.table({"item": items, "warmth": column}), folder / "ratings.parquet")
                about = {"tokens_read": 1, "tokens_written": 1, "why_failed": WHY if None in ratings else ""}
                (folder / "written.json").write_text(json.dumps(about))
    return world


def test_a_judge_that_refuses_some_answers_is_told_of(tmp_path: Path) -> None:
    world = judged(tmp_path / "store", lambda number: 1.0 + number % 7 if number % 3 else None)
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    rated, means = [0, 0], []
    for split in world.study.splits:
        known = [n for n in Split.load(world.store.path(split)).test.tolist() if world.task.items.gold[n] == 0]
        rated = [rated[0] + sum(n % 3 > 0 for n in known), rated[1] + len(known)]
        means.append(np.mean([1.0 + n % 7 for n in known if n % 3]))
    naive = results.topics["measures"]["naive"]
    assert naive.rated["jury"].answers == AnswerCount(*rated)
    assert naive.measures["warmth"].value == pytest.approx(np.mean(means), abs=1e-6)
    note = f"the judge jury gave no rating to {rated[1] - rated[0]} of {rated[1]} answers ({WHY})"
    assert naive.measures["warmth"].note == note
    table = table_of(results, "measures")
    assert cells_of(table, "naive", "rated_") == [f"{rated[0]} of {rated[1]}"]
    assert note in table.notes
    count = len(results.rows)
    sentence = (
        f"The judge jury gave no rating to {count * (rated[1] - rated[0])} of {count * rated[1]} answers ({WHY})"
    )
    assert any(sentence in other for other in make_headline(results).sentences)
    assert sentence in result_text(results)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "I would &lt;b&gt;rather&lt;/b&gt; not." in page
    assert 'id="plot-plane"' in page


def test_a_judge_that_refuses_everything_leaves_no_plane_and_says_so(tmp_path: Path) -> None:
    world = judged(tmp_path / "store", lambda number: None)
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    warmth = results.topics["measures"]["naive"].measures["warmth"]
    assert warmth.value is None
    assert warmth.note.endswith(f"({WHY})")
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="plot-plane"' not in page
    assert "Fewer than two rows have both braces and warmth" in page


def test_a_judge_that_rated_everything_is_not_complained_of(tmp_path: Path) -> None:
    world = judged(tmp_path / "store", lambda number: 5.0)
    results = collect(world.study, world.store, world.outcomes)
    assert results.topics["measures"]["naive"].measures["warmth"].note == ""
    assert not any("no rating" in sentence for sentence in make_headline(results).sentences)
    rated = results.topics["measures"]["naive"].rated["jury"].answers
    assert rated.count == rated.of > 0


def test_ratings_that_are_not_there_have_a_reason(tmp_path: Path) -> None:
    world = judged(tmp_path / "store", lambda number: 5.0, skip="naive")
    steps = next(row for row in world.study.rows if row.name == "naive").judged["jury"]
    outcomes = {**world.outcomes, steps[0].identity: StepOutcome("failed", error="the server is down")}
    results = collect(world.study, world.store, outcomes)
    assert results.topics["measures"]["naive"].measures["warmth"].note == "the server is down"
    assert results.topics["measures"]["naive"].rated == {}
    assert cells_of(table_of(results, "measures"), "naive", "rated_") == [None]
