"""A suite from its file to the tables over all studies."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import ttest_1samp

from drawn_seeds import SEEDS
from outgrow.metrics.estimate import Estimate
from outgrow.reporting.sweep_tables import over_studies
from outgrow.suite import run_suite

TINY = {
    "suite": "pair",
    "base": {
        "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 100}},
        "supervisors": {"words": {"type": "ngram"}, "letters": {"type": "ngram", "unit": "char", "longest": 3}},
        "student": {"model": "bundled:wordllama"},
        "methods": ["naive", "vote"],
        "variants": ["plain"],
        "tune": {"l2": [0.1], "epochs": [20]},
        "seeds": [0],
        "bootstrap": 200,
    },
    "studies": {"one": {}, "two": {"seeds": [1]}},
}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_over_studies_has_students_interval(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=6)
    found = over_studies([Estimate(float(value), None, None, 100, 3) for value in values])
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    bounds = (expected.low, values.mean(), expected.high)
    assert (found.low, found.value, found.high) == pytest.approx(bounds, abs=1e-6)


def test_undefined_studies_are_left_out_and_counted() -> None:
    undefined = Estimate(None, None, None, 0, 3, "noise")
    found = over_studies([undefined, Estimate(0.5, None, None, 9, 3), Estimate(0.7, None, None, 9, 3)])
    assert found.value == pytest.approx(0.6)
    assert "1 of 3" in found.note
    assert not over_studies([undefined, None]).defined


def test_a_suite_runs_every_study_and_puts_them_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pair.yaml"
    path.write_text(yaml.safe_dump(TINY))
    dense: list[str] = []
    found = run_suite(path, on_study=dense.append)
    assert dense == ["one", "two"]
    assert not any(result.failed for result in found.results.values())
    for name in dense:
        assert (tmp_path / "runs" / "pair" / name / "report.html").is_file()
    rows = json.loads((tmp_path / "runs" / "pair" / "tables" / "versus_naive.json").read_text())["rows"]
    by_name = {row["row"]: row for row in rows}
    assert by_name["vote"]["mean"] == pytest.approx((by_name["vote"]["one"] + by_name["vote"]["two"]) / 2, abs=1e-5)
    assert by_name["vote"]["mean_n"] == 2
