"""A mixture's report: every capability's numbers against loops over the stored texts, and their macro average."""

from pathlib import Path

import numpy as np
import pytest
from simulated_mixture import SIZES, simulate_mixture
from simulated_texts import SimulatedTexts, simulate_small_texts

from drawn_seeds import SEEDS
from outgrow.metrics.estimate import show_number
from outgrow.metrics.final_answer import final_answer
from outgrow.metrics.slu_f1 import parse_slots, score, slu_counts
from outgrow.metrics.text_answers import answer_match, exact_match
from outgrow.metrics.text_score import score_of
from outgrow.reporting.collect import write_report
from outgrow.reporting.evidence.texts import read_answers_of_row, score_counts
from outgrow.reporting.examples import find_examples
from outgrow.reporting.frame import make_frame
from outgrow.reporting.results import Results
from outgrow.reporting.rows import seed_sums
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.capabilities import by_capability
from outgrow.texts import WeakTexts

Answered = dict[str, list[tuple[str, str]]]
"""By capability, (text, gold) of every test item, in the order of the table."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedTexts:
    return simulate_mixture(tmp_path_factory.mktemp("mixture"), SEEDS[0] % 1000)


@pytest.fixture(scope="module")
def folder(world: SimulatedTexts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(world.study, world.store, world.outcomes, out)
    return out


@pytest.fixture(scope="module")
def results(world: SimulatedTexts, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return write_report(world.study, world.store, world.outcomes, tmp_path_factory.mktemp("again"))


def answered(world: SimulatedTexts, row_name: str, seed: int) -> Answered:
    row = next(row for row in world.study.rows if row.name == row_name)
    table = WeakTexts.load(world.store.path(row.steps[seed]) / "test.parquet")
    gold = dict(zip(world.task.items.ids, world.task.items.answers or [], strict=True))
    found: Answered = {name: [] for name in SIZES}
    for item, cell in zip(table.items, table.candidates, strict=True):
        found[item.split("/")[0]].append((cell[0][0].text if cell[0] else "", gold[item]))
    return found


def own_score(name: str, pairs: list[tuple[str, str]]) -> float:
    said, gold = [text for text, _ in pairs], [text for _, text in pairs]
    if name == "slots":
        slots = [[parse_slots(text) or [] for text in side] for side in (gold, said)]
        return score(slu_counts(*slots)).f1
    return float((answer_match if name == "sums" else exact_match)(said, gold).mean())


def mean_score(world: SimulatedTexts, row: str, name: str) -> float:
    return float(np.mean([own_score(name, answered(world, row, seed)[name]) for seed in range(2)]))


@pytest.mark.parametrize("row", ["opt", "naive", "ceiling", "untouched student"])
def test_every_capability_has_its_own_score_and_the_row_their_mean(
    world: SimulatedTexts, results: Results, row: str
) -> None:
    found, row_result = results.topics["capabilities"].rows[row], results.named(row)
    assert {name: len(pairs) for name, pairs in answered(world, row, 0).items()} == SIZES
    scores = {name: mean_score(world, row, name) for name in SIZES}
    for name, expected in scores.items():
        one = found[name].score
        assert one.value == pytest.approx(expected, abs=1e-6)
        assert one.low is not None
        assert one.high is not None
        assert one.low <= expected <= one.high
        assert one.seeds == 2
    assert found["sums"].score.n == SIZES["sums"]
    assert SIZES["science"] <= found["science"].score.n <= 2 * SIZES["science"]
    assert row_result.score.value == pytest.approx(np.mean(list(scores.values())), abs=1e-6)


def test_pgr_of_a_capability_is_made_of_its_own_scores(world: SimulatedTexts, results: Results) -> None:
    found = results.topics["capabilities"].rows["naive"]
    for name in SIZES:
        top, student = (mean_score(world, row, name) for row in ("ceiling", "naive"))
        pgr = found[name].pgr
        assert pgr is not None
        weak = [mean_score(world, row, name) for row in ("gpt", "opt", "pythia")]
        if pgr.value is None:  # Two seeds often cannot show a gap.
            assert all(show_number(top - one, signed=True) in pgr.note for one in weak)
        elif not pgr.note:
            assert pgr.value == pytest.approx(np.mean([(student - one) / (top - one) for one in weak]), abs=1e-4)
    assert results.topics["capabilities"].rows["opt"]["sums"].pgr is None


def test_a_resample_is_the_score_of_the_items_drawn(world: SimulatedTexts) -> None:
    """The average and its parts are of the same draw."""
    frame = make_frame(world.study, world.store, world.outcomes)
    score, test = score_of(frame.task), frame.test
    answers = [read_answers_of_row(frame.store, row.steps, test) for row in frame.study.rows]
    counts = [score_counts(one, test.answers, score, test.capabilities) for one in answers]
    sums = seed_sums(frame.on_test.items, np.stack(counts))
    apart = by_capability(frame, score, sums)
    number = [row.name for row in frame.study.rows].index("naive")
    gold = dict(zip(world.task.items.ids, world.task.items.answers or [], strict=True))
    row = frame.study.rows[number]
    for draw in (0, 3, 50):
        times = dict(zip(test.ids, frame.on_test.items[draw].tolist(), strict=True))
        table = WeakTexts.load(world.store.path(row.steps[1]) / "test.parquet")
        drawn: Answered = {name: [] for name in SIZES}
        for item, cell in zip(table.items, table.candidates, strict=True):
            drawn[item.split("/")[0]] += [(cell[0][0].text if cell[0] else "", gold[item])] * times[item]
        expected = {name: own_score(name, pairs) for name, pairs in drawn.items()}
        assert {name: one.per_seed[draw, number, 1] for name, one in apart.items()} == pytest.approx(
            expected, abs=1e-9
        )
        assert score.value(sums)[draw, number, 1] == pytest.approx(np.mean(list(expected.values())), abs=1e-9)


def test_texts_that_are_no_answer_are_counted_by_capability(world: SimulatedTexts, results: Results) -> None:
    # A question of the test items has its right answer in common with few others: take its options by that.
    items = world.task.items
    options = dict(zip(items.answers or [], items.allowed or [], strict=True))
    lost = {
        "slots": lambda text, _: parse_slots(text) is None,
        "sums": lambda text, _: final_answer(text) is None,
        "science": lambda text, gold: text not in options[gold],
    }
    found = results.topics["texts"]["pythia"]
    assert found is not None
    expected = {
        name: np.mean([is_lost(*pair) for seed in range(2) for pair in answered(world, "pythia", seed)[name]])
        for name, is_lost in lost.items()
    }
    assert {name: one.value for name, one in found.unreadable_by.items()} == pytest.approx(expected, abs=1e-6)
    assert found.unreadable is not None
    assert min(expected.values()) > 0
    total = sum(SIZES[name] * share for name, share in expected.items()) / sum(SIZES.values())
    assert found.unreadable.value == pytest.approx(total, abs=1e-6)
    assert found.span_f1 is None


def test_tables_in_every_format(results: Results, folder: Path) -> None:
    tables = {table.name: table for table in make_tables(results)}
    assert list(tables)[:3] == ["main", "capabilities", "pgr_by_capability"]
    table = tables["capabilities"]
    assert [column.title for column in table.columns] == ["", "macro average", "slots", "sums", "science"]
    assert [column.group for column in table.columns] == ["", "", "SLU-F1", "answer match", "exact match"]
    assert [line.cells[0] for line in table.lines] == [row.name for row in results.rows]
    assert [line.cells[0] for line in tables["pgr_by_capability"].lines] == [row.name for row in results.of("method")]
    for kind in ("md", "csv", "json", "tex"):
        for name in ("capabilities", "pgr_by_capability"):
            assert "naive" in (folder / "tables" / f"{name}.{kind}").read_text()
    assert [column.key for column in tables["texts"].columns][-4:] == [
        "unreadable", "unreadable_slots", "unreadable_sums", "unreadable_science"
    ]  # fmt: skip
    page = (folder / "report.html").read_text()
    assert "test macro average of" in page
    assert "slots: SLU-F1, sums: answer match, science: exact match" in page
    about = results.about
    assert (about.metric, about.sizes) == ("macro", {"half_a": 23, "half_b": 31, "test": sum(SIZES.values())})


def test_examples_mark_an_item_by_its_own_metric(world: SimulatedTexts, results: Results) -> None:
    found = find_examples(world.study, world.store, results)
    assert found is not None
    for group in (*found.test, *found.labels):
        for example in group.examples:
            name = example.item.split("/")[0]
            for said in example.texts:
                text = "" if said.shades is None else "".join(shade.text for shade in said.shades.stretches)
                if name != "slots" or parse_slots(example.gold):
                    assert said.score == pytest.approx(own_score(name, [(text, example.gold)]), abs=1e-9)


def test_the_same_folders_give_the_same_bytes(folder: Path, world: SimulatedTexts, tmp_path: Path) -> None:
    write_report(world.study, world.store, world.outcomes, tmp_path)
    for name in ("results.json", "tables/capabilities.csv", "tables/texts.csv"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_task_of_one_set_has_no_such_tables(tmp_path: Path) -> None:
    small = simulate_small_texts(tmp_path / "store", metric="exact_match")
    found = write_report(small.study, small.store, small.outcomes, tmp_path / "out")
    names = [table.name for table in make_tables(found)]
    assert not {"capabilities", "pgr_by_capability"} & set(names)
    assert found.about.capabilities == {}
    assert found.topics["capabilities"].rows == {}
