"""A server's model as a scorer: the same numbers as the same model in this process, or a clear word."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import outgrow
from loopback import Body, Loopback, choice, serving
from outgrow.data.task import Items, Task
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.graph.step import Job
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.supervise.writer_steps import score_texts
from outgrow.texts import Candidate, WeakTexts, certain

NAME = "bundled:smollm2-135m@2"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = [
    ["red", '{"time": "ten past five", "n": 12}'],
    ["two  words,\nthree lines\n\nfour"],
    ["ünïcode, naïve", "a b"],
    ["日本 🙂 ok"],
]
LOCAL: dict[str, Any] = {
    "type": "model",
    "revision": None,
    "dtype": "float32",
    "max_length": 512,
    "chat": True,
    "unfit": "skip",
    "system": None,
    "trust_remote_code": False,
}
REMOTE: dict[str, Any] = {
    "type": "endpoint",
    "model": "small",
    "system": None,
    "logprobs": "auto",
    "limit": "max_tokens",
    "options": {},
    "unfit": "skip",
}
ASKING: dict[str, Any] = {
    "key": None,
    "concurrency": 2,
    "timeout": 60.0,
    "retries": 0,
    "batch": None,
    "budget": {"tokens": None, "money": None},
    "prices": {"input": 0.0, "output": 0.0},
    "place": "supervisors.a",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 cut after two layers, with a chat template."""
    path = tmp_path_factory.mktemp("chat") / "model"
    load_causal_lm(NAME).save_pretrained(path)
    tokenizer = load_tokenizer(NAME)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def prompt_logprobs(folder: Path) -> Callable[[Body], dict[str, Any]]:
    """What vLLM adds to a reply, computed by the model itself."""
    lm, tokenizer = load_causal_lm(str(folder)), load_tokenizer(str(folder))

    def reply(body: Body) -> dict[str, Any]:
        assert (body["prompt_logprobs"], body["add_generation_prompt"], body["max_tokens"]) == (0, False, 1)
        whole = tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=False)
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            scores = lm(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
        logprobs = [scores[place - 1, token].item() for place, token in enumerate(ids) if place]
        tokens = [
            {str(token): {"logprob": logprob, "decoded_token": text}}
            for token, logprob, text in zip(ids[1:], logprobs, shown_tokens(tokenizer, ids)[1:], strict=True)
        ]
        return {"prompt_logprobs": [None, *tokens]}

    return reply


def shown_tokens(tokenizer: Any, ids: list[int]) -> list[str]:
    """The text of each token as vLLM shows it: a character in several tokens at the last of them."""
    shown, before = [], ""
    for place in range(len(ids)):
        until_here = tokenizer.decode(ids[: place + 1])
        whole = not until_here.endswith("\ufffd")
        shown.append(until_here[len(before) :] if whole else "")
        before = until_here if whole else before
    return shown


def scores(place: Path, model: dict[str, Any], hints: dict[str, Any]) -> list[list[Candidate]]:
    """What the step writes for `TEXTS`."""
    items = [f"i{n}" for n in range(len(TEXTS))]
    prompts = [f"Say number {n}." for n in range(len(TEXTS))]
    for name in ("out", "scratch", "pool", "texts"):
        (place / name).mkdir(parents=True)
    pool = Items(items, prompts, np.zeros(len(items), dtype=np.int64), answers=["x"] * len(items))
    Task("mine", "generate", (), pool, metric="exact_match").save(place / "pool")
    table = [[[Candidate(text, certain(text)) for text in texts]] for texts in TEXTS]
    WeakTexts(items, ("writer",), table).save(place / "texts" / "half_b.parquet")
    inputs = {"pool": place / "pool", "texts.writer": place / "texts"}
    step = Job(place / "out", inputs, place / "scratch", hints)
    score_texts(step, model=model, name="a")
    return [row[0] for row in WeakTexts.load(place / "out" / "half_b.parquet").candidates]


def by_server(place: Path, server: Loopback, **changes: Any) -> list[list[Candidate]]:
    model = {**REMOTE, "url": server.url, **changes}
    return scores(place, model, {"endpoint": ASKING, "answers": str(place / "answers.sqlite")})


def test_a_server_scores_as_the_same_model_does_here(
    folder: Path, prompt_logprobs: Callable[[Body], dict[str, Any]], tmp_path: Path
) -> None:
    here = scores(tmp_path / "here", {**LOCAL, "model": str(folder), "identity": "x"}, {"device": "cpu"})
    with serving(lambda body: [choice("")], more=prompt_logprobs) as server:
        there = by_server(tmp_path / "there", server)
        asked = len(server.requests)
        again = by_server(tmp_path / "again", server)
    assert asked == sum(map(len, TEXTS)) == 6
    assert len(server.requests) == 2 * asked, "another file of responses"
    for mine, theirs, once_more in zip(here, there, again, strict=True):
        assert [one.text for one in theirs] == [one.text for one in mine]
        for one, other, same in zip(mine, theirs, once_more, strict=True):
            if one.text.isascii():
                assert other.pieces.end.tolist() == one.pieces.end.tolist() == same.pieces.end.tolist()
            assert other.pieces.logprob == pytest.approx(one.pieces.logprob, abs=1e-4)
            assert other.has_end


@pytest.fixture(scope="module")
def real_vllm(folder: Path) -> Iterator[str]:
    """The address of a real vLLM server with the same model."""
    program = os.environ.get("OUTGROW_VLLM")
    if program is None:
        pytest.skip("needs vLLM: OUTGROW_VLLM=/path/to/vllm")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    address = ["--served-model-name", "small", "--host", "127.0.0.1", "--port", port]
    settings = ["--max-model-len", "512", "--dtype", "float32", "--enforce-eager", "--no-enable-prefix-caching"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "PYTHONPATH": ""}
    process = subprocess.Popen(
        [program, "serve", str(folder), *address, *settings],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    while True:
        assert process.poll() is None, "vLLM has ended"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as reply:
            assert reply.status == 200
            return
        time.sleep(1)


def test_a_real_vllm_scores_as_the_same_model_does_here(folder: Path, real_vllm: str, tmp_path: Path) -> None:
    here = scores(tmp_path / "here", {**LOCAL, "model": str(folder), "identity": "x"}, {"device": "cpu"})
    hints = {"endpoint": ASKING, "answers": str(tmp_path / "answers.sqlite")}
    there = scores(tmp_path / "there", {**REMOTE, "url": real_vllm}, hints)
    assert [[one.text for one in row] for row in there] == TEXTS
    for mine, theirs in zip(here, there, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert other.pieces.logprob == pytest.approx(one.pieces.logprob, abs=1e-4)


def test_a_finished_answer_is_not_asked_for_again(
    prompt_logprobs: Callable[[Body], dict[str, Any]], tmp_path: Path
) -> None:
    with serving(lambda body: [choice("")], more=prompt_logprobs) as server:
        model = {**REMOTE, "url": server.url}
        hints = {"endpoint": ASKING, "answers": str(tmp_path / "answers.sqlite")}
        first, second = (scores(tmp_path / name, model, hints) for name in ("one", "two"))
        assert len(server.requests) == 6
    assert [[one.logprob for one in row] for row in first] == [[one.logprob for one in row] for row in second]


def test_a_server_that_cannot_is_named_and_asked_again_next_time(tmp_path: Path) -> None:
    with serving(lambda body: [choice("hello")]) as server:
        for name in ("one", "two"):
            with pytest.raises(DataError, match="sends no log-probabilities of given texts"):
                scores(
                    tmp_path / name,
                    {**REMOTE, "url": server.url},
                    {"endpoint": ASKING, "answers": str(tmp_path / "answers.sqlite")},
                )
        assert len(server.requests) == 12


def test_texts_that_are_refused_or_not_spelled_are_left_out(
    prompt_logprobs: Callable[[Body], dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def mangled(body: Body) -> dict[str, Any]:
        sent = prompt_logprobs(body)
        for token in filter(None, sent["prompt_logprobs"]):
            for about in token.values():
                about["decoded_token"] = about["decoded_token"].replace("ï", "�")
        return sent

    def fault(count: int, body: Body) -> str | None:
        return "400" if body["messages"][-1]["content"] == "a b" else None

    with serving(lambda body: [choice("")], fault, more=mangled) as server:
        found = by_server(tmp_path / "skip", server)
        assert [[one.text for one in row] for row in found] == [*TEXTS[:2], [], TEXTS[3]]
        assert (
            "not scored: 2 texts of items i2: the tokens of the reply do not spell the text; HTTP 400" in caplog.text
        )
        with pytest.raises(DataError, match="not scored"):
            by_server(tmp_path / "stop", server, unfit="stop")


def test_a_server_that_fails_ends_the_step(tmp_path: Path) -> None:
    with serving(lambda body: [choice("")], lambda count, body: "500") as server, pytest.raises(StepFailed):
        by_server(tmp_path, server)


def study(**server: Any) -> dict[str, Any]:
    return {
        "name": "remote",
        "task": {"name": "errands", "sizes": {"half_a": 10, "half_b": 10, "test": 10}},
        "supervisors": {
            "near": {"model": "bundled:smollm2-135m@2", "adapt": "lora"},
            "far": {"type": "endpoint", "model": "big", "url": "http://127.0.0.1:9/v1", **server},
        },
        "student": {"model": "bundled:smollm2-135m@4", "adapt": "lora"},
        "methods": ["joint_decoding"],
        "gold_controls": False,
        "untouched": False,
        "seeds": [0],
    }


def test_a_supervisor_behind_a_server_scores_where_its_server_can() -> None:
    planned = [step.label for step in outgrow.plan(study(scores=True)).steps if step.name == "scores"]
    assert [label.split(" on ")[0] for label in planned] == ["by near", "by far"]
    with pytest.raises(ConfigError, match="supervisor `far` is behind a server and cannot score texts; if its server"):
        outgrow.plan(study())
