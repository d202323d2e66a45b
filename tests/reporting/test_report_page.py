"""The headline, the drawings and the page."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from plots_of import plots_of
from simulated_texts import SimulatedTexts, simulate_small_texts

from outgrow.labels import INSTEAD
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.render.canvas import WIDTH
from outgrow.render.html_page import resource
from outgrow.reporting.collect import collect, report_files, write_report
from outgrow.reporting.headline import make_headline
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.measures import RowMeasures
from outgrow.reporting.topics.pairs import PAIRS
from outgrow.reporting.topics.picture import methods_box, supervisors_box

HOSTILE = '<script>alert("x")</script> & $\\frac{1}{0}$ {{ 7 * 7 }}'


def with_headline(results: Results, **changes: Any) -> Results:
    """The results with the headline's row changed, and no other method."""
    row = results.headline
    assert row is not None
    return replace(results, rows=(*results.of("floor"), *results.of("ceiling"), replace(row, **changes)))


def test_headline_claims_what_the_interval_carries(results: Results) -> None:
    def headline(**changes: Any) -> str:
        return make_headline(with_headline(results, **changes)).headline

    ahead, level, behind = (Estimate(value, value - 0.02, value + 0.02, 100, 3) for value in (0.1, 0.01, -0.1))
    share = Estimate(0.814, 0.7, 0.9, 100, 3)
    assert "recovered 81 %" in headline(versus_best_supervisor=ahead, pgr=share)
    assert "no ceiling is clearly above" in headline(versus_best_supervisor=ahead, pgr=undefined("within noise"))
    assert "clearly better" in headline(versus_best_supervisor=level)
    assert "stays below" in headline(versus_best_supervisor=behind)


def test_headline_says_why_pgr_is_undefined(results: Results) -> None:
    found = make_headline(with_headline(results, pgr=undefined("the gap is within noise")))
    assert "undefined: the gap is within noise" in " ".join(found.sentences)


def test_headline_names_the_sources_of_its_row(results: Results) -> None:
    story = " ".join(make_headline(with_headline(results)).sentences)
    assert f"the labels of {len(results.about.supervisors)} weak supervisors (the best one" in story
    assert "The mean of all supervisors' votes reaches" in story
    alone = " ".join(make_headline(with_headline(results, sources=results.about.supervisors[:1])).sentences)
    assert f"the labels of one weak supervisor ({results.about.supervisors[0]}, which reaches 0." in alone


def test_headline_tells_what_a_reader_would_miss(results: Results) -> None:
    origins = {
        **results.topics["origins"],
        "pair": ("Something ordinary.", f"two sources are too few; a vote{INSTEAD}"),
    }
    story = make_headline(replace(results, topics={**results.topics, "origins": origins})).sentences
    assert f"pair: two sources are too few; a vote{INSTEAD}" in story
    assert "Something ordinary." not in " ".join(story)
    highest = Estimate(0.999, 0.99, 1.0, 10, 1)
    untouched = replace(results.of("ceiling")[0], role="untouched", name="untouched", score=highest)
    assert "more than any row" in " ".join(make_headline(replace(results, rows=(*results.rows, untouched))).sentences)
    assert "more than any row" not in " ".join(make_headline(results).sentences)


def test_headline_warns(results: Results) -> None:
    sentences = " ".join(make_headline(results).sentences)
    assert "highest of 28 rows" in sentences
    assert "1 of 36 rows lacks a result" in sentences
    choices = results.topics["chosen"]
    gold = replace(choices, settings=(replace(choices.settings[0], oracle=True),))
    oracle = replace(results, topics={**results.topics, "chosen": gold})
    assert "oracle selection" in " ".join(make_headline(oracle).sentences)


def test_the_headline_is_about_the_named_row_not_about_the_highest(results: Results) -> None:
    for name in ("vote", "bayesian"):
        found = make_headline(replace(results, about=replace(results.about, headline=name)))
        assert f"With {name}," in found.headline
        assert any(tile.kind == "student" and tile.what == name for tile in found.tiles)


def test_the_student_on_half_as_gold_is_in_the_story(results: Results) -> None:
    row = results.headline
    assert row is not None
    assert row.score.value is not None
    for value, more in ((row.score.value + 0.05, True), (row.score.value - 0.05, False)):
        score = Estimate(value, value - 0.01, value + 0.01, 100, 3)
        control = replace(row, role="control", name="gold_a", method="gold_a", gold="half_a", score=score)
        others = [other for other in results.rows if other.role != "control"]
        story = " ".join(make_headline(replace(results, rows=(*others, control))).sentences)
        assert "Trained on half A's gold alone" in story
        assert ("train the student on it" in story) == more


def level(row: RowResult, value: float = 0.0) -> RowResult:
    """A row whose score and PGR are this value."""
    same = Estimate(value, value, value, 10, 1)
    return replace(row, score=same, pgr=None if row.pgr is None else same)


