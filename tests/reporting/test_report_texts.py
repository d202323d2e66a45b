"""Every number of a study of texts against loops over the stored texts, and what happens where texts are missing."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from simulated_texts import ABILITY, MODEL, SimulatedTexts, simulate_small_texts

from drawn_seeds import SEEDS
from outgrow.combiners.keep_all import KeepAll
from outgrow.errors import DataError
from outgrow.graph.event import StepOutcome
from outgrow.metrics.bootstrap import seed_means
from outgrow.metrics.slu_f1 import parse_slots, score, slu_counts, span_counts
from outgrow.metrics.text_score import TEXT_METRICS, mean_value, score_of
from outgrow.reporting.collect import collect, write_report
from outgrow.reporting.evidence.texts import read_answers_of_row, score_counts
from outgrow.reporting.frame import make_frame
from outgrow.reporting.results import Results
from outgrow.reporting.rows import baseline_name, measure, seed_values
from outgrow.reporting.topics import make_tables
from outgrow.texts import Candidate, WeakTexts
from resamples import draw_resamples

Told = list[tuple[str, Candidate | None, str]]
"""(item, best text, gold) of every item with gold."""


def told(world: SimulatedTexts, path: Path, source: str | None = None) -> Told:
    table = WeakTexts.load(path)
    gold = dict(zip(world.task.items.ids, world.task.items.answers or [], strict=True))
    column = 0 if source is None else table.sources.index(source)
    rows = zip(table.items, table.candidates, strict=True)
    return [(item, cell[column][0] if cell[column] else None, gold[item]) for item, cell in rows if gold[item]]


def answered(world: SimulatedTexts, row_name: str, seed: int) -> Told:
    row = next(row for row in world.study.rows if row.name == row_name)
    return told(world, world.store.path(row.steps[seed]) / "test.parquet")


def text_of(candidate: Candidate | None) -> str:
    return candidate.text if candidate else ""


def f1(found: Told) -> float:
    """SLU-F1 of some answers, utterance by utterance."""
    pairs = [(parse_slots(gold) or [], parse_slots(text_of(said)) or []) for _, said, gold in found]
    return score(slu_counts([gold for gold, _ in pairs], [said for _, said in pairs])).f1


def mean_f1(world: SimulatedTexts, row: str, seeds: tuple[int, ...] = (0, 1, 2)) -> float:
    return float(np.mean([f1(answered(world, row, seed)) for seed in seeds]))


def test_score_per_seed_and_over_seeds(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    for name in ("gpt", "untouched student", "ceiling", "naive", "bayesian_cdpo + self-training"):
        expected = [f1(answered(simulated_texts, name, seed)) for seed in range(3)]
        row = text_results.named(name)
        assert [one.value for one in row.per_seed] == pytest.approx(expected, abs=1e-6)
        assert row.score.value == pytest.approx(np.mean(expected), abs=1e-6)
        items = {item for seed in range(3) for item, *_ in answered(simulated_texts, name, seed)}
        assert (row.score.n, row.score.seeds) == (len(items), 3)
    about = text_results.about
    assert (about.kind, about.metric, about.metric_title) == ("generate", "slu_f1", "SLU-F1")


def test_a_resample_is_the_score_of_the_items_drawn(simulated_texts: SimulatedTexts) -> None:
    """Micro-averaging happens after the draw: an utterance drawn twice brings its slots twice."""
    frame = make_frame(simulated_texts.study, simulated_texts.store, simulated_texts.outcomes)
    rows = [row for row in frame.study.rows if row.name in ("opt", "naive")]
    texts = score_of(frame.task)
    counts = [
        score_counts(read_answers_of_row(frame.store, row.steps, frame.test), frame.test.answers, texts)
        for row in rows
    ]
    measured = measure(rows, counts, texts.value, frame.test, frame.on_test)
    for draw in (0, 1, 77):
        times = dict(zip(frame.test.ids, frame.on_test.items[draw].tolist(), strict=True))
        for seed in (0, 2):
            drawn = [one for one in answered(simulated_texts, "naive", seed) for _ in range(times[one[0]])]
            number = [row.name for row in rows].index("naive")
            assert measured.per_seed[draw, number, seed] == pytest.approx(f1(drawn), abs=1e-12)


def test_comparisons_are_made_of_means_over_seeds(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    top, student = (mean_f1(simulated_texts, name) for name in ("ceiling", "bayesian"))
    weak = [mean_f1(simulated_texts, name) for name in ABILITY]
    row = text_results.named("bayesian")
    assert row.pgr is not None
    assert row.pgr.value == pytest.approx(np.mean([(student - one) / (top - one) for one in weak]), abs=1e-5)
    assert row.versus_naive is not None
    assert row.versus_naive.value == pytest.approx(student - mean_f1(simulated_texts, "naive"), abs=1e-6)
    assert row.versus_best_supervisor is not None
    assert row.versus_best_supervisor.value == pytest.approx(student - max(weak), abs=1e-6)
    alone = text_results.named("single: gpt")
    assert list(alone.pgr_by_supervisor) == ["gpt"]


def test_a_failed_seed_leaves_the_row_with_the_others(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    row = text_results.named("joint_decoding")
    assert row.score.seeds == 2
    assert row.score.value == pytest.approx(mean_f1(simulated_texts, "joint_decoding", (0, 1)), abs=1e-6)
    assert [(one.row, one.seed) for one in text_results.missing] == [("joint_decoding", 2)]


def test_supervisors_are_measured_on_their_labels(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    labels = [simulated_texts.store.path(step) / "half_b.parquet" for step in simulated_texts.study.labels]
    for one in text_results.topics["supervisors"]:
        expected = np.mean([f1(told(simulated_texts, path, one.name)) for path in labels])
        assert one.half_b.value == pytest.approx(expected, abs=1e-6)
    assert [one.name for one in text_results.topics["supervisors"]] == list(ABILITY)


def levenshtein(one: str, other: str) -> int:
    """The table of dynamic programming, cell by cell."""
    above = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        line = [row]
        for column, right in enumerate(other, start=1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (left != right)))
        above = line
    return above[-1]


def similarities(world: SimulatedTexts, first: str, second: str, seed: int) -> Iterator[float]:
    for (_, one, _), (_, other, _) in zip(answered(world, first, seed), answered(world, second, seed), strict=True):
        if one is not None and other is not None:
            longer = max(len(one.text), len(other.text))
            yield 1 - levenshtein(one.text, other.text) / longer if longer else 1.0


def test_agreement_is_the_mean_similarity(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    assert [(one.first, one.second) for one in text_results.topics["agreement"]] == [
        ("gpt", "opt"), ("gpt", "pythia"), ("opt", "pythia")
    ]  # fmt: skip
    pair = text_results.topics["agreement"][1]
    expected = [np.mean(list(similarities(simulated_texts, "gpt", "pythia", seed))) for seed in range(3)]
    assert pair.agreement.value == pytest.approx(np.mean(expected), abs=1e-6)
    assert pair.error_correlation is None


@pytest.mark.parametrize("name", ["pythia", "bayesian"])
def test_what_the_answers_look_like(simulated_texts: SimulatedTexts, text_results: Results, name: str) -> None:
    shares, spans = [], []
    for seed in range(3):
        found = answered(simulated_texts, name, seed)
        texts = [text_of(said) for _, said, _ in found]
        cut = [bool(said and said.pieces.end[-1:].tolist() != [len(said.text.encode()) + 1]) for _, said, _ in found]
        invalid = [parse_slots(text) is None for text in texts]
        shares.append([np.mean([not text for text in texts]), np.mean(cut), np.mean(invalid)])
        gold = [parse_slots(gold) or [] for *_, gold in found]
        spans.append(score(span_counts(gold, [parse_slots(text) or [] for text in texts])).f1)
    look = text_results.topics["texts"][name]
    assert look is not None
    assert look.span_f1 is not None
    assert look.unreadable is not None
    found_shares = [look.empty.value, look.cut_off.value, look.unreadable.value]
    assert found_shares == pytest.approx(np.mean(shares, axis=0), abs=1e-6)
    assert min(np.mean(shares, axis=0)) > 0
    assert look.span_f1.value == pytest.approx(np.mean(spans), abs=1e-6)


def test_slot_types(simulated_texts: SimulatedTexts, text_results: Results) -> None:
    best = max(text_results.fair, key=lambda row: row.score.value or 0.0).name
    assert set(text_results.topics["slot_types"][0].f1) == {*ABILITY, "ceiling", "naive", best}
    counts = [one.items for one in text_results.topics["slot_types"]]
    assert counts == sorted(counts, reverse=True)
    for one in text_results.topics["slot_types"][:2]:
        expected, having = [], set()
        for seed in range(3):
            found = answered(simulated_texts, "opt", seed)
            having |= {item for item, _, gold in found if one.type in json.loads(gold)}
            pairs = [
                [[slot for slot in parse_slots(text) or [] if slot.type == one.type] for text in (gold, text_of(said))]
                for _, said, gold in found
            ]
            expected.append(score(slu_counts([gold for gold, _ in pairs], [said for _, said in pairs])).f1)
        assert one.f1["opt"].value == pytest.approx(np.mean(expected), abs=1e-6)
        assert one.items == one.f1["opt"].n == len(having)
        assert one.f1["opt"].low is not None


@pytest.mark.parametrize("metric", ["exact_match", "rouge_l"])
def test_other_metrics_are_means_over_items(tmp_path: Path, metric: str) -> None:
    world = simulate_small_texts(tmp_path / "store", metric=metric)
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    found = answered(world, "naive", 0)
    counts = TEXT_METRICS[metric].score.counts([text_of(said) for _, said, _ in found], [gold for *_, gold in found])
    assert results.named("naive").score.value == pytest.approx(counts[:, 0].mean(), abs=1e-6)
    assert results.topics["slot_types"] == ()
    look = results.topics["texts"]["naive"]
    assert look is not None
    assert look.span_f1 is look.unreadable is None
    names = {table.name for table in make_tables(results)}
    assert "texts" in names
    assert "slot_types" not in names
    page = (tmp_path / "out" / "report.html").read_text()
    assert "SLU" not in page
    assert f"test {TEXT_METRICS[metric].score.title}" in page


def test_nothing_of_classes_is_said_of_texts(text_results: Results, text_report_folder: Path) -> None:
    names = [table.name for table in make_tables(text_results)]
    assert set(names) == {
        "main", "preferences", "differences", "pgr_by_supervisor", "per_seed", "pairs", "texts", "slot_types",
        "models", "supervisors", "agreement", "chosen", "origins", "missing",
    }  # fmt: skip
    page = (text_report_folder / "report.html").read_text()
    words = page.split("<body>")[1].split("<pre")[0]
    for word in ("accuracy", "Accuracy", "alibration", "classes", "ean vote", "is right", "copy the error", "grid"):
        assert word not in words, word
    assert "reaches a test SLU-F1 of" in words
    assert not (text_report_folder / "figures" / "reliability.svg").exists()
    assert (text_report_folder / "figures" / "slot_types.svg").exists()


def test_tables_of_a_study_of_texts(text_results: Results) -> None:
    tables = {table.name: table for table in make_tables(text_results)}
    assert [column.title for column in tables["main"].columns[1:3]] == ["gold", "SLU-F1"]
    assert tables["main"].title == "SLU-F1 and performance gap recovered"
    seeds = [one.value for one in text_results.named("naive").per_seed]
    line = next(line for line in tables["per_seed"].lines if line.cells[0] == "naive")
    assert line.cells[-1] == pytest.approx(np.std([one for one in seeds if one is not None], ddof=1))
    assert [column.title for column in tables["agreement"].columns] == ["", "", "similarity"]
    assert "by" not in [column.key for column in tables["chosen"].columns]
    assert {one.row for one in text_results.topics["chosen"].settings} == {
        row.name for row in text_results.rows if row.role != "untouched"
    }
    assert text_results.topics["chosen"].settings[0].settings == {"epoch": 2, "held_out_loss": 0.25, "left_out": 0}
    assert text_results.topics["origins"]["joint_decoding"] == ("made for joint_decoding",)


def test_the_same_folders_give_the_same_bytes(
    simulated_texts: SimulatedTexts, text_report_folder: Path, tmp_path: Path
) -> None:
    outcomes = {
        name: one if one.state == "failed" else StepOutcome("cached") for name, one in simulated_texts.outcomes.items()
    }
    write_report(simulated_texts.study, simulated_texts.store, outcomes, tmp_path)
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert Path("examples.html") in files
    differ = [str(one) for one in files if (text_report_folder / one).read_bytes() != (tmp_path / one).read_bytes()]
    assert differ == ["manifest.json", "report.html", "timing.json"]


def test_nothing_but_items(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store", skip_all=True)
    results = write_report(world.study, world.store, {}, tmp_path / "out")
    assert all(not row.score.defined for row in results.rows)
    assert results.topics["texts"] == {}
    assert "No method has a result yet." in (tmp_path / "out" / "report.html").read_text()


def test_an_answer_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store")
    row = next(row for row in world.study.rows if row.name == "naive")
    folder = world.store.path(row.steps[0])
    texts = WeakTexts.load(folder / "test.parquet")
    gold = dict(zip(world.task.items.ids, world.task.items.gold.tolist(), strict=True))
    lost = next(item for item in texts.items if gold[item] == 0)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    fresh = world.store.fresh_folder(row.steps[0])
    texts.take([item for item in texts.items if item != lost]).save(fresh / "test.parquet")
    world.store.commit(row.steps[0], 1.0)
    with pytest.raises(DataError, match=rf"test\.parquet: has no answer for item `{lost}`"):
        collect(world.study, world.store, world.outcomes)


def test_one_supervisor(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store", supervisors={"opt": MODEL}, methods=["single"])
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    assert results.topics["agreement"] == ()
    assert results.about.baseline is None
    assert 'id="plot-agreement"' not in (tmp_path / "out" / "report.html").read_text()


def test_naive_with_fixed_weights_is_the_baseline_where_no_equal_weights_are(tmp_path: Path) -> None:
    fixed = {"preset": "naive", "name": "fixed", "combine": KeepAll(weights={"gpt": 2, "opt": 1}).model_dump()}
    world = simulate_small_texts(tmp_path / "store", methods=["bayesian", fixed])
    assert baseline_name(world.study.experiment) == "fixed"
    more = simulate_small_texts(tmp_path / "more", methods=[fixed, "bayesian", "naive"])
    assert baseline_name(more.study.experiment) == "naive"


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracy_as_counts_is_the_mean(seed: int) -> None:
    """Classes go through the same sums as texts, and come out as plain means."""
    rng = np.random.default_rng(seed)
    there = rng.random((2, 3, 40)) < 0.7
    there[1, 2] = False
    correct = rng.random((2, 3, 40)) < 0.5
    resamples = draw_resamples(3, 40, 20, rng)
    values = seed_values(resamples.items, np.stack([correct & there, there], axis=-1), mean_value)
    expected = np.full((21, 2, 3), np.nan)
    for draw, row, column in np.ndindex(*expected.shape):
        weight = resamples.items[draw] * there[row, column].astype(np.int64)
        if weight.sum():
            expected[draw, row, column] = (weight * correct[row, column]).sum() / weight.sum()
    np.testing.assert_allclose(values, expected, atol=1e-12)
    np.testing.assert_array_equal(values, seed_means(resamples.items, correct, there))
