"""What this machine lacks for a study: a GPU, packages, a place to write to, a key. Nothing heavy is imported."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from outgrow.config.experiment import Experiment
from outgrow.config.user_code import sections_in
from outgrow.errors import OutgrowError
from outgrow.graph.writable import refuse_unwritable_folder
from outgrow.supervise.sources import source_record

TRACKERS = {
    "wandb": ("wandb",),
    "trackio": ("trackio",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard", "tensorboardX"),
}
"""Packages of which a tracker needs one."""


def machine_complaints(experiment: Experiment) -> Iterator[str]:
    """Each begins with the key."""
    if experiment.device == "cuda" and (lacking := why_no_cuda()):
        yield f"device: `cuda`: {lacking}; use `cpu` or `auto`"
    for number, tracker in enumerate(experiment.report_to):
        packages = TRACKERS[tracker]
        if not any(map(find_spec, packages)):
            yield f"report_to.{number}: `{tracker}` is not installed: `pip install {packages[0]}`, or leave it out"
    for where, section in sections_in(experiment):
        record = source_record(section)
        if record is not None and record.check_machine is not None:
            yield from record.check_machine(where, section)
    folders = {"store": experiment.store, "output": experiment.folder}
    for key, folder in folders.items():
        try:
            refuse_unwritable_folder(key, folder)
        except OutgrowError as error:
            yield str(error)


def why_no_cuda() -> str:
    """Why torch would find no GPU, empty where it may find one; torch itself takes seconds to import."""
    build = _torch_build()
    if build is None:
        return "torch is not installed"
    if not build["cuda"] and not build["hip"]:
        return f"torch {build['__version__']} is a build without CUDA"
    if build["hip"]:
        return "" if Path("/dev/kfd").exists() else "no GPU is visible here"
    count = ctypes.c_int(0)
    with suppress(OSError, AttributeError):
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) == 0:
            driver.cuDeviceGetCount(ctypes.byref(count))
    return "" if count.value else "no GPU is visible here"


def _torch_build() -> dict[str, str] | None:
    """What torch's `version.py` says of its build: values in quotes, empty for None."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    told = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    lines = re.findall(r"^(__version__|cuda|hip)\b[^=\n]*= *(?:'([^'\n]*)'|None)", told, re.MULTILINE)
    return {"__version__": "", "cuda": "", "hip": "", **dict(lines)}
