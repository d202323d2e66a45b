"""An engine is started, asked, started again if it dies, and always ended; a failure is one clear sentence."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine_stand_in import installed, rule_texts
from orphans import alive_in, left_after
from outgrow.engines.executable import find_executable, missing
from outgrow.engines.vllm import STARTS, EngineSettings, Vllm, arguments, environment
from outgrow.errors import StepFailed

TESTS = Path(__file__).parent.parent
Opened = Callable[..., Vllm]


def body(number: int, **more: Any) -> dict[str, Any]:
    return {
        "prompt": [number, 5],
        "max_tokens": 9,
        "stop_token_ids": [2],
        "logprobs": 0,
        "return_token_ids": True,
    } | more


def settings(folder: Path, *options: str, **changes: Any) -> EngineSettings:
    base: dict[str, Any] = {"command": str(folder / "vllm"), "options": options, "ready": 60.0, "answer": 60.0}
    base |= {"dtype": "float32", "longest": 40, "gpus": 0.0, "trust_remote_code": False}
    return EngineSettings(**{**base, "log": folder / "engine.log", **changes})


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens engines of the stand-in with some options, and ends them."""
    installed(tmp_path)
    with ExitStack() as stack:

        def start(*options: str, **changes: Any) -> Vllm:
            engine = Vllm(settings(tmp_path, *options, **changes), lambda: (tmp_path, tmp_path))
            stack.callback(engine.end)
            return engine

        yield start


def asked(folder: Path) -> list[tuple[int, int]]:
    """Each request that reached an engine: the engine's process and the first token."""
    lines = (folder / "requests").read_text().splitlines()
    return [(json.loads(line)["engine"], json.loads(line)["prompt"][0]) for line in lines]


def test_all_requests_are_answered_in_their_order_by_one_engine(opened: Opened, tmp_path: Path) -> None:
    engine = opened("--requests", str(tmp_path / "requests"))
    assert engine.process is None, "it starts at the first question"
    bodies = [body(number) for number in range(40)]
    for _ in range(2):
        replies = engine.ask(bodies)
        assert [reply["choices"][0]["token_ids"] for reply in replies] == [rule_texts(one)[0][0] for one in bodies]
    assert (engine.starts, len({number for number, _ in asked(tmp_path)})) == (1, 1)
    assert engine.ask([]) == []
    assert (tmp_path / "engine.log").read_text() == "the stand-in starts False\n", "none of our modules"
    assert engine.process is not None
    process = engine.process._group.process
    engine.end()
    assert process.returncode == -signal.SIGTERM
    engine.end()


def test_an_engine_that_dies_is_started_again_and_asked_only_what_is_missing(opened: Opened, tmp_path: Path) -> None:
    once = ["--once", str(tmp_path / "died"), "--requests", str(tmp_path / "requests")]
    engine = opened("--die-after", "7", *once)
    replies = engine.ask([body(number) for number in range(20)])
    assert [reply["choices"][0]["token_ids"][1] for reply in replies] == [number + 46 for number in range(20)]
    first, *_ = asked(tmp_path)
    second = [token for process, token in asked(tmp_path) if process != first[0]]
    assert (engine.starts, len(second)) == (2, len(set(second)))
    assert 13 <= len(second) < 20


def test_an_engine_that_dies_again_and_again_ends_the_step_with_its_log(opened: Opened, tmp_path: Path) -> None:
    engine = opened("--die-after", "3")
    with pytest.raises(
        StepFailed, match=f"ended with code 3 in the middle of the work, after {STARTS} starts"
    ) as told:
        engine.ask([body(number) for number in range(20)])
    assert "a fatal error" in str(told.value)
    assert str(tmp_path / "engine.log") in str(told.value)
    assert engine.process is None


def test_too_little_memory_is_named(opened: Opened) -> None:
    with pytest.raises(StepFailed, match=r"too little memory; use a smaller `max_length`") as told:
        opened("--die-after", "3", "--of-memory").ask([body(number) for number in range(20)])
    assert "CUDA out of memory" in str(told.value)


def test_an_engine_that_ends_or_is_not_ready_in_time(opened: Opened) -> None:
    with pytest.raises(StepFailed, match=r"ended with code 5 before it was ready") as told:
        opened("--end-with", "5").ask([body(1)])
    assert "ValueError: no such thing" in str(told.value)
    slow = opened("--never-ready", ready=1.5)
    with pytest.raises(StepFailed, match=r"not ready after 1.5 s; raise `engine.ready`"):
        slow.ask([body(1)])
    assert slow.process is None


