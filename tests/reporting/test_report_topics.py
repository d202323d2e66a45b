"""Topics of the report: found by page, exports and terminal; topics of plug-ins, and their failures."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outgrow.cli.result_text import result_text
from outgrow.errors import ConfigError
from outgrow.metrics.estimate import Estimate
from outgrow.render.canvas import WIDTH, Drawing, axes, drawing, figure, style
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.collect import collect, read_results, write_report
from outgrow.reporting.frame import Frame
from outgrow.reporting.publish import plug_in_digests
from outgrow.reporting.results import Results
from outgrow.reporting.topic import TopicRecord, results_table
from outgrow.reporting.topics import TOPICS, make_tables, topic_contents


@dataclass(frozen=True)
class Lengths:
    """Mean number of letters of the prompts."""

    letters: Estimate
    items: tuple[str, ...]


def measure(frame: Frame) -> Lengths:
    letters = [len(prompt) for prompt in frame.test.prompts]
    return Lengths(Estimate(sum(letters) / len(letters), None, None, len(letters), 1), tuple(frame.test.ids[:2]))


def tables(results: Results, found: Lengths) -> list[Table]:
    columns = [Column("part", ""), Column("letters", "letters")]
    return [results_table(results, "lengths", "Length of the prompts", "", columns, [Line(("test", found.letters))])]


def plots(results: Results, found: Lengths) -> Iterator[Drawing | None]:
    with style():
        fig = figure(WIDTH, 100)
        axes(fig, 10, 10, 400, 80).plot([0, 1], [0, found.letters.value or 0])
        yield drawing(fig, "lengths", "A line", "Letters.")
    yield None


RECORD = TopicRecord(
    name="lengths",
    summary="Length of the prompts",
    heading="Prompts",
    measure=measure,
    tables=tables,
    plots=plots,
    notes=lambda results, found: [f"{found.letters.n} prompts."],
    caveats=lambda results, found: ["Prompts were counted."],
    in_terminal=True,
)


@pytest.fixture
def plug_in() -> Iterator[None]:
    TOPICS.add(RECORD)
    yield
    TOPICS.remove("lengths")


def failing(part: str) -> TopicRecord[Any]:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no <&> luck")

    parts: dict[str, Any] = {"measure": lambda frame: None, part: fail}
    return TopicRecord(name="bad", summary="", heading="Bad", **parts)


def test_a_plug_in_topic_is_measured_shown_and_exported(simulated: Any, tmp_path: Path, plug_in: None) -> None:
    results = write_report(simulated.study, simulated.store, simulated.outcomes, tmp_path)
    found = json.loads((tmp_path / "results.json").read_text())["topics"]["lengths"]
    assert found["letters"]["n"] == results.topics["lengths"].letters.n
    page = (tmp_path / "report.html").read_text()
    for text in ("<h2>Prompts</h2>", 'id="table-lengths"', 'id="plot-lengths"', "Prompts were counted."):
        assert text in page
    for name in ("tables/lengths.md", "tables/lengths.csv", "tables/lengths.tex", "figures/lengths.svg"):
        assert (tmp_path / name).stat().st_size > 20
    assert read_results(tmp_path) == results
    assert "letters" in result_text(results)
    assert set(plug_in_digests()) == {"lengths"}


def test_what_an_unknown_topic_measured_stays_plain_data(simulated: Any, tmp_path: Path) -> None:
    TOPICS.add(RECORD)
    try:
        write_report(simulated.study, simulated.store, simulated.outcomes, tmp_path)
    finally:
        TOPICS.remove("lengths")
    results = read_results(tmp_path)
    assert results.topics["lengths"]["items"] == list(results.topics["lengths"]["items"])
    assert "lengths" not in {table.name for table in make_tables(results)}


@pytest.mark.parametrize("part", ["measure", "tables", "plots", "notes", "caveats"])
def test_an_exception_of_a_plug_in_is_a_sentence(simulated: Any, tmp_path: Path, part: str) -> None:
    TOPICS.add(failing(part))
    try:
        write_report(simulated.study, simulated.store, simulated.outcomes, tmp_path)
    finally:
        TOPICS.remove("bad")
    page = (tmp_path / "report.html").read_text()
    assert page.count("The topic `bad` of a plug-in could not be") == 1
    assert "RuntimeError: no &lt;&amp;&gt; luck." in page


@pytest.mark.parametrize("value", [float("nan"), object(), {1j: 2}])
def test_a_plug_in_must_measure_plain_data(simulated: Any, value: object) -> None:
    TOPICS.add(TopicRecord(name="bad", summary="", heading="Bad", measure=lambda frame: value))
    try:
        results = collect(simulated.study, simulated.store, simulated.outcomes)
    finally:
        TOPICS.remove("bad")
    assert "`bad`" in results.failures["bad"]
    assert "bad" not in results.topics


def test_a_plug_in_cannot_replace_a_table(results: Results) -> None:
    main = Table("main", "", "", (Column("a", "a"),), (Line(("b",)),))
    TOPICS.add(
        TopicRecord(name="bad", summary="", heading="", measure=lambda frame: 1, tables=lambda results, found: [main])
    )
    try:
        changed = Results(results.about, results.rows, results.missing, {**results.topics, "bad": 1})
        *_, last = topic_contents(changed)
    finally:
        TOPICS.remove("bad")
    assert last.tables == ()
    assert "`main`" in last.notes[0]


def test_names_are_given_once_and_unknown_ones_are_suggested() -> None:
    with pytest.raises(ConfigError, match="`labels`"):
        TOPICS.add(TOPICS["labels"])
    with pytest.raises(ConfigError, match="`labels`"):
        TOPICS.named("lables")
    assert all(record.summary and record.heading for record in TOPICS.values())


def test_results_and_tables_need_no_matplotlib(report_folder: Path) -> None:
    code = (
        "import sys, pathlib; from outgrow.reporting.collect import read_results;"
        "from outgrow.reporting.topics import make_tables; import outgrow.trust_report.trust_page;"
        f"make_tables(read_results(pathlib.Path({str(report_folder)!r})));"
        "assert not {'matplotlib', 'torch', 'openai'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
