"""One training by several processes: what each of them does, and how the update stays that of one process.

Every process (*rank*) has the whole model, all examples and the same batches. Of an update each takes some of the
parts that the update is split into anyway (`trainer.py`). The losses of all parts are divided by the items of the
whole update, so that the sum of the ranks' gradients is the gradient of one process, also when a rank has fewer parts
than another, or none. They are summed once per update, after all of its parts. From then on all ranks do the same:
they clip, and take the same step of the optimizer. So their weights stay equal, and nothing else is ever sent.

Only rank 0, the step's own process, reports, evaluates, and writes checkpoints and the model.

Sums run over the processor (gloo) or the devices (NCCL). What the ranks agree on is always exchanged over the
processor, where the end of a rank is an error at once.
"""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from outgrow.errors import StepFailed
from outgrow.models.load_model import first_line
from outgrow.models.token_batches import out_of_memory

PATIENCE = datetime.timedelta(days=7)
"""How long a rank waits for the others: rank 0 may evaluate for hours. A rank that ends is noticed without it."""

LOOPBACK = "127.0.0.1"

Part = TypeVar("Part")


class LostRank(StepFailed):
    """Another process of this training has ended."""


class Ranks:
    """A process's view of the processes that share a training; by default it is alone, and nothing is sent."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    def own(self, parts: Sequence[Part]) -> Sequence[Part]:
        """The parts of an update that are this rank's."""
        return parts[self.rank :: self.count]

    def repeated(self, parts: Sequence[Part]) -> int:
        """How many passes this rank makes beside those of its own parts."""
        return 0

    @property
    def scale(self) -> int:
        """A factor on losses, by which gradients are divided again."""
        return 1

    @contextmanager
    def together(self) -> Iterator[None]:
        """Work in which nothing is sent. If one rank runs out of memory in it, all ranks raise at its end."""
        failed: RuntimeError | None = None
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not out_of_memory(error):
                raise
            failed = error
        if self.count > 1 and self.any([failed is not None])[0]:
            raise failed or torch.OutOfMemoryError("another process of the training is out of memory")

    def sum(self, number: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.count > 1:
            with _others():
                dist.all_reduce(number)
        return number

    def sum_gradients(self, model: torch.nn.Module) -> None:
        """Replace each gradient by its sum over all ranks; a weight without one on any rank stays without."""
        if self.count == 1:
            return
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        there = self.any([weight.grad is not None for weight in trained])
        reached = [weight for weight, has_gradient in zip(trained, there, strict=True) if has_gradient]
        for weight in reached:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        with _others():
            for work in [dist.all_reduce(weight.grad, async_op=True) for weight in reached]:
                work.wait()

    def gather(self, own: Sequence[Tensor], device: torch.device) -> list[Tensor]:
        """The tensors of all parts in the order of the parts, given those of this rank's parts."""
        if self.count == 1:
            return list(own)
        found: list[list[Tensor]] = [[] for _ in range(self.count)]
        with _others():
            dist.all_gather_object(found, [tensor.cpu() for tensor in own])
        total = sum(len(tensors) for tensors in found)
        return [found[part % self.count][part // self.count].to(device) for part in range(total)]

    def same_weights(self, model: torch.nn.Module) -> None:
        """Give all ranks the weights and buffers of rank 0."""
        with _others(), torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor.data, src=0)

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Of each flag, whether a rank has set it."""
        votes = torch.tensor(flags, dtype=torch.int32)
        with _others():
            dist.all_reduce(votes, op=dist.ReduceOp.MAX)
        return [bool(vote) for vote in votes.tolist()]


ALONE = Ranks()


class LockstepRanks(Ranks):
    """Ranks that fetch weights from each other in every pass (`sharding.py`), and so make equally many passes."""

    def repeated(self, parts: Sequence[Part]) -> int:
        """Passes for parts that another rank has in addition."""
        return -(-len(parts) // self.count) - len(self.own(parts))

    @property
    def scale(self) -> int:
        """Sharded gradients are means over the ranks."""
        return self.count

    @contextmanager
    def together(self) -> Iterator[None]:
        """A rank without memory cannot stop at the same place as the others: the step fails."""
        try:
            yield
        except RuntimeError as error:
            if not out_of_memory(error):
                raise LostRank(f"a process of the training has ended ({first_line(error)})") from error
            raise StepFailed(
                f"not enough memory for a part of an update ({first_line(error)}); set `micro_batch_size` to a smaller"
                " number, or ask for more devices"
            ) from error

    def sum_gradients(self, model: torch.nn.Module) -> None:
        """Backward passes have summed them."""


@contextmanager
def _others() -> Iterator[None]:
    """Errors of sending mean that another rank has ended."""
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise LostRank(f"another process of the training has ended ({first_line(error)})") from error


@contextmanager
def joined(rank: int, count: int, port: int, device: torch.device, listener: int | None = None) -> Iterator[Ranks]:
    """Meet the other ranks at a port of this machine, where rank 0 listens; leave them at the end."""
    store = dist.TCPStore(  # type: ignore[attr-defined]  # it is exported where torch is built with it
        LOOPBACK, port, count, is_master=rank == 0, wait_for_workers=False, master_listen_fd=listener
    )
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)
    try:
        yield Ranks(rank, count)
    finally:
        dist.destroy_process_group()
