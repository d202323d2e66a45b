"""Start the further processes of a training, hand it to them, and end them.

    step's process = rank 0 ── ProcessGroup (graph/lifeline.py) ──► ranks 1, 2, …   (`rank_process.py`)
                            ── socket: the training, without its weights ──►
                            ◄── socket: ready, done, or why it has failed ──
                            ◄─► sums and weights (`ranks.py`)

The step's own process is rank 0 and holds all that a step needs: only the training itself has several processes. The
others need no file of the step but a checkpoint. torch's launchers start all ranks, with the user's main module, and
start them again after a fault; here rank 0 is running already, and a fault ends the step in one message.

A rank has one device of its own, or an equal share of the step's threads. It ends with rank 0, however that ends.
Ranks meet on the loopback interface. Its users are trusted: torch does not ask who joins.
"""

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from subprocess import DEVNULL, TimeoutExpired
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch

from outgrow.errors import ConfigError, OutgrowError, StepFailed
from outgrow.graph.devices import VISIBLE
from outgrow.graph.lifeline import ProcessGroup
from outgrow.graph.resources import HINT
from outgrow.graph.worker_process import GRACE, environment, exit_reason
from outgrow.models.load_model import pick_device
from outgrow.plugins import PluginReference, loaded
from outgrow.training.ranks import ALONE, LOOPBACK, LostRank, Ranks, joined
from outgrow.training.without_weights import without_weights

log = logging.getLogger(__name__)

INTERFACE = "lo0" if sys.platform == "darwin" else "lo"


@runtime_checkable
class SharedTraining(Protocol):
    """What ranks do together."""

    @property
    def model(self) -> torch.nn.Module: ...

    def follow(self, ranks: Ranks) -> None:
        """The part of a rank other than 0."""


class Summons(NamedTuple):
    """The first message to a rank: where to meet, and what to load before the training is read."""

    rank: int
    n_ranks: int
    port: int
    device: str
    plugins: tuple[PluginReference, ...]


class Ready(NamedTuple):
    """A rank has read the training."""


class Learned(NamedTuple):
    """A rank has finished the training."""


class Failure(NamedTuple):
    """Why a rank gives up."""

    sentence: str
    doubt: int
    """Whether it may only follow from the end of another rank: 0 no, 1 perhaps, 2 yes."""


Reply = Ready | Learned | Failure


def processes_of(hints: Mapping[str, Any], most: int) -> int:
    """The number of processes that a step's hints ask for; no more than there are items in an update (`most`)."""
    asked = int(hints.get(HINT, {}).get("processes", 1))
    if asked > most:
        log.warning("%d processes instead of %d: an update has no more items", most, asked)
    return min(asked, most)


def is_sharded(hints: Mapping[str, Any]) -> bool:
    """Whether the processes of a training hold shards of the weights, and not all of them."""
    return bool(hints.get(HINT, {}).get("shard", False))


