"""`Vllm`: vLLM's server on a folder with a model, asked by tokens and started again if it dies.

vLLM pins its own torch and transformers. It is installed in an environment of its own and never imported here: only
its executable is known, by `engine.command` or the environment variable `OUTGROW_VLLM`.

Requests are tokens, not texts, so that prompts, ends and cut-offs are exactly those of the model in this process. An
engine that dies or hangs is started again, `STARTS` times in all, and is asked only what has no reply.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.engines.engine_process import Body, EngineProcess, PortTaken, Reply
from outgrow.engines.executable import find_executable, missing
from outgrow.errors import StepFailed

STARTS = 4
"""The first start and those after a death or a port that was taken, in one step."""
AT_ONCE = 256
"""Requests with the engine at the same time, as many as it works on by default."""
DEVICE_MEMORY = 0.9
"""Share of a device that vLLM takes; of a share of a device this share."""
CPU_CACHE = "VLLM_CPU_KVCACHE_SPACE"
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""The engine reads a folder and asks no network."""


@dataclass(frozen=True)
class EngineSettings:
    """How vLLM is started."""

    command: str | None
    options: Sequence[str]
    ready: float
    answer: float
    dtype: str
    longest: int
    """Tokens of a prompt and its answer together, at most."""
    gpus: float
    """Devices of the step; 0 on a processor."""
    trust_remote_code: bool
    log: Path


@dataclass
class Vllm:
    """The engine of a step, which is started at its first question; end it with `end`."""

    settings: EngineSettings
    folder: Callable[[], tuple[Path, Path]]
    """Gives the folders of the model and of its tokenizer."""
    starts: int = 0
    process: EngineProcess | None = None

    def ask(self, bodies: Sequence[Body]) -> list[Reply]:
        """The replies to requests for completions, in order; at most `AT_ONCE` are with the engine."""
        replies: dict[int, Reply] = {}
        while missing := [index for index in range(len(bodies)) if index not in replies]:
            process = self._running()

            def post(index: int, process: EngineProcess = process) -> Reply | None:
                return process.post(bodies[index], self.settings.answer)

            with ThreadPoolExecutor(min(len(missing), AT_ONCE)) as pool:
                answers = zip(missing, pool.map(post, missing), strict=True)
                replies |= {index: reply for index, reply in answers if reply is not None}
            if len(replies) < len(bodies):
                self._lose(process)
        return [replies[index] for index in range(len(bodies))]

    def end(self) -> None:
        """End the engine, if it runs."""
        if self.process is not None:
            self.process.end()
            self.process = None

    def _running(self) -> EngineProcess:
        """The engine, started if it does not run. Raises `StepFailed`."""
        while self.process is None:
            if self.starts == STARTS:
                raise StepFailed(f"the engine found its port taken {STARTS} times; run the same command again")
            self.starts += 1
            model, tokenizer = self.folder()
            program = [executable(self.settings.command), *arguments(self.settings, model, tokenizer)]
            self.process = EngineProcess(program, environment(os.environ, self.settings.gpus), self.settings.log)
            try:
                self.process.wait_until_ready(self.settings.ready)
            except BaseException as error:
                self.end()
                if not isinstance(error, PortTaken):
                    raise
        return self.process

    def _lose(self, process: EngineProcess) -> None:
        """End an engine that did not answer. Raises `StepFailed` if it may not be started again."""
        reason = process.obituary(f"in the middle of the work, after {self.starts} starts")
        self.end()
        if self.starts == STARTS:
            raise StepFailed(reason)


def executable(command: str | None) -> str:
    """The path of vLLM's executable. Raises `StepFailed`."""
    found = find_executable(command)
    if found is None:
        raise StepFailed(f"engine: {missing(command)}")
    return found


def arguments(settings: EngineSettings, model: Path, tokenizer: Path) -> list[str]:
    """What follows the executable, but the address.

    Prefix caching would make the log-probabilities of a given text depend on the order of requests. One token more
    than the longest text: after a given text vLLM has to write one.
    """
    words = ["serve", str(model), "--tokenizer", str(tokenizer), "--dtype", settings.dtype]
    words += [
        "--max-model-len",
        str(settings.longest + 1),
        "--no-enable-prefix-caching",
        "--generation-config",
        "vllm",
    ]
    if settings.gpus > 1:
        words += ["--tensor-parallel-size", str(int(settings.gpus))]
    elif 0 < settings.gpus < 1:
        words += ["--gpu-memory-utilization", f"{DEVICE_MEMORY * settings.gpus:.3f}"]
    elif settings.gpus == 0:
        words += ["--enforce-eager"]  # to compile a model takes longer than to run it on a processor
    words += ["--trust-remote-code"] if settings.trust_remote_code else []
    return [*words, *settings.options]


def environment(inherited: Mapping[str, str], gpus: float) -> dict[str, Any]:
    """The engine's environment. On a processor vLLM would take nine tenths of the memory for its cache."""
    cache = {} if gpus else {CPU_CACHE: inherited.get(CPU_CACHE, "1")}
    return {**inherited, **QUIET, **cache, "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}
