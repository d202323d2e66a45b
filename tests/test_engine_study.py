"""Studies with `engine: vllm`: what is refused before the first step, what is run again, and a whole run."""

import json
from pathlib import Path
from typing import Any

import pytest

import outgrow
from engine_stand_in import installed
from outgrow.config.engine import Engine
from outgrow.config.load import read_experiment
from outgrow.config.model import ModelSection
from outgrow.errors import ConfigError
from outgrow.graph.step import Step
from outgrow.study.build import build_study
from outgrow.study.model_cost import Cost
from outgrow.study.step_needs import default_gpus
from small_study import FILE, results, write
from small_study import outgrow as command
from small_texts import MODEL, TEXTS, write_texts_study

GREEDY = {"beams": 1, "candidates": 1, "max_new_tokens": 16}
BUNDLED = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}


def study(engine: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": "engines",
        "task": {"name": "errands", "sizes": {"half_a": 10, "half_b": 10, "test": 10}},
        "supervisors": {"a": {**BUNDLED, "engine": engine}, "b": BUNDLED},
        "student": {**BUNDLED, "model": "bundled:smollm2-135m@4", "engine": engine},
        "methods": ["bayesian"],
        "labelling": GREEDY,
        "answering": GREEDY,
        "seeds": [0],
        **changes,
    }


@pytest.fixture
def program(tmp_path: Path) -> str:
    return str(installed(tmp_path))


def refusal(engine: Any, **changes: Any) -> str:
    with pytest.raises(ConfigError) as told:
        outgrow.plan(study(engine, **changes))
    return str(told.value)


def steps_of(engine: Any) -> list[Step]:
    return list(build_study(read_experiment(study(engine), ())).steps)


def test_only_the_steps_that_write_and_score_are_other_steps(program: str) -> None:
    plain, served, elsewhere = (
        {(step.name, step.label): step for step in steps_of(engine)}
        for engine in ("hf", {"type": "vllm", "command": program}, {"type": "vllm", "command": program, "ready": 5})
    )
    assert plain.keys() == served.keys()
    own = {key for key, step in plain.items() if step.params != served[key].params}
    assert {name for name, _ in own} == {"texts", "scores"}
    assert all(served[key].params["model"]["engine"] == {"type": "vllm", "options": []} for key in own)
    assert all(served[key].identity == step.identity for key, step in plain.items() if step.name == "supervisor")
    assert any(served[key].identity == step.identity for key, step in plain.items() if step.name == "texts"), "b's"
    assert [step.identity for step in elsewhere.values()] == [step.identity for step in served.values()]
    assert elsewhere["texts", "half_b: a, seed 0"].hints["engine"] == {
        "command": program,
        "ready": 5.0,
        "answer": 3600.0,
    }


def test_keys_that_ask_for_a_search_are_named(program: str) -> None:
    vllm = {"type": "vllm", "command": program}
    wide = {"beams": 4, "candidates": 4}
    refused = refusal(vllm, labelling=wide, answering={"beams": 3, "candidates": 1})
    assert "labelling.beams: 4, and `engine: vllm` has no beam search; use `labelling.beams: 1`" in refused
    assert "answering.beams: 3" in refused
    tuned = {"preset": "bayesian_cdpo", "name": "tuned"}
    rewritten = {"preset": "naive", "name": "rewritten", "refine": {"type": "ask_to_improve", "decoding": wide}}
    pooled = {"preset": "joint_decoding", "name": "pooled", "combine": {"type": "joint_decoding", "beams": 4}}
    refused = refusal(vllm, methods=[tuned, rewritten, pooled])
    assert "method `tuned`: preference.candidates.beams: 10" in refused
    assert "method `rewritten`: refine.decoding.beams: 4" in refused
    assert "method `pooled`: combine.beams: 4, and `engine: vllm` of supervisor `a` has no beam search" in refused
    sampled = {"sample": True, "candidates": 3, "max_new_tokens": 16}
    outgrow.plan(study(vllm, labelling=sampled, methods=[{**tuned, "preference": {"candidates": sampled}}]))


def test_the_usual_engine_is_in_no_dump() -> None:
    """Else steps that hold a whole section would have another identity than before the key."""
    section = ModelSection.model_validate({"model": "bundled:smollm2-135m@2", "engine": "hf"})
    assert "engine" not in section.model_dump(mode="json")
    served = ModelSection.model_validate({"model": "bundled:smollm2-135m@2", "engine": "vllm"})
    dumped = served.model_dump(mode="json")
    assert (dumped["engine"]["type"], ModelSection.model_validate(dumped)) == ("vllm", served)


def test_what_no_engine_can_do_is_refused(program: str) -> None:
    vllm = {"type": "vllm", "command": program}
    copies = {"a": {"type": "boosted", "by": {**BUNDLED, "engine": vllm}}}
    assert "supervisors.a.by.engine: copies write together" in refusal("hf", supervisors=copies)
    classes = {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 120}}
    assert "engine: `vllm` runs models that write texts" in refusal(vllm, task=classes, methods=["naive"])
    select = {"type": "reward_model", "model": {"model": BUNDLED["model"], "engine": vllm}}
    chosen = {"preset": "naive", "name": "chosen", "stages": [{"select": select}]}
    assert "select.model.engine: a reward model writes no texts" in refusal("hf", methods=[chosen])
    for options in (["--port", "1"], ["--max_model_len=5"]):
        assert "is set by outgrow" in refusal({"type": "vllm", "options": options})
    assert "`command` is for `type: vllm`" in refusal({"type": "hf", "command": "x"})
    assert Engine(type="vllm", options=["--seed", "1"]).options == ["--seed", "1"]


def test_a_missing_executable_is_found_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTGROW_VLLM", raising=False)
    settings = {**study("vllm"), "store": str(tmp_path / "runs"), "output": str(tmp_path / "out")}
    with pytest.raises(
        ConfigError, match=r"supervisors.a.engine: no executable of vLLM is named; .*OUTGROW_VLLM"
    ) as told:
        outgrow.run(settings)
    assert "student.engine: no executable" in str(told.value)
    assert "none (no executable" in command(tmp_path, "doctor").stdout
    monkeypatch.setenv("OUTGROW_VLLM", str(installed(tmp_path)))
    assert outgrow.plan(study("vllm")).steps


def test_a_step_with_an_engine_has_its_devices_to_itself(program: str) -> None:
    steps, small = steps_of({"type": "vllm", "command": program}), Cost(memory=1.0)
    found = {"engine" in step.params["model"]: default_gpus(step, small, 80) for step in steps if step.name == "texts"}
    assert found == {True: 1.0, False: 0.25}


def test_a_whole_run(tmp_path: Path) -> None:
    write_texts_study(tmp_path)
    engine = {"type": "vllm", "command": str(installed(tmp_path)), "options": ["--requests", str(tmp_path / "sent")]}
    changes = {
        "student": {
            **MODEL,
            "model": "./student",
            "engine": engine,
            "training": {**MODEL["training"], "keep": "last"},
        },
        "supervisors": {"a": TEXTS["supervisors"]["a"]},
        "methods": ["naive"],
        "variants": ["plain"],
    }
    write(tmp_path, {**TEXTS, **changes})
    done = command(tmp_path, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    sent = [json.loads(line) for line in (tmp_path / "sent").read_text().splitlines()]
    engines = len({body["engine"] for body in sent})
    assert (len(sent), engines) == (16 * engines, 2), "the student's answers and the ceiling's"
    assert results(tmp_path)["missing"] == []