@contextmanager
def all_ranks(count: int, training: SharedTraining, hints: Mapping[str, Any]) -> Iterator[Ranks]:
    """Rank 0's view of the `count` processes of a training, while they share it.

    Raises `StepFailed` if one of them ends early, and `ConfigError` for more processes than devices.
    """
    if count == 1:
        yield ALONE
        return
    others, threads = _others(count, hints), torch.get_num_threads()
    try:
        torch.set_num_threads(max(1, threads // count))
        with _met(others, training, hints) as ranks:
            yield ranks
        others.expect(Learned)
        if others is not _kept.get(count):
            others.end()
    except BaseException as error:
        lost = isinstance(error, LostRank)
        own = isinstance(error, OutgrowError | KeyboardInterrupt | SystemExit) and not lost
        # Torch's own exchange, of shards, ends with errors of many kinds where another rank has ended.
        cause = "" if own else others.cause()
        others.end()
        if cause or lost:
            raise StepFailed(cause or str(error)) from error
        raise
    finally:
        torch.set_num_threads(threads)


@contextmanager
def kept_processes() -> Iterator[None]:
    """Inside, the processes of a training wait for the next one, which then starts at once."""
    outer = _keeping[0]
    _keeping[0] = True
    try:
        yield
    finally:
        _keeping[0] = outer
        if not outer:
            for others in _kept.values():
                others.end()
            _kept.clear()


_keeping = [False]
_kept: dict[int, "OtherRanks"] = {}
"""By the number of all ranks."""


def _others(count: int, hints: Mapping[str, Any]) -> "OtherRanks":
    """Waiting processes, or new ones."""
    if count in _kept and _kept[count].alive:
        return _kept[count]
    if count in _kept:
        _kept.pop(count).end()
    others = OtherRanks(count, max(1, torch.get_num_threads() // count), _devices(count, hints))
    if _keeping[0]:
        _kept[count] = others
    return others


def _devices(count: int, hints: Mapping[str, Any]) -> Sequence[str] | None:
    """The label of each rank's device; `None` on the processor."""
    if pick_device(hints).type == "cpu":
        return None
    there = torch.cuda.device_count()
    if there < count:
        raise ConfigError(
            f"resources: a training with {count} processes needs as many devices, and {there} are visible to it; ask"
            f" for `gpus: {count}`"
        )
    labels = [label.strip() for label in os.environ.get(VISIBLE, "").split(",") if label.strip()]
    return (labels or [str(index) for index in range(there)])[:count]


@contextmanager
def _met(others: "OtherRanks", training: SharedTraining, hints: Mapping[str, Any]) -> Iterator[Ranks]:
    """Hand the training to the others, and meet them with equal weights."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        listener = os.dup(server.fileno())
    device = pick_device(hints)
    others.summon(port, device.type, without_weights(training, training.model))
    with _gloo_on_loopback(), joined(0, others.count, port, device, listener) as ranks:
        ranks.same_weights(training.model)
        yield ranks


@contextmanager
def _gloo_on_loopback() -> Iterator[None]:
    """By default gloo looks the machine's own name up, which some machines cannot."""
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    os.environ["GLOO_SOCKET_IFNAME"] = INTERFACE
    try:
        yield
    finally:
        if before is None:
            del os.environ["GLOO_SOCKET_IFNAME"]
        else:
            os.environ["GLOO_SOCKET_IFNAME"] = before


class OtherRanks:
    """The processes of ranks 1, 2, …"""

    def __init__(self, count: int, threads: int, devices: Sequence[str] | None) -> None:
        """`count` of all ranks; `devices`: their labels, that of rank 0 first. Raises `StepFailed`."""
        self.count = count
        self.lines: list[Connection[Any, Reply]] = []
        self.groups: list[ProcessGroup] = []
        self.failures: dict[int, Failure] = {}
        """What ranks have said of their end."""
        try:
            for rank in range(1, count):
                self._start(environment(threads, None if devices is None else [devices[rank]]))
        except OSError as error:
            self.end()
            raise StepFailed(f"cannot start process {len(self.groups) + 2} of a training: {error}") from error

    def _start(self, variables: Mapping[str, str]) -> None:
        line, far_end = Pipe()
        self.lines.append(line)
        program = [sys.executable, "-P", "-u", "-m", "outgrow.training.rank_process", str(far_end.fileno())]
        with far_end:
            settings = {**variables, "GLOO_SOCKET_IFNAME": INTERFACE}
            self.groups.append(ProcessGroup(program, [far_end.fileno()], stdin=DEVNULL, env=settings))

    @property
    def alive(self) -> bool:
        """Whether all of them could take a training."""
        return all(group.process.poll() is None for group in self.groups)

    def summon(self, port: int, device: str, training: bytes) -> None:
        """Send everyone the training, and wait until all have read it. Raises `LostRank`."""
        plugins = tuple(plugin.reference for plugin in loaded())
        for rank, line in enumerate(self.lines, start=1):
            with suppress(BrokenPipeError, ConnectionResetError):  # noticed when it does not reply
                line.send(Summons(rank, self.count, port, device, plugins))
                line.send_bytes(training)
        self.expect(Ready)

    def expect(self, reply: type[Ready] | type[Learned]) -> None:
        """Wait for this reply of all. Raises `LostRank` at another one, or none."""
        for rank, line in enumerate(self.lines, start=1):
            try:
                heard = line.recv()
            except (EOFError, OSError) as error:
                raise LostRank("a process of the training has ended") from error
            if isinstance(heard, Failure):
                self.failures[rank] = heard
                raise LostRank(heard.sentence)
            assert isinstance(heard, reply), "ranks reply in this order"

    def cause(self) -> str:
        """Why the training cannot go on: the fault that others followed from, if one is known."""
        for rank in range(1, self.count):
            self._listen(rank)
        found = [failure for failure in self.failures.values() if failure.doubt < 2]
        return min(found, key=lambda failure: failure.doubt).sentence if found else ""

    def _listen(self, rank: int) -> None:
        """Note what a rank says of its end, or how its process ended."""
        line, process = self.lines[rank - 1], self.groups[rank - 1].process
        try:
            while rank not in self.failures and line.poll(GRACE):
                if isinstance(heard := line.recv(), Failure):
                    self.failures[rank] = heard
        except (EOFError, OSError):
            with suppress(TimeoutExpired):  # its socket closes before its exit can be seen
                process.wait(GRACE)
        if rank not in self.failures and process.poll() is not None:
            why = f"process {rank + 1} of {self.count} of the training: {exit_reason(process.returncode)}"
            self.failures[rank] = Failure(why, doubt=0)

    def end(self) -> None:
        """Kill them with all that they have started."""
        with ExitStack() as cleanup:
            for line, group in zip(self.lines, self.groups, strict=False):
                cleanup.callback(group.process.wait)
                cleanup.callback(group.kill)
                cleanup.callback(line.close)
