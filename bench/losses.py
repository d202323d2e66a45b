"""The evidential loss against cross-entropy, forward and backward, from 2 to 1000 classes: time and memory.

    python bench/losses.py                    4,096 rows, float32
    python bench/losses.py --device cuda

Time: all variants in turn, round after round in one process, so that whatever else the machine does meets all of them;
shown are medians, and medians of the ratios within a round. `plain` is eq. 4 with PyTorch's lgamma and digamma and
autograd, O(K) as well. One thread, unless told otherwise: several wait for one another after every short operation.
Memory: the highest sum of live tensors during one forward and backward, less the inputs; counted by PyTorch's profiler
on a CPU and by its allocator on a GPU.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from outgrow.losses.evidential import evidential
from outgrow.losses.softmax_losses import cross_entropy

CLASSES = (2, 4, 15, 100, 1000)
MEGABYTE = 2**20

Loss = Callable[[Tensor, Tensor], Tensor]


class Line(NamedTuple):
    classes: int
    name: str
    seconds: float
    ratio: float
    peak: float


def plain_evidential(logits: Tensor, target: Tensor) -> Tensor:
    """Eq. 4 from sums over classes, as one would write it first."""
    alpha = logits.exp() + 1
    total = alpha.sum(-1, keepdim=True)
    strength, misleading = total - alpha + 1, (alpha - 1) * alpha.digamma() - alpha.lgamma()
    classes = torch.tensor(float(logits.shape[-1]), device=logits.device)
    divergence = strength.lgamma() - classes.lgamma() - (strength - classes) * strength.digamma()
    divergence = divergence + misleading.sum(-1, keepdim=True) - misleading
    return (target * (total.log() - alpha.log() + 0.01 * divergence)).sum(-1)


def mixed_evidential(logits: Tensor, target: Tensor) -> Tensor:
    return evidential(logits, target, kl="mixed")


LOSSES: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "evidential": evidential,
    "evidential, mixed": mixed_evidential,
    "evidential, plain": plain_evidential,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler prints two lines per use
    print(f"{options.rows} rows, float32, {options.device}, torch {torch.__version__}, threads: {options.threads}")
    print(f"{'classes':>7}  {'loss':<18} {'ms':>8} {'ratio':>6} {'peak MB':>8} {'ratio':>6}")
    for classes in CLASSES:
        lines = list(measure(classes, options.rows, options.rounds, options.device))
        for line in lines:
            peak_ratio = line.peak / lines[0].peak
            numbers = f"{1e3 * line.seconds:8.2f} {line.ratio:6.1f} {line.peak / MEGABYTE:8.2f} {peak_ratio:6.1f}"
            print(f"{line.classes:>7}  {line.name:<18} {numbers}")


def measure(classes: int, rows: int, rounds: int, device: str) -> Iterator[Line]:
    """One line per loss, cross-entropy first."""
    draw = torch.Generator().manual_seed(classes)
    logits = (torch.randn(rows, classes, generator=draw) * 2).to(device).requires_grad_()
    target = torch.randn(rows, classes, generator=draw).softmax(-1).to(device)
    for loss in LOSSES.values():
        run(loss, logits, target)
    seconds: dict[str, list[float]] = {name: [] for name in LOSSES}
    for _ in range(rounds):
        for name, loss in LOSSES.items():
            seconds[name].append(timed(loss, logits, target))
    for name, loss in LOSSES.items():
        pairs = zip(seconds[name], seconds["cross-entropy"], strict=True)
        ratio = statistics.median(own / other for own, other in pairs)
        yield Line(classes, name, statistics.median(seconds[name]), ratio, peak_memory(loss, logits, target))


def run(loss: Loss, logits: Tensor, target: Tensor) -> None:
    torch.autograd.grad(loss(logits, target).sum(), logits)


def timed(loss: Loss, logits: Tensor, target: Tensor) -> float:
    settle(logits)
    start = time.perf_counter()
    run(loss, logits, target)
    settle(logits)
    return time.perf_counter() - start


def settle(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize()


def peak_memory(loss: Loss, logits: Tensor, target: Tensor) -> float:
    """Bytes beyond the inputs at the worst moment of one forward and backward."""
    if logits.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run(loss, logits, target)
        return float(torch.cuda.max_memory_allocated() - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run(loss, logits, target)
    changes = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        alive += change.nbytes()
        peak = max(peak, alive)
    return float(peak)


if __name__ == "__main__":
    main()
