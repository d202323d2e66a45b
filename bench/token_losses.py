"""Token losses over a whole vocabulary: time and added peak memory against plain cross-entropy, forward and backward.

    python bench/token_losses.py                    2,048 tokens, d = 256, V = 50,257, float32, two threads
    python bench/token_losses.py --device cuda      8,192 tokens, d = 4,096, V = 128,256, bfloat16
    python bench/token_losses.py --plain            also the evidential loss as autograd has it (slow, gigabytes)

Time: every variant in turn, round after round in one process, so that whatever else the machine does meets all of
them; the table shows medians, and medians of the ratios within a round. Memory: each variant alone in a fresh process,
which makes its tensors and a small trial first; added peak is the highest resident size (on a GPU, the highest
allocation) during one forward and backward, less what was there before. Gradients of the hidden states and the output
matrix are part of it.

Peers run where they are installed: Liger-Kernel's chunked distillation loss and (on a GPU) its fused linear
cross-entropy, TRL's universal logit distillation. The distillation losses get a teacher of the student's size, and
compute its logits too.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from outgrow.losses.tokens import evidential_token_loss, soft_label_loss, token_cross_entropy

PLAIN = "cross-entropy, PyTorch"


class Size(NamedTuple):
    tokens: int
    dim: int
    vocab: int
    dtype: torch.dtype


SIZES = {"cpu": Size(2048, 256, 50_257, torch.float32), "cuda": Size(8192, 4096, 128_256, torch.bfloat16)}


class Batch(NamedTuple):
    hidden: Tensor
    weight: Tensor
    label: Tensor
    prob: Tensor
    teacher_hidden: Tensor
    teacher_weight: Tensor


def draw_batch(size: Size, device: str, n_tokens: int | None = None) -> Batch:
    """Logits with a spread of about 3, as a language model's; targets that the student half believes."""
    draw = torch.Generator().manual_seed(0)
    n = n_tokens or size.tokens
    hidden, teacher = torch.randn(2, n, size.dim, generator=draw)
    weight = torch.randn(size.vocab, size.dim, generator=draw) * 3 / size.dim**0.5
    label, prob = torch.randint(size.vocab, (n,), generator=draw), torch.rand(n, generator=draw)
    hidden, weight, teacher = (x.to(device, size.dtype) for x in (hidden, weight, teacher))
    # The teacher shares the student's matrix: another would only cost memory before the measurement.
    shared = weight.detach()
    return Batch(hidden.requires_grad_(), weight.requires_grad_(), label.to(device), prob.to(device), teacher, shared)


def pytorch_cross_entropy(batch: Batch) -> Tensor:
    return cross_entropy(batch.hidden @ batch.weight.T, batch.label, reduction="sum")


def pytorch_evidential(batch: Batch) -> Tensor:
    """The released code's loss as it is usually written: dense targets, lgamma and digamma, autograd."""
    logits = (batch.hidden @ batch.weight.T).float()
    p, at = logits.detach().softmax(-1), batch.label[:, None]
    target = p * ((1 - batch.prob[:, None]) / (1 - p.gather(1, at)))
    target.scatter_(1, at, batch.prob[:, None])
    alpha = logits.exp() + 1
    total = alpha.sum(1, keepdim=True)
    likelihood = (target * (total.log() - alpha.log())).sum(1)
    alpha = target + (1 - target) * alpha
    total = alpha.sum(1, keepdim=True)
    n = torch.full_like(total, alpha.shape[1])
    inner = ((alpha - 1) * (alpha.digamma() - total.digamma())).sum(1)
    divergence = (total.lgamma() - n.lgamma()).squeeze(1) - alpha.lgamma().sum(1) + inner
    return (likelihood + 1e-4 * divergence.clamp(-2e5, 2e5)).sum()


def outgrow_cross_entropy(batch: Batch) -> Tensor:
    return token_cross_entropy(batch.hidden, batch.weight, batch.label).total


def outgrow_soft_label(batch: Batch) -> Tensor:
    return soft_label_loss(batch.hidden, batch.weight, batch.label, batch.prob).total


def outgrow_soft_label_self_training(batch: Batch) -> Tensor:
    return soft_label_loss(batch.hidden, batch.weight, batch.label, batch.prob, self_training=0.2).total


def outgrow_evidential(batch: Batch) -> Tensor:
    return evidential_token_loss(batch.hidden, batch.weight, batch.label, batch.prob).total


def outgrow_evidential_self_training(batch: Batch) -> Tensor:
    return evidential_token_loss(batch.hidden, batch.weight, batch.label, batch.prob, self_training=0.2).total


def outgrow_evidential_per_class(batch: Batch) -> Tensor:
    return evidential_token_loss(batch.hidden, batch.weight, batch.label, batch.prob, kl="per_class").total


def liger_distillation(batch: Batch) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    loss = LigerFusedLinearJSDLoss(weight_hard_loss=0.0, weight_soft_loss=1.0, compiled=False)
    return loss(
        batch.hidden, batch.weight, batch.teacher_hidden, batch.teacher_weight, batch.label, None, None
    )  # fmt: skip


