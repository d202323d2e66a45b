"""The GPUs of this machine, without importing torch: how many, how large, and the names that a process sees."""

import ctypes
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from outgrow.errors import ConfigError

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that limits which devices a process sees; it counts only before a library has looked for devices."""


class Device(NamedTuple):
    """A GPU."""

    label: str
    """Its name in `CUDA_VISIBLE_DEVICES`: a number, or a text that begins with `GPU-` or `MIG-`."""
    memory: int | None = None
    """Bytes; `None` if it was declared and not found."""


def cuda_devices() -> list[Device]:
    """The devices that CUDA's driver shows to this process, named as `CUDA_VISIBLE_DEVICES` names them."""
    count, sizes = ctypes.c_int(0), list[int | None]()
    with suppress(OSError, AttributeError):
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) == 0:
            driver.cuDeviceGetCount(ctypes.byref(count))
            sizes = [_memory(driver, index) for index in range(count.value)]
    named = [label.strip() for label in os.environ.get(VISIBLE, "").split(",") if label.strip()]
    labels = named if len(named) >= len(sizes) else [str(index) for index in range(len(sizes))]
    return [Device(label, size) for label, size in zip(labels, sizes, strict=False)]


def _memory(driver: ctypes.CDLL, index: int) -> int | None:
    device, size = ctypes.c_int(0), ctypes.c_size_t(0)
    if driver.cuDeviceGet(ctypes.byref(device), index) or driver.cuDeviceTotalMem_v2(ctypes.byref(size), device):
        return None
    return size.value


def declared_devices(text: str, option: str = "--devices") -> list[Device]:
    """`4` is four devices, 0 to 3; `0,2` is these two, `3,` one with the label 3, and `0` none at all."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and parts[0].isdecimal() and len(parts[0]) <= 4:
        return [Device(str(index)) for index in range(int(parts[0]))]
    labels = [part for part in parts if part]
    if not labels or any(not _is_label(label) for label in labels) or len(set(labels)) < len(labels):
        raise ConfigError(
            f"{option}: `{text[:80]}` is neither a number of devices, such as 4, nor labels, such as 0,1,2"
        )
    return [Device(label) for label in labels]


def _is_label(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_/:-]{0,99}", text) is not None


def smallest_memory(devices: Sequence[Device]) -> int | None:
    """Bytes of the smallest device whose size is known."""
    return min((device.memory for device in devices if device.memory is not None), default=None)
