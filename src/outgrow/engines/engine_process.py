"""`EngineProcess`: a server on this machine for as long as it is needed, and what its log says of its end.

    step ── ProcessGroup ──► launch.py, which becomes the program ──► the program's own processes
                 guard: ends them all with the step, whatever ends it (`graph/lifeline.py`)

The program listens on a free port of the loopback interface. It is ready when it lists the name that only this start
has given to its model, so that another server at the same port is never asked.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from outgrow.engines import launch
from outgrow.errors import StepFailed
from outgrow.graph.lifeline import ProcessGroup

Body = Mapping[str, Any]
Reply = dict[str, Any]

HOST = "127.0.0.1"
POLL_SECONDS, GRACE_SECONDS = 0.25, 10.0
CONNECT_SECONDS, END_SECONDS = 10.0, 2.0
TAIL_LINES, TAIL_WIDTH = 6, 200
"""Of the engine's log, in messages."""
PORT_TAKEN = "address already in use"
OUT_OF_MEMORY = (
    "out of memory",
    "outofmemory",
    "no available memory",
    "less than requested memory",
    "can't allocate memory",
    "kv cache is needed",
)
"""How engines word it, in lower case."""


class PortTaken(Exception):
    """Another program took the free port before the engine did."""


class EngineProcess:
    """One start of the engine; `post` may be called from several threads."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """`program` is completed by the model's name, the host and the port. It writes to the end of `log`."""
        self.name, self.port, self.log = f"outgrow-{secrets.token_hex(8)}", free_port(), log
        self._log_start = log.stat().st_size if log.exists() else 0
        address = ["--served-model-name", self.name, "--host", HOST, "--port", str(self.port)]
        with log.open("ab") as output:
            self._group = ProcessGroup(
                [sys.executable, "-P", launch.__file__, *program, *address],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**environment, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
            )
        # The environment's proxies are for other hosts.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx2.Client(base_url=f"http://{HOST}:{self.port}/v1", trust_env=False, limits=limits)

    def wait_until_ready(self, seconds: float) -> None:
        """Raises `PortTaken`, and `StepFailed` for an engine that ends, or is not ready in time."""
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            if self._group.process.poll() is not None:
                if PORT_TAKEN in self._log_text().lower():
                    raise PortTaken
                raise StepFailed(self.obituary("before it was ready"))
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"the engine is not ready after {seconds:g} s; raise `engine.ready`, or look for the cause"
                    f"{self._tail()}"
                )
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            reply = self._client.get("/models", timeout=CONNECT_SECONDS)
            return reply.status_code == 200 and self.name in reply.text
        except httpx2.HTTPError:
            return False

    def post(self, body: Body, seconds: float) -> Reply | None:
        """The reply to a request for completions; `None` from an engine that has ended or hangs.

        Raises `StepFailed` for a request that the engine refuses.
        """
        try:
            timeout = httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
            sent = self._client.post("/completions", json={"model": self.name, **body}, timeout=timeout)
            if sent.status_code >= 500:
                return None
            if sent.status_code != 200:
                raise StepFailed(f"the engine refuses a request ({sent.status_code}): {sent.text[:TAIL_WIDTH]}")
            reply: Reply = sent.json()
            return reply
        except (httpx2.HTTPError, ValueError):
            return None

    def end(self) -> None:
        """End the program with all of its processes; later calls do nothing."""
        process = self._group.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
        self._group.kill()
        process.wait()
        self._client.close()

    def obituary(self, when: str) -> str:
        """Why the engine has ended, as far as its log says."""
        # A connection is lost a moment before the program has ended.
        with suppress(subprocess.TimeoutExpired):
            self._group.process.wait(END_SECONDS)
        text = self._log_text().lower()
        if any(words in text for words in OUT_OF_MEMORY):
            return (
                "the engine has too little memory; use a smaller `max_length`, more devices (`resources`), or"
                f" `engine.options` such as [--gpu-memory-utilization, '0.8']{self._tail()}"
            )
        code = self._group.process.poll()
        ended = "does not answer" if code is None else f"ended with code {code}"
        return f"the engine {ended} {when}{self._tail()}"

    def _log_text(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def _tail(self) -> str:
        """The last lines of the engine's log that name an error, else its last lines, and where all of it is."""
        lines = [line.strip() for line in self._log_text().splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        shown = "".join(f"\n  {line[:TAIL_WIDTH]}" for line in (errors or lines)[-TAIL_LINES:])
        return f". Its log ({self.log}) {f'says:{shown}' if shown else 'is empty'}"


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server((HOST, 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