def liger_cross_entropy(batch: Batch) -> Tensor:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    return LigerFusedLinearCrossEntropyLoss(reduction="sum")(batch.weight, batch.hidden, batch.label)


def trl_uld(batch: Batch) -> Tensor:
    from trl.experimental.gold.gold_config import GOLDConfig
    from trl.experimental.gold.gold_trainer import ULDLoss

    config = GOLDConfig(output_dir="unused", report_to="none", use_uld_loss=True, use_extended_uld=False)
    config.uld_crossentropy_weight, config.uld_distillation_weight = 0.0, 1.0
    with torch.no_grad():
        teacher = (batch.teacher_hidden @ batch.teacher_weight.T)[None]
    student, label = (batch.hidden @ batch.weight.T)[None], batch.label[None]
    return ULDLoss(config)(student, teacher, label, label, label, label)


OURS: dict[str, Callable[[Batch], Tensor]] = {
    PLAIN: pytorch_cross_entropy,
    "cross-entropy": outgrow_cross_entropy,
    "soft label": outgrow_soft_label,
    "soft label, self-training": outgrow_soft_label_self_training,
    "evidential, mixed": outgrow_evidential,
    "evidential, mixed, self-training": outgrow_evidential_self_training,
    "evidential, per class": outgrow_evidential_per_class,
}
SLOW = {"evidential, PyTorch": pytorch_evidential}
PEERS = {
    "Liger, chunked JSD distillation": ("liger_kernel", liger_distillation),
    "Liger, fused linear cross-entropy": ("liger_kernel", liger_cross_entropy),
    "TRL, ULD": ("trl", trl_uld),
}
ALL = OURS | SLOW | {name: function for name, (_, function) in PEERS.items()}


def run(function: Callable[[Batch], Tensor], batch: Batch) -> float:
    """Seconds of one forward and backward pass, from no gradients."""
    batch.hidden.grad = batch.weight.grad = None
    wait(batch)
    began = time.perf_counter()
    function(batch).backward()
    wait(batch)
    return time.perf_counter() - began


def wait(batch: Batch) -> None:
    if batch.hidden.is_cuda:
        torch.cuda.synchronize()


def added_peak(name: str, size: Size, device: str) -> int:
    """Bytes that one pass adds at its highest; for a process of its own."""
    run(ALL[name], draw_batch(size, device, n_tokens=8))
    batch = draw_batch(size, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run(ALL[name], batch)
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back to the present size
    before = resident("VmRSS")
    run(ALL[name], batch)
    return resident("VmHWM") - before


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def measure_memory(name: str, arguments: argparse.Namespace) -> int:
    command = [sys.executable, __file__, "--memory-of", name, "--device", arguments.device]
    command += ["--threads", str(arguments.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def chosen(arguments: argparse.Namespace) -> list[str]:
    """The variants that can run here; a line for each that cannot."""
    names = list(OURS) + (list(SLOW) if arguments.plain else [])
    for name, (package, function) in PEERS.items():
        if find_spec(package) is None:
            print(f"{name}: skipped, {package} is not installed")
        elif function is liger_cross_entropy and arguments.device == "cpu":
            print(f"{name}: skipped, it needs a GPU")
        else:
            names.append(name)
    return names


def warmed_up(names: list[str], batch: Batch) -> list[str]:
    """Those that run; a peer whose interface has moved on is named and left out."""
    able = []
    for name in names:
        try:
            run(ALL[name], batch)
            able.append(name)
        except Exception as error:
            if name not in PEERS:
                raise
            print(f"{name}: skipped, it failed: {error}")
    return able


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=SIZES, default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = SIZES[arguments.device]
    if arguments.memory_of:
        print(added_peak(arguments.memory_of, size, arguments.device))
        return
    batch = draw_batch(size, arguments.device)
    names = warmed_up(chosen(arguments), batch)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            times[name].append(run(ALL[name], batch))
    memory = {name: measure_memory(name, arguments) for name in names}
    print(f"\n{size.tokens} tokens, d = {size.dim}, V = {size.vocab}, {size.dtype}, {arguments.device}, ", end="")
    print(f"{arguments.threads} threads, torch {torch.__version__}, {arguments.rounds} rounds")
    print(f"\n{'forward + backward':<36}{'time, s':>9}{'ratio':>8}{'added MB':>11}{'ratio':>8}")
    for name in names:
        ratio = statistics.median(a / b for a, b in zip(times[name], times[PLAIN], strict=True))
        row = f"{name:<36}{statistics.median(times[name]):9.3f}{ratio:8.2f}"
        print(row + f"{memory[name] / 2**20:11.0f}{memory[name] / memory[PLAIN]:8.2f}")
    print("\nTargets on a CPU: soft label time <= 1.1, memory <= 0.5; evidential time <= 2.5, memory like soft label.")


if __name__ == "__main__":
    main()
