"""What a paper takes from a report: figures for one column, the methods in words, references."""

import re
from pathlib import Path
from typing import Any

import pytest

from outgrow.config.load import read_experiment
from outgrow.errors import DataError
from outgrow.extensions import Record, registries
from outgrow.metrics.estimate import Estimate
from outgrow.render import canvas
from outgrow.render.canvas import ratio_limits
from outgrow.reporting.methods_text import methods_paragraph
from outgrow.reporting.paper import latex_with_citations, paper_files, write_paper
from outgrow.reporting.references import bibtex, papers_in, records_used, references
from outgrow.reporting.results import Results


def test_every_reference_is_bibtex_and_is_cited_by_something() -> None:
    records = [record for registry in registries().values() for record in registry.values()]
    papers = " ".join(record.paper for record in records if isinstance(record, Record))
    for reference in references().values():
        assert reference.bibtex.count("{") == reference.bibtex.count("}")
        assert "cited" not in reference.bibtex
        assert re.search(r"\n  title\s+= \{", reference.bibtex), reference.key
        assert re.search(r"\n  year\s+= \{\d{4}\}", reference.bibtex), reference.key
        assert reference.cited in papers or reference.key == "zhou2025capabilities"


def test_methods_are_written_from_the_settings(simulated: Any, results: Results) -> None:
    experiment = simulated.study.experiment
    text = methods_paragraph(results.about, experiment, "1.2.3")
    for word in (experiment.task.name, "outgrow 1.2.3", str(results.about.resamples), *experiment.supervisors):
        assert word in text
    for method in experiment.methods:
        assert f"{method.name} (" in text
    keys = set(re.findall(r"[a-z]+\d{4}[a-z0-9]+", text))
    assert keys
    assert all(f"{{{key}," in bibtex(experiment) for key in keys)


def test_the_papers_of_a_method_are_found() -> None:
    study = {
        "name": "x",
        "task": {"name": "mmlu_topic"},
        "supervisors": {"a": {"type": "ngram"}},
        "student": {"model": "bundled:wordllama"},
        "methods": ["dawid_skene", "generalized_ce"],
    }
    experiment = read_experiment(study)
    named = {record.name for record in records_used(experiment)}
    assert {"dawid_skene", "generalized_cross_entropy", "ngram"} <= named
    assert "dawid1979maximum" in bibtex(experiment)
    assert "zhang2018generalized" in bibtex(experiment)
    assert "hovy2013learning" not in bibtex(experiment)
    assert [paper.key for paper in papers_in("ours, after Dawid & Skene 1979")] == ["dawid1979maximum"]


def test_latex_escapes_all_but_citations() -> None:
    assert latex_with_citations("a_b 5 %\x02x2020y\x02. c") == r"a\_b 5 \%~\cite{x2020y}. c"


def test_every_plot_is_a_column_as_pdf_and_svg(simulated: Any, results: Results, tmp_path: Path) -> None:
    contents = paper_files(results, simulated.study.experiment)
    assert "pgr.pdf" in contents
    for name, content in contents.items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF")
            assert b"CreationDate" not in content
        if name.endswith(".svg") and name != "study.svg":
            width = re.search(rb'viewBox="0 0 (\d+) ', content)
            assert width is not None
            assert int(width[1]) <= canvas.COLUMN
            assert b"<text" not in content
    assert canvas.width() == canvas.WIDTH


def test_no_report_is_an_error(simulated: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="outgrow run"):
        write_paper(simulated.study.experiment, tmp_path, tmp_path / "paper")


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, n=10, seeds=1)


def test_an_axis_holds_every_interval_that_is_not_very_long() -> None:
    low, high = ratio_limits([estimate(0.5, -1.2, 2.4), estimate(0.2, 0.1, 0.3)], 0.0, 1.0)
    assert (low, high) == (-1.2, 2.4)
    low, high = ratio_limits([estimate(0.5, -50.0, 70.0)], 0.0, 1.0)
    assert (low, high) == (-canvas.LONGEST, 1 + canvas.LONGEST)


@pytest.mark.parametrize("upright", [False, True])
def test_a_longer_interval_ends_in_an_arrow_within_the_axis(upright: bool) -> None:
    with canvas.style():
        fig = canvas.figure(200, 100)
        ax = canvas.axes(fig, 0, 0, 200, 100)
        canvas.interval(ax, -9.0, 9.0, 0.5, canvas.INK, upright=upright, within=(-1.0, 2.0))
        canvas.interval(ax, 0.0, 1.0, 0.5, canvas.INK, upright=upright, within=(-1.0, 2.0))
    ends = [list(line.get_ydata() if upright else line.get_xdata()) for line in ax.lines]
    assert ends == [[-1.0, 2.0], [-1.0], [2.0], [0.0, 1.0]]