def test_a_taken_port_is_left_for_another_one(opened: Opened, tmp_path: Path) -> None:
    engine = opened("--port-taken", "--once", str(tmp_path / "taken"))
    assert len(engine.ask([body(1)])) == 1
    assert engine.starts == 2
    with pytest.raises(StepFailed, match=f"found its port taken {STARTS} times"):
        opened("--port-taken").ask([body(1)])


def test_a_real_conflict_of_ports_is_found(opened: Opened, tmp_path: Path) -> None:
    """A program of ours that listens where the engine should: its socket says so."""
    engine, ports = opened("--requests", str(tmp_path / "requests")), []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = [str(tmp_path / "vllm"), *arguments(engine.settings, tmp_path, tmp_path)]
        address = ["--served-model-name", "x", "--host", "127.0.0.1", "--port", str(taken.getsockname()[1])]
        ended = subprocess.run([*program, *address], capture_output=True, text=True)
        ports.append(ended.returncode)
    assert ports == [1]
    assert "address already in use" in ended.stderr.lower()


def test_a_request_that_is_refused_is_no_death(opened: Opened) -> None:
    engine = opened()
    with pytest.raises(StepFailed, match=r"refuses a request \(400\): .*too long"):
        engine.ask([body(1), body(2, max_tokens=100)])
    assert engine.starts == 1


def test_an_engine_that_hangs_is_started_again(opened: Opened, tmp_path: Path) -> None:
    engine = opened(answer=1.0)
    engine.ask([body(1)])
    assert engine.process is not None
    stopped = psutil.Process(engine.process._group.process.pid)
    stopped.suspend()
    try:
        assert len(engine.ask([body(1)])) == 1
    finally:
        assert not stopped.is_running()
    assert engine.starts == 2


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_engine_process import body, settings
from outgrow.engines.vllm import Vllm
folder = Path(sys.argv[1])
engine = Vllm(settings(folder), lambda: (folder, folder))
engine.ask([body(1)])
(folder / "asked").touch()
sys.stdin.read()
"""


def test_nothing_is_left_of_an_engine_whose_step_was_killed(tmp_path: Path) -> None:
    installed(tmp_path)
    paths = os.pathsep.join([str(TESTS), str(Path(__file__).parent), *filter(None, sys.path)])
    run = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(Path(__file__).parent)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    until = time.monotonic() + 120
    while not (tmp_path / "asked").exists():
        assert run.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(alive_in(run.pid)) >= 3, "the program, the engine and its guard"
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert left_after(run.pid, 10.0) == []


def test_the_executable_is_looked_for_by_key_and_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = str(installed(tmp_path))
    monkeypatch.delenv("OUTGROW_VLLM", raising=False)
    assert (find_executable(program), find_executable(None)) == (program, None)
    assert "set OUTGROW_VLLM" in missing(None)
    assert "`engine.command` names no executable file (nowhere/vllm)" in missing("nowhere/vllm")
    monkeypatch.setenv("OUTGROW_VLLM", program)
    assert find_executable(None) == program
    monkeypatch.setenv("OUTGROW_VLLM", str(tmp_path))
    assert find_executable(None) is None
    assert "variable OUTGROW_VLLM names no executable" in missing(None)
    engine = Vllm(settings(tmp_path, command=None), lambda: (tmp_path, tmp_path))
    with pytest.raises(StepFailed, match="OUTGROW_VLLM names no executable"):
        engine.ask([body(1)])


def test_devices_decide_how_it_is_started(tmp_path: Path) -> None:
    words = {gpus: arguments(settings(tmp_path, gpus=gpus), tmp_path, tmp_path) for gpus in (0.0, 0.5, 1.0, 4.0)}
    assert words[4.0][-2:] == ["--tensor-parallel-size", "4"]
    assert words[0.5][-2:] == ["--gpu-memory-utilization", "0.450"]
    assert words[0.0][-1] == "--enforce-eager"
    assert "--tensor-parallel-size" not in words[1.0]
    assert words[1.0][words[1.0].index("--max-model-len") + 1] == "41", "a given text may fill all of it"
    assert environment({}, 0.0)["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert environment({"VLLM_CPU_KVCACHE_SPACE": "8"}, 0.0)["VLLM_CPU_KVCACHE_SPACE"] == "8"
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment({}, 2.0)