def test_rows_that_tie_are_called_a_tie(simulate_small: Callable[..., Any], tmp_path: Path) -> None:
    world = simulate_small(tmp_path, methods=["naive", "vote", "bayesian", "log_pool"])
    found = collect(world.study, world.store, world.outcomes)
    tied = replace(found, rows=tuple(map(level, found.rows)))
    story = make_headline(tied)
    assert "All 4 rows tie on these test items." in story.sentences
    assert not any("optimistic" in sentence for sentence in story.sentences)
    assert [(tile.title, tile.what) for tile in story.tiles if tile.kind == "student"] == [("student", "naive")]
    assert "0.000 [0.000, 0.000] with naive" in story.sentences[0]
    assert "**" not in make_tables(tied)[0].to_markdown()
    assert methods_box(tied).lines == tuple((name, "0.000") for name in ("naive", "vote", "bayesian", "log_pool"))
    two = replace(tied, rows=tuple(level(row, 0.5) if row.name in ("vote", "bayesian") else row for row in tied.rows))
    story = " ".join(make_headline(two).sentences)
    assert (
        "vote and bayesian are the highest of 4 rows on these test items: selected as best of 4, hence optimistic."
        in story
    )
    assert "The headline is about naive, which was fixed beforehand." in story
    assert make_tables(two)[0].to_markdown().count("**0.500") == 4


def test_the_plane_has_its_sentence(text_results: Results) -> None:
    def under(style: float, content: float) -> RowMeasures:
        both = {"style": style, "content": content}
        return RowMeasures({name: Estimate(value, value, value, 10, 1) for name, value in both.items()})

    told = {"untouched": (0.1, 0.8), "ceiling": (0.9, 0.7), "floor": (1.0, 1.0)}
    methods = {"naive": (0.6, 0.3), "joint_decoding": (0.5, 0.75)}
    rows = {row.name: under(*methods.get(row.name, told.get(row.role, (0.2, 0.2)))) for row in text_results.rows}
    about = replace(text_results.about, measures=("style", "content"), plane=("style", "content"))
    topics = {**text_results.topics, "measures": rows}
    sentences = make_headline(replace(text_results, about=about, topics=topics)).sentences
    assert (
        "Of the students, style is at most 0.600 [0.600, 0.600] with naive (untouched student 0.100, ceiling 0.900);"
        " content is at most 0.750 [0.750, 0.750] with joint_decoding (untouched student 0.800, ceiling 0.700)."
    ) in sentences
    assert not any("Of the students" in sentence for sentence in make_headline(text_results).sentences)


@pytest.mark.parametrize(
    ("untaught", "box", "caption"),
    [
        ((), "learn 200 gold labels", "Supervisors learn gold on one half of the training items, and label the other"),
        (
            ("static",),
            "3 of 4 learn 200 gold labels",
            "Supervisors learn gold on one half of the training items (static: used as it is), and label the other",
        ),
        (
            ("words", "characters", "static", "layer-4"),
            "used without training",
            "Supervisors are used without training, and label one half of the training items for the student.",
        ),
    ],
)
def test_who_learns_no_gold_is_not_said_to(
    simulated: Any, results: Results, untaught: tuple[str, ...], box: str, caption: str
) -> None:
    changed = replace(results, about=replace(results.about, untaught=untaught))
    assert supervisors_box(changed).subtitle == box
    page = report_files(simulated.study, simulated.store, simulated.outcomes, changed)["report.html"]
    assert caption in page


def test_an_endpoint_and_a_model_that_is_told_learn_no_gold(tmp_path: Path) -> None:
    told = {"model": "bundled:smollm2-135m@2", "adapt": "none"}
    far = {"type": "endpoint", "model": "far", "url": "http://127.0.0.1:9/v1"}
    supervisors = {"gpt": {**told, "adapt": "lora"}, "opt": told, "pythia": far}
    world = simulate_small_texts(tmp_path / "store", supervisors=supervisors, methods=["naive"])
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    assert results.about.untaught == ("opt", "pythia")
    models = next(table for table in make_tables(results) if table.name == "models")
    assert {line.cells[0]: line.cells[3] for line in models.lines}["pythia"] == "not told"


def test_no_two_steps_of_a_study_are_called_alike(tmp_path: Path) -> None:
    methods = ["single", "naive", "icl", "infer_and_respond", "self_bootstrap", "joint_decoding", "two_stage"]
    study = simulate_small_texts(tmp_path, methods=methods, seeds=[0, 1], skip_all=True).study
    names = Counter(f"{step.name} {step.label}" for step in study.steps)
    assert [name for name, count in names.items() if count > 1] == []


