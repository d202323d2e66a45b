"""A model that an engine runs writes and scores as the same model in this process, with a stand-in and with vLLM."""

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from engine_stand_in import installed
from outgrow.errors import DataError, StepFailed
from outgrow.generation.chat import single_turn
from outgrow.generation.engine_folder import served_folders
from outgrow.generation.engine_model import CHUNK, given, written
from outgrow.generation.text_generator import GenerationRequest, ScoringRequest, open_generator, score_given_texts
from outgrow.graph.step import Job
from outgrow.models.load_model import load_causal_lm
from outgrow.models.silence_transformers import silence_transformers
from outgrow.texts import Candidate
from tiny_writers import save_writer

RECORDED = json.loads((Path(__file__).parent / "vllm_completions.json").read_text())
"""What vLLM 0.32.0 sent for SmolLM2-135M cut after two layers, in float32."""
GREEDY: dict[str, Any] = {"beams": 1, "candidates": 1, "sample": False, "temperature": 1.0, "top_p": 1.0, "stop": []}
GREEDY |= {"max_new_tokens": 12}
LONG = " ".join(f"{number}!" for number in range(100, 160))
PROMPTS = ["say noon", "what is the time in Köln just now", "half past", "say noon twice, 😀 please", LONG]
TEXTS = [["at noon", "", "zwölf Uhr 😀"], ["now", "end"], ["half past ten", "half  past\tten"], ["noon noon"], ["x"]]
Written = list[list[Candidate]]


def section(model: Path | str, **changes: Any) -> dict[str, Any]:
    base = {"type": "model", "model": str(model), "revision": None, "dtype": "float32", "max_length": 96}
    return base | {"chat": False, "unfit": "skip", "system": None, "trust_remote_code": False} | changes


def with_engine(model: dict[str, Any], *options: str) -> dict[str, Any]:
    return {**model, "engine": {"type": "vllm", "options": list(options)}}


