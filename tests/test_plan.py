"""What a plan says of models behind servers: how much they are asked, what that costs, and who is sent which key."""

import copy
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import outgrow
from outgrow.cli.plan_text import duration, plan_text
from outgrow.config.load import read_experiment
from outgrow.study.step_params import place_of

FAR = {"type": "endpoint", "url": "http://127.0.0.1:1/v1", "model": "stub"}
SMALL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
SIZES = {"half_a": 10, "half_b": 20, "test": 30}
VOTES: dict[str, Any] = {
    "name": "far",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": SIZES},
    "supervisors": {"far": FAR},
    "student": {"model": "bundled:wordllama"},
    "methods": ["naive"],
    "variants": ["plain"],
    "seeds": [0],
}
TEXTS: dict[str, Any] = {
    **VOTES,
    "task": {"name": "tales", "sizes": SIZES},
    "student": SMALL,
    "methods": ["naive", {"preset": "icl", "refine": {"by": {**FAR, "key": "REFINER_KEY"}}}],
    "judges": {"jury": {"by": {**FAR, "key": "JURY_KEY"}, "scales": {"style": [1, 10]}}},
}
ARC = {"name": "arc_easy", "source": "bundled", "sizes": SIZES}
KINDS = {
    "classify": VOTES,
    "choose": {**VOTES, "task": {**ARC, "form": "native"}, "student": {"model": "bundled:smollm2-135m@2"}},
    "binary": {**VOTES, "task": {**ARC, "form": "binary"}},
    "text": {**TEXTS, "task": {**ARC, "form": "text"}},
    "generate": TEXTS,
    "tuned by its provider": {**TEXTS, "student": {**FAR, "fine_tuning": {}}},
}


def plan(study: dict[str, Any], folder: Path, *words: str) -> outgrow.Plan:
    return outgrow.plan({**copy.deepcopy(study), "store": str(folder / "steps")}, *words)


@pytest.mark.parametrize("kind", KINDS)
def test_a_supervisor_behind_a_server_is_planned_for_every_kind_of_task(kind: str, tmp_path: Path) -> None:
    found = plan(KINDS[kind], tmp_path)
    asked = [step for step in found.steps if step.server]
    assert {step.server for step in asked} == {FAR["url"]}
    assert all(step.cost.seconds is None and step.cost.tokens > 0 and not step.cost.money for step in asked)
    assert sum(
        step.name == ("supervisor" if kind in ("classify", "choose", "binary") else "ratings") for step in asked
    )
    assert all(step.cost.seconds for step in found.steps if not step.server)


def test_what_a_choice_costs_grows_with_the_items_and_the_prices(tmp_path: Path) -> None:
    def paid(*words: str) -> float:
        return sum(step.cost.money for step in plan(VOTES, tmp_path, *words).steps)

    written = "supervisors.far.prices={output: 1}"
    assert paid() == 0
    assert paid(written) == pytest.approx(60 * 16 / 1e6)
    assert paid("supervisors.far.prices={output: 3}", "task.sizes.test=90") == pytest.approx(3 * 120 * 16 / 1e6)
    assert paid("supervisors.far.prices={input: 1}") > paid(written)


def test_it_says_which_variable_goes_where_and_which_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JURY_KEY", "sk-very-secret")
    monkeypatch.delenv("REFINER_KEY", raising=False)
    lines = plan_text(plan(TEXTS, tmp_path)).splitlines()
    assert [line for line in lines if line.startswith("http")] == [
        "http://127.0.0.1:1/v1 is sent no key.",
        "http://127.0.0.1:1/v1 is sent the key in REFINER_KEY, but REFINER_KEY is not set.",
        "http://127.0.0.1:1/v1 is sent the key in JURY_KEY.",
    ]
    assert "sk-very-secret" not in "\n".join(lines)


def tokens_of(found: outgrow.Plan) -> dict[str, float]:
    """Of every training of a student, by its description."""
    return {step.label: step.cost.tokens for step in found.steps if step.name == "student"}


