"""`outgrow methods`: what is listed, and what is known of each."""

import json
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from outgrow import plugins
from outgrow.catalogue import entries, entries_named
from outgrow.cli.verbs import app
from outgrow.config.presets import presets
from outgrow.errors import ConfigError
from outgrow.extensions import KINDS
from small_study import outgrow
from weightings import KIND

LOGARITHM = """
    from typing import Literal
    from weightings import WeightingRecord
    from outgrow.config.section import Section

    class Logarithm(Section):
        '''The logarithm.

        Of positive numbers.
        '''

        type: Literal["logarithm"]
        base: float = 2.0
        '''Of the logarithm.'''

    EXTENSIONS = [WeightingRecord(Logarithm, paper="Napier 1614", deviations="two digits", weigh="math:log2")]
"""


def test_every_method_and_every_kind_is_listed() -> None:
    found = entries()
    assert {entry.name for entry in found if entry.kind == "method"} == set(presets())
    assert {"combiner", "loss", "selection", "refiner", "source"} <= {entry.kind for entry in found}
    assert all(entry.summary for entry in found)
    named = [(entry.kind, entry.name) for entry in found]
    assert len(named) == len(set(named))


def test_a_name_of_several_kinds_is_shown_as_each() -> None:
    assert [entry.kind for entry in entries_named("vote")] == ["method", "combiner"]
    with pytest.raises(ConfigError, match="`evidential`"):
        entries_named("evidentail")


def test_options_have_defaults_and_meanings(tmp_path: Path) -> None:
    (evidential,) = json.loads(outgrow(tmp_path, "methods", "show", "evidential", "--json").stdout)
    options = {option["name"]: option for option in evidential["options"]}
    assert options["kl_anneal"]["default"] is True
    assert options["kl_weight"]["accepts"] == "a number at least 0"
    assert not any(option["required"] for option in options.values())
    text = outgrow(tmp_path, "methods", "show", "evidential").stdout
    assert text.startswith("evidential (loss): ")
    assert "kl_clamp: a number greater than 0; default 200000.0" in text


def test_methods_show_what_they_stand_for(tmp_path: Path) -> None:
    assert "loss: {type: evidential}" in outgrow(tmp_path, "methods", "show", "bayesian").stdout
    done = outgrow(tmp_path, "methods", "show", "bayesain")
    assert done.returncode == 2
    assert "`bayesian`" in done.stderr


def test_one_kind_can_be_listed(tmp_path: Path) -> None:
    rows = json.loads(outgrow(tmp_path, "methods", "ls", "--kind", "loss", "--json").stdout)
    assert {row["kind"] for row in rows} == {"loss"}
    assert "evidential" in {row["name"] for row in rows}
    done = outgrow(tmp_path, "methods", "ls", "--kind", "losss")
    assert done.returncode == 2
    assert "`loss`" in done.stderr


def test_plugins_are_shown_with_paper_and_file(tmp_path: Path) -> None:
    file = tmp_path / "logarithm.py"
    file.write_text(dedent(LOGARITHM))
    words = ["methods", "show", "logarithm", "--plugin", str(file)]
    KINDS["weighting"] = KIND
    try:
        (entry,) = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
        text = CliRunner().invoke(app, words).stdout
    finally:
        for plugin in plugins.loaded():
            plugins.forget(plugin)
        del KINDS["weighting"]
    assert entry["kind"] == "weighting"
    assert entry["summary"] == "The logarithm."
    assert (entry["paper"], entry["deviations"]) == ("Napier 1614", "two digits")
    assert Path(entry["plugin"]) == file
    assert "  paper: Napier 1614\n  deviations: two digits\n" in text