class Step:
    """A place to run a step's work in, again and again."""

    def __init__(self, folder: Path, command: str | None, ready: float = 300.0) -> None:
        self.folder = folder
        self.hints = {"device": "cpu", "engine": {"command": command, "ready": ready, "answer": 300.0}}

    def job(self) -> Job:
        for name in ("out", "scratch"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        return Job(self.folder / "out", {}, self.folder / "scratch", self.hints)

    def write(
        self, model: dict[str, Any], trained: Path | None = None, prompts: list[str] = PROMPTS, **how: Any
    ) -> Written:
        job = self.job()
        items = [f"i{number}" for number in range(len(prompts))]
        conversations = [single_turn(prompt) for prompt in prompts]
        request = GenerationRequest(items, conversations, GREEDY | how, 3, np.arange(len(prompts)))
        with job.at_end:
            return open_generator(job, model, trained).write(job, request).candidates

    def score(self, model: dict[str, Any], trained: Path | None = None) -> Written:
        job = self.job()
        items = [f"i{number}" for number in range(len(PROMPTS))]
        request = ScoringRequest(items, [single_turn(prompt) for prompt in PROMPTS], TEXTS)
        with job.at_end:
            return score_given_texts(job, model, trained, request)


def save_adapter(model: str, folder: Path, **lora: Any) -> Path:
    """A random adapter of a model."""
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False, **lora)
    with torch.random.fork_rng(), silence_transformers():
        torch.manual_seed(0)
        get_peft_model(load_causal_lm(model), config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_writer(tmp_path_factory.mktemp("tiny") / "model", "llama", [*PROMPTS[:4], *TEXTS[0]])


@pytest.fixture
def command(tmp_path: Path) -> str:
    return str(installed(tmp_path))


def requests(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def assert_alike(mine: Written, theirs: Written, within: float) -> None:
    assert [[one.text for one in row] for row in theirs] == [[one.text for one in row] for row in mine]
    for one, other in zip(chain(*mine), chain(*theirs), strict=True):
        assert other.pieces.end.tolist() == one.pieces.end.tolist()
        assert other.pieces.logprob == pytest.approx(one.pieces.logprob, abs=within)


def test_it_writes_and_scores_as_the_model_in_this_process(tiny: Path, command: str, tmp_path: Path) -> None:
    """Prompts that are too long get no answer; a stop in leading white space is none; the end has its probability."""
    here, there = Step(tmp_path / "here", None), Step(tmp_path / "there", command)
    sent = tmp_path / "requests"
    model, served = section(tiny), with_engine(section(tiny), "--real", "--requests", str(sent))
    mine, theirs = here.write(model), there.write(served)
    assert [len(row) for row in mine] == [1, 1, 1, 1, 0], "the last prompt is too long"
    assert_alike(mine, theirs, 1e-5)
    assert len(requests(sent)) == 4
    assert_alike(here.score(model), there.score(served), 1e-5)
    letters = sorted({letter for row in mine for one in row for letter in one.text})
    for stop in ([letters[0]], [letters[-1], " "]):
        sides = [Step(tmp_path / f"{name}{len(stop)}", command) for name in ("a", "b")]
        assert_alike(sides[0].write(model, stop=stop), sides[1].write(served, stop=stop), 1e-5)


def test_adapters_are_merged_and_cut_models_are_written_out(tiny: Path, command: str, tmp_path: Path) -> None:
    adapter, cut = save_adapter(str(tiny), tmp_path / "adapter", lora_alpha=32), section(f"{tiny}@1")
    for name, model, trained in (("cut", cut, None), ("adapter", section(tiny), adapter)):
        here, there = Step(tmp_path / f"{name} here", None), Step(tmp_path / f"{name} there", command)
        mine = here.write(model, trained)
        assert_alike(mine, there.write(with_engine(model, "--real"), trained), 1e-4)
    folders = {"cut": (cut, None), "adapter": (section(tiny), adapter)}
    for name, (model, trained) in folders.items():
        scratch = tmp_path / f"{name} there" / "scratch"
        assert served_folders(model, trained, scratch)[0] == scratch / "served", "written once"
        layers = json.loads((scratch / "served" / "config.json").read_text())["num_hidden_layers"]
        assert layers == (1 if name == "cut" else 2)
    assert served_folders(section(tiny), None, tmp_path)[0] == tiny
    assert served_folders(section("gone"), tiny, tmp_path)[0] == tiny, "whole weights are served as they are"


def test_samples_have_seeds_of_their_own(tiny: Path, command: str, tmp_path: Path) -> None:
    sent, sampled = tmp_path / "requests", {"sample": True, "candidates": 3, "temperature": 0.7, "top_p": 0.9}
    model = with_engine(section(tiny), "--requests", str(sent))
    found = Step(tmp_path / "one", command).write(model, **sampled)
    assert [bool(row) for row in found] == [True, True, True, True, False]
    asked = requests(sent)
    assert [(body["n"], body["temperature"], body["top_p"]) for body in asked] == [(3, 0.7, 0.9)] * 4
    assert len({body["seed"] for body in asked}) == 4
    again = Step(tmp_path / "two", command).write(model, **sampled)
    assert [[one.text for one in row] for row in again] == [[one.text for one in row] for row in found]


def test_finished_chunks_are_kept_when_the_engine_gives_up(tiny: Path, command: str, tmp_path: Path) -> None:
    prompts = [f"say {number}" for number in range(CHUNK + 40)]
    step, sent = Step(tmp_path / "step", command), tmp_path / "requests"
    with pytest.raises(StepFailed, match="after 4 starts"):
        step.write(with_engine(section(tiny), "--die-after", "68"), prompts=prompts)
    kept = (step.folder / "scratch" / "drawn.jsonl").read_text().splitlines()
    assert len(kept) == 2, "the plan and the first chunk"
    whole = step.write(with_engine(section(tiny), "--requests", str(sent)), prompts=prompts)
    assert len(requests(sent)) == 40
    assert all(len(row) == 1 for row in whole)
    done = step.write(with_engine(section(tiny), "--end-with", "1"), prompts=prompts)
    assert [row[0].text for row in done] == [row[0].text for row in whole], "without an engine"


def test_a_search_is_refused_and_what_is_too_long_may_stop_the_step(tiny: Path, command: str, tmp_path: Path) -> None:
    step = Step(tmp_path, command)
    with pytest.raises(StepFailed, match=r"`beams: 3`: an engine has no beam search; use `beams: 1`"):
        step.write(with_engine(section(tiny)), beams=3, candidates=3)
    with pytest.raises(DataError, match="leave no room"):
        step.write(with_engine(section(tiny, unfit="stop")))
    with pytest.raises(StepFailed, match=r"`engine.command` names no executable file \(nowhere\)"):
        Step(tmp_path, "nowhere").write(with_engine(section(tiny)))


def test_replies_of_vllm_are_read_and_others_refused() -> None:
    assert written(RECORDED["greedy"]) == [([30, 216], [-0.4065200984477997, -0.2134295105934143])]
    assert [ids for ids, _ in written(RECORDED["samples"])] == [[216, 28, 216, 28], [30, 216, 28, 216]]
    assert given(RECORDED["given"], [314, 2]) == [-4.6751389503479, -54.2758903503418]
    for reply in ({}, {"choices": [{"index": 0, "token_ids": [1], "logprobs": None}]}, {"choices": [{}]}):
        with pytest.raises(StepFailed, match="no tokens with log-probabilities"):
            written(reply)
        with pytest.raises(StepFailed, match="no log-probabilities of the given text"):
            given(reply, [1])
    with pytest.raises(StepFailed, match="no log-probabilities"):
        given(RECORDED["given"], [314, 3])


@pytest.mark.parametrize("adapt", ["cut", "adapter"])
def test_a_real_vllm_writes_and_scores_as_the_model_in_this_process(adapt: str, tmp_path: Path) -> None:
    program = os.environ.get("OUTGROW_VLLM")
    if program is None:
        pytest.skip("needs vLLM: OUTGROW_VLLM=/path/to/vllm")
    model, trained = section("bundled:smollm2-135m@2", max_length=64), None
    if adapt == "adapter":
        trained = save_adapter(model["model"], tmp_path / "adapter")
    here, there = Step(tmp_path / "here", None), Step(tmp_path / "there", program)
    mine, theirs = here.write(model, trained), there.write(with_engine(model), trained)
    assert_alike(mine, theirs, 1e-3)
    assert_alike(here.score(model, trained), there.score(with_engine(model), trained), 1e-3)
