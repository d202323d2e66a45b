"""The papers that a report names are those whose methods it used."""

from pathlib import Path
from typing import Any

import pytest
from simulated_mixture import TASK
from simulated_texts import EXPERIMENT, simulate_small_texts

from outgrow.config.load import read_experiment
from outgrow.reporting.collect import write_report
from outgrow.reporting.references import bibtex

JUDGE = {"by": {"type": "endpoint", "model": "j", "url": "http://127.0.0.1:9/v1"}, "scales": {"style": [1, 10]}}
ALWAYS = ["arXiv:2406.03199", "arXiv:2312.09390"]
STAGES = [{"share": 0.4}, {"loss": {"type": "evidential"}}]


def cited(**changes: Any) -> list[str]:
    """A word of each paper that is named, in their order."""
    task = {"name": "errands", "kind": "generate"}
    text = bibtex(read_experiment({**EXPERIMENT, "task": task, "methods": ["naive"], **changes}))
    words = [*ALWAYS, "arXiv:2405.16236", "zhou2025"]
    assert text.count("@") == sum(word in text for word in words), "every paper has one of the words"
    return [word for word in words if word in text]


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, []),
        ({"methods": ["naive", "joint_decoding", "bayesian_cdpo"]}, []),
        ({"methods": ["naive", "icl"]}, ["arXiv:2405.16236"]),
        ({"judges": {"jury": JUDGE}}, ["arXiv:2405.16236"]),
        (
            {"methods": ["two_stage"]},
            ["arXiv:2405.16236", "zhou2025"],
        ),  # its reward model compares with in-context answers
        ({"methods": ["random_half"]}, ["zhou2025"]),
        ({"methods": [{"preset": "naive", "stages": STAGES}]}, ["zhou2025"]),
        ({"task": TASK}, ["zhou2025"]),
        ({"task": TASK, "methods": ["ask_to_improve"]}, ["arXiv:2405.16236", "zhou2025"]),
    ],
)
def test_papers_of_what_was_used_are_named(changes: dict[str, Any], more: list[str]) -> None:
    assert cited(**changes) == [*ALWAYS, *more]


def test_the_page_names_them(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store", methods=["naive", "self_bootstrap"])
    write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "somerstep2025transfer" in page
    assert "zhou2025capabilities" not in page
