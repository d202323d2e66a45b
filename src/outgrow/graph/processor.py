"""The processor of this machine, as far as it decides how long a step takes."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of instructions for bfloat16: of x86 processors the first two, of ARM processors the last."""


def lacks_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the processor has no instructions for bfloat16; false where it does not say what it has."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return bool(flags) and BFLOAT16.isdisjoint(flags.split())
