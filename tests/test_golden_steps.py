"""Steps give the results that they gave when their `version` was last raised."""

import copy
import json
from pathlib import Path

import golden_steps

NGRAM = "outgrow.supervise.ngram:train_ngram"


def test_a_step_whose_results_change_has_its_version_raised(tmp_path: Path) -> None:
    recorded = json.loads(golden_steps.FILE.read_text())
    computed = list(golden_steps.compute(tmp_path))
    assert {step.function for step, _, _ in computed} == recorded.keys()
    lines = [f"{step.function} ({step.name}) {step.problem}" for step in golden_steps.differences(computed, recorded)]
    assert not lines, "\n".join([*lines, "Then run `python tests/golden_steps.py`, which records the results."])

    # Another result, or another version, is reported at its own step and at none that uses it.
    (name,) = recorded[NGRAM]
    for key, value, words in (("texts", "other", "still 1"), ("version", 0, "of version 0")):
        changed = copy.deepcopy(recorded)
        changed[NGRAM][name][key] = value
        (difference,) = golden_steps.differences(computed, changed)
        assert difference.function == NGRAM
        assert words in difference.problem
