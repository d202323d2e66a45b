"""Steps as tasks of a Ray cluster: one step, one task.

The store must lie on a disk that all nodes and the driver have under the same path. Its locks become leases. A task
that is lost with its node starts again on another one, from the step's last checkpoint. A driver that ends takes its
tasks with it; the same command started again goes on.

Steps that ask servers run on the driver's machine: keys, paid answers and budgets are there.
"""

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from outgrow.errors import ConfigError
from outgrow.graph.launcher import Launcher
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.message import Assignment, Failed, Finished, Message
from outgrow.graph.ray_task import Mailbox, compute
from outgrow.graph.resources import needs_of
from outgrow.graph.step import Step
from outgrow.graph.store import Store

LOST_TASKS = 5
"""How often a task is started again that is lost with its node."""
AHEAD = 2
"""Tasks that wait at the cluster for each core that runs one."""
SERVERS = 4
"""Steps at a time that ask servers."""
POLL_SECONDS = 1.0
BRIEFLY = 0.05
"""Seconds to wait for either side while steps run on both."""
END_SECONDS = 5.0
"""Until cancelled tasks that have not ended are killed."""
MAILBOX_SECONDS = 30.0
CONNECT_SECONDS = 10.0


class RayLauncher(Launcher):
    """Runs steps on the cluster at `address`: `auto`, `local` (one that is started for this run), or `ray://…`."""

    def __init__(self, address: str = "auto", jobs: int | None = None, threads: int | None = None) -> None:
        """`jobs`: tasks at a time; default: as many as the cluster has room for.

        Raises `ConfigError` if Ray is not installed or there is no cluster.
        """
        self.ray, self.owned = connect(address)
        self.jobs, self.threads = jobs, threads
        self.here = LocalLauncher(min(jobs or SERVERS, SERVERS), threads)
        self.running: dict[Any, Step] = {}
        """Steps by the references to their tasks' results."""

    @property
    def has_devices(self) -> bool:
        """Whether a node of the cluster has GPUs."""
        return bool(self.ray.cluster_resources().get("GPU", 0) > 0)

    def begin(self, steps: Sequence[Step], store: Store) -> None:
        store.use_leases()
        self.store = store
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        for step in steps:
            self._require_a_node(step, nodes)
        self.here.begin([step for step in steps if asks_server(step)], store)
        self.most = self.jobs or AHEAD * max(1, round(sum(node.get("CPU", 0) for node in nodes)))
        self.task = self.ray.remote(compute)
        self.mailbox = self.ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1, max_task_retries=0).remote()
        self.letters = self.mailbox.take.remote(MAILBOX_SECONDS)

    @property
    def is_full(self) -> bool:
        return len(self.running) >= self.most and self.here.is_full

    def fits(self, step: Step) -> bool:
        if asks_server(step):
            return not self.here.is_full
        return len(self.running) < self.most

    def start(self, step: Step) -> None:
        if asks_server(step):
            return self.here.start(step)
        needs = needs_of(step)
        asked = {"num_cpus": needs.cpus or 1, "num_gpus": needs.gpus, "max_retries": LOST_TASKS, "name": step.folder}
        asked |= {"memory": needs.memory} if needs.memory else {}
        # `retry_exceptions` stays off: what a step does wrong it would do wrong again.
        task = self.task.options(**asked)
        threads = self.threads or needs.cpus or 1
        self.running[task.remote(Assignment(step, self.store), threads, sys.path, self.mailbox)] = step
        return None

    def hear(self) -> Iterator[tuple[Step, Message]]:
        if self.here.placed:
            yield from self.here.hear(BRIEFLY)
        waited_for = [self.letters, *self.running]
        seconds = BRIEFLY if self.here.placed else POLL_SECONDS
        if self.ray.wait(waited_for, num_returns=1, timeout=seconds)[0]:
            ready = self.ray.wait(waited_for, num_returns=len(waited_for), timeout=0)[0]
            if self.letters in ready:
                yield from self._letters()
            for reference in ready:
                if reference in self.running:
                    yield self.running.pop(reference), self._result(reference)

    def _letters(self) -> Iterator[tuple[Step, Message]]:
        by_identity = {step.identity: step for step in self.running.values()}
        try:
            letters = self.ray.get(self.letters)
        except self.ray.exceptions.RayError:  # its node was lost, and with it what steps said last
            letters = []
        self.letters = self.mailbox.take.remote(MAILBOX_SECONDS)
        for letter in letters:
            if letter.identity in by_identity:
                yield by_identity[letter.identity], letter.message

    def _result(self, reference: Any) -> Finished | Failed:
        try:
            result: Finished | Failed = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            cause = " ".join(str(error.cause).split())[:300]
            return Failed(f"the node could not run it ({cause}); every node needs the driver's version of outgrow")
        except self.ray.exceptions.RayError as error:
            return Failed(f"the cluster lost it {LOST_TASKS + 1} times ({type(error).__name__})")
        return result

    def _require_a_node(self, step: Step, nodes: Sequence[dict[str, float]]) -> None:
        needs = needs_of(step)
        asked = {"CPU": needs.cpus or 1, "GPU": needs.gpus, "memory": needs.memory}
        if not any(all(node.get(name, 0) >= amount for name, amount in asked.items()) for node in nodes):
            told = ", ".join(f"{name} {amount:g}" for name, amount in asked.items() if amount)
            raise ConfigError(f"resources: no node has what `{f'{step.name} {step.label}'.strip()}` asks for: {told}")

    def end(self) -> None:
        self.here.end()
        with suppress(Exception):  # a cluster that is gone has ended everything
            for reference in self.running:
                self.ray.cancel(reference)
            _, left = self.ray.wait(list(self.running), num_returns=len(self.running), timeout=END_SECONDS)
            for reference in left:
                self.ray.cancel(reference, force=True)
            self.ray.kill(self.mailbox)
        if self.owned:
            self.ray.shutdown()


def asks_server(step: Step) -> bool:
    """Whether a step asks a model behind a server."""
    return "endpoint" in step.hints


def connect(address: str) -> tuple[Any, bool]:
    """Ray, connected to a cluster, and whether the connection is to be closed at the end. Raises `ConfigError`."""
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise ConfigError("--launcher ray: Ray is not installed: `pip install 'outgrow[ray]'`") from None
    if ray.is_initialized():
        return ray, False
    _require_listener(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of our own tells nobody about itself
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            configure_logging=False,
            include_dashboard=False if address == "local" else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from error
    _keep_output_clean()
    return ray, True


def _keep_output_clean() -> None:
    """Ray prints what happens to nodes to standard output, where `--json` prints results."""
    with suppress(ImportError, AttributeError):
        from ray._private import worker

        worker._worker_logs_enabled = False


def _require_listener(address: str) -> None:
    """Ray itself tries an address where nobody listens for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ConfigError:
    cause = " ".join(str(error).split())[:200]
    return ConfigError(
        f"--address: there is no Ray cluster at `{address}` ({cause}); start one with `ray start --head`, or use"
        " `--address local` for one on this machine"
    )