@pytest.mark.parametrize(
    "study",
    [TEXTS, {**VOTES, "student": SMALL, "supervisors": {"words": {"type": "ngram"}}}],
    ids=["texts", "classes"],
)
def test_evaluations_during_a_training_are_planned(study: dict[str, Any], tmp_path: Path) -> None:
    methods = ["naive", *({"preset": "early_stopping", "evaluations": {"number": n}} for n in (1, 3))]
    methods = [{**m, "name": f"stopped_{n}"} if n else m for n, m in enumerate(methods)]
    naive, once, thrice = (
        next(
            tokens
            for label, tokens in tokens_of(plan({**study, "methods": methods}, tmp_path)).items()
            if name in label
        )
        for name in ("naive", "stopped_1", "stopped_2")
    )
    assert thrice - naive == 3 * (once - naive) > 0


def test_every_candidate_of_a_pool_is_planned_to_be_learned(tmp_path: Path) -> None:
    pair = {"a": SMALL, "b": {**SMALL, "model": "bundled:smollm2-135m@3"}}
    study = {**TEXTS, "supervisors": pair, "methods": ["outgrow", "naive"]}
    by_beams = {
        beams: tokens_of(plan({**study, "labelling": {"beams": beams, "candidates": beams}}, tmp_path))
        for beams in (1, 4)
    }
    rows = {name: next(label for label in by_beams[1] if name in label) for name in ("outgrow", "naive")}
    assert by_beams[4][rows["outgrow"]] == 4 * by_beams[1][rows["outgrow"]]
    assert by_beams[4][rows["naive"]] == by_beams[1][rows["naive"]] == by_beams[1][rows["outgrow"]]


def test_the_last_line_says_what_its_numbers_mean(tmp_path: Path) -> None:
    text = plan_text(plan(VOTES, tmp_path, "supervisors.far.prices={input: 1000}"))
    total = next(line for line in text.splitlines() if " steps: " in line)
    assert "on this type of machine, one after another;" in total
    assert re.search(r"; at most \d+\.\d\d in the currency of `prices`; ", total)
    assert "; unknown (?): 1 new step whose model is behind a server. Nothing was executed." in total
    absent = plan_text(plan({**TEXTS, "student": {"model": "org/not-here", "adapt": "lora"}}, tmp_path))
    assert re.search(r"unknown \(\?\): \d+ new steps whose model is not on this machine", absent)


def test_no_new_step_is_said_to_take_no_time(tmp_path: Path) -> None:
    assert " 0.0 s" not in plan_text(plan(VOTES, tmp_path))
    assert (duration(0.01), duration(0.1), duration(None)) == ("< 0.1 s", "0.1 s", "?")


@pytest.mark.parametrize("study", [VOTES, TEXTS], ids=["votes", "texts"])
def test_equal_steps_of_several_seeds_have_names_of_their_own(study: dict[str, Any], tmp_path: Path) -> None:
    steps = plan(study, tmp_path, "seeds=0,1,2").steps
    names = Counter((step.name, step.label) for step in steps if step.name in ("texts", "labels", "supervisor"))
    assert len(names) >= 6
    assert set(names.values()) <= {1, 2}, "rewritten labels have the names of those that they replace"
    assert not [label for (_, label) in names if not re.search(r"seed \d", label)]


def test_a_section_knows_its_place_in_the_file() -> None:
    experiment = read_experiment(copy.deepcopy(TEXTS))
    refine = experiment.methods[1].refine
    assert refine is not None
    assert refine.by is not None
    assert place_of(experiment.supervisors["far"], experiment) == "supervisors.far"
    assert place_of(experiment.judges["jury"].by, experiment) == "judges.jury.by"
    assert place_of(refine.by, experiment) == "methods.1.refine.by"
    assert place_of(experiment.student, experiment) == "student"
    assert place_of(read_experiment(copy.deepcopy(TEXTS)).student, experiment) == ""