def test_files_below_the_working_folder_are_named_from_there(
    simulated_texts: SimulatedTexts, text_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, root = simulated_texts, simulated_texts.store.root.parent
    files = report_files(world.study, world.store, world.outcomes, text_results)
    assert f"path: {root}/spoken.jsonl" in files["report.html"], "a file from elsewhere keeps its whole name"
    monkeypatch.chdir(root)
    files = report_files(world.study, world.store, world.outcomes, text_results)
    assert "path: spoken.jsonl" in files["report.html"]
    assert str(root) not in files["report.html"].split("every default spelled out")[1].split("</pre>")[0]
    said = Path(yaml.safe_load(files["resolved.yaml"])["task"]["path"])
    assert not said.is_absolute()
    output = world.study.experiment.output
    assert output is not None
    assert (output / said).resolve() == (root / "spoken.jsonl").resolve(), "where it lies, it can be run from anywhere"


OF_TEXTS = ["study", "pgr", "slot_types", "agreement"]
OF_VOTES = ["study", "pgr", "agreement", "error_copying", "confusion", "reliability"]


def test_votes_and_texts_have_their_own_drawings(results: Results, text_results: Results) -> None:
    for found, names in ((results, OF_VOTES), (text_results, OF_TEXTS)):
        assert list(plots_of(found)) == names


@pytest.mark.parametrize(
    ("kind", "name"), [("votes", name) for name in OF_VOTES] + [("texts", name) for name in OF_TEXTS]
)
def test_drawings_are_valid_described_and_the_same_every_time(
    results: Results, text_results: Results, kind: str, name: str
) -> None:
    found = results if kind == "votes" else text_results
    drawn = plots_of(found)[name]
    assert drawn == plots_of(found)[name]
    root = ElementTree.fromstring(drawn)
    assert root.get("role") == "img"
    assert len(root.get("aria-label") or "") > 40
    assert float(root.get("width") or 0) <= WIDTH
    assert "<dc:date>" not in drawn
    assert "http" not in drawn.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
        'xmlns:xlink="http://www.w3.org/1999/xlink"', ""
    )


@pytest.mark.parametrize("kind", ["votes", "texts"])
def test_ids_are_different_in_every_drawing(results: Results, text_results: Results, kind: str) -> None:
    found = results if kind == "votes" else text_results
    ids = [set(re.findall(r'\bid="([^"]+)"', drawn)) for drawn in plots_of(found).values()]
    assert sum(len(one) for one in ids) == len(set.union(*ids))


def test_drawings_hold_hostile_names(results: Results) -> None:
    rows = tuple(replace(row, name=HOSTILE, method=HOSTILE) for row in results.rows)
    changed = replace(results, rows=rows, about=replace(results.about, student=HOSTILE))
    plots = plots_of(changed)
    for drawn in (plots["study"], plots["pgr"]):
        ElementTree.fromstring(drawn)
        assert "<script>" not in drawn


def test_nothing_to_draw_is_no_drawing(results: Results) -> None:
    topics = {**results.topics, "agreement": (), "error_copying": (), "calibration": {}}
    assert list(plots_of(replace(results, rows=(), topics=topics))) == ["study"]


@pytest.mark.parametrize("kind", ["votes", "texts"])
def test_text_is_readable_on_a_telephone(results: Results, text_results: Results, kind: str) -> None:
    """A plot is shown at no less than `least` pixels, so that no letter is smaller than 9."""
    least = int(re.findall(r"max-width: max\(100%, (\d+)px\)", resource("render/page.css"))[0])
    for name, drawn in plots_of(results if kind == "votes" else text_results).items():
        width = float(ElementTree.fromstring(drawn).get("width") or 0)
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn)]
        assert sizes, name
        assert min(sizes) * min(1.0, least / width) >= 9, name


def test_page_escapes_names_and_messages(simulated: Any, results: Results) -> None:
    rows = tuple(replace(row, name=HOSTILE, method=HOSTILE) if row.role == "method" else row for row in results.rows)
    missing = tuple(replace(one, reason=HOSTILE) for one in results.missing)
    classes = tuple(f"{HOSTILE} {number}" for number, _ in enumerate(results.about.classes))
    about = replace(results.about, name=HOSTILE, notes=(HOSTILE,), classes=classes)
    pairs = PAIRS.of(results)
    hostile = tuple(replace(one, first=f"{HOSTILE} {place}") for place, one in enumerate(pairs.pairs))
    topics = {**results.topics, "pairs": replace(pairs, rows=(HOSTILE, *pairs.rows), pairs=hostile)}
    changed = replace(results, rows=rows, missing=missing, about=about, topics=topics)
    page = report_files(simulated.study, simulated.store, simulated.outcomes, changed)["report.html"]
    script = f"<script>\n{resource('reporting/row_picker.js')}</script>"
    assert "<script" not in page.replace(script, "", 1)
    assert "{{ 7 * 7 }}" in page
    assert "&lt;script&gt;" in page


def test_page_fetches_nothing(report_folder: Path) -> None:
    page = (report_folder / "report.html").read_text()
    assert not re.findall(r"(?:src|action)\s*=|@import|url\(\s*['\"]?(?!#)", page)
    assert set(re.findall(r'href="([^"#]+)', page)) == {"data:,"}
    for section in ("seeds:", "SHA-256", "Wall time per step", "For a paper", "out of memory"):
        assert section in page


def test_page_of_a_study_without_second_supervisor(simulate_small: Callable[..., Any], tmp_path: Path) -> None:
    world = simulate_small(tmp_path / "store", supervisors={"words": {"type": "ngram"}})
    write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="plot-agreement"' not in page
    assert 'id="plot-pgr"' in page
    assert "One seed" in page
    assert 'Difference to naive multi-weak<span class="count">1 row</span>' in page
